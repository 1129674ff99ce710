"""A generic table as a source: CSV, Parquet or SQLite, its columns mapped in a TOML file.

The mapping, every part of it optional; columns that are not named map to themselves:

    source = "shop"          # who says so; else the column `source`, else the import's origin
    table = "tracks"         # SQLite: which table
    delimiter = ";"          # CSV
    [columns]
    source_id = "Track ID"   # needed, under this or its own name; so is `title`
"""

from __future__ import annotations

import csv
import sqlite3
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.catalogue.sources import Fault, ImportSummary, Piece, stage
from sonotheque.catalogue.sources.cleaning import COLUMNS, Chunk, clean, fault
from sonotheque.errors import BadInput
from sonotheque.store import files

CHUNK_ROWS = 1 << 16
LINE_BYTES_MAX = 1 << 20
YEARS_AHEAD_MAX = 2
"""Releases are announced before they appear."""

_NEEDED = ("source_id", "title")
_PARQUET, _SQLITE = b"PAR1", b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where a table's columns go (see the module)."""

    source: str = ""
    table: str = ""
    delimiter: str = ","
    columns: dict[str, str] = field(default_factory=dict)
    """Our name: the table's."""


def import_table(
    catalogue_directory: Path,
    path: Path,
    *,
    origin: str,
    licence: str,
    now: str,
    mapping: Path | None = None,
) -> ImportSummary:
    """Stage the table at `path` for the next build of the catalogue.

    `path` may be a directory: then its `rows-*.parquet`, as `simulate universe` writes them.
    Raises Refused without origin and licence, BadInput where the table or the mapping cannot be
    read; a bad row is no error, it goes to the quarantine file. Memory: some 65,536 rows.
    """
    how = read_mapping(mapping) if mapping else Mapping()
    return stage(
        catalogue_directory,
        read_table(path, how, source=how.source or origin, year_max=int(now[:4]) + YEARS_AHEAD_MAX),
        source_path=path,
        origin=origin,
        licence=licence,
        now=now,
    )


