"""Editions hold what the decisions allow, whole or not at all."""

from __future__ import annotations

import errno
import importlib.util
import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sonotheque.archive import Archive
from sonotheque.errors import Corrupt, EnvironmentFailure, Refused
from sonotheque.model.identifiers import RecordingId, from_crockford, holding_id_of
from sonotheque.model.plans import Choice, SelectionPlan
from sonotheque.model.terms import Kind, Statement, Status, Use
from sonotheque.publication import torrent
from sonotheque.publication.edition import (
    Edition,
    build_edition,
    editions,
    plan_edition,
    read_torrents,
    withdrawn_from,
)
from sonotheque.publication.manifest import read_manifest, verify_content
from sonotheque.store import files

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]

NOW = "2026-11-20T10:00:00.000000Z"
LATER = "2026-11-21T00:00:00.000000Z"
Publish = Callable[[Archive], Edition]
TakeDown = Callable[[Archive, RecordingId], None]


def test_an_edition_holds_what_is_allowed_and_says_what_it_left_out(
    archive: Archive, edition: Edition, recordings: tuple[RecordingId, ...]
) -> None:
    assert edition.number == 1
    assert set(edition.recordings) == set(recordings[:2])
    assert {left.recording for left in edition.excluded} == {recordings[2]}
    assert [reason.code for reason in edition.excluded[0].reasons] == ["claimed"]
    manifest = verify_content(edition.directory, archive.signer.verifier)
    for item in manifest.recordings:
        assert item.statements
        assert "CC BY 4.0" in item.attribution
        held = archive.vault.holding(holding_id_of(item.recording))
        assert held
        published = edition.directory / "content" / item.path
        assert files.sha512_of(published) == held.audio[0].sha512
        assert not published.samefile(archive.vault.path_of(held.id, held.audio[0].path))
    assert editions(archive.config) == (edition,)


def test_the_parquet_says_what_and_by_which_entry(
    archive: Archive, edition: Edition, recordings: tuple[RecordingId, ...]
) -> None:
    data = edition.directory / "content/data"
    rows = pq.read_table(data / "recordings.parquet").to_pylist()
    statements = {
        row["statement"]: row for row in pq.read_table(data / "statements.parquet").to_pylist()
    }
    assert {row["recording"] for row in rows} == set(recordings[:2])
    for row in rows:
        assert row["recording_id"] == from_crockford(row["recording"])
        assert files.sha512_of(edition.directory / "content" / row["path"]) == row["sha512"]
        assert row["licence"] == "https://creativecommons.org/licenses/by/4.0/"
        for number in row["statements"]:
            assert statements[number]["recording"] == row["recording"]
            assert "torrent" in statements[number]["uses"]


def test_libtorrent_verifies_both_torrents(edition: Edition) -> None:
    first, second = read_torrents(edition.directory)
    assert (first.info_hash, second.info_hash) == edition.torrents
    assert (first.version, second.version) == (1, 2)
    for made in (first, second):
        torrent.verify(made, edition.directory / "content")


def test_a_withdrawal_is_out_of_the_next_edition(
    archive: Archive,
    edition: Edition,
    recordings: tuple[RecordingId, ...],
    publish: Publish,
    take_down: TakeDown,
) -> None:
    take_down(archive, recordings[0])
    second = publish(archive)
    assert second.number == 2
    assert second.recordings == (recordings[1],)
    content = b"".join(p.name.encode() for p in (second.directory / "content").rglob("*"))
    assert recordings[0].encode() not in content
    assert [e.number for e in editions(archive.config)] == [2, 1]


def test_a_withdrawal_between_plan_and_build_holds(
    archive: Archive, recordings: tuple[RecordingId, ...], take_down: TakeDown
) -> None:
    plan = plan_edition(archive, LATER)
    assert len(plan.items) == 2
    take_down(archive, recordings[1])
    with archive.writing():
        built = build_edition(archive, plan, LATER)
    assert built.recordings == (recordings[0],)
    assert {left.recording for left in built.excluded} == set(recordings[1:])
    assert not list((built.directory / "content").rglob(f"*{recordings[1]}*"))


def test_a_selection_bounds_the_edition(
    archive: Archive, recordings: tuple[RecordingId, ...]
) -> None:
    choices = tuple(
        Choice(recording=r, byte_count=1, value=1, reasons=(), chosen=r == recordings[0])
        for r in recordings
    )
    selection = SelectionPlan(budget_bytes=1, chosen_bytes=1, value=1, gap=0, choices=choices)
    plan = plan_edition(archive, LATER, selection=selection)
    assert [item.recording.id for item in plan.items] == [recordings[0]]
    assert {r.code for left in plan.excluded for r in left.reasons} == {"not-selected"}


