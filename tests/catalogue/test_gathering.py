"""Rows one by one become pieces, in bounded memory; dates and clocks become what clean() reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sonotheque.catalogue.sources import Fault
from sonotheque.catalogue.sources.cleaning import TEXT_CHARACTERS_MAX, fault
from sonotheque.catalogue.sources.gathering import (
    CHUNK_ROWS,
    Counted,
    Row,
    clock_ms,
    gather,
    known_part,
)


@pytest.mark.parametrize(
    ("date", "known"),
    [
        ("", ""),
        ("1999", "1999"),
        ("1999-03", "1999-03"),
        ("1999-03-12", "1999-03-12"),
        ("1999-00-00", "1999"),
        ("1999-03-00", "1999-03"),
        ("1999-00-12", "1999"),
        ("1999-??-12", "1999"),
        ("0000-00-00", ""),
        ("????-05-12", ""),
        # Not for this function to judge.
        ("1999-13-40", "1999-13-40"),
        ("soon", "soon"),
    ],
)
def test_what_is_known_of_a_date(date: str, known: str) -> None:
    assert known_part(date) == known


@pytest.mark.parametrize(
    ("clock", "milliseconds"),
    [
        ("", ""),
        ("3:45", "225000"),
        ("03:45", "225000"),
        ("1:03:45", "3825000"),
        ("103:45", "6225000"),
        ("0:00", "0"),
    ],
)
def test_clock(clock: str, milliseconds: str) -> None:
    assert clock_ms(clock) == milliseconds


@pytest.mark.parametrize("clock", ["3", "345", "3:75", "3.45", "3'45", "-3:45", "٣:٤٥", "1:2:3:4"])
def test_no_clock_is_no_number(clock: str) -> None:
    pieces = list(gather([Row(1, "1", "T", duration_ms=clock_ms(clock))], source="s", year_max=9))
    assert [f.code for piece in pieces for f in piece.faults] == ["duration.impossible"]


def test_pieces_are_bounded_by_rows_and_by_characters() -> None:
    def many() -> Iterator[Row]:
        for number in range(CHUNK_ROWS + 1):
            yield Row(number, str(number), "T")

    assert [len(p.rows) for p in gather(many(), source="s", year_max=9)] == [CHUNK_ROWS, 1]
    long = "x" * (1 << 23)
    rows = [Row(n, str(n), "T", artist=long) for n in range(20)]
    pieces = list(gather(rows, source="s", year_max=9))
    assert len(pieces) > 1
    found = [f for piece in pieces for f in piece.faults]
    assert [f.code for f in found] == ["text.too-long"] * 20
    assert max(len(text) for f in found for text in f.row.values()) <= TEXT_CHARACTERS_MAX


def test_faults_come_in_the_order_of_lines() -> None:
    found: list[Row | Fault] = [
        Row(3, "3", ""),
        fault("json.broken", 2, {"text": "{"}),
        Row(1, "1", "T"),
    ]
    [piece] = gather(found, source="s", year_max=9)
    assert [f.line for f in piece.faults] == [2, 3]
    assert piece.rows["line"].to_pylist() == [1]
    assert sum(len(p.rows) for p in gather([], source="s", year_max=9)) == 0


def test_lines_are_counted_on_over_several_files() -> None:
    counted = Counted(several=True)
    assert counted.place("a", 7) == (7, "a:7")
    assert counted.place("a", 3) == (3, "a:3")
    counted.next_file()
    assert counted.place("b", 1) == (8, "b:1")
    assert Counted(several=False).place("a", 7) == (7, "")
