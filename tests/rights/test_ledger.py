"""The ledger: what it took it keeps, numbered, in signed tiles from which it can be restored."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, Refused, SonothequeError
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Statement
from sonotheque.rights import proof
from sonotheque.rights.entries import ENTRY_BYTES_MAX, decode_entry, encode_entry
from sonotheque.rights.ledger import restore
from sonotheque.rights.published import read_checkpoint
from sonotheque.rights.sequencer import insert
from sonotheque.store import signing

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]
_spec = importlib.util.spec_from_file_location("ledgers", Path(__file__).parents[1] / "ledgers.py")
ledgers = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(ledgers)  # type: ignore[union-attr]
Place, statements = ledgers.Place, ledgers.statements

_places = count()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Any]:
    made = Place(tmp_path)
    yield made
    made.engine.dispose()


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 3, 100, 255, 256, 257, 300, 520]), max_size=6))
def test_batches_of_any_size_restore_equal(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int]
) -> None:
    place = Place(tmp_path_factory.mktemp("ledger"))
    place.ledger.publish()
    appended: list[Statement] = []
    for number in batches:
        appended += place.ledger.append(statements(number, len(appended)))
        place.reopen()
    assert [statement.id for statement in appended] == [*range(1, len(appended) + 1)]
    assert list(place.ledger.statements()) == appended
    assert place.ledger.size() == len(appended)
    assert place.restored() == appended
    _check_layout(place, [encode_entry(statement) for statement in appended])
    for recording in {statement.recording for statement in appended}:
        about = tuple(s for s in appended if s.recording == recording)
        assert place.ledger.statements_about(recording) == about
    place.engine.dispose()


def _check_layout(place: Any, entries: list[bytes]) -> None:
    """The files are those that tlog-tiles asks for, and no others."""
    expected = {"checkpoint": b""}
    for at in range(0, len(entries), 256):
        bundle = entries[at : at + 256]
        expected[proof.tile_path("entries", at // 256, len(bundle))] = proof.bundle(bundle)
    hashes, level = [proof.leaf_hash(entry) for entry in entries], 0
    while hashes:
        tiles = [hashes[at : at + 256] for at in range(0, len(hashes), 256)]
        for index, tile in enumerate(tiles):
            expected[proof.tile_path(level, index, len(tile))] = b"".join(tile)
        hashes, level = [proof.subtree_root(t) for t in tiles if len(t) == 256], level + 1
    size, root = read_checkpoint(place.directory, place.signer.verifier)
    assert size == len(entries)
    whole = [proof.leaf_hash(entry) for entry in entries]
    assert root == (proof.subtree_root(whole) if whole else proof.EMPTY_ROOT)
    found = {str(path.relative_to(place.directory)): path.read_bytes() for path in place.files()}
    found["checkpoint"] = b""
    assert found == expected


def _flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_a_flipped_bit_anywhere_is_refused(place: Any) -> None:
    place.ledger.append(statements(600))
    files = place.files()
    assert {str(path.relative_to(place.directory)) for path in files} >= {
        "checkpoint", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000",
    }  # fmt: skip
    for path in files:
        bits = path.stat().st_size * 8
        for bit in {0, bits // 3, bits - 1}:
            _flip(path, bit)
            with pytest.raises(Corrupt) as caught:
                place.restored()
            assert "\n" not in caught.value.line()
            _flip(path, bit)
    assert len(place.restored()) == 600


def test_every_character_of_a_checkpoint_counts(place: Any) -> None:
    place.ledger.append(statements(3))
    path = place.directory / "checkpoint"
    for bit in range(0, path.stat().st_size * 8, 3):
        _flip(path, bit)
        with pytest.raises(Corrupt):
            read_checkpoint(place.directory, place.signer.verifier)
        _flip(path, bit)
    assert read_checkpoint(place.directory, place.signer.verifier)[0] == 3


@pytest.mark.parametrize("damage", ["missing", "empty", "shorter", "longer", "swapped"])
def test_damaged_files_are_refused(place: Any, damage: str) -> None:
    place.ledger.append(statements(260))
    for path in place.files():
        content = path.read_bytes()
        match damage:
            case "missing":
                path.unlink()
            case "empty":
                path.write_bytes(b"")
            case "shorter":
                path.write_bytes(content[:-1])
            case "longer":
                path.write_bytes(content + b"\n")
            case _:
                path.write_bytes((place.directory / "tile/0/000").read_bytes())
        if path.read_bytes() == content if path.exists() else False:
            continue
        with pytest.raises(Corrupt):
            place.restored()
        path.write_bytes(content)


def test_nothing_is_signed_over_damaged_tiles(place: Any) -> None:
    """A bit that flipped in a tile must not find its way under a new signature."""
    place.ledger.append(statements(600))
    checkpoint = place.ledger.checkpoint()
    for path in place.files():
        if "/tile/" in str(path) and ".p" in str(path) and "entries" not in str(path):
            _flip(path, 5)
            with pytest.raises(Corrupt):
                place.ledger.append(statements(1))
            assert place.ledger.checkpoint() == checkpoint
            _flip(path, 5)
    place.ledger.publish()
    assert len(place.restored()) == place.ledger.size() > 600


def test_another_logs_checkpoint_is_refused(place: Any) -> None:
    """Other notes are signed with the same key; none of them may pass for a checkpoint."""
    place.ledger.append(statements(3))
    text = proof.checkpoint_text("another log", 0, proof.EMPTY_ROOT)
    (place.directory / "checkpoint").write_text(place.signer.sign(text))
    with pytest.raises(Corrupt, match="checkpoint"):
        place.restored()


def test_another_key_is_refused(place: Any, tmp_path: Path) -> None:
    place.ledger.append(statements(3))
    place.signer = signing.create_key(tmp_path / "other", "test")
    with pytest.raises(Corrupt, match="signature"):
        place.restored()


@pytest.mark.parametrize(
    ("start", "mode", "step"), [(0, "die", 1), (255, "die", 1), (255, "full", 4)]
)
def test_publishing_is_caught_up_after_any_end(
    place: Any, start: int, mode: str, step: int
) -> None:
    place.ledger.publish()
    place.ledger.append(statements(start))
    before = shutil.copytree(place.base, place.base.parent / f"before-{next(_places)}")
    for fault in count(0, step):
        place.engine.dispose()
        shutil.rmtree(place.base)
        shutil.copytree(before, place.base)
        place.open()
        acknowledged = False
        with disk.Disk(mode, fault).watched(place.directory) as watching:
            try:
                place.ledger.append(statements(2, start))
                acknowledged = True
            except (SonothequeError, OSError, disk.Died):
                pass
        ended = not watching.hit
        size, _ = read_checkpoint(place.directory, place.signer.verifier)
        assert size == start + 2 if acknowledged else size in (start, start + 2)
        place.reopen()
        with watching.restarted():
            place.ledger.publish()
            numbered = place.ledger.size()
            place.ledger.append(statements(1, start + 2))
        assert place.restored() == list(place.ledger.statements())
        assert numbered in (start, start + 2)
        assert numbered >= size
        assert place.ledger.size() == numbered + 1
        if ended:
            break
    assert fault > 5


@pytest.mark.parametrize("start", [0, 255, 256])
def test_what_was_published_survives_a_power_cut(place: Any, start: int) -> None:
    place.ledger.publish()
    place.ledger.append(statements(start))
    with disk.Disk().watched(place.base) as watching:
        place.ledger.append(statements(2, start))
    left = watching.after_power_cut(place.directory)
    published = {str(p.relative_to(place.directory)): p.read_bytes() for p in place.files()}
    assert watching.violations == []
    assert published.items() <= left.items()


def test_a_database_that_is_older_than_the_ledger_is_refused(place: Any) -> None:
    place.ledger.append(statements(5))
    place.engine.dispose()
    older = place.base / "older.db"
    shutil.copy(place.base / "sonotheque.db", older)
    place.open()
    place.ledger.append(statements(5))
    place.engine.dispose()
    older.replace(place.base / "sonotheque.db")
    place.open()
    for attempt in (place.ledger.publish, lambda: place.ledger.append(statements(1))):
        with pytest.raises(Corrupt, match="rebuild"):
            attempt()
    assert len(place.restored()) == 10


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entry SET recording = 'x' WHERE number = 1",
        "UPDATE ledger_entry SET number = 9 WHERE number = 3",
        "DELETE FROM ledger_entry WHERE number = 3",
        "DELETE FROM ledger_entry",
        "INSERT OR REPLACE INTO ledger_entry VALUES (1, 'x', x'00', x'00')",
        "REPLACE INTO ledger_entry VALUES (3, 'x', x'00', x'00')",
        "INSERT INTO ledger_entry VALUES (5, 'x', x'00', x'00')",
        "INSERT INTO ledger_entry VALUES (0, 'x', x'00', x'00')",
        "INSERT INTO ledger_entry VALUES (-1, 'x', x'00', x'00')",
    ],
)
def test_the_table_only_grows(place: Any, sql: str) -> None:
    appended = place.ledger.append(statements(3))
    append_only = pytest.raises(sqlalchemy.exc.IntegrityError, match="append-only")
    with append_only, place.engine.begin() as connection:
        connection.exec_driver_sql(sql)
    assert tuple(place.ledger.statements()) == appended


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entry SET number = 70 WHERE number = 4",
        "UPDATE ledger_entry SET entry = x'7b7d' WHERE number = 4",
    ],
)
def test_what_has_rotted_in_the_database_is_not_signed(place: Any, sql: str) -> None:
    place.ledger.append(statements(3))
    signed = {p: p.read_bytes() for p in place.directory.rglob("*") if p.is_file()}
    with place.engine.begin() as connection:
        insert(connection, statements(1))
        connection.exec_driver_sql("DROP TRIGGER ledger_entry_stays")
        connection.exec_driver_sql(sql)
    with pytest.raises(EnvironmentFailure, match="not all as they were written"):
        place.ledger.publish()
    assert {p: p.read_bytes() for p in place.directory.rglob("*") if p.is_file()} == signed


def test_nothing_is_decided_by_an_entry_that_has_rotted(place: Any) -> None:
    (statement, *_) = place.ledger.append(statements(3))
    with place.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_entry_stays")
        connection.exec_driver_sql("UPDATE ledger_entry SET entry = replace(entry, 'a', 'b')")
    with pytest.raises(EnvironmentFailure, match="cannot be understood"):
        place.ledger.statements_about(statement.recording)
    assert place.ledger.forgotten() == 3


def test_entries_of_which_the_disk_kept_nothing_are_the_database_s_damage(place: Any) -> None:
    """A block of zeros in a page makes rows whose values are NULL, whatever the table forbids."""
    place.ledger.append(statements(3))
    before = {path: path.read_bytes() for path in place.files()}
    with place.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ledger_entry")
        connection.exec_driver_sql(
            "CREATE TABLE ledger_entry (number INTEGER PRIMARY KEY, recording, entry, leaf_hash)"
        )
        connection.exec_driver_sql("INSERT INTO ledger_entry (number) VALUES (1), (2), (3), (4)")
    for work in (
        place.ledger.heal,
        place.ledger.publish,
        lambda: [*place.ledger.statements_by_recording()],
    ):
        with pytest.raises(EnvironmentFailure, match="cannot be understood"):
            work()
    assert place.ledger.forgotten() == 3
    assert {path: path.read_bytes() for path in place.files()} == before


@pytest.mark.parametrize("values", ["(1), (2), (3)", "(1), (3)"])
def test_nothing_is_proved_by_an_entry_of_which_the_disk_kept_nothing(
    place: Any, values: str
) -> None:
    place.ledger.append(statements(3))
    with place.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ledger_entry")
        connection.exec_driver_sql(
            "CREATE TABLE ledger_entry (number INTEGER PRIMARY KEY, recording, entry, leaf_hash)"
        )
        connection.exec_driver_sql(f"INSERT INTO ledger_entry (number) VALUES {values}")
    with pytest.raises(EnvironmentFailure, match="cannot be understood"):
        place.ledger.prove(2)


def test_only_an_empty_database_is_restored_into(place: Any) -> None:
    appended = place.ledger.append(statements(3))
    with pytest.raises(Refused, match="already"):
        restore(place.engine, place.directory, place.signer.verifier, newest=place.newest)
    assert tuple(place.ledger.statements()) == appended


def test_a_batch_is_taken_whole_or_not_at_all(place: Any) -> None:
    place.ledger.publish()
    checkpoint = place.ledger.checkpoint()
    too_long = replace(statements(1)[0], evidence="x" * ENTRY_BYTES_MAX)
    with pytest.raises(BadInput, match="long"):
        place.ledger.append([*statements(2), too_long])
    assert place.ledger.size() == 0
    assert place.ledger.checkpoint() == checkpoint


def test_publishing_again_changes_nothing(place: Any) -> None:
    place.ledger.append(statements(3))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.files()}
    place.ledger.publish()
    place.ledger.append([])
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in place.files()} == before


def test_entries_by_number(place: Any) -> None:
    appended = place.ledger.append(statements(3))
    assert [place.ledger.statement(n) for n in (1, 2, 3)] == list(appended)
    assert [place.ledger.statement(n) for n in (-1, 0, 4)] == [None] * 3


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 2**40))
def test_an_entry_reads_back(words: str, number: int) -> None:
    statement = replace(statements(1)[0], issuer=words, evidence=words, id=number, revokes=number)
    entry = encode_entry(statement)
    assert decode_entry(entry, number) == statement
    assert encode_entry(replace(statement, id=0)) == entry


def test_names_of_no_text_are_refused_in_one_line() -> None:
    """A file name may hold bytes that are no text; Python reads them as lone surrogates."""
    with pytest.raises(BadInput, match="UTF-8") as caught:
        encode_entry(replace(statements(1)[0], evidence="tag of \udcff.mp3"))
    assert "\n" not in caught.value.line()


def test_damage_to_what_is_published_is_found_and_healed(place: Any) -> None:
    place.ledger.append(statements(300))
    assert place.ledger.verify() == 300
    for path in place.files():
        kept = path.read_bytes()
        path.write_bytes(bytes([*kept[:-1], kept[-1] ^ 1]))
        with pytest.raises(Corrupt):
            place.ledger.verify()
        place.ledger.heal()
        assert path.read_bytes() == kept
        assert place.ledger.verify() == 300


@pytest.mark.parametrize("damage", ["garbage", "gone", "another tile"])
def test_a_checkpoint_is_signed_again_only_over_what_was_published(place: Any, damage: str) -> None:
    """By the tiles, which say how many entries that were; never by a database that is older."""
    place.ledger.append(statements(300))
    checkpoint = next(path for path in place.files() if path.name == "checkpoint")
    kept = checkpoint.read_bytes()
    with place.engine.begin() as connection:  # numbered, and not yet published
        insert(connection, statements(2))
    if damage == "gone":
        checkpoint.unlink()
    else:
        checkpoint.write_bytes(b"garbage")
    if damage == "another tile":
        tile = next(path for path in place.files() if path.parent.name == "001.p")
        tile.write_bytes(bytes(len(tile.read_bytes())))
        place.newest.unlink()
        with pytest.raises(Corrupt):
            place.ledger.heal()
        return
    place.ledger.heal()
    assert checkpoint.read_bytes() == kept
    with place.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_entry_remains")
        connection.exec_driver_sql("DELETE FROM ledger_entry WHERE number > 299")
    checkpoint.unlink()
    with pytest.raises(Corrupt):
        place.ledger.heal()
    assert not checkpoint.exists()


def test_a_sequencer_that_contradicts_the_checkpoint_heals_nothing(place: Any) -> None:
    place.ledger.append(statements(3))
    before = {path: path.read_bytes() for path in place.files()}
    with place.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_entry_stays")
        connection.exec_driver_sql("UPDATE ledger_entry SET entry = x'7b7d' WHERE number = 2")
    with pytest.raises(Corrupt):
        place.ledger.heal()
    assert {path: path.read_bytes() for path in place.files()} == before


def test_entries_about_one_recording_come_together(place: Any) -> None:
    ids = [RecordingId(f"000000000000{n}") for n in (3, 1, 3, 2, 1)]
    said = [replace(s, recording=r) for s, r in zip(statements(5), ids, strict=True)]
    place.ledger.append(said)
    together = list(place.ledger.statements_by_recording())
    assert [[statement.id for statement in group] for group in together] == [[2, 5], [4], [1, 3]]
    assert sorted((s for group in together for s in group), key=lambda s: s.id) == list(
        place.ledger.statements()
    )
