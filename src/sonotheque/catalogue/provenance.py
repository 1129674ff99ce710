"""Where what a catalogue says of a recording comes from: field by field, release by release."""

from __future__ import annotations

from dataclasses import dataclass

from sonotheque.catalogue.rows import SourceRow, StoredRecording

FIELDS = ("title", "artist", "album", "label", "release_date", "year", "duration_ms", "licence")


@dataclass(frozen=True, slots=True)
class Said:
    """A value of a field, and the rows that give it, counted from 1 as they stand. The first of a
    field's values is the one the recording is described by."""

    field: str
    value: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ListedRelease:
    """A release that a recording is on. Empty text: no source says."""

    title: str
    upc: str
    label: str
    release_date: str
    rows: tuple[int, ...]


def said(stored: StoredRecording) -> tuple[Said, ...]:
    """Every value that some row gives, field by field, the describing row's first."""
    found: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(stored.rows, 1):
        values = [(field, getattr(row, field)) for field in FIELDS]
        values += [("isrc", isrc) for isrc in row.isrcs]
        for field, value in values:
            if value not in ("", None):
                found.setdefault((field, str(value)), []).append(number)
    order = [*FIELDS, "isrc"]
    by_field = sorted(found.items(), key=lambda item: order.index(item[0][0]))
    return tuple(Said(field, value, tuple(rows)) for (field, value), rows in by_field)


def releases(stored: StoredRecording) -> tuple[ListedRelease, ...]:
    """The releases that the rows name, the oldest first."""
    found: dict[tuple[str, str], list[int]] = {}
    rows = stored.rows
    for number, row in enumerate(rows, 1):
        if row.album or row.upc:
            found.setdefault((row.upc or row.album, row.upc), []).append(number)
    listed = [
        _release(upc, tuple(numbers), [rows[number - 1] for number in numbers])
        for (_, upc), numbers in found.items()
    ]
    return tuple(sorted(listed, key=lambda one: (one.release_date or "~", one.title, one.upc)))


def _release(upc: str, numbers: tuple[int, ...], rows: list[SourceRow]) -> ListedRelease:
    return ListedRelease(
        title=rows[0].album,
        upc=upc,
        label=next((row.label for row in rows if row.label), ""),
        release_date=min((date for row in rows if (date := _date(row))), default=""),
        rows=numbers,
    )


def _date(row: SourceRow) -> str:
    return row.release_date or str(row.year or "")
