"""`check`: a delivery, and the archive itself, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.cells import cell_len

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
Run = Callable[..., tuple[int, str, str]]


def test_a_clone_is_told_of_in_every_form(
    run: Run, music: Any, filled: Path, tmp_path: Path
) -> None:
    music.file(tmp_path / "out" / "fine.flac", 30, title="Own", artist="Me")
    command = ("check", tmp_path / "out", "--archive", filled)
    code, out, _ = run(*command)
    assert (code, out.splitlines()[-1]) == (0, "Nothing has to be looked at (1 checked).")
    music.file(tmp_path / "out" / "theirs.mp3", 2, title="Mine", artist="Nova Replica")
    reports = [tmp_path / f"report.{suffix}" for suffix in ("html", "csv", "json", "txt")]
    options = [option for report in reports for option in ("--report", report)]
    code, out, err = run(*command, *options, "--language", "fr")
    assert (code, err) == (1, "")
    assert "[clone.other-artist]" in out
    assert out.splitlines()[-1] == "1 of 2 have to be looked at."
    assert max(map(cell_len, out.splitlines())) <= 80
    for report in reports:
        assert "clone.other-artist" in report.read_text(encoding="utf-8")
    assert '<html lang="fr">' in reports[0].read_text(encoding="utf-8")
    page = reports[0].read_text(encoding="utf-8")
    assert (page.count("<svg"), "Le même enregistrement" in page) == (1, True)
    document = json.loads(run(*command, "--json")[1])
    assert document["source"] == "out"
    assert [item["name"] for item in document["items"]] == ["fine.flac", "theirs.mp3"]
    assert document["items"][1]["matches"][0]["kind"] == "same-recording"


def test_the_archive_itself_needs_no_delivery(run: Run, music: Any, tmp_path: Path) -> None:
    # One of its own: others' tests enter what has to be looked at.
    archive = tmp_path / "archive"
    assert run("init", archive, "--name", "Test", "--mandate", "Test Act")[0] == 0
    music.file(tmp_path / "in" / "a.flac", 1, title="A", artist="B", license=CC_BY)
    assert run("deposit", tmp_path / "in", "--archive", archive)[0] == 0
    code, out, _ = run("check", "--archive", archive)
    assert code == 0, out
    assert "Nothing has to be looked at" in out


def test_what_cannot_be_checked(fails: Callable[..., str], filled: Path, tmp_path: Path) -> None:
    assert "does not exist" in fails(2, "check", tmp_path / "away", "--archive", filled)
    (tmp_path / "none").mkdir()
    assert "holds no music" in fails(2, "check", tmp_path / "none", "--archive", filled)
    report = ("--report", tmp_path / "report.pdf")
    assert "let its name end in" in fails(2, "check", tmp_path, *report, "--archive", filled)
