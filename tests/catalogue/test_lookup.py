"""Every recording of a snapshot is found by its ISRC and its identifier, and no other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sonotheque.catalogue import build
from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.lookup import Snapshot, current_number, current_snapshot
from sonotheque.catalogue.rows import read_rows
from sonotheque.catalogue.sources.registry import import_source
from sonotheque.errors import Corrupt
from sonotheque.model.identifiers import Isrc, RecordingId, to_crockford
from sonotheque.simulation.universe import write_universe

NOW = "2026-11-23T12:00:00.000000Z"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lookup")
    write_universe(directory / "made", recordings=30_000, seed=5)
    catalogue = directory / "catalogue"
    import_source(
        "table", catalogue, directory / "made", origin="made up", licence="CC0-1.0", now=NOW
    )
    with pytest.MonkeyPatch.context() as patch:
        # As if a row cost so much that these make several files.
        patch.setattr(build, "_ROW_BYTES", 20_000)
        build_snapshot(catalogue, NOW, memory_bytes_max=200_000_000)
    return catalogue


@pytest.fixture
def snapshot(catalogue: Path) -> Snapshot:
    snapshot = current_snapshot(catalogue)
    assert snapshot is not None
    return snapshot


def test_every_recording_is_found_by_each_of_its_keys(catalogue: Path, snapshot: Snapshot) -> None:
    parts = sorted((catalogue / "1").glob("recordings-*.tsv.zst"))
    assert len(parts) > 2
    stored = [recording for part in parts for recording in read_rows(part)]
    assert snapshot.count() == len(stored)
    for one in stored[::97] + stored[-3:]:
        found = snapshot.by_id(RecordingId(one.id))
        assert found is not None
        description, row = found.description, one.rows[0]
        assert (description.title, description.artist) == (row.title, row.artist)
        assert (description.album, description.label) == (row.album, row.label)
        assert (description.year, found.duration_ms) == (row.year, row.duration_ms)
        assert (found.popularity, found.added_at) == (max(r.popularity or 0 for r in one.rows), NOW)
        for isrc in description.isrcs:
            assert snapshot.by_isrc(isrc) == (found,)
        for row in one.rows:
            assert one in snapshot.by_upc(row.upc)
            assert snapshot.by_source(row.source, row.source_id) == [one]


def test_absent_keys_are_not_found(snapshot: Snapshot) -> None:
    assert snapshot.by_isrc(Isrc("ZZZZZ9999999")) == ()
    assert snapshot.by_isrc(Isrc("AAAAA0000000")) == ()
    assert snapshot.by_id(RecordingId("0" * 13)) is None
    assert snapshot.by_id(RecordingId(to_crockford((1 << 64) - 1))) is None


def test_threads_may_share_a_snapshot(catalogue: Path, snapshot: Snapshot) -> None:
    part = sorted((catalogue / "1").glob("recordings-*.tsv.zst"))[0]
    isrcs = [Isrc(recording.rows[0].isrcs[0]) for recording in read_rows(part)][::101]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(snapshot.by_isrc, isrcs))
    assert [recordings[0].description.isrcs[0] for recordings in found] == isrcs


@pytest.mark.parametrize("name", ["isrc.index", "ids.keys", "recordings-00000.tsv.zst"])
def test_a_truncated_file_is_refused(name: str, catalogue: Path) -> None:
    path = catalogue / "1" / name
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1])
        with pytest.raises(Corrupt, match="not whole"):
            Snapshot.open(catalogue / "1")
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("content", ["", "{", '{"number": "one"}'])
def test_a_broken_summary_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "snapshot.json").write_text(content)
    with pytest.raises(Corrupt):
        Snapshot.open(tmp_path)


def test_a_broken_pointer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "current").write_text("newest\n")
    with pytest.raises(Corrupt):
        current_number(tmp_path)
