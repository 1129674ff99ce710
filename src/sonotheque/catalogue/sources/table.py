"""A generic table as a source: CSV, Parquet or SQLite, its columns mapped in a TOML file.

The mapping, every part of it optional; columns that are not named map to themselves:

    source = "shop"          # who says so; else the column `source`, else the import's origin
    table = "tracks"         # SQLite: which table
    delimiter = ";"          # CSV
    [columns]
    source_id = "Track ID"   # needed, under this or its own name; so is `title`
"""

from __future__ import annotations

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

from sonotheque.catalogue.sources import Fault, Piece
from sonotheque.catalogue.sources.cleaning import COLUMNS, Chunk, clean, fault
from sonotheque.catalogue.sources.gathering import CHUNK_CHARACTERS_MAX, CHUNK_ROWS
from sonotheque.catalogue.sources.reading import CsvRows, cut_short, opened
from sonotheque.errors import BadInput
from sonotheque.store import files

_PARQUET, _SQLITE = b"PAR1", b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where a table's columns go (see the module)."""

    source: str = ""
    table: str = ""
    delimiter: str = ","
    columns: dict[str, str] = field(default_factory=dict)
    """Our name: the table's."""


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


def read_table(
    path: Path, mapping: Mapping, *, source: str, year_max: int, listens: bool = False
) -> Iterator[Piece]:
    """The table's rows, cleaned, in bounded memory: some 65,536 of them.

    `path` may be a directory: then its `rows-*.parquet`, as `simulate universe` writes them. Of
    counts of `listens` no more than `isrc` and `streams` are read. Raises BadInput.
    """
    paths = sorted(path.glob("rows-*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise BadInput("holds no rows-*.parquet", where=str(path), remedy="name the table's file")
    columns = _COUNTED if listens else _DESCRIBED
    for part in paths:
        try:
            with part.open("rb") as reader:
                head = reader.read(16)
            read = _read_csv
            if head.startswith(_PARQUET):
                read = _read_parquet
            elif head == _SQLITE:
                read = _read_sqlite
            for found in read(part, mapping, columns):
                if isinstance(found, Fault):
                    yield Piece(_NO_ROWS, (found,))
                else:
                    yield clean(found, source=source, year_max=year_max, listens=listens)
        except OSError as error:
            raise files.explain(error, part) from error
        except (pa.ArrowException, sqlite3.Error) as error:
            raise cut_short(part, str(error)) from error


_NO_ROWS = clean(Chunk({}, np.empty(0, np.int64)), source="", year_max=0).rows


@dataclass(frozen=True, slots=True)
class _Columns:
    """What is looked for in a table: by our names, those without which it is of no use, and
    what else one may be called."""

    wanted: tuple[str, ...]
    needed: tuple[str, ...]
    otherwise: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def chosen(self, names: list[str], mapping: Mapping, path: Path) -> dict[str, str]:
        """Our name: the table's, of the columns it has. Raises BadInput where one is missing."""
        found = {}
        for ours in self.wanted:
            theirs = mapping.columns.get(ours, ours)
            others = () if ours in mapping.columns else self.otherwise.get(ours, ())
            there = next((name for name in (theirs, *others) if name in names), None)
            if there is not None:
                found[ours] = there
            elif ours in self.needed or ours in mapping.columns:
                raise BadInput(
                    f"has no column {theirs!r}",
                    where=str(path),
                    remedy=f"name it in a mapping file; the table has {', '.join(names)[:300]}",
                )
        return found


_DESCRIBED = _Columns(COLUMNS, needed=("source_id", "title"))
_COUNTED = _Columns(
    ("isrc", "streams"), needed=("isrc", "streams"), otherwise={"streams": ("listens", "count")}
)


def _read_parquet(path: Path, mapping: Mapping, columns: _Columns) -> Iterator[Chunk | Fault]:
    with pq.ParquetFile(path) as table:
        chosen = columns.chosen(table.schema_arrow.names, mapping, path)
        line = 1
        for batch in table.iter_batches(CHUNK_ROWS, columns=list(set(chosen.values()))):
            found = {ours: _flat(batch.column(theirs)) for ours, theirs in chosen.items()}
            yield Chunk(found, np.arange(line, line + len(batch)))
            line += len(batch)


def _flat(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _read_sqlite(path: Path, mapping: Mapping, columns: _Columns) -> Iterator[Chunk | Fault]:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
    try:
        # As bytes, so that text in another encoding reaches the checks instead of raising here.
        connection.text_factory = bytes
        table = mapping.table or _only_table(connection, path)
        quoted = table.replace('"', '""')
        cursor = connection.execute(f'SELECT * FROM "{quoted}"')
        places = [column[0] for column in cursor.description]
        chosen = columns.chosen(places, mapping, path)
        line = 1
        while rows := cursor.fetchmany(CHUNK_ROWS):
            found = {
                ours: pa.array(
                    [_sqlite_bytes(row[places.index(theirs)]) for row in rows], pa.binary()
                )
                for ours, theirs in chosen.items()
            }
            yield Chunk(found, np.arange(line, line + len(rows)))
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


def _read_csv(path: Path, mapping: Mapping, columns: _Columns) -> Iterator[Chunk | Fault]:
    with opened(path) as reader:
        rows = CsvRows(reader, mapping.delimiter)
        chosen = columns.chosen(rows.names, mapping, path)
        places = [rows.names.index(theirs) for theirs in chosen.values()]
        good: list[list[str]] = []
        lines: list[int] = []
        characters = 0

        def chunk() -> Chunk:
            found = zip(chosen, zip(*good, strict=True), strict=True)
            arrays = {ours: pa.array(values, pa.string()) for ours, values in found}
            return Chunk(arrays, np.array(lines, np.int64))

        for line, row, code in rows:
            if code:
                yield fault(code, line, dict(zip(rows.names, row, strict=False)))
                continue
            good.append([row[place] for place in places])
            lines.append(line)
            characters += sum(map(len, good[-1]))
            if len(good) == CHUNK_ROWS or characters > CHUNK_CHARACTERS_MAX:
                yield chunk()
                good, lines, characters = [], [], 0
        if good:
            yield chunk()
