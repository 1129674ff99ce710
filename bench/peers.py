"""What the catalogue is measured beside: the same rows in SQLite and in PostgreSQL.

Each holds every row, with all its columns, as the dumps that people publish do: one table, a B-tree
on the ISRC, and the database's own index of the words of title, artist, album and label. Neither
has ours by identifier, UPC and source, and neither merges rows into recordings: that is less to
build and to keep, in their favour.
"""

from __future__ import annotations

import io
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from bench.queries import Asked

COLUMNS = {
    "source": "text",
    "source_id": "text",
    "isrc": "text",
    "title": "text",
    "artist": "text",
    "album": "text",
    "label": "text",
    "release_date": "date",
    "duration_ms": "integer",
    "popularity": "smallint",
    "streams": "bigint",
    "upc": "text",
}
TITLE, ARTIST = 3, 4
"""Places in a row that a peer answers."""
RESULTS = 20
_BATCH_ROWS = 100_000
_LISTED = ", ".join(COLUMNS)
_DECLARED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
Rows = list[Any]


class Unavailable(Exception):
    """A peer that is not on this machine; says how to get it."""


class Peer(Protocol):
    """A database that is built once and then asked."""

    name: str

    def build(self, parts: list[Path]) -> None:
        """Take in the rows of the Parquet files `parts`, and index them."""

    def bytes_on_disk(self) -> int: ...

    def by_isrc(self, isrc: str) -> Rows: ...

    def prepare_typos(self) -> bool:
        """Make what it takes to find a misspelt word; False where the database cannot."""

    def search(self, asked: Asked) -> Rows:
        """The best RESULTS rows with every word, the last one of a prefix query for a beginning."""


@contextmanager
def sqlite(directory: Path) -> Iterator[Peer]:
    """SQLite's own: an FTS5 table with its default tokenizer, which keeps no second copy of the
    text (external content). Neither journal nor sync while it is built; mapped and with 1 GB of
    cache when it is asked."""
    path = directory / "peer.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield _Sqlite(connection, path)
    finally:
        connection.close()
        path.unlink(missing_ok=True)


class _Sqlite:
    name = f"SQLite {sqlite3.sqlite_version}, FTS5"

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def build(self, parts: list[Path]) -> None:
        run = self._connection.execute
        for setting in ("journal_mode = off", "synchronous = off", "cache_size = -1000000"):
            run(f"PRAGMA {setting}")
        run(f"PRAGMA mmap_size = {1 << 40}")
        run(f"CREATE TABLE recordings ({_DECLARED})")
        run("BEGIN")
        places = ", ".join("?" * len(COLUMNS))
        for batch in _batches(parts):
            texts = batch.set_column(7, "release_date", batch["release_date"].cast(pa.string()))
            rows = zip(*(column.to_pylist() for column in texts.columns), strict=True)
            self._connection.executemany(f"INSERT INTO recordings VALUES ({places})", rows)
        run("CREATE INDEX by_isrc ON recordings (isrc)")
        run(
            "CREATE VIRTUAL TABLE words USING"
            " fts5(title, artist, album, label, content = 'recordings')"
        )
        run("INSERT INTO words (words) VALUES ('rebuild')")
        run("INSERT INTO words (words) VALUES ('optimize')")
        run("COMMIT")

    def bytes_on_disk(self) -> int:
        return self._path.stat().st_size

    def by_isrc(self, isrc: str) -> Rows:
        return self._connection.execute(
            f"SELECT {_LISTED} FROM recordings WHERE isrc = ?", (isrc,)
        ).fetchall()

    def prepare_typos(self) -> bool:
        return False

    def search(self, asked: Asked) -> Rows:
        listed = ", ".join(f"recordings.{name}" for name in COLUMNS)
        return self._connection.execute(
            f"SELECT {listed} FROM words JOIN recordings ON recordings.rowid = words.rowid"
            " WHERE words MATCH ? ORDER BY rank LIMIT ?",
            (_fts5(asked), RESULTS),
        ).fetchall()


def _fts5(asked: Asked) -> str:
    words = ['"' + word.replace('"', '""') + '"' for word in asked.words]
    return " AND ".join(words) + ("*" if asked.kind == "prefix" else "")


@contextmanager
def postgresql(directory: Path) -> Iterator[Peer]:
    """PostgreSQL's own: a stored tsvector ('simple', as ours stems nothing) with a GIN index, in a
    server that lives as long as this. It listens on a socket of files only, and fsync, the log of
    changes (an unlogged table) and autovacuum are off, in its favour."""
    psycopg = _client()
    commands = _commands()
    with ExitStack() as stack:
        # The path of a socket must be short, whatever `directory` is.
        socket = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        data = directory / "peer.postgresql"
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        data.mkdir()
        as_owner = _given_away([socket, data])
        _run([*as_owner, commands / "initdb", "-D", data, *_INITIAL])
        control = [*as_owner, commands / "pg_ctl", "-D", data]
        options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, "listen_addresses=''"))
        start = ["-w", "-l", data / "log", "-o", f"-k {socket} {options}", "start"]
        _run([*control, *start])
        stack.callback(_run, [*control, "-m", "immediate", "stop"])
        connection = stack.enter_context(
            psycopg.connect(host=str(socket), user="postgres", dbname="postgres", autocommit=True)
        )
        yield _Postgresql(connection)


