"""Answers: a document on stdout for programs, one line on stderr for every error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from sonotheque.model.holdings import Receipt

Run = Callable[..., tuple[int, str, str]]
Fails = Callable[..., str]
Identifier = Callable[[str], str]


def test_errors_about_an_archive(fails: Fails, filled: Path, tmp_path: Path) -> None:
    at = ("--archive", filled)
    assert "does not exist" in fails(2, "deposit", "/no/such\nname", *at)
    (tmp_path / "empty").mkdir()
    assert "no music" in fails(2, "deposit", tmp_path / "empty", *at)
    assert "too long" in fails(2, "deposit", tmp_path / ("x" * 300), *at)
    assert "not a recording identifier" in fails(2, "show", "nonsense", *at)
    assert "not in the catalogue" in fails(1, "show", "0000000000000", *at)
    assert "not in the catalogue" in fails(1, "show", "FR-Z03-14-99999", *at)
    assert "10000 characters" in fails(2, "find", "x" * 10_000, *at)
    assert "an archive already" in fails(1, "init", filled, "--name", "N", "--mandate", "M")
    assert "not a file" in fails(2, "match", tmp_path, *at)
    (tmp_path / "text.flac").write_text("text")
    assert "no sound" in fails(2, "match", tmp_path / "text.flac", *at)
    (tmp_path / "said.toml").write_text("[[statement]]\nissuer = 'A'\n")
    said = ("--statements", tmp_path / "said.toml")
    assert "evidence" in fails(2, "deposit", tmp_path / "text.flac", *said, *at)
    revoke = ("rights", "revoke", "999", "--by", "A", "--evidence", "x")
    assert "not in the ledger" in fails(1, *revoke, *at)


def test_refused_files_are_an_answer(run: Run, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "bad\nname.flac").write_bytes(b"no music")
    code, out, err = run("deposit", tmp_path, "--archive", filled)
    assert (code, err) == (1, "")
    assert "✗ refused: bad\\nname.flac" in out
    assert "[audio.unreadable]" in out
    assert out.splitlines()[-1] == "0 of 1 files are in the archive (0 B)."


def test_the_receipt_as_json_is_the_only_thing_on_stdout(run: Run, filled: Path) -> None:
    again = filled.parent / "delivery"
    code, out, err = run("deposit", again, "--json", "--archive", filled)
    assert (code, err) == (0, "")
    receipt = msgspec.json.decode(out, type=Receipt)
    assert receipt.accepted
    assert {item.status for item in receipt.items} == {"already-held"}


def test_json_is_one_document_for_every_command(
    run: Run, identifier: Identifier, filled: Path, tmp_path: Path
) -> None:
    at = ("--json", "--archive", filled)
    id_ = identifier("FRZ031400123")
    song = next((filled.parent / "delivery").glob("*.mp3"))
    by = ("--by", "A\nB", "--evidence", "a letter")
    for code, arguments in (
        (0, ("find", "name")),
        (1, ("find", "nosuchwordanywhere")),
        (0, ("show", id_)),
        (0, ("show", "FR-Z03-14-00123")),
        (1, ("match", song)),
        (0, ("audit",)),
        (0, ("audit", "--only", id_)),
        (0, ("rights", "show")),
        (0, ("rights", "show", id_)),
        (0, ("rights", "decide", id_, "stream")),
        (1, ("rights", "decide", id_, "train-ai")),
        (0, ("rights", "claim", id_, "--use", "train-ai", "--basis", "own-consent", *by)),
        (0, ("rights", "grant", id_, "--licence", "CC0-1.0", *by)),
        (0, ("rights", "takedown", id_, *by)),
        (0, ("rights", "revoke", "5", *by)),
    ):
        got, out, err = run(*arguments, *at)
        assert (got, err) == (code, ""), arguments
        json.loads(out)
    got, out, _ = run("init", tmp_path / "new", "--name", "N", "--mandate", "M", "--json")
    assert (got, json.loads(out)["name"]) == (0, "N")


def test_names_that_are_no_text_reach_stdout_and_stderr(filled: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n.flac")
    (tmp_path / name).write_bytes(b"no music")
    command = [sys.executable, "-m", "sonotheque"]
    at = ["--archive", str(filled)]
    strict = os.environ | {"PYTHONIOENCODING": "ascii"}
    for arguments, code in (
        (["deposit", str(tmp_path), *at], 1),
        (["deposit", str(tmp_path / name) + "x", *at], 2),
        (["find", "桜", *at], 0),
        (["find", "桜", "--json", *at], 0),
    ):
        ran = subprocess.run([*command, *arguments], capture_output=True, check=False, env=strict)
        assert ran.returncode == code, ran.stderr
        assert b"Traceback" not in ran.stderr
        assert b"mistake" not in ran.stderr


def test_a_reader_of_the_output_may_leave_early(filled: Path) -> None:
    script = f"{sys.executable} -m sonotheque rights show --archive {filled} | true"
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
