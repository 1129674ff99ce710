"""Checking many rows in the cheapest way gives what checking each by itself would."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.sources import Piece
from sonotheque.catalogue.sources.cleaning import (
    COLUMNS,
    TEXT_CHARACTERS_MAX,
    Chunk,
    clean,
)

CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
SPACES = "\0 \t\n\x0b\x1c\x1f\x7f\x80\x85\x9f\xa0\u1680\u2000\u2028\u2029\u202f\u3000"
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    st.text(st.sampled_from(SPACES + "a€Ā¡々"), max_size=9),
)


def cleaned(columns: dict[str, Any], count: int, **how: Any) -> Piece:
    lines = np.arange(count, dtype=np.int64)
    return clean(Chunk(columns, lines), source="s", year_max=2028, **how)


def on_one_line(text: str) -> str:
    """The rule, without regard to speed."""
    return (re.sub(r"[\s\0-\x1f\x7f-\x9f]+", " ", text) if CONTROL.search(text) else text).strip()


@given(texts=st.lists(TEXTS, max_size=20), begin=st.integers(0, 3))
@settings(deadline=None, max_examples=200)
def test_every_text_is_on_one_line(texts: list[str], begin: int) -> None:
    # A part of a larger array, as batches are.
    column: Any = pa.array(["a\tb", "\0", "", *texts], pa.string()).slice(begin)
    titles = column.to_pylist()
    ids: Any = pa.array(range(len(column)))
    piece = cleaned({"title": column, "source_id": ids}, len(column))
    expected = [line for text in titles if (line := on_one_line(text))]
    assert piece.rows["title"].to_pylist() == expected
    assert {fault.code for fault in piece.faults} <= {"title.missing"}
    assert len(piece.rows) + len(piece.faults) == len(titles)


def test_every_white_space_of_unicode_is_trimmed() -> None:
    spaces = [sign for sign in map(chr, range(1, 0x3100)) if sign.isspace()]
    assert len(spaces) > 25
    for space in spaces:
        columns: dict[str, Any] = {
            "title": pa.array([f"x{space}", f"{space}é", f"{space}", "々"]),
            "source_id": pa.array(["1", "2", "3", "4"]),
        }
        assert cleaned(columns, 4).rows["title"].to_pylist() == ["x", "é", "々"]


def test_white_space_within_a_text_without_control_characters_stays() -> None:
    columns: dict[str, Any] = {
        "title": pa.array(["a  b", "a  b\tc", "\x00x\x00", "x" * TEXT_CHARACTERS_MAX + "\n"]),
        "source_id": pa.array(["1", "2", "3", "4"]),
    }
    titles = cleaned(columns, 4).rows["title"].to_pylist()
    assert titles == ["a  b", "a b c", "x", "x" * TEXT_CHARACTERS_MAX]


VALUES = {
    "source_id": ["1", " 2 ", "", "3\t4"],
    "isrc": [
        *("", "FRZ031400123", "fr-z03-14-00123", "FRZO3140O123", "FRZ03140012", "FRZ0314001234"),
        *("FRZ031400123;USRC17607839", "ISRC:FRZ031400123", "AAAAAAAAAAAA", "12Z031400123"),
    ],
    "title": ["T", "", "\n", "x" * (TEXT_CHARACTERS_MAX + 1), "é" * TEXT_CHARACTERS_MAX],
    "source": ["", "other"],
    "upc": ["", "0012345678905", "0 0123-4567", "12345", "6.02557E+11"],
    "release_date": ["", "2001", "2001-02", "2001-02-03", "2001-02-30", "1492", "2031-01-01"],
    "year": ["", "1999", "+1999", "1492", "9999", "x"],
    "duration_ms": ["", "+1000", "180000.0", "0", "-1", "3:45", "9" * 30, "1e5"],
    "popularity": ["", "0", "100", "101"],
    "streams": ["", "0", "12", "-1", "0012"],
}
ROWS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})


@given(rows=st.lists(ROWS, min_size=1, max_size=12), listens=st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_row_does_not_depend_on_its_neighbours(rows: list[dict[str, str]], listens: bool) -> None:
    together = cleaned(
        {name: pa.array([row[name] for row in rows]) for name in VALUES}, len(rows), listens=listens
    )
    apart = [
        cleaned({name: pa.array([text]) for name, text in row.items()}, 1, listens=listens)
        for row in rows
    ]
    alone = [row for piece in apart for row in piece.rows.drop_columns(["line"]).to_pylist()]
    assert together.rows.drop_columns(["line"]).to_pylist() == alone
    codes = [fault.code for piece in apart for fault in piece.faults]
    assert [fault.code for fault in together.faults] == codes


def test_counts_need_an_isrc_and_a_number_but_no_title() -> None:
    columns: dict[str, Any] = {
        "isrc": pa.array(["FRZ031400123", "", "FRZ031400123", "FRZ03140O123"]),
        "streams": pa.array(["7", "8", "", "9"]),
    }
    piece = cleaned(columns, 4, listens=True)
    codes = [(fault.line, fault.code) for fault in piece.faults]
    assert codes == [(1, "isrc.missing"), (2, "streams.missing"), (3, "isrc.look-alike")]
    [row] = piece.rows.to_pylist()
    assert (row["source_id"], row["title"], row["streams"]) == ("FRZ031400123", "", 7)
    assert {fault.code for fault in cleaned(columns, 4).faults} >= {"source-id.missing"}


@pytest.mark.parametrize("kind", [pa.large_string(), pa.binary(), pa.large_binary()])
def test_other_kinds_of_text_are_text(kind: Any) -> None:
    columns: dict[str, Any] = {
        "title": pa.array(["é\n", None, "b"], pa.string()).cast(kind),
        "source_id": pa.array([1, 2, None]),
    }
    piece = cleaned(columns, 3)
    assert piece.rows["title"].to_pylist() == ["é"]
    assert [fault.code for fault in piece.faults] == ["title.missing", "source-id.missing"]


def test_no_rows_are_no_trouble() -> None:
    empty: Any = pa.array([], pa.string())
    piece = cleaned(dict.fromkeys(COLUMNS, empty), 0)
    assert (len(piece.rows), piece.faults) == (0, ())
