"""The records: put, replaced, found by identifier and ISRC, in order of arrival."""

from __future__ import annotations

from pathlib import Path

from sonotheque.catalogue.records import Records
from sonotheque.model.identifiers import Isrc, RecordingId, to_crockford
from sonotheque.model.music import Description, Recording
from sonotheque.store import db

FIRST, SECOND = Isrc("FRZ031400001"), Isrc("FRZ031400002")


def recording(number: int, *isrcs: Isrc, title: str = "T") -> Recording:
    return Recording(
        id=RecordingId(to_crockford(number)),
        description=Description(title=title, isrcs=isrcs, generated=number == 2),
        duration_ms=1_234,
        added_at="2026-11-20",
        popularity=number,
    )


def test_records_come_back_as_they_were_put(tmp_path: Path) -> None:
    records = Records(db.open_database(tmp_path / "x.db"))
    put = [recording(3, FIRST, SECOND), recording(1), recording(2, FIRST, title="\0\n'é音")]
    records.put(put)
    assert [records.get(one.id) for one in put] == put
    assert list(records.each()) == put
    assert records.newest(2) == (put[2], put[1])
    assert records.count() == 3
    assert records.by_isrc(FIRST) == (put[0], put[2])
    assert records.get(RecordingId(to_crockford(9))) is None


def test_a_record_put_again_keeps_its_place_and_loses_old_isrcs(tmp_path: Path) -> None:
    engine = db.open_database(tmp_path / "x.db")
    records = Records(engine)
    records.put([recording(1, FIRST), recording(2)])
    records.put([recording(1, SECOND, SECOND, title="New")])
    again = Records(db.open_database(tmp_path / "x.db"))
    assert [one.description.title for one in again.each()] == ["New", "T"]
    assert again.by_isrc(FIRST) == ()
    assert len(again.by_isrc(SECOND)) == 1
    again.put([])
    assert again.count() == 2
