"""A database that is not what the vault and the ledger say is found, and restored from them."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sonotheque.archive import Archive, open_archive
from sonotheque.cli import main
from sonotheque.deposit import agreement, recovery
from sonotheque.deposit.receipts import Receipts
from sonotheque.errors import EnvironmentFailure
from sonotheque.model.holdings import Receipt
from sonotheque.model.identifiers import Isrc, RecordingId, holding_id_of
from sonotheque.store import db, files

NOW = "2026-11-21T00:00:00.000000Z"
PAGE_BYTES = 4_096


@pytest.fixture
def filled(
    archive: Archive, deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> tuple[Archive, Receipt]:
    """An archive with a deposit of one file that was taken and one that was refused."""
    music.file(tmp_path / "in" / "1.flac", 1)  # type: ignore[attr-defined]
    (tmp_path / "in" / "2.flac").write_bytes(b"no music")
    return archive, deposit(tmp_path / "in")


def codes(archive: Archive) -> set[str]:
    return {finding.code for finding in agreement.faults(archive)}


def recording_in(receipt: Receipt) -> RecordingId:
    return next(item.recording for item in receipt.items if item.recording)


def change(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def zero(path: Path, start: int, end: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:start] + bytes(len(content[start:end])) + content[end:])


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a receipt": ("database.damaged", lambda p: change(p, b'"byte_count"', b'"bite_count"')),
    "an event": ("database.damaged", lambda p: change(p, b"sha512main", b"sha512mein")),
    "a page": ("database.damaged", lambda p: zero(p, PAGE_BYTES, 2 * PAGE_BYTES)),
    "cut short": ("database.damaged", cut_short),
    "no database": ("database.damaged", lambda p: zero(p, 0, 10_000_000)),
    "a table": (
        "database.schema",
        lambda p: change(p, b"'the ledger is append-only'", b"'the ledger is opened-only'"),
    ),
    "the kind of a trigger": (
        "database.schema",
        lambda p: change(p, b"triggerledger_entry_follows", b"triGgerledger_entry_follows"),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_put_right(filled: tuple[Archive, Receipt], name: str) -> None:
    archive, receipt = filled
    assert codes(archive) == set()
    archive.close()
    code, damage = DAMAGES[name]
    if name == "an event":
        with sqlite3.connect(archive.config.database) as connection:
            connection.create_function("row_sum", -1, db.row_sum, deterministic=True)
            connection.execute("UPDATE fixity_event SET method = 'sha512main'")
        connection.close()
    damage(archive.config.database)
    with open_archive(archive.config.directory) as damaged:
        assert codes(damaged) == {code}
    words = ["audit", "--archive", str(archive.config.directory)]
    assert main(words) == 1
    assert main([*words, "--heal"]) == 0
    assert main(words) == 0
    with open_archive(archive.config.directory) as restored:
        kept = Receipts(restored.database).receipt(receipt.deposit)
        assert kept is not None
        assert [i.sha512 for i in kept.items if i.recording] == [
            i.sha512 for i in receipt.items if i.recording
        ]


def page_of(path: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)
        )
        return int(found.fetchone()[0])


TABLES = (
    *("ledger_entry", "deposit_intent", "deposit_receipt", "deposit_item"),
    *("recording", "recording_isrc", "fixity_event", "fixity_run", "fixity_object", "fixity_copy"),
)


def page(content: bytes, number: int) -> bytes:
    return content[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]


def faults_with(archive: Archive, content: bytes) -> set[str]:
    archive.config.database.write_bytes(content)
    with open_archive(archive.config.directory) as damaged:
        return codes(damaged)


def test_a_page_of_before_or_of_another_table_is_found(filled: tuple[Archive, Receipt]) -> None:
    """As after a write that never came to the disk, or came to the wrong place: each row that is
    there is as it was written."""
    archive, receipt = filled
    path = archive.config.database
    empty = db.open_database(archive.config.directory / "empty.db")
    agreement._as_made(empty, archive)
    empty.dispose()
    made = (archive.config.directory / "empty.db").read_bytes()
    archive.close()
    old = path.read_bytes()
    with open_archive(archive.config.directory) as opened:
        known = opened.catalogue.get(recording_in(receipt))
        assert known is not None
        described = replace(known.description, isrcs=(Isrc("FRAB12600001"),))
        opened.catalogue.add([replace(known, description=described)])
    assert main(["audit", "--archive", str(archive.config.directory)]) == 0
    new = path.read_bytes()
    numbers = {table: page_of(path, table) for table in TABLES}
    changed = set()
    for table, number in numbers.items():
        others = [page(new, other) for other in numbers.values() if other != number]
        first = page(made, page_of(archive.config.directory / "empty.db", table))
        for instead in (first, page(old, number), *others):
            if instead != page(new, number):
                start, end = (number - 1) * PAGE_BYTES, number * PAGE_BYTES
                assert faults_with(archive, new[:start] + instead + new[end:]), table
        if page(old, number) != page(new, number):
            changed.add(table)
    assert {"recording", "recording_isrc", "fixity_run", "fixity_object", "fixity_copy"} <= changed
    assert faults_with(archive, new) == set()


def test_ledger_entries_that_are_nothing_any_more_are_put_right(
    filled: tuple[Archive, Receipt],
) -> None:
    """As a block of zeros leaves them: rows with their numbers, and no values."""
    archive, receipt = filled
    said = archive.ledger.statements_about(recording_in(receipt))
    archive.close()
    with sqlite3.connect(archive.config.database) as connection:
        connection.execute("DROP TABLE ledger_entry")
        connection.execute(
            "CREATE TABLE ledger_entry (number INTEGER PRIMARY KEY, recording, entry, leaf_hash)"
        )
        connection.execute("INSERT INTO ledger_entry (number) VALUES (1), (2)")
    connection.close()
    words = ["audit", "--archive", str(archive.config.directory)]
    assert main(words) == 1
    assert main([*words, "--heal"]) == 0
    assert main(words) == 0
    with open_archive(archive.config.directory) as restored:
        assert restored.ledger.statements_about(recording_in(receipt)) == said


@pytest.mark.parametrize("command", [("find", "a"), ("rights", "show"), ("deposit", "in")])
def test_an_emptied_database_is_not_taken_for_an_archive_with_nothing_in_it(
    filled: tuple[Archive, Receipt], command: tuple[str, ...]
) -> None:
    archive, _ = filled
    archive.close()
    archive.config.database.write_bytes(b"")
    assert main([*command, "--archive", str(archive.config.directory)]) == 3
    with pytest.raises(EnvironmentFailure, match="lost or empty"):
        open_archive(archive.config.directory)


def test_what_the_old_database_has_alone_is_taken_over(filled: tuple[Archive, Receipt]) -> None:
    archive, receipt = filled
    directory = archive.config.directory
    archive.close()
    zero_the_records = archive.config.database.read_bytes().index(b'"added_at"')
    content = bytearray(archive.config.database.read_bytes())
    content[zero_the_records] ^= 1
    archive.config.database.write_bytes(content)
    recovery.rebuild(directory)
    with open_archive(directory) as restored:
        assert Receipts(restored.database).receipt(receipt.deposit) == receipt
        assert len(Receipts(restored.database).about(recording_in(receipt))) == 1
        assert codes(restored) == set()


def test_a_half_rebuilt_database_is_not_used(filled: tuple[Archive, Receipt]) -> None:
    archive, _ = filled
    archive.close()
    shutil.copyfile(archive.config.database, archive.config.database_aside)
    with pytest.raises(EnvironmentFailure, match="rebuild"):
        open_archive(archive.config.directory)
    recovery.rebuild(archive.config.directory)
    open_archive(archive.config.directory).close()


def go_back(archive: Archive, old: bytes) -> None:
    archive.close()
    archive.config.database.write_bytes(old)


def test_an_older_database_lacks_ledger_entries(
    filled: tuple[Archive, Receipt], deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> None:
    archive, _ = filled
    archive.close()
    old = archive.config.database.read_bytes()
    music.file(tmp_path / "new.flac", 5, seconds=5)  # type: ignore[attr-defined]
    receipt = deposit(tmp_path / "new.flac")
    go_back(archive, old)
    with open_archive(archive.config.directory) as older:
        assert codes(older) == {"database.ledger"}
    assert main(["audit", "--heal", "--archive", str(archive.config.directory)]) == 0
    with open_archive(archive.config.directory) as restored:
        assert Receipts(restored.database).receipt(receipt.deposit) == receipt


def test_an_older_database_of_which_the_ledger_tells_nothing(
    filled: tuple[Archive, Receipt], deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> None:
    """A second encoding says nothing new of rights; the vault keeps it, and the audit run."""
    archive, first = filled
    archive.close()
    old = archive.config.database.read_bytes()
    music.bare(tmp_path / "again.ogg", 1)  # type: ignore[attr-defined]
    receipt = deposit(tmp_path / "again.ogg")
    assert recording_in(receipt) == recording_in(first)
    words = ["audit", "--archive", str(archive.config.directory)]
    assert main(words) == 0
    go_back(archive, old)
    with open_archive(archive.config.directory) as older:
        assert codes(older) == set()
        finding = agreement.Agreement(older).behind(holding_id_of(recording_in(receipt)))
        assert finding is not None
        assert (finding.code, "receipt" in finding.message) == ("database.behind", True)
    assert main(words) == 1
    assert main([*words, "--heal"]) == 0
    assert main(words) == 0
    with open_archive(archive.config.directory) as restored:
        kept = Receipts(restored.database).receipt(receipt.deposit)
        assert kept is not None
        assert kept.items[0].sha512 == receipt.items[0].sha512
        runs = [h.id for h in restored.vault.holdings() if h.id.startswith("urn:sonotheque:audit")]
        assert len(runs) >= 2
        assert not any(agreement.Agreement(restored).behind(run) for run in runs)


def test_a_damaged_log_of_the_database_is_no_traceback(filled: tuple[Archive, Receipt]) -> None:
    """As after a kill, which leaves the write-ahead log."""
    archive, receipt = filled
    directory = archive.config.directory
    log = directory / "sonotheque.db-wal"
    content = bytearray(log.read_bytes())
    for place in range(0, len(content), 500):
        content[place] ^= 1
    database = archive.config.database.read_bytes()
    archive.close()
    archive.config.database.write_bytes(database)
    files.replace(log, bytes(content))
    assert main(["show", recording_in(receipt), "--archive", str(directory)]) in (1, 3)
    assert main(["audit", "--archive", str(directory)]) in (1, 3)
    assert main(["rebuild", "--archive", str(directory)]) == 0
    assert main(["audit", "--archive", str(directory)]) == 0
