"""Every value that some source gives, with the rows that give it."""

from __future__ import annotations

from sonotheque.catalogue.provenance import ListedRelease, Said, releases, said
from sonotheque.catalogue.rows import COLUMNS, StoredRecording


def row(source: str, **values: str) -> list[str]:
    said = dict.fromkeys(COLUMNS, "")
    said |= {"source": source, "source_id": "1", "title": "T"}
    said |= {"import_number": "1", "first_import": "1", **values}
    return list(said.values())


STORED = StoredRecording(
    [
        row("a", title="Rain", year="1999", isrc="FRZ031400001", album="Sky", upc="602517754621"),
        row(
            "b",
            title="RAIN",
            year="1999",
            isrc="FRZ031400001",
            other_isrcs="FRZ031400002",
            label="L",
        ),
        row(
            "c",
            title="Rain",
            album="SKY!",
            upc="602517754621",
            release_date="1998-05-01",
            label="M",
        ),
    ]
)


def test_every_value_with_its_rows() -> None:
    assert said(STORED) == (
        Said("title", "Rain", (1, 3)),
        Said("title", "RAIN", (2,)),
        Said("album", "Sky", (1,)),
        Said("album", "SKY!", (3,)),
        Said("label", "L", (2,)),
        Said("label", "M", (3,)),
        Said("release_date", "1998-05-01", (3,)),
        Said("year", "1999", (1, 2)),
        Said("isrc", "FRZ031400001", (1, 2)),
        Said("isrc", "FRZ031400002", (2,)),
    )


def test_releases_are_told_apart_by_their_upc() -> None:
    assert releases(STORED) == (ListedRelease("Sky", "602517754621", "M", "1998-05-01", (1, 3)),)
