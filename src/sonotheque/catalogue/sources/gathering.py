"""From rows one by one to pieces: what the adapters of documents have in common.

They make a `Row` of each recording they find, all of it text, and `gather` cleans some at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sonotheque.catalogue.sources import Fault, Piece
from sonotheque.catalogue.sources.cleaning import TEXT_CHARACTERS_MAX, Chunk, clean

CHUNK_ROWS = 1 << 16
CHUNK_CHARACTERS_MAX = 1 << 26

_UNKNOWN_PART = re.compile(r"-(?:00?|\?\?)(?:-.*)?$")
_CLOCK = re.compile(r"(?:(?P<hours>\d{1,3}):)?(?P<minutes>\d{1,4}):(?P<seconds>[0-5]\d)", re.ASCII)


class Row(NamedTuple):
    """A recording as its source has it, nothing of it checked; empty where it does not say.

    `isrc` may be several, `;` between; `file` says in which of several files, and where in it.
    """

    line: int
    source_id: str
    title: str
    artist: str = ""
    isrc: str = ""
    album: str = ""
    label: str = ""
    upc: str = ""
    licence: str = ""
    release_date: str = ""
    duration_ms: str = ""
    source: str = ""
    file: str = ""


def gather(found: Iterable[Row | Fault], *, source: str, year_max: int) -> Iterator[Piece]:
    """`found` as pieces, cleaned; the faults among it come with the rows around them.

    Memory: 65,536 rows of together at most some 64 million characters.
    """
    rows: list[Row] = []
    faults: list[Fault] = []
    characters = 0
    for one in found:
        if isinstance(one, Fault):
            faults.append(one)
        else:
            lengths = [len(text) for text in one[1:]]
            characters += sum(lengths)
            rows.append(one if max(lengths) <= TEXT_CHARACTERS_MAX else _cut(one))
        if len(rows) + len(faults) >= CHUNK_ROWS or characters > CHUNK_CHARACTERS_MAX:
            yield _piece(rows, faults, source, year_max)
            rows, faults, characters = [], [], 0
    yield _piece(rows, faults, source, year_max)


def _cut(row: Row) -> Row:
    # Refused for its length all the same, but without the memory.
    return Row(row.line, *(text[: TEXT_CHARACTERS_MAX + 1] for text in row[1:]))


def _piece(rows: list[Row], faults: list[Fault], source: str, year_max: int) -> Piece:
    names = Row._fields[1:]
    columns = {
        name: pa.array(values, pa.string())
        for name, values in zip(names, list(zip(*rows, strict=True))[1:], strict=False)
        if any(values)
    }
    lines = np.array([row.line for row in rows], np.int64)
    piece = clean(Chunk(columns, lines), source=source, year_max=year_max)
    found = sorted([*faults, *piece.faults], key=lambda fault: fault.line)
    return Piece(piece.rows, tuple(found))


def known_part(date: str) -> str:
    """What is known of a date whose other parts are `00` or `??`: 1999-00-00 is the year 1999."""
    return "" if date.startswith(("0000", "????")) else _UNKNOWN_PART.sub("", date)


def clock_ms(clock: str) -> str:
    """`3:45` or `1:03:45` in milliseconds; anything else as what cannot be a number."""
    if not clock:
        return ""
    match = _CLOCK.fullmatch(clock)
    if not match:
        return f"{clock} (not m:ss)"
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return str(1000 * (3600 * hours + 60 * minutes + seconds))


class Counted:
    """Where a row of several files stands: lines are counted on from file to file, so that what
    comes later holds, and the row's `file` names the file with the line in it."""

    def __init__(self, several: bool) -> None:
        self._several = several
        self._before = 0
        self._last = 0

    def place(self, name: str, line: int) -> tuple[int, str]:
        """(the line counted over all files, the text for `file`)."""
        self._last = max(self._last, line)
        return self._before + line, f"{name}:{line}" if self._several else ""

    def next_file(self) -> None:
        self._before += self._last
        self._last = 0
