"""The database: SQLite through SQLAlchemy Core, with every commit on the disk when it returns."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from sonotheque.errors import EnvironmentFailure

BUSY_SECONDS = 30
_SETTINGS = (
    *("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"),
    # Or a cell that points outside its page is believed.
    "cell_size_check = ON",
)
_REBUILD = "`sonotheque rebuild` restores the database from the vault"
_FAULTS_MAX = 10


def open_database(path: Path, *, missing_ok: bool = True) -> Engine:
    """The SQLite database at `path`, made where it is missing and that is `missing_ok`.

    `synchronous=FULL` because WAL with NORMAL lost acknowledged rows in simulated power cuts
    (DESIGN.md, section 4). Whatever SQLite then cannot do — a full disk, a broken file, a lock
    that is not given up — is raised as EnvironmentFailure. A connection kept from before somebody
    put another file in the place of the database is not used again.

    Tables carry a `sum`, which `row_sum` makes of the other columns as a row is written, so that
    `faults` finds a row that was changed on the disk. It stands in an index, too, so that
    the integrity check of SQLite finds a row that is gone, or is as it was before.
    """
    mode = "rwc" if missing_ok else "rw"
    engine = sqlalchemy.create_engine(
        # Not by text: a `?` in the path would end it.
        sqlalchemy.URL.create("sqlite", database=str(path)),
        creator=lambda: sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
        ),
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        try:
            for setting in _SETTINGS:
                cursor.execute(f"PRAGMA {setting}")
        except UnicodeDecodeError as error:
            # What SQLite says of a damaged schema quotes from it, and sqlite3 cannot say that.
            raise sqlite3.DatabaseError("its schema is damaged") from error
        cursor.close()
        connection.create_function("row_sum", -1, row_sum, deterministic=True)
        record.info["inode"] = _inode(path)

    @event.listens_for(engine, "checkout")
    def _look(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["inode"] != _inode(path):
            raise sqlalchemy.exc.DisconnectionError

    @event.listens_for(engine, "handle_error")
    def _explain(context: ExceptionContext) -> None:
        error = context.original_exception
        if type(error) in (sqlite3.DatabaseError, sqlite3.OperationalError, UnicodeDecodeError):
            raise EnvironmentFailure(
                f"the database cannot be used ({error})",
                where=str(path),
                remedy=f"check the disk, and that this user may write there; {_REBUILD}",
            ) from error

    return engine


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def apply_schema(engine: Engine, ddl: str) -> None:
    """Run a room's `.sql` file; every statement in it must be harmless to run again."""
    with engine.begin() as connection:
        for statement in ddl.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection to read by. Raises EnvironmentFailure where what was read inside cannot be
    understood: something has changed it on the disk."""
    try:
        with engine.connect() as connection:
            yield connection
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError) as error:
        # A row has no such column: one name of the schema was changed on the disk.
        columns = isinstance(error.__cause__, sqlalchemy.exc.NoSuchColumnError)
        if isinstance(error, AttributeError) and not columns:
            raise
        raise EnvironmentFailure(
            f"the database holds what cannot be understood ({error})",
            where=str(engine.url.database),
            remedy=f"check the disk; {_REBUILD}",
        ) from error


def row_sum(*values: object) -> bytes:
    """8 bytes that tell one row's values from any others (BLAKE2b)."""
    written = repr(values).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(written, digest_size=8).digest()


def schema(engine: Engine) -> dict[str, str]:
    """Name → kind, table and statement of every table, index and trigger; the indexes that SQLite
    makes by itself have no statement."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, type, tbl_name, sql FROM sqlite_schema")
        return {str(name): " ".join(map(str, rest)) for name, *rest in rows}


def faults(engine: Engine) -> Iterator[str]:
    """What is wrong with the database's pages, and with its rows by their sums, one line each;
    no more than the first few. Reads all of it, in bounded memory."""
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql(f"PRAGMA integrity_check({_FAULTS_MAX})")
            wrong = [str(line) for (line,) in found if line != "ok"]
            yield from wrong
            if not wrong:
                yield from _changed_rows(connection)
    except EnvironmentFailure as error:
        yield error.what


def _changed_rows(connection: Connection) -> Iterator[str]:
    tables = connection.exec_driver_sql(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"
    )
    for (table,) in tables.all():
        columns = [row.name for row in connection.exec_driver_sql(f"PRAGMA table_xinfo({table})")]
        if "sum" in columns:
            others = ", ".join(name for name in columns if name != "sum")
            changed = connection.exec_driver_sql(
                f"SELECT count(*) FROM {table} WHERE sum IS NOT row_sum({others})"
            ).scalar_one()
            if changed:
                yield f"rows of {table} that are not as they were written: {changed}"
