"""The query engine: DuckDB, opened in one place, its memory bounded, with a place to spill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from sonotheque.errors import Corrupt, EnvironmentFailure
from sonotheque.store import files


@contextlib.contextmanager
def open_engine(*, memory_bytes_max: int, spill: Path, threads: int = 2) -> Iterator[Engine]:
    """A DuckDB connection that holds at most `memory_bytes_max` and spills into `spill`.

    `spill` is emptied and removed at the end. The engine's own refusals are raised as
    EnvironmentFailure (disk, memory) or Corrupt (a file it cannot read).
    """
    files.remove_tree(spill)
    files.make_directory(spill)
    connection = duckdb.connect(
        config={
            "memory_limit": f"{memory_bytes_max}B",
            "threads": threads,
            "temp_directory": str(spill),
            # A build reads local files and nothing else: no extension is ever fetched.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        # It would write to standard output, which belongs to the command's answer.
        connection.execute("SET enable_progress_bar_print = false")
        with _reported(spill.parent):
            yield connection
    finally:
        connection.close()
        files.remove_tree(spill)


Engine = duckdb.DuckDBPyConnection


def quoted(text: str | Path) -> str:
    """`text` as an SQL string literal, for the places (COPY … TO) that take no parameter."""
    return "'" + str(text).replace("'", "''") + "'"


def write_parquet(
    engine: Engine,
    query: str,
    path: Path,
    *,
    row_group_rows: int = 122_880,
    compression_level: int = 3,
    partition_by: str = "",
) -> None:
    """Write `query`'s rows to the Parquet file `path`; to one file a value under the directory
    `path` where a column is named to `partition_by`. Whoever needs it durable calls `seal`.
    """
    layout = f", PARTITION_BY ({partition_by}), OVERWRITE_OR_IGNORE" if partition_by else ""
    engine.execute(
        f"COPY ({query}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd, "
        f"COMPRESSION_LEVEL {compression_level}, ROW_GROUP_SIZE {row_group_rows}{layout})"
    )


def add_function(
    engine: Engine,
    name: str,
    function: Callable[[Any], Any],
    *,
    takes: str,
    gives: str,
    side_effects: bool = False,
) -> None:
    """Let queries call `function`, from one Arrow column to another as long. Null stays null."""

    def in_one_piece(column: Any) -> Any:
        # The engine hands over chunked arrays and plain ones, as it has them.
        return function(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)

    engine.create_function(
        name,
        in_one_piece,
        [takes],
        gives,
        type=PythonUDFType.ARROW,
        side_effects=side_effects,
    )


def seal(directory: Path) -> None:
    """Put every file below `directory`, which an engine wrote unsynced, on the disk."""
    for parent, _, names in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise files.explain(error, path) from error
    files.sync_tree(directory)


@contextlib.contextmanager
def _reported(where: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise EnvironmentFailure(
            "the engine ran out of the memory or the disk it was given",
            where=str(where),
            remedy="give it more, then run the same command again; it goes on where it stopped",
        ) from error
    except duckdb.IOException as error:
        if "No space left" in str(error):
            raise EnvironmentFailure(
                "the disk is full",
                where=str(where),
                remedy="free some space and run the same command again; it goes on from there",
            ) from error
        raise EnvironmentFailure(
            f"the engine cannot read or write ({_first_line(error)})",
            where=str(where),
            remedy="see that path's disk and rights, then run the same command again",
        ) from error
    except duckdb.InvalidInputException as error:
        raise Corrupt(
            f"the engine cannot read a file ({_first_line(error)})",
            where=str(where),
            remedy="restore that file from a mirror, or import its source again",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
