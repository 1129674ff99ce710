"""The rows of a snapshot as a query: every one, each with the recording that it is of."""

from __future__ import annotations

from pathlib import Path

from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.inputs import described_rows
from sonotheque.store.engine import open_engine


def test_every_row_has_its_recording(snapshots: Path, take_rows, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    take_rows(
        {"source_id": 1, "isrc": "FRZ031400001", "title": "Rain"},
        {"source_id": 2, "isrc": "FRZ031400001", "title": "Rain"},
        {"source_id": 3, "title": "Snow", "artist": ""},
        {"source_id": 4, "isrc": "FRZ031400002", "title": "Hail", "duration_ms": 1_000},
    )
    build_snapshot(snapshots, "2026-11-23T12:00:00.000000Z", memory_bytes_max=200_000_000)
    with open_engine(memory_bytes_max=200_000_000, spill=tmp_path / "spill") as engine:
        rows = [
            row
            for query in described_rows(snapshots / "1")
            for row in engine.sql(
                f"SELECT source_id, recording_id, isrc, artist, duration_ms FROM ({query})"
            ).fetchall()
        ]
    of = {source_id: recording for source_id, recording, *_ in rows}
    assert sorted(of) == ["1", "2", "3", "4"]
    assert of["1"] == of["2"]
    assert len(set(of.values())) == 3
    assert None not in of.values()
    assert {row[0]: row[2:] for row in rows}["3"] == (None, "", None)
    assert {row[0]: row[4] for row in rows}["4"] == 1_000
