"""What the ledger signs after it or its database came back from an older copy: nothing, until
all is there again. And what it proves of itself."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sonotheque.errors import Corrupt, NotFound
from sonotheque.rights import evidence
from sonotheque.rights.entries import decode_entry
from sonotheque.rights.published import read_checkpoint, read_signed
from sonotheque.rights.sequencer import insert

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]
_spec = importlib.util.spec_from_file_location("ledgers", Path(__file__).parents[1] / "ledgers.py")
ledgers = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(ledgers)  # type: ignore[union-attr]
Place, statements = ledgers.Place, ledgers.statements


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Any]:
    made = Place(tmp_path)
    yield made
    made.engine.dispose()


def test_nothing_is_signed_after_a_rollback(place: Any) -> None:
    place.ledger.append(statements(5))
    older = place.copy()
    place.ledger.append(statements(5, 5))
    newer = place.copy()
    place.bring_back(older)
    before = place.ledger.checkpoint()
    for _ in range(7):  # however often it is tried, nothing is entered either
        with pytest.raises(Corrupt, match="10 entries were signed, and there are 5") as caught:
            place.ledger.append(statements(1, 90))
        assert "mirror" in caught.value.line()
    with pytest.raises(Corrupt, match="older copy"):
        place.ledger.publish()
    assert place.ledger.size() == 5
    assert place.ledger.checkpoint() == before
    place.bring_back(newer)
    assert place.ledger.append(statements(1, 10))[0].id == 11


def test_a_ledger_directory_that_went_back_alone_is_written_again(place: Any) -> None:
    place.ledger.append(statements(5))
    older = place.copy()
    place.ledger.append(statements(300, 5))
    kept = {path: path.read_bytes() for path in place.files()}
    place.bring_back(older, database=False)
    place.ledger.publish()
    assert {path: path.read_bytes() for path in place.files()} == kept


def test_a_database_of_another_history_is_not_signed(place: Any) -> None:
    """It has as many entries as were signed, and other ones."""
    place.ledger.append(statements(5))
    older = place.copy()
    place.ledger.append(statements(5, 5))
    checkpoint = place.ledger.checkpoint()
    place.bring_back(older, ledger=False)
    with place.engine.begin() as connection:
        insert(connection, statements(7, 60))
    for attempt in (place.ledger.publish, lambda: place.ledger.append(statements(1))):
        with pytest.raises(Corrupt, match="do not hash"):
            attempt()
    assert place.ledger.checkpoint() == checkpoint
    place.bring_back(older, database=False)
    with pytest.raises(Corrupt, match="do not hash"):
        place.ledger.publish()
    assert "\n5\n" in place.ledger.checkpoint()


def test_what_was_signed_last_is_remembered_before_it_is_seen(place: Any) -> None:
    """A process that died between the two lost the database too: it is all in the tiles."""
    place.ledger.append(statements(5))
    for fault in count():
        place.ledger.publish()
        size = place.ledger.size()
        watching = disk.Disk("die", fault)
        with watching.watched(place.base / "ledger"), contextlib.suppress(disk.Died):
            place.ledger.append(statements(1, size))
        published, _ = read_checkpoint(place.directory, place.signer.verifier)
        remembered, _ = read_signed(place.newest, place.signer.verifier)
        assert published <= remembered
        assert len(place.restored()) == remembered
        place.reopen()
        if not watching.hit:
            break
    assert fault > 10


def test_a_damaged_memory_stops_signing_until_it_is_healed(place: Any) -> None:
    place.ledger.append(statements(5))
    kept = place.newest.read_bytes()
    place.newest.write_bytes(kept[:-9])
    with pytest.raises(Corrupt, match="signature does not hold") as caught:
        place.ledger.append(statements(1))
    assert str(place.newest) in caught.value.line()
    assert place.ledger.size() == 5
    place.ledger.heal()
    assert place.newest.read_bytes() == kept
    assert place.ledger.append(statements(1))[0].id == 6


def test_an_archive_of_before_begins_to_remember(place: Any) -> None:
    place.ledger.append(statements(5))
    kept = place.newest.read_bytes()
    place.newest.unlink()
    place.ledger.publish()
    assert place.newest.read_bytes() == kept == place.ledger.checkpoint().encode()


def test_every_entry_is_proved_by_itself(place: Any) -> None:
    place.ledger.append(statements(300))
    with place.engine.begin() as connection:  # numbered, and not yet published
        insert(connection, statements(2, 300))
    for number in (1, 256, 257, 300, 302):
        made = place.ledger.prove(number)
        found = evidence.verify_inclusion(made, [place.signer.verifier])
        assert found.size == 302
        assert decode_entry(made.entry, number) == place.ledger.statement(number)
    for number in (-1, 0, 303):
        with pytest.raises(NotFound):
            place.ledger.prove(number)


def test_growth_is_proved_between_any_two_checkpoints(place: Any, tmp_path: Path) -> None:
    keys = [place.signer.verifier]
    place.ledger.publish()
    notes = [place.ledger.checkpoint()]
    for number in (1, 1, 254, 1, 300):
        place.ledger.append(statements(number, place.ledger.size()))
        notes.append(place.ledger.checkpoint())
    for note in notes:
        older = evidence.verify_checkpoint(note, keys)
        made = place.ledger.prove_growth(older)
        assert evidence.verify_consistency(made, older, keys).size == 557
    other = Place(tmp_path)
    other.signer, other.newest = place.signer, tmp_path / "newest"
    other.open()
    other.ledger.append(statements(3, 40))
    with pytest.raises(Corrupt, match="changed its past"):
        place.ledger.prove_growth(evidence.verify_checkpoint(other.ledger.checkpoint(), keys))
    with pytest.raises(Corrupt, match="lost entries"):
        other.ledger.prove_growth(evidence.verify_checkpoint(notes[-1], keys))
    other.engine.dispose()
