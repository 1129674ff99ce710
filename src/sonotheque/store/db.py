"""The database: SQLite through SQLAlchemy Core, with every commit on the disk when it returns."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from sonotheque.errors import EnvironmentFailure

BUSY_SECONDS = 30


def open_database(path: Path, *, missing_ok: bool = True) -> Engine:
    """The SQLite database at `path`, made where it is missing and that is `missing_ok`.

    `synchronous=FULL` because WAL with NORMAL lost acknowledged rows in simulated power cuts
    (DESIGN.md, section 4). Whatever SQLite then cannot do — a full disk, a broken file, a lock
    that is not given up — is raised as EnvironmentFailure. A connection kept from before somebody
    put another file in the place of the database is not used again.
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
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
        record.info["inode"] = _inode(path)

    @event.listens_for(engine, "checkout")
    def _look(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["inode"] != _inode(path):
            raise sqlalchemy.exc.DisconnectionError

    @event.listens_for(engine, "handle_error")
    def _explain(context: ExceptionContext) -> None:
        error = context.original_exception
        if type(error) in (sqlite3.DatabaseError, sqlite3.OperationalError):
            raise EnvironmentFailure(
                f"the database cannot be used ({error})",
                where=str(path),
                remedy="check the disk; `sonotheque rebuild` restores the database from the vault",
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
