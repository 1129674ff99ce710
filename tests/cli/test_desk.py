"""The desk by commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonotheque.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def house(music: Any, tmp_path: Path) -> Path:
    archive = tmp_path / "archive"
    assert main(["init", str(archive), "--name", "Test", "--mandate", "Test Act"]) == 0
    licence = "https://creativecommons.org/licenses/by/4.0/"
    music.file(tmp_path / "in" / "a.flac", 1, seconds=4, isrc="FRZ031400123", license=licence)
    assert main(["deposit", str(tmp_path / "in"), "--archive", str(archive)]) == 0
    return archive


def test_a_case_from_the_letter_to_the_appeal(run: Run, house: Path, tmp_path: Path) -> None:
    at = ("--archive", house)
    isrc = "FRZ031400123"
    letter = tmp_path / "letter.txt"
    letter.write_text("It is mine.")
    run("publish", *at)
    code, out, _ = run(
        *("rights", "desk", "open", isrc, "--ask", "takedown", "--by", "Ann", "--contact", "a@b"),
        *("--said", "I never agreed", "--document", letter, "--json", *at),
    )
    assert code == 0
    told = json.loads(out)
    number = told["case"]["id"]
    assert told["secret"] and "secret_sha512" not in out
    assert run("rights", "decide", isrc, "stream", *at)[0] == 1
    listed = (house / "editions" / "tombstones.txt").read_text()
    assert f"\n{told['case']['recording']} 2" in listed
    code, out, _ = run("rights", "desk", "list", *at)
    assert code == 0 and number in out and "takedown by Ann, open" in out
    code, out, _ = run(
        *("rights", "desk", "invite", number, "--name", "A label", "--contact", "c@d", *at)
    )
    assert f"/cases/{number}/" in out
    run("rights", "desk", "answer", number, "--side", "other", "--said", "We have papers", *at)
    decide = ("rights", "desk", "decide", number, "--because", "the papers hold")
    assert run(*decide, "--reject", "--by", "Ada", *at)[0] == 0
    assert run("rights", "decide", isrc, "stream", *at)[0] == 0
    appeal = ("rights", "desk", "appeal", number, "--side", "claimant", "--because", "forged")
    assert run(*appeal, *at)[0] == 0
    code, _, err = run(*decide, "--uphold", "--by", "Ada", *at)
    assert code == 1 and "somebody else" in err
    assert run(*decide, "--uphold", "--by", "Bo", *at)[0] == 0
    assert run("rights", "decide", isrc, "stream", *at)[0] == 1
    code, out, _ = run("rights", "desk", "show", number, *at)
    assert "closed, upheld" in out and "letter.txt" in out and "the papers hold" in out
    assert "Nobody waits" in run("rights", "desk", "list", *at)[1]
    assert number in run("rights", "desk", "list", "--all", *at)[1]
    assert "No notice waits" in run("rights", "desk", "notify", *at)[1]


def test_a_no_is_entered_and_what_is_not_held_is_said(run: Run, house: Path) -> None:
    at = ("--archive", house)
    by = ("--by", "Ann", "--evidence", "a letter")
    code, _, _ = run("rights", "refuse", "FRZ031400123", "--use", "stream", *by, *at)
    assert code == 0
    assert run("rights", "decide", "FRZ031400123", "stream", *at)[0] == 1
    code, _, err = run("rights", "takedown", "FRZ031400999", *by, *at)
    assert code == 1 and "neither held nor listed" in err
    code, _, err = run("rights", "desk", "show", "../../etc", *at)
    assert code == 1 and "no such case" in err
