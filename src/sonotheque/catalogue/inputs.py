"""What goes into a snapshot, as one view of the engine: staged rows, and the snapshots before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.catalogue.rows import COLUMNS, ROWS_SUFFIX
from sonotheque.catalogue.sources import STAGED_SCHEMA
from sonotheque.store.engine import Engine, quoted

_LINE_BYTES_MAX = 1 << 20
"""Seven texts of 10,000 characters fit in it, whatever the script."""
_COLUMNS = ", ".join(name for name in STAGED_SCHEMA.names)
_TEXTS = tuple(
    field.name for field in STAGED_SCHEMA if not field.nullable and field.type == pa.string()
)
_TYPES = {field.name: field.type for field in STAGED_SCHEMA}
_ENGINE_TYPES = {
    pa.string(): "VARCHAR",
    pa.date32(): "DATE",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a snapshot is made of: files of staged rows, and the snapshots whose recordings keep
    their identifiers."""

    new: tuple[Path, ...]
    known: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of what goes in: the rows `first` to `last` of a file of staged rows, or a whole file of
    a snapshot."""

    path: Path
    first: int = 0
    last: int = 0


def pieces_of(inputs: Inputs, rows_max: int) -> list[Piece]:
    """`inputs` in pieces of at most `rows_max` rows, but for those of snapshots."""
    pieces = []
    for path in inputs.new:
        rows = pq.read_metadata(path).num_rows
        pieces += [
            Piece(path, first, min(rows, first + rows_max) - 1)
            for first in range(0, rows, rows_max)
        ]
    return pieces + [Piece(path) for path in _stored_paths(inputs)]


def _stored_paths(inputs: Inputs) -> list[Path]:
    return [
        path
        for directory in inputs.known
        for stem in ("recordings", "unmatched")
        for path in sorted(directory.glob(f"{stem}-*{ROWS_SUFFIX}"))
    ]


def view_inputs(engine: Engine, inputs: Inputs) -> None:
    """Make the view `inputs`: every row of `inputs`."""
    parts = [_staged(list(inputs.new))] if inputs.new else []
    if stored := _stored_paths(inputs):
        parts.append(f"SELECT {_COLUMNS}, recording_id, former_ids FROM {_stored(stored)}")
    engine.execute(f"CREATE OR REPLACE TEMP VIEW inputs AS {' UNION ALL '.join(parts)}")


def view_piece(engine: Engine, piece: Piece) -> None:
    """Make the view `inputs` of one piece alone."""
    query = f"SELECT {_COLUMNS}, recording_id, former_ids FROM {_stored([piece.path])}"
    if not piece.path.name.endswith(ROWS_SUFFIX):
        query = (
            f"{_staged([piece.path])} WHERE file_row_number BETWEEN {piece.first} AND {piece.last}"
        )
    engine.execute(f"CREATE OR REPLACE TEMP VIEW inputs AS {query}")


def described_rows(directory: Path) -> list[str]:
    """The rows of the snapshot in `directory` that describe a recording, as a query of the engine
    for each of its files: those of STAGED_SCHEMA, each with the `recording_id` that it is of."""
    return [
        f"SELECT {_COLUMNS}, last_value(recording_id IGNORE NULLS) OVER (ORDER BY place)"
        " AS recording_id FROM (SELECT *, row_number() OVER () AS place"
        f" FROM {_stored([path])})"
        for path in sorted(directory.glob(f"recordings-*{ROWS_SUFFIX}"))
    ]


def _staged(paths: list[Path]) -> str:
    listed = ", ".join(quoted(path) for path in paths)
    return (
        f"SELECT {_COLUMNS}, CAST(NULL AS VARCHAR) AS recording_id, '' AS former_ids FROM"
        f" read_parquet([{listed}], hive_partitioning = false, file_row_number = true)"
    )


def _stored(paths: list[Path]) -> str:
    """The rows that snapshots keep, as a table."""
    listed = ", ".join(quoted(path) for path in paths)
    kinds = ", ".join(
        f"{quoted(name)}: '{_ENGINE_TYPES.get(_TYPES.get(name, pa.string()), 'VARCHAR')}'"
        for name in COLUMNS
    )
    texts = ", ".join(f"coalesce({name}, '') AS {name}" for name in (*_TEXTS, "former_ids"))
    return (
        f"(SELECT * REPLACE ({texts}), CAST(0 AS BIGINT) AS line FROM read_csv([{listed}],"
        f" delim = '\t', quote = '', escape = '', header = true, auto_detect = false,"
        f" columns = {{{kinds}}}, compression = 'zstd', nullstr = '',"
        f" max_line_size = {_LINE_BYTES_MAX}, buffer_size = {2 * _LINE_BYTES_MAX}))"
    )
