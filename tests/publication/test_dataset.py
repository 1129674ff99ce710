"""The Parquet tables, for what an edition of two plain recordings does not show."""

from __future__ import annotations

import io

import pyarrow.parquet as pq

from sonotheque.model.identifiers import Isrc, RecordingId, Sha512
from sonotheque.model.music import Description, Recording
from sonotheque.model.terms import Basis, Kind, Statement, Status, Use
from sonotheque.publication.dataset import recordings_table, statements_table
from sonotheque.publication.manifest import EditionFile, EditionRecording

ID = RecordingId("0000000000001")


def test_every_field_is_there_and_what_is_not_known_is_null() -> None:
    description = Description(title="T", isrcs=(Isrc("FRZ031400123"),), generated=True, year=1999)
    recording = Recording(id=ID, description=description, duration_ms=5, added_at="2026")
    item = EditionRecording(
        recording=ID,
        title="T",
        artist="",
        licence="MIT",
        attribution="A",
        generated=True,
        path="audio/x",
        statements=(3, 4),
    )
    file = EditionFile(path="audio/x", sha512=Sha512("00"), byte_count=9)
    (row,) = pq.read_table(
        io.BytesIO(recordings_table([item], {ID: recording}, {"audio/x": file}))
    ).to_pylist()
    assert row["recording_id"] == 1
    assert row["isrcs"] == ["FRZ031400123"]
    assert row["statements"] == [3, 4]
    assert row["generated"] is True
    assert row["year"] == 1999
    assert row["artist"] is row["album"] is row["genre"] is row["track_number"] is None
    assert (row["sha512"], row["byte_count"], row["licence"]) == ("00", 9, "MIT")


def test_statements_keep_their_terms() -> None:
    statement = Statement(
        recording=ID,
        kind=Kind.GRANT,
        uses=(Use.STREAM, Use.TRAIN_AI),
        status=Status.VERIFIED,
        issuer="I",
        evidence="E",
        at="2026-01-01",
        id=7,
        basis=Basis.OWN_CONSENT,
        begins_at="2026-02-01",
    )
    (row,) = pq.read_table(io.BytesIO(statements_table([statement]))).to_pylist()
    assert row["uses"] == ["stream", "train-ai"]
    assert (row["statement"], row["basis"], row["begins_at"]) == (7, "own-consent", "2026-02-01")
    assert row["ends_at"] is row["revokes"] is row["licence"] is None
