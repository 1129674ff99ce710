"""Gathering: what is found out about a real archive, whole and damaged."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagit
import pytest

from sonotheque.archive import Archive
from sonotheque.assessment.facts import Facts
from sonotheque.assessment.gathering import gather
from sonotheque.model.holdings import Receipt
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault.ocfl import object_path

NOW, LATER = "2026-11-20T10:00:00.000000Z", "2026-11-21T10:00:00.000000Z"
AFTER = "2026-11-22T10:00:00.000000Z"


@pytest.fixture
def holdings(
    archive: Archive, deposit: Callable[..., Receipt], music: Any, tmp_path: Path
) -> list[HoldingId]:
    """Three recordings: a FLAC, an MP3, and a FLAC without an artist; audited a day later."""
    place = tmp_path / "in"
    music.file(place / "a.flac", 1, seconds=4, isrc="FRZ031400123", title="A", artist="B")
    music.file(place / "b.mp3", 2, seconds=4)
    music.file(place / "c.flac", 3, seconds=4, title="C")
    (place / "statements.toml").write_text(
        '[[statement]]\nissuer = "T"\nuses = ["preserve"]\nbasis = "agreement"\nevidence = "E"\n',
        encoding="utf-8",
    )
    receipt = deposit(place)
    assert [item.refused for item in receipt.items] == [False] * 3, receipt
    _audit(archive, LATER)
    return [item.holding for item in receipt.items if item.holding]


def _audit(archive: Archive, now: str) -> None:
    audit = archive.audit(lambda: now, heal=True)
    assert list(audit.run())
    archive.preserve_audits(audit)


def _gather(archive: Archive) -> Facts:
    return gather(archive, AFTER)


def test_files_that_came_in_bags_are_counted(
    archive: Archive, deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> None:
    for number, name in enumerate(("bag", "plain"), 1):
        music.file(tmp_path / name / "a.flac", number, seconds=3)  # type: ignore[attr-defined]
    bagit.make_bag(str(tmp_path / "bag"), checksums=["sha512"])
    for name, bagged in (("bag", 1), ("plain", 1)):
        deposit(tmp_path / name)
        found = _gather(archive)
        assert (found.bagged, found.deliveries) == (bagged, 1 if name == "bag" else 2)
        assert found.unidentified == 0


def test_a_whole_archive(archive: Archive, holdings: list[HoldingId]) -> None:
    found = _gather(archive)
    assert (found.recordings, found.audio_files, found.versions) == (3, 3, 3)
    assert [(r.name, r.present, r.complete) for r in found.roots] == [
        ("main", True, 3),
        ("copy-1", True, 3),
    ]
    assert {r.checked_since for r in found.roots} == {LATER}
    assert found.roots[0].device == found.roots[1].device
    assert found.complete_roots == found.roots
    assert found.audits == (LATER,)
    assert found.audit_events == 6
    assert (found.checked_now, found.failed_now, found.drill) == (3, (), "healed")
    assert found.content_files > 3 * 4
    assert found.byte_count > 100_000
    assert [(one.name, one.files, one.problem) for one in found.formats] == [
        ("flac in flac", 2, ""),
        ("mp3 in mp3", 1, ""),
    ]
    assert (found.undescribed, found.without_isrc) == (1, 2)
    assert (found.unidentified, found.undecoded, found.uncatalogued) == (0, 0, 0)
    assert (found.unread_copies, found.damaged_copies, found.healed_files) == (0, 0, 0)
    assert found.written_checks == 6
    assert (found.unverified, found.anonymous_versions) == (0, 0)
    assert (found.ledger_entries, found.ledger_problem) == (archive.ledger.size(), "")
    assert found.open_keys == ()


def test_it_changes_nothing(
    archive: Archive,
    holdings: list[HoldingId],
    kept: Callable[[Archive], dict[str, bytes]],
) -> None:
    before = kept(archive)
    first = _gather(archive)
    assert kept(archive) == before
    assert dataclasses.replace(_gather(archive), at=first.at) == first


def test_an_empty_archive(archive: Archive) -> None:
    found = _gather(archive)
    assert (found.recordings, found.checked_now, found.formats) == (0, 0, ())
    assert found.drill == "nothing is held"
    assert found.complete_roots == ()


def test_a_damaged_file_is_seen_though_no_audit_has_seen_it(
    archive: Archive, holdings: list[HoldingId]
) -> None:
    """Of the same size: only reading it tells."""
    path = next((archive.vault.object_path(holdings[0])).glob("v1/content/audio/*"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    found = _gather(archive)
    assert len(found.failed_now) == 1
    assert found.failed_now[0].startswith(f"main: {holdings[0]} v1/content/audio/")
    assert found.drill == "healed"


def test_what_an_audit_found_and_did_not_heal_counts(
    archive: Archive, holdings: list[HoldingId]
) -> None:
    for root in (archive.vault.path, Path(archive.replicas[0].where)):
        next((root).rglob("a.flac")).write_bytes(b"")
    _audit(archive, AFTER)
    found = _gather(archive)
    assert found.damaged_copies == 2
    assert [root.complete for root in found.roots] == [2, 2]


def test_what_was_healed_is_whole_again(archive: Archive, holdings: list[HoldingId]) -> None:
    next(archive.vault.path.rglob("a.flac")).write_bytes(b"")
    _audit(archive, AFTER)
    found = _gather(archive)
    assert (found.healed_files, found.damaged_copies) == (1, 0)
    assert [root.complete for root in found.roots] == [3, 3]
    assert found.failed_now == ()


@pytest.mark.parametrize("what", ["object", "file", "shorter", "inventory"])
def test_a_copy_that_is_not_whole_is_not_complete(
    archive: Archive, holdings: list[HoldingId], what: str
) -> None:
    place = archive.vault.object_path(holdings[0])
    match what:
        case "object":
            shutil.rmtree(place)
        case "file":
            next(place.glob("v1/content/audio/*")).unlink()
        case "shorter":
            next(place.glob("v1/content/audio/*")).write_bytes(b"short")
        case "inventory":
            (place / "inventory.json").write_bytes(b"{}")
    found = _gather(archive)
    assert found.recordings == 3
    assert min(root.complete for root in found.roots) == 2
    assert found.unverified == (what == "inventory")
    assert found.failed_now != ()


def test_a_root_that_is_away(archive: Archive, holdings: list[HoldingId]) -> None:
    shutil.rmtree(archive.replicas[0].where)
    found = _gather(archive)
    assert [(root.present, root.complete) for root in found.roots] == [(True, 3), (False, 0)]
    assert found.failed_now == ()


def test_a_recording_that_one_side_alone_has(archive: Archive, holdings: list[HoldingId]) -> None:
    for root in archive.roots:
        shutil.rmtree(Path(root.where) / object_path(holdings[0]))
    found = _gather(archive)
    assert (found.recordings, found.uncatalogued) == (2, 1)


def test_a_format_that_cannot_be_decoded_any_more(
    archive: Archive, holdings: list[HoldingId], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the decoder is gone: the worker that should decode has nothing to do it with."""
    monkeypatch.setattr("sonotheque.assessment.gathering.FUNCTION", "sonotheque.errors:gone")
    found = _gather(archive)
    assert all(one.problem for one in found.formats)


def test_a_broken_ledger(archive: Archive, holdings: list[HoldingId]) -> None:
    path = next(p for p in (archive.config.ledger / "tile").rglob("*") if p.is_file())
    path.write_bytes(bytes(path.stat().st_size))
    assert _gather(archive).ledger_problem != ""