_INITIAL = ["-U", "postgres", "-E", "UTF8", "--locale", "C.UTF-8", "-A", "trust", "--no-sync"]
_SETTINGS = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "jit=off"),
    *("wal_level=minimal", "max_wal_senders=0", "max_wal_size=8GB"),
    *("shared_buffers=2GB", "maintenance_work_mem=2GB", "work_mem=256MB"),
    # Not in /dev/shm, which is small in a container; every query planned for the words it has.
    *("dynamic_shared_memory_type=mmap", "plan_cache_mode=force_custom_plan"),
)


class _Postgresql:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        version = connection.info.server_version // 10_000
        self.name = f"PostgreSQL {version}, tsvector"

    def build(self, parts: list[Path]) -> None:
        run = self._connection.execute
        texts = " || ' ' || ".join(f"coalesce({n}, '')" for n in ("title", "artist", "album"))
        run(
            f"CREATE UNLOGGED TABLE recordings ({_DECLARED}, words tsvector GENERATED ALWAYS AS"
            f" (to_tsvector('simple', {texts} || ' ' || coalesce(label, ''))) STORED)"
        )
        how = pyarrow.csv.WriteOptions(include_header=False)
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY recordings ({_LISTED}) FROM STDIN (FORMAT csv)") as copy,
        ):
            for batch in _batches(parts):
                text = io.BytesIO()
                pyarrow.csv.write_csv(batch, text, how)
                copy.write(text.getbuffer())
        run("CREATE INDEX by_isrc ON recordings (isrc)")
        run("CREATE INDEX by_words ON recordings USING gin (words)")
        run("VACUUM ANALYZE recordings")

    def bytes_on_disk(self) -> int:
        found: int = self._one("SELECT pg_total_relation_size('recordings')")
        return found

    def by_isrc(self, isrc: str) -> Rows:
        return self._all(f"SELECT {_LISTED} FROM recordings WHERE isrc = %s", (isrc,))

    def prepare_typos(self) -> bool:
        if not self._one("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"):
            return False
        self._connection.execute("CREATE EXTENSION pg_trgm")
        self._connection.execute(
            "CREATE INDEX by_trigrams ON recordings USING gin (title gin_trgm_ops)"
        )
        return True

    def search(self, asked: Asked) -> Rows:
        if asked.kind == "typo":
            # A percent sign is doubled for the client.
            return self._all(
                f"SELECT {_LISTED} FROM recordings WHERE title %% %s"
                " ORDER BY similarity(title, %s) DESC LIMIT %s",
                (asked.text, asked.text, RESULTS),
            )
        words = ["'" + word.replace("\\", "\\\\").replace("'", "''") + "'" for word in asked.words]
        query = " & ".join(words) + (":*" if asked.kind == "prefix" else "")
        return self._all(
            f"SELECT {_LISTED} FROM recordings, to_tsquery('simple', %s) AS query"
            " WHERE words @@ query ORDER BY ts_rank(words, query) DESC LIMIT %s",
            (query, RESULTS),
        )

    def _one(self, query: str) -> Any:
        return self._all(query, ())[0][0]

    def _all(self, query: str, values: tuple[Any, ...]) -> Rows:
        found: Rows = self._connection.execute(query, values).fetchall()
        return found


def _client() -> Any:
    try:
        import psycopg
    except ImportError:
        raise Unavailable("install the packages of requirements-dev.lock (psycopg)") from None
    return psycopg


def _commands() -> Path:
    """Where the server's programs are: in no PATH on Debian, the newest last."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and not debian:
        raise Unavailable("install the server: apt-get install postgresql")
    return Path(found).parent if found else debian[-1].parent


def _given_away(directories: list[Path]) -> list[str]:
    """How to run a command as one who owns `directories`: the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError:
        raise Unavailable("root cannot run it: make a user postgres") from None
    as_owner = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    for directory in directories:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        probe = subprocess.run([*as_owner, "test", "-w", directory], cwd="/", check=False)
        if probe.returncode:
            raise Unavailable(f"the user postgres cannot reach {directory}: give another --dir")
    return as_owner


def _run(command: list[Any]) -> None:
    # Somewhere every user may be; what a daemon says goes to its log.
    ran = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise Unavailable(f"{Path(command[-1]).name} did not work: {ran.stderr.strip()[-300:]}")


def _batches(parts: list[Path]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        with pq.ParquetFile(part) as table:
            yield from table.iter_batches(_BATCH_ROWS, columns=list(COLUMNS))
