"""A whole log verified: any one changed bit is found, and named where it is."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from sonotheque.errors import Corrupt
from sonotheque.model.findings import Finding
from sonotheque.rights.verification import FINDINGS_MAX, Examination, verified_entries

SIZE = 256 * 3 + 44


@pytest.fixture
def log(tmp_path: Path, logs: Any) -> Path:
    logs.write(tmp_path / "log", SIZE, logs.signer())
    return tmp_path / "log"


def _examine(directory: Path, logs: Any) -> list[Finding]:
    examination = Examination(directory, logs.signer().verifier)
    for _ in examination.entries():
        pass
    return examination.findings


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 65_536, 65_537])
def test_a_whole_log_is_whole(tmp_path: Path, logs: Any, size: int) -> None:
    logs.write(tmp_path, size, logs.signer())
    assert _examine(tmp_path, logs) == []
    entries = list(verified_entries(tmp_path, logs.signer().verifier))
    assert entries == [logs.entry(n) for n in range(size)]


def test_a_changed_bit_anywhere_is_found_and_named(log: Path, logs: Any) -> None:
    chance = random.Random(5)
    paths = sorted(path for path in log.rglob("*") if path.is_file())
    assert len(paths) == 1 + 4 + 4 + 1
    for path in paths:
        bits = path.stat().st_size * 8
        for bit in {0, 9, bits - 1, *(chance.randrange(bits) for _ in range(12))}:
            logs.flip(path, bit)
            (found,) = _examine(log, logs)
            assert found.where == str(path)
            name = path.relative_to(log).as_posix()
            index = int(name.split("/")[2][:3]) if "/" in name else 0
            if name == "checkpoint":
                assert found.code == "ledger.checkpoint"
            elif "entries" in name:
                assert found.code == "ledger.entry"
                number = 256 * index + _entry_at(bit // 8, 256 * index, logs)
                assert found.message.startswith(f"entry {number + 1} is not what was signed")
            else:
                assert found.code == "ledger.tile"
                assert found.message.startswith(f"hash {bit // 256 + 1}, over entr")
                first = 256 * index + bit // 256 + 1
                if name.startswith("tile/0"):
                    assert f"over entry {first}," in found.message
                else:
                    assert f"over entries {256 * first - 255} to {256 * first}," in found.message
            with pytest.raises(Corrupt) as caught:
                list(verified_entries(log, logs.signer().verifier))
            assert str(path) in caught.value.line()
            logs.flip(path, bit)
    assert _examine(log, logs) == []


def _entry_at(byte: int, start: int, logs: Any) -> int:
    """Which entry of a bundle holds that byte."""
    number = 0
    while byte >= 2 + len(logs.entry(start + number)):
        byte -= 2 + len(logs.entry(start + number))
        number += 1
    return number


@pytest.mark.parametrize("damage", ["missing", "empty", "shorter", "longer", "another"])
def test_a_damaged_file_is_named(log: Path, logs: Any, damage: str) -> None:
    for path in sorted(path for path in log.rglob("*") if path.is_file()):
        content = path.read_bytes()
        match damage:
            case "missing":
                path.unlink()
            case "empty":
                path.write_bytes(b"")
            case "shorter":
                path.write_bytes(content[:-1])
            case "longer":
                path.write_bytes(content + b"\0\1x")
            case _:
                path.write_bytes(bytes(len(content)))
        found = _examine(log, logs)
        assert {finding.where for finding in found} == {str(path)}
        path.write_bytes(content)


def test_a_rewritten_past_is_found(tmp_path: Path, logs: Any) -> None:
    """Entries and hashes that agree with each other, and not with what was signed."""
    note = logs.write(tmp_path / "log", SIZE, logs.signer())
    for changed in (3, SIZE - 1):
        shutil.rmtree(tmp_path / "log")
        logs.write(tmp_path / "log", SIZE, logs.signer(), changed=changed)
        (tmp_path / "log/checkpoint").write_text(note)
        (found,) = _examine(tmp_path / "log", logs)
        assert found.code == "ledger.rewritten"


def test_a_rewritten_part_is_found_where_it_is(tmp_path: Path, logs: Any) -> None:
    logs.write(tmp_path / "log", SIZE, logs.signer())
    logs.write(tmp_path / "other", SIZE, logs.signer(), changed=300)
    for name in ("tile/entries/001", "tile/0/001"):
        shutil.copy(tmp_path / "other" / name, tmp_path / "log" / name)
    (found,) = _examine(tmp_path / "log", logs)
    assert found.code == "ledger.rewritten"
    assert "entries 257 to 512 " in found.message


def test_two_changes_are_two_findings(log: Path, logs: Any) -> None:
    logs.flip(log / "tile/entries/000", 500)
    logs.flip(log / "tile/0/002", 5)
    found = _examine(log, logs)
    assert [(f.code, f.where) for f in found] == [
        ("ledger.entry", str(log / "tile/entries/000")),
        ("ledger.tile", str(log / "tile/0/002")),
    ]


def test_another_key_and_another_log_are_told(log: Path, logs: Any) -> None:
    for verifier in (logs.signer(2).verifier, logs.signer(1, "another.0001").verifier):
        examination = Examination(log, verifier)
        assert [finding.code for finding in examination.findings] == ["ledger.checkpoint"]
        with pytest.raises(Corrupt, match="checkpoint"):
            list(verified_entries(log, verifier))


def test_findings_are_bounded_and_none_is_lost_in_silence(tmp_path: Path, logs: Any) -> None:
    size = 256 * (FINDINGS_MAX + 7)
    logs.write(tmp_path, size, logs.signer())
    for path in (tmp_path / "tile/entries").iterdir():
        logs.flip(path, 800)
    found = _examine(tmp_path, logs)
    assert len(found) == FINDINGS_MAX + 1
    assert found[-1].code == "ledger.more"
    assert "7 more" in found[-1].message


def test_progress_goes_up_to_the_end(log: Path, logs: Any) -> None:
    seen = []
    examination = Examination(log, logs.signer().verifier)
    for _ in examination.entries(lambda stage, done, total: seen.append((stage, done, total))):
        pass
    assert [done for _, done, _ in seen] == [256, 512, 768, SIZE]
    assert {(stage, total) for stage, _, total in seen} == {("verify", SIZE)}
