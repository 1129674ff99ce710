"""One key follows another: what either signed verifies, and only by notes that both have signed."""

from __future__ import annotations

import contextlib
import importlib.util
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sonotheque import archive as archives
from sonotheque.config import Config, Root
from sonotheque.errors import Corrupt
from sonotheque.rights import evidence, succession
from sonotheque.rights.published import read_successions
from sonotheque.rights.witness import Witness
from sonotheque.store import signing

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]
_spec = importlib.util.spec_from_file_location("ledgers", Path(__file__).parents[1] / "ledgers.py")
ledgers = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(ledgers)  # type: ignore[union-attr]
statements = ledgers.statements
NOW = "2026-11-28T10:00:00.000000Z"


def _archive(directory: Path) -> archives.Archive:
    roots = (Root("main", directory / "vault"),)
    return archives.create(Config(directory=directory, name="one", mandate="m", roots=roots))


def test_any_key_leads_to_all_of_them(logs: Any) -> None:
    one, two, three, strange = (logs.signer(n) for n in (1, 2, 3, 4))
    notes = [succession.make_note(one, two, NOW), succession.make_note(two, three, NOW)]
    assert succession.read_note(notes[0]) == (one.verifier, two.verifier)
    for key in (one, two, three):
        found = succession.related(key.verifier, notes)
        assert found[0] == key.verifier
        assert len(found) == 3
        assert {k.public_key for k in found} == {s.verifier.public_key for s in (one, two, three)}
    assert succession.related(strange.verifier, notes) == [strange.verifier]
    assert succession.related(one.verifier, notes[1:]) == [one.verifier]


def test_a_note_that_both_have_not_signed_leads_nowhere(logs: Any) -> None:
    one, two = logs.signer(1), logs.signer(2)
    note = succession.make_note(one, two, NOW)
    lines = note.split("\n")
    for forged in (
        "",
        note[:-5],
        note.replace("2026", "2027"),
        "\n".join([*lines[:7], lines[8], ""]),
        "\n".join([*lines[:6], lines[7], ""]),
        note.replace("succession", "successions"),
        succession.make_note(one, logs.signer(2, "other.0001"), NOW),
        one.sign("text\n"),
    ):
        with pytest.raises(Corrupt, match="no note by which"):
            succession.related(one.verifier, [forged])


def test_an_archive_goes_from_key_to_key(tmp_path: Path, logs: Any) -> None:
    with _archive(tmp_path / "one") as archive:
        archive.ledger.append(statements(3))
        first, early = archive.signer.verifier, archive.ledger.checkpoint()
        proved = archive.ledger.prove(2)
        for number in (1, 2):
            before = archive.signer.verifier
            note = archive.rotate_key(NOW)
            assert note == archive.config.ledger / "keys" / f"00{number}"
            assert archive.signer.verifier.name == before.name
            assert archive.signer.verifier.public_key != before.public_key
            # Until the next entry, whoever has either key can verify the checkpoint.
            for key in (before, archive.signer.verifier):
                evidence.verify_checkpoint(archive.ledger.checkpoint(), [key])
            assert archive.ledger.verify() == 2 + number
            archive.ledger.append(statements(1, 2 + number))
            with pytest.raises(Corrupt, match="another key"):
                evidence.verify_checkpoint(archive.ledger.checkpoint(), [before])
        names = {path.name for path in archive.config.keys.iterdir()}
        assert names == {"signing.key", "signing.pub", "newest-checkpoint"}
        # What the first key signed verifies by it, and by the newest with the notes.
        notes = read_successions(archive.config.ledger)
        assert evidence.verify_inclusion(proved, [first]).size == 3
        keys = succession.related(archive.signer.verifier, notes)
        assert archive.ledger.keys() == keys
        assert evidence.verify_inclusion(proved, keys).size == 3
        older = evidence.verify_checkpoint(early, keys)
        growth = archive.ledger.prove_growth(older)
        assert (
            evidence.verify_consistency(growth, older, succession.related(first, notes)).size == 5
        )
        # A witness that was told of the new key goes on from what the old one signed.
        signer = logs.signer(9, "witness.9", signing.Kind.COSIGNATURE)
        witness = Witness(tmp_path / "witnessed", signer, keys)
        request = evidence.ConsistencyProof(old=0, path=(), checkpoint=early).text()
        assert witness.add_checkpoint(request.encode(), 1).status == 200
        assert witness.add_checkpoint(growth.text().encode(), 2).status == 200


def test_a_rotation_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    for fault in count(0, 4):
        directory = tmp_path / f"archive-{fault}"
        with _archive(directory) as archive:
            archive.ledger.append(statements(3))
            first = archive.signer.verifier
            watching = disk.Disk("die", fault)
            with watching.watched(directory), contextlib.suppress(disk.Died):
                archive.rotate_key(NOW)
        with archives.open_archive(directory) as archive:
            archive.ledger.append(statements(1, 3))
            assert archive.ledger.verify() == 4
            if archive.signer.verifier == first:
                archive.rotate_key(NOW)
            key = archive.signer.verifier
            assert key != first
            archive.ledger.append(statements(1, 4))
            notes = read_successions(archive.config.ledger)
            assert [succession.read_note(note) for note in notes] == [(first, key)]
            evidence.verify_checkpoint(archive.ledger.checkpoint(), [key])
            assert not list(archive.config.keys.glob("*.tmp"))
        if not watching.hit:
            break
    assert fault > 15
