"""The database: durable settings, any path, and errors of one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from sonotheque.errors import EnvironmentFailure
from sonotheque.store import db

DDL = "CREATE TABLE IF NOT EXISTS a (b TEXT);\nCREATE INDEX IF NOT EXISTS a_b ON a (b);\n"


@pytest.mark.parametrize("name", ["plain.db", "a?b=c.db", "50%20 #1.db", "Été – 1.db"])
def test_any_path_is_the_path(tmp_path: Path, name: str) -> None:
    engine = db.open_database(tmp_path / name)
    for _ in range(2):
        db.apply_schema(engine, DDL)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    engine.dispose()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", ["garbage", "directory", "no directory"])
def test_what_is_no_database_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "archive.db"
    if kind == "garbage":
        path.write_bytes(b"this is no database" * 1000)
    elif kind == "directory":
        path.mkdir()
    else:
        path = tmp_path / "missing" / "archive.db"
    engine = db.open_database(path)
    with pytest.raises(EnvironmentFailure, match="cannot be used") as caught:
        db.apply_schema(engine, DDL)
    engine.dispose()
    assert str(path) in caught.value.where
    assert "rebuild" in caught.value.remedy


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    engine = db.open_database(tmp_path / "archive.db")
    db.apply_schema(engine, DDL)
    with pytest.raises(EnvironmentFailure, match="full"), engine.begin() as connection:
        # SQLite's own bound on its file stands in for the disk's.
        connection.execute(text("PRAGMA max_page_count = 4"))
        for _ in range(100):
            connection.execute(text("INSERT INTO a VALUES (:b)"), {"b": "x" * 4_000})
    engine.dispose()


def test_a_database_that_was_lost_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    engine = db.open_database(tmp_path / "archive.db", missing_ok=False)
    with pytest.raises(EnvironmentFailure, match="cannot be used"):
        db.apply_schema(engine, DDL)
    engine.dispose()
    assert list(tmp_path.iterdir()) == []


def test_another_file_in_its_place_is_noticed(tmp_path: Path) -> None:
    """As after `sonotheque rebuild`, while a server has the old database open."""
    path, new = tmp_path / "archive.db", tmp_path / "new.db"
    reader, writer = db.open_database(path), db.open_database(new)
    for engine, value in ((reader, "old"), (writer, "new")):
        db.apply_schema(engine, DDL)
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO a VALUES (:b)"), {"b": value})
    writer.dispose()
    with reader.connect() as connection:
        assert connection.execute(text("SELECT b FROM a")).scalar_one() == "old"
    new.replace(path)
    for leftover in tmp_path.glob("archive.db-*"):
        leftover.unlink()
    with reader.connect() as connection:
        assert connection.execute(text("SELECT b FROM a")).scalar_one() == "new"
    reader.dispose()


def test_a_damaged_schema_is_one_line_whatever_it_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    engine = db.open_database(path)
    db.apply_schema(engine, "CREATE TABLE pieces (name TEXT)")
    engine.dispose()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"CREATE TABLE pieces", b"CREATE T\xdf\xc1LE pieces"))
    engine = db.open_database(path)
    for _ in range(2):
        with pytest.raises(EnvironmentFailure, match="cannot be used"), engine.connect() as found:
            found.execute(text("SELECT * FROM pieces"))
    assert list(db.faults(engine))
    engine.dispose()


def test_a_column_that_was_renamed_on_the_disk_is_one_line(tmp_path: Path) -> None:
    """SQLite finds it whatever its case, and gives it the name that the schema has."""
    path = tmp_path / "archive.db"
    engine = db.open_database(path)
    db.apply_schema(engine, "CREATE TABLE pieces (name TEXT)")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO pieces VALUES ('one')"))
    engine.dispose()
    path.write_bytes(path.read_bytes().replace(b"(name TEXT)", b"(naMe TEXT)"))
    with (
        pytest.raises(EnvironmentFailure, match="cannot be understood"),
        db.reading(engine) as rows,
    ):
        rows.execute(text("SELECT name FROM pieces")).one().name  # noqa: B018
    engine.dispose()


def test_a_fault_of_ours_is_not_blamed_on_the_database(tmp_path: Path) -> None:
    engine = db.open_database(tmp_path / "archive.db")
    with pytest.raises(AttributeError, match="no_such"), db.reading(engine) as connection:
        connection.no_such  # type: ignore[attr-defined]  # noqa: B018
    engine.dispose()
