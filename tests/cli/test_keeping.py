"""Auditing the ledger, and commands on an archive that has lost its database."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def archive(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "archive")


def test_a_damaged_ledger_is_found_and_healed_by_an_audit(archive: Path, run: Any) -> None:
    (bundle,) = (archive / "ledger/tile/entries/000.p").iterdir()
    kept = bundle.read_bytes()
    assert run("audit", "--archive", archive)[0] == 0
    bundle.write_bytes(kept.replace(b"grant", b"Grant", 1))
    code, out, _ = run("audit", "--archive", archive)
    assert code == 1
    assert "ledger" in out
    code, out, _ = run("audit", "--heal", "--json", "--archive", archive)
    assert (code, json.loads(out)["ledger"]) == (0, "healed")
    assert bundle.read_bytes() == kept
    (archive / "ledger/checkpoint").write_text("no checkpoint")
    assert run("audit", "--heal", "--archive", archive)[0] == 1


@pytest.mark.parametrize(
    "command", [("find", "piece"), ("rights", "show"), ("publish", "--plan"), ("audit",)]
)
def test_an_archive_that_lost_its_database_says_so(
    archive: Path, run: Any, command: tuple[str, ...]
) -> None:
    for path in archive.glob("sonotheque.db*"):
        path.unlink()
    code, _, error = run(*command, "--archive", archive)
    assert code == 3
    assert "sonotheque rebuild" in error
    assert run("rebuild", "--archive", archive)[0] == 0
    assert run("find", "piece", "--archive", archive)[0] in (0, 1)


def test_paths_are_text_in_json(archive: Path, run: Any, tmp_path: Path) -> None:
    assert run("publish", "--archive", archive)[0] == 0
    copy = tmp_path / "mirror"
    code, out, _ = run("mirror", archive / "editions/1", "--to", copy, "--json")
    assert (code, json.loads(out)["directory"]) == (0, str(copy))
