"""Sources: each adapter reads one kind of catalogue data; here is what they all share.

An adapter yields pieces: clean rows in one schema, and the rows it had to set aside. An import
keeps both, with where they came from and under which licence, in `imports/<number>/`:

* `rows.parquet` – the clean rows, until a build has folded them into a snapshot;
* `quarantine.jsonl` – the others, one a line, each with its line, code and remedy;
* `import.json` – origin, licence, time, counts.

What a small import adds stands in `additions/<number>/` until then, a snapshot of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.errors import Refused
from sonotheque.store import engine, files

IMPORTS_NAME = "imports"
ROWS_NAME = "rows.parquet"
QUARANTINE_NAME = "quarantine.jsonl"
IMPORT_NAME = "import.json"
ADDITIONS_NAME = "additions"
LOCK_NAME = ".lock"

_FIELDS: list[pa.Field[Any]] = [
    pa.field("source", pa.string(), nullable=False),
    pa.field("source_id", pa.string(), nullable=False),
    pa.field("isrc", pa.string()),
    pa.field("other_isrcs", pa.string(), nullable=False),
    pa.field("title", pa.string(), nullable=False),
    pa.field("artist", pa.string(), nullable=False),
    pa.field("album", pa.string(), nullable=False),
    pa.field("label", pa.string(), nullable=False),
    pa.field("upc", pa.string(), nullable=False),
    pa.field("licence", pa.string(), nullable=False),
    pa.field("release_date", pa.date32()),
    pa.field("year", pa.int16()),
    pa.field("duration_ms", pa.int32()),
    pa.field("popularity", pa.int8()),
    pa.field("streams", pa.int64()),
    pa.field("line", pa.int64(), nullable=False),
]
ROW_SCHEMA = pa.schema(_FIELDS)
"""A row as an adapter gives it: (source, source_id) is its key. Empty text: the source does not
say. Rows of a source whose `source_id` is the same up to a `#` are one recording to it, listed on
several releases (`<recording>#<release>`). `other_isrcs` are those it carries besides `isrc`, in
order, a space between. `line` is where in the source it stood, counted from 1 as an editor does."""

_MOSTLY_ONCE = ("source_id", "isrc", "title", "duration_ms", "streams", "line")
"""Columns of which a dictionary only costs time."""

STAGED_SCHEMA = ROW_SCHEMA.append(pa.field("import_number", pa.int32(), nullable=False)).append(
    pa.field("first_import", pa.int32(), nullable=False)
)
"""… and in which import it came last, and first."""

# The stubs know of true and false only.
_REPEATING: Any = [name for name in STAGED_SCHEMA.names if name not in _MOSTLY_ONCE]
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*|https?://\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A row that was set aside: where it stood, why (`code` is stable), and what would help."""

    line: int
    code: str
    message: str
    remedy: str
    row: dict[str, str]
    """The row's text by column, cut to what a person needs to recognise it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a source (`ROW_SCHEMA`), and those among them that were set aside."""

    rows: pa.RecordBatch
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import did: rows read = staged + quarantined."""

    number: int
    rows_read: int
    rows_staged: int
    rows_quarantined: int
    quarantine: Path


def stage(
    catalogue_directory: Path,
    pieces: Iterable[Piece],
    *,
    source_path: Path,
    origin: str,
    licence: str,
    now: str,
) -> ImportSummary:
    """Keep `pieces` as the next import, durably and whole, or not at all.

    Raises Refused without an origin and a licence; whatever reading the pieces raises leaves
    nothing behind. Memory: two pieces.
    """
    _check_provenance(origin, licence)
    files.make_directory(catalogue_directory / IMPORTS_NAME)
    with files.exclusive(catalogue_directory / LOCK_NAME):
        number = (
            max((int(path.name) for path in import_directories(catalogue_directory)), default=0) + 1
        )
        final = catalogue_directory / IMPORTS_NAME / str(number)
        unfinished = final.with_name(f".{number}.tmp")
        files.remove_tree(unfinished)
        files.make_directory(unfinished)
        try:
            staged, quarantined = _write(unfinished, pieces, number)
            about = {
                "number": number,
                "origin": origin,
                "licence": licence,
                "at": now,
                "file": source_path.name,
                "rows_staged": staged,
                "rows_quarantined": quarantined,
            }
            content = json.dumps(about, ensure_ascii=False, indent=2) + "\n"
            files.create(unfinished / IMPORT_NAME, content.encode())
            engine.seal(unfinished)
            files.move(unfinished, final)
        except OSError as error:
            files.remove_tree(unfinished)
            raise files.explain(error, unfinished) from error
        except BaseException:
            files.remove_tree(unfinished)
            raise
    return ImportSummary(
        number=number,
        rows_read=staged + quarantined,
        rows_staged=staged,
        rows_quarantined=quarantined,
        quarantine=final / QUARANTINE_NAME,
    )


def import_directories(catalogue_directory: Path) -> list[Path]:
    """The directory of every import, oldest first."""
    parent = catalogue_directory / IMPORTS_NAME
    found = [path for path in parent.glob("*") if path.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.name))


def additions_of(catalogue_directory: Path) -> list[Path]:
    """The snapshots of what imports added that no build has folded in yet, oldest first."""
    # Asked at every search: one look at one directory.
    with (
        contextlib.suppress(FileNotFoundError),
        os.scandir(catalogue_directory / ADDITIONS_NAME) as entries,
    ):
        numbers = sorted(int(entry.name) for entry in entries if entry.name.isdecimal())
        return [additions_path(catalogue_directory, number) for number in numbers]
    return []


def additions_path(catalogue_directory: Path, number: int) -> Path:
    """Where the snapshot of what import `number` added is, until a build has folded it in."""
    return catalogue_directory / ADDITIONS_NAME / str(number)


def _check_provenance(origin: str, licence: str) -> None:
    if not origin.strip():
        raise Refused(
            "an import without an origin",
            remedy="say with --origin who made this data and where you have it from",
        )
    if not _LICENCE.fullmatch(licence):
        raise Refused(
            "an import without a licence" if not licence.strip() else "is not a licence",
            where=licence,
            remedy="give --licence an SPDX identifier (CC0-1.0) or the address of the terms",
        )


def _write(directory: Path, pieces: Iterable[Piece], number: int) -> tuple[int, int]:
    staged = quarantined = 0
    with (
        pq.ParquetWriter(
            directory / ROWS_NAME, STAGED_SCHEMA, compression="zstd", use_dictionary=_REPEATING
        ) as writer,
        (directory / QUARANTINE_NAME).open(
            "w", encoding="utf-8", errors="backslashreplace"
        ) as quarantine,
        # Compressing a piece takes as long as reading the next.
        ThreadPoolExecutor(1) as thread,
    ):
        writing: Future[None] | None = None
        for piece in pieces:
            numbers = pa.repeat(pa.scalar(number, pa.int32()), len(piece.rows))
            columns = [*piece.rows.columns, numbers, numbers]
            if writing:
                writing.result()
            writing = thread.submit(
                writer.write_batch, pa.record_batch(columns, schema=STAGED_SCHEMA)
            )
            staged += len(piece.rows)
            quarantined += len(piece.faults)
            for fault in piece.faults:
                quarantine.write(json.dumps(_document(fault), ensure_ascii=False) + "\n")
        if writing:
            writing.result()
    return staged, quarantined


def _document(fault: Fault) -> dict[str, object]:
    return {
        "line": fault.line,
        "code": fault.code,
        "message": fault.message,
        "remedy": fault.remedy,
        "row": fault.row,
    }
