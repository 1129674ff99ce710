"""Every value that some source gives, with the rows that give it."""

from __future__ import annotations

from typing import Any

from sonotheque.catalogue.provenance import ListedRelease, Said, releases, said
from sonotheque.catalogue.rows import SourceRow, StoredRecording


def row(source: str, **values: Any) -> SourceRow:
    blank: dict[str, Any] = dict.fromkeys(("artist", "album", "label", "release_date"), "")
    blank |= dict.fromkeys(("year", "duration_ms", "popularity", "streams"))
    blank |= {"title": "T", "isrcs": (), "upc": "", "licence": ""}
    blank |= {"import_number": 1, "first_import": 1}
    return SourceRow(**{"source": source, "source_id": "1", **blank, **values})


STORED = StoredRecording(
    "0000000000001",
    (),
    (
        row("a", title="Rain", year=1999, isrcs=("FRZ031400001",), album="Sky", upc="602517754621"),
        row("b", title="RAIN", year=1999, isrcs=("FRZ031400001", "FRZ031400002"), label="L"),
        row(
            "c",
            title="Rain",
            album="SKY!",
            upc="602517754621",
            release_date="1998-05-01",
            label="M",
        ),
    ),
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