def read_mapping(path: Path) -> Mapping:
    """The mapping in the TOML file at `path`. Raises BadInput."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise files.explain(error, path) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(
            f"is not valid TOML ({error})", where=str(path), remedy="correct that line"
        ) from error
    columns = document.pop("columns", {})
    texts = {**document, **columns} if isinstance(columns, dict) else {"columns": None}
    wrong = [name for name, value in texts.items() if not isinstance(value, str) or not value]
    unknown = sorted({*document} - {"source", "table", "delimiter"} | {*columns} - {*COLUMNS})
    if wrong or unknown or len(document.get("delimiter", ",")) != 1:
        raise BadInput(
            f"{(unknown or wrong or ['delimiter'])[0]!r} cannot be used in a mapping",
            where=str(path),
            remedy=f"give source, table, delimiter (one sign), and [columns] {', '.join(COLUMNS)}",
        )
    return Mapping(**document, columns=columns)


def read_table(path: Path, mapping: Mapping, *, source: str, year_max: int) -> Iterator[Piece]:
    """The table's rows, cleaned, in bounded memory. Raises BadInput."""
    paths = sorted(path.glob("rows-*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise BadInput("holds no rows-*.parquet", where=str(path), remedy="name the table's file")
    for part in paths:
        try:
            with part.open("rb") as reader:
                head = reader.read(16)
            read = _read_csv
            if head.startswith(_PARQUET):
                read = _read_parquet
            elif head == _SQLITE:
                read = _read_sqlite
            for read_piece in read(part, mapping):
                if isinstance(read_piece, Fault):
                    yield Piece(_NO_ROWS, (read_piece,))
                else:
                    yield clean(read_piece, source=source, year_max=year_max)
        except OSError as error:
            raise files.explain(error, part) from error
        except (pa.ArrowException, sqlite3.Error) as error:
            raise BadInput(
                f"cannot be read to its end ({str(error).partition(chr(10))[0]})",
                where=str(part),
                remedy="fetch it again; nothing was imported",
            ) from error


_NO_ROWS = clean(Chunk({}, np.empty(0, np.int64)), source="", year_max=0).rows


def _chosen(names: list[str], mapping: Mapping, path: Path) -> dict[str, str]:
    """Our name: the table's, of the columns it has. Raises BadInput where one needed is missing."""
    wanted = {name: mapping.columns.get(name, name) for name in COLUMNS}
    missing = [
        theirs
        for ours, theirs in wanted.items()
        if theirs not in names and (ours in _NEEDED or ours in mapping.columns)
    ]
    if missing:
        raise BadInput(
            f"has no column {missing[0]!r}",
            where=str(path),
            remedy=f"name it in a mapping file; the table has {', '.join(names)[:300]}",
        )
    return {ours: theirs for ours, theirs in wanted.items() if theirs in names}


def _read_parquet(path: Path, mapping: Mapping) -> Iterator[Chunk | Fault]:
    with pq.ParquetFile(path) as table:
        chosen = _chosen(table.schema_arrow.names, mapping, path)
        line = 1
        for batch in table.iter_batches(CHUNK_ROWS, columns=list(set(chosen.values()))):
            columns = {ours: _flat(batch.column(theirs)) for ours, theirs in chosen.items()}
            yield Chunk(columns, np.arange(line, line + len(batch)))
            line += len(batch)


def _flat(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _read_sqlite(path: Path, mapping: Mapping) -> Iterator[Chunk | Fault]:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        # As bytes, so that text in another encoding reaches the checks instead of raising here.
        connection.text_factory = bytes
        table = mapping.table or _only_table(connection, path)
        quoted = table.replace('"', '""')
        cursor = connection.execute(f'SELECT * FROM "{quoted}"')
        chosen = _chosen([column[0] for column in cursor.description], mapping, path)
        places = [column[0] for column in cursor.description]
        line = 1
        while rows := cursor.fetchmany(CHUNK_ROWS):
            columns = {
                ours: pa.array(
                    [_sqlite_bytes(row[places.index(theirs)]) for row in rows], pa.binary()
                )
                for ours, theirs in chosen.items()
            }
            yield Chunk(columns, np.arange(line, line + len(rows)))
            line += len(rows)
    finally:
        connection.close()


def _only_table(connection: sqlite3.Connection, path: Path) -> str:
    found = connection.execute(
        "SELECT name FROM sqlite_master"
        " WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    if len(found) != 1:
        raise BadInput(
            f"has {len(found)} tables",
            where=str(path),
            remedy='say which in a mapping file: table = "…"',
        )
    name: bytes = found[0][0]
    return name.decode()


def _sqlite_bytes(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else str(value).encode()


def _read_csv(path: Path, mapping: Mapping) -> Iterator[Chunk | Fault]:
    with path.open("rb") as reader:
        lines = _Lines(reader)
        rows = csv.reader(lines, delimiter=mapping.delimiter)
        names = next(rows, [])
        chosen = _chosen(names, mapping, path)
        while True:
            good, faults, more = _csv_chunk(rows, lines, names)
            yield from faults
            if good:
                columns = {
                    ours: pa.array([row[names.index(theirs)] for _, row in good], pa.string())
                    for ours, theirs in chosen.items()
                }
                yield Chunk(columns, np.array([line for line, _ in good], np.int64))
            if not more:
                return


def _csv_chunk(
    rows: Iterator[list[str]], lines: _Lines, names: list[str]
) -> tuple[list[tuple[int, list[str]]], list[Fault], bool]:
    """(rows with their first line, rows set aside, whether there may be more)."""
    good: list[tuple[int, list[str]]] = []
    faults: list[Fault] = []
    for _ in range(CHUNK_ROWS):
        first = lines.number + 1
        lines.code = ""
        row: list[str] | None = []
        try:
            row = next(rows, None)
        except csv.Error:
            lines.code = "line.too-long"
        if row is None:
            return good, faults, False
        shown = dict(zip(names, row, strict=False))
        if lines.code:
            faults.append(fault(lines.code, first, shown))
        elif row and len(row) != len(names):
            faults.append(fault("row.columns", first, shown))
        elif row:
            good.append((first, row))
    return good, faults, True


class _Lines:
    """The lines of a CSV file as text, none longer than the bound; what was wrong is in `code`."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.number = 0
        self.code = ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw: bytes = self._reader.readline(LINE_BYTES_MAX)
        if not raw:
            raise StopIteration
        self.number += 1
        rest = raw
        while len(rest) == LINE_BYTES_MAX and not rest.endswith(b"\n"):
            self.code = "line.too-long"
            rest = self._reader.readline(LINE_BYTES_MAX)
        if self.code == "line.too-long":
            return raw[:100].decode(errors="backslashreplace").replace('"', "") + "\n"
        try:
            return raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            self.code = "encoding.broken"
            return raw.decode(errors="backslashreplace")
