"""`sonotheque prove`: what it says, in which form, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sonotheque.assessment.last import read_last
from sonotheque.assessment.ndsa2 import CRITERIA
from sonotheque.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def proving(music: object, tmp_path: Path, run: Run) -> Path:
    """An archive of one recording, audited, at two places (which are one disk)."""
    directory = tmp_path / "archive"
    assert main(["init", str(directory), "--name", "Test", "--mandate", "Test Act"]) == 0
    music.file(tmp_path / "in" / "a.flac", 1, seconds=4)  # type: ignore[attr-defined]
    assert main(["deposit", str(tmp_path / "in"), "--archive", str(directory)]) == 0
    run("audit", "--archive", directory)
    toml = directory / "archive.toml"
    text = toml.read_text(encoding="utf-8")
    for number in (1, 2):
        text = text.replace('location = ""', f'location = "place {number}"', 1)
        text = text.replace('medium = ""', f'medium = "disk {number}"', 1)
    toml.write_text(text, encoding="utf-8")
    return directory


def attest(directory: Path, *criteria: str, on: str = "2026-01-02") -> None:
    toml = directory / "archive.toml"
    tables = [
        f'\n[[attestation]]\ncriterion = "{name}"\nby = "Ada"\non = {on}\nstatement = "Seen."\n'
        for name in criteria
    ]
    toml.write_text(toml.read_text(encoding="utf-8") + "".join(tables), encoding="utf-8")


def test_as_text_and_as_a_document(proving: Path, run: Run) -> None:
    code, out, _ = run("prove", "--profile", "ndsa2", "--archive", proving)
    assert code == 1
    assert all(len(line) <= 80 and "\\x" not in line for line in out.splitlines())
    assert all(f"[{criterion.id}]" in out for criterion in CRITERIA)
    assert "✗ 1 There are two complete copies" in out
    assert "stand on one disk" in " ".join(out.split())
    assert out.endswith("Level 1 is not reached in every area.\n")
    code, out, _ = run("prove", "--json", "--archive", proving)
    document = json.loads(out)
    assert code == 1
    assert (document["profile"], document["level"]) == ("ndsa2", 0)
    assert document["levels"]["content"] == 1
    verdicts = {one["criterion"]: one for one in document["verdicts"]}
    assert list(verdicts) == [criterion.id for criterion in CRITERIA]
    assert verdicts["integrity-4-repair"]["standing"] == "proved"
    assert verdicts["integrity-4-repair"]["remedy"] == ""
    assert "SHA-512" in verdicts["integrity-1-digests"]["evidence"][0]
    assert "archive.toml" in verdicts["storage-1-copies"]["remedy"]


def test_the_site_can_show_it_afterwards(proving: Path, run: Run) -> None:
    assert read_last(proving / "derived") is None
    _, out, _ = run("prove", "--json", "--archive", proving)
    kept = read_last(proving / "derived")
    assert kept and kept.at == json.loads(out)["at"]
    assert len(kept.verdicts) == len(CRITERIA)


def test_the_level_that_is_asked_for_decides(
    proving: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Level 1 with the words of a person for what no program can see, and a copy elsewhere."""
    day = "2026-11-20"
    monkeypatch.setattr("sonotheque.cli.proving.utc_now", lambda: f"{day}T10:00:00.000000Z")
    attest(
        proving,
        *("storage-1-copies", "integrity-1-received", "integrity-1-viruses"),
        *("control-1-agents", "metadata-1-backup"),
        on=day,
    )
    code, out, _ = run("prove", "--archive", proving)
    assert (code, "Level 1 is reached in every area." in out) == (0, True)
    assert "~ 1 There are two complete copies" in out
    assert f"Ada, {day}: “Seen.”" in out
    code, out, _ = run("prove", "--level", "2", "--archive", proving)
    assert (code, "Level 2 is not reached in every area." in out) == (1, True)


@pytest.mark.parametrize(("language", "word"), [("en", "proved"), ("fr", "prouvé")])
def test_the_page(proving: Path, run: Run, tmp_path: Path, language: str, word: str) -> None:
    page = tmp_path / "page.html"
    run("prove", "--archive", proving, "--out", page, "--language", language)
    written = page.read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in written
    assert f"<strong>{word}</strong>" in written


def test_what_cannot_be_meant_is_one_line(
    proving: Path, fails: Callable[..., str], tmp_path: Path
) -> None:
    assert "invalid choice" in fails(2, "prove", "--level", "5", "--archive", proving)
    attest(proving, "storage-9-moon")
    assert "'storage-9-moon' is no criterion" in fails(2, "prove", "--archive", proving)
