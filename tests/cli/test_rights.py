"""Entering permissions, and asking what follows from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonotheque.archive import open_archive
from sonotheque.cli import main

Run = Callable[..., tuple[int, str, str]]
BY = ("--by", "A", "--evidence", "a letter")


@pytest.fixture(scope="module")
def house(music: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An archive of its own, and the one recording in it."""
    directory = tmp_path_factory.mktemp("rights")
    archive = directory / "archive"
    assert main(["init", str(archive), "--name", "Test", "--mandate", "Test Act"]) == 0
    music.file(directory / "in" / "a.flac", 1, seconds=4)
    assert main(["deposit", str(directory / "in"), "--archive", str(archive)]) == 0
    with open_archive(archive) as opened:
        return archive, opened.catalogue.newest(1)[0].id


@pytest.fixture
def asked(run: Run, house: tuple[Path, str]) -> Callable[..., Any]:
    """The code and the document, or the one line of trouble, of a command about the recording."""
    archive, recording = house

    def ask(action: str, *arguments: object) -> tuple[int, Any]:
        code, out, err = run(
            "rights", action, recording, *arguments, "--json", "--archive", archive
        )
        return code, json.loads(out) if out else err

    return ask


def test_an_entry_says_which_layer_where_and_by_which_document(
    asked: Callable[..., Any], tmp_path: Path
) -> None:
    contract = tmp_path / "contract.pdf"
    contract.write_bytes(b"we agree")
    code, told = asked(
        "grant",
        *BY,
        "--basis",
        "agreement",
        "--use",
        "train-generative-ai",
        "--layer",
        "work",
        "--layer",
        "recording",
        "--territory",
        "us",
        "--territory",
        "FR",
        "--except",
        "US",
        "--document",
        contract,
    )
    assert code == 0
    said = told["statement"]
    assert (said["layers"], said["territories"]) == (["work", "recording"], ["FR", "US"])
    assert (said["territories_except"], said["article"]) == (["US"], "")
    assert said["evidence_sha512"] == hashlib.sha512(b"we agree").hexdigest()
    code, told = asked("decide", "train-generative-ai")
    assert told["reasons"][0]["code"] == "elsewhere"
    assert (code, told["answer"], told["territory"]) == (1, "unknown", "")
    assert asked("decide", "train-generative-ai", "--territory", "fr")[0] == 0
    assert asked("decide", "train-generative-ai", "--territory", "US")[0] == 1
    assert asked("decide", "train-ai", "--territory", "fr")[0] == 1


def test_it_is_asked_as_of_a_day(asked: Callable[..., Any]) -> None:
    term = ("--from", "2031-03-03", "--until", "2032-03-03")
    assert (
        asked(
            "grant",
            *BY,
            "--basis",
            "agreement",
            "--use",
            "train-ai",
            "--layer",
            "recording",
            "--layer",
            "work",
            *term,
        )[0]
        == 0
    )
    for day, code in (("2031-03-02", 1), ("2031-03-03", 0), ("2032-03-03", 1)):
        got, told = asked("decide", "train-ai", "--at", day)
        assert (got, told["at"][:10]) == (code, day)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("grant", *BY, "--basis", "agreement"), "allows nothing"),
        (("grant", *BY, "--use", "stream"), "no legal basis"),
        (("grant", *BY, "--licence", "CC-BY-4.0", "--territory", "EU"), "ISO 3166-1"),
        (
            (
                "grant",
                *BY,
                "--licence",
                "CC-BY-4.0",
                "--until",
                "2026-01-01",
                "--from",
                "2026-01-02",
            ),
            "ends before it begins",
        ),
        (("claim", *BY, "--basis", "statutory-exception", "--use", "preserve"), "no law"),
        (("claim", *BY, "--licence", "CC-BY-4.0", "--document", "nowhere.pdf"), "nowhere.pdf"),
        (("takedown", "--by", " ", "--evidence", "x"), "no issuer"),
        (("decide", "stream", "--territory", "XX"), "ISO 3166-1"),
        (("decide", "stream", "--at", "tomorrow"), "is not a date"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(
    asked: Callable[..., Any], arguments: tuple[str, ...], words: str
) -> None:
    code, told = asked(*arguments)
    assert code in (1, 2)
    assert words in told
    assert told.count("\n") == 1