def test_nothing_to_publish_is_refused(
    archive: Archive,
    recordings: tuple[RecordingId, ...],
    publish: Publish,
    take_down: TakeDown,
) -> None:
    for recording in recordings[:2]:
        take_down(archive, recording)
    with pytest.raises(Refused, match="nothing may be published"):
        publish(archive)
    assert list(archive.config.editions.iterdir()) == []


def test_a_damaged_holding_stops_the_edition(
    archive: Archive, recordings: tuple[RecordingId, ...], publish: Publish
) -> None:
    held = archive.vault.holding(holding_id_of(recordings[0]))
    assert held
    path = archive.vault.path_of(held.id, held.audio[0].path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Corrupt, match="does not match its digest"):
        publish(archive)
    assert list(archive.config.editions.iterdir()) == []


def test_a_full_disk_leaves_no_edition_and_the_next_try_is_number_1(
    archive: Archive,
    recordings: tuple[RecordingId, ...],
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = files.create, iter(range(10))

    def create(path: Path, content: bytes, *, synced: bool = True) -> None:
        if next(calls) == 2:
            raise files.explain(OSError(errno.ENOSPC, "full"), path)
        real(path, content, synced=synced)

    monkeypatch.setattr(files, "create", create)
    with pytest.raises(EnvironmentFailure, match="disk is full"):
        publish(archive)
    assert list(archive.config.editions.iterdir()) == []
    monkeypatch.undo()
    (archive.config.editions / ".building-1").mkdir()
    assert publish(archive).number == 1
    assert [path.name for path in archive.config.editions.iterdir()] == ["1"]


def test_a_generated_recording_is_marked(
    archive: Archive, recordings: tuple[RecordingId, ...], publish: Publish
) -> None:
    recording = archive.catalogue.get(recordings[0])
    assert recording
    description = replace(recording.description, generated=True)
    archive.catalogue.add([replace(recording, description=description)])
    manifest = read_manifest(publish(archive).directory)
    marked = {item.recording: item for item in manifest.recordings}[recordings[0]]
    assert marked.generated
    assert marked.attribution.endswith("AI-generated.")


def test_nothing_is_published_against_the_ledger_whatever_its_history(
    archive: Archive, recordings: tuple[RecordingId, ...]
) -> None:
    """After every one of many random entries, by the decisions alone."""
    chance, seen = random.Random(10), set()
    digests = {}
    for recording in recordings:
        held = archive.vault.holding(holding_id_of(recording))
        assert held
        digests[recording] = held.audio[0].sha512
    for _ in range(30):
        recording = chance.choice(recordings)
        entry = Statement(
            recording=recording,
            kind=chance.choice(list(Kind)),
            uses=tuple(chance.sample(list(Use), chance.randint(2, len(Use)))),
            status=Status.VERIFIED,
            issuer="Ann",
            evidence="none",
            at=NOW,
            ends_at=chance.choice(["", "", "", NOW]),
            revokes=archive.ledger.statements_about(recording)[-1].id,
        )
        with archive.writing():
            archive.ledger.append([entry])
        allowed = {r for r in recordings if archive.decide(r, Use.TORRENT, LATER).allowed}
        seen.add(frozenset(allowed))
        plan = plan_edition(archive, LATER)
        assert {item.recording.id for item in plan.items} == allowed
        if not allowed:
            with pytest.raises(Refused):
                build_edition(archive, plan, LATER)
            continue
        built = build_edition(archive, plan, LATER)
        audio = (built.directory / "content/audio").rglob("*.*")
        assert {files.sha512_of(path) for path in audio} == {digests[r] for r in allowed}
        assert {left.recording for left in built.excluded} == set(recordings) - allowed
    # The history was one that allows, refuses and allows again.
    assert len(seen) > 3


def test_the_licences_name_every_recording(edition: Edition) -> None:
    content = edition.directory / "content"
    licences = (content / "LICENSES.txt").read_text()
    assert licences.startswith("CC BY 4.0 https://creativecommons.org/licenses/by/4.0/\n")
    for item in read_manifest(edition.directory).recordings:
        assert f"  {item.attribution} ({item.path})\n" in licences


def test_a_plan_is_built_once(archive: Archive, recordings: tuple[RecordingId, ...]) -> None:
    plan = plan_edition(archive, LATER)
    first = build_edition(archive, plan, LATER)
    with pytest.raises(Refused, match="since this plan"):
        build_edition(archive, plan, LATER)
    assert editions(archive.config) == (first,)


def test_what_was_withdrawn_from_an_edition_since(
    archive: Archive,
    edition: Edition,
    recordings: tuple[RecordingId, ...],
    take_down: TakeDown,
) -> None:
    assert withdrawn_from(archive, edition, LATER) == ()
    take_down(archive, recordings[1])
    (decision,) = withdrawn_from(archive, edition, LATER)
    assert decision.recording == recordings[1]
    assert [reason.code for reason in decision.reasons] == ["takedown"]


def test_a_held_file_that_is_gone_stops_the_edition(
    archive: Archive, recordings: tuple[RecordingId, ...], publish: Publish
) -> None:
    held = archive.vault.holding(holding_id_of(recordings[0]))
    assert held
    plan = plan_edition(archive, LATER)
    archive.vault.path_of(held.id, held.audio[0].path).unlink()
    with pytest.raises(Corrupt, match="is missing"):
        build_edition(archive, plan, LATER)
    assert list(archive.config.editions.iterdir()) == []


def test_strange_names_among_the_editions_are_no_editions(
    archive: Archive, edition: Edition
) -> None:
    (archive.config.editions / "007").mkdir()
    (archive.config.editions / "٣").mkdir()
    (archive.config.editions / "9").write_bytes(b"")
    assert editions(archive.config) == (edition,)
    assert plan_edition(archive, LATER).number == 2


def test_an_edition_is_on_the_disk_before_it_has_its_name(
    archive: Archive, recordings: tuple[RecordingId, ...], publish: Publish
) -> None:
    base = archive.config.editions
    watch = disk.Disk()
    with watch.watched(base):
        publish(archive)
    assert watch.violations == []
    actual = {str(p.relative_to(base)): p.read_bytes() for p in base.rglob("*") if p.is_file()}
    assert watch.after_power_cut(base) == actual


def test_a_kill_leaves_a_whole_edition_or_none(
    archive: Archive, recordings: tuple[RecordingId, ...]
) -> None:
    base = archive.config.editions
    counting = disk.Disk()
    with counting.watched(base):
        build_edition(archive, plan_edition(archive, LATER), LATER)
    # Along the way, and at every call around the one that gives the edition its name.
    last = counting.count
    counts = [1]
    for fault in {*range(0, last, max(1, last // 8)), *range(last - 5, last)}:
        plan = plan_edition(archive, LATER)
        for leftover in base.glob(".*"):
            # Clearing it up would count as calls of this build.
            files.remove_tree(leftover)
        with disk.Disk("die", fault).watched(base), pytest.raises(disk.Died):
            build_edition(archive, plan, LATER)
        whole = editions(archive.config)
        assert [one.number for one in whole] == list(range(len(whole), 0, -1))
        verify_content(whole[0].directory, archive.signer.verifier)
        counts.append(len(whole))
    # Some died before the name was given, some after.
    assert {after - before for before, after in itertools.pairwise(counts)} == {0, 1}
    with disk.Disk("die", last // 2).watched(base), pytest.raises(disk.Died):
        build_edition(archive, plan_edition(archive, LATER), LATER)
    assert list(base.glob(".building-*"))
    build_edition(archive, plan_edition(archive, LATER), LATER)
    assert all(path.name.isdecimal() for path in base.iterdir())


@given(st.text(min_size=1, max_size=300))
@example("con.ogg")
@example("LPT1")
@example(".hidden")
@example("a. .")
@example("é" * 200 + ".flac")
@example("../../etc/passwd")
@example("x." + "y" * 300)
def test_names_that_every_system_takes(name: str) -> None:
    portable = files.portable_name(name)
    assert 0 < len(portable.encode()) <= 120
    assert portable.isprintable()
    assert not set(portable) & set('/\\:*?"<>|')
    assert portable.strip(" .") == portable
    assert portable.split(".")[0].rstrip().casefold() not in {"con", "prn", "aux", "nul", "lpt1"}
    assert files.portable_name(portable) == portable


def test_a_name_keeps_its_ending() -> None:
    assert files.portable_name("Con.Flac") == "_Con.Flac"
    assert files.portable_name("e\u0301.ogg") == "\u00e9.ogg"
    assert files.portable_name("n" * 200 + ".flac") == "n" * 115 + ".flac"
