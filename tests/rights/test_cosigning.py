"""Witnesses are asked when the ledger grows; none that is away or unwell keeps it from growing."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sonotheque.errors import Corrupt
from sonotheque.rights import evidence
from sonotheque.rights.cosigning import Cosigner, Witnesses
from sonotheque.rights.witness import Witness
from sonotheque.store import signing

_spec = importlib.util.spec_from_file_location("ledgers", Path(__file__).parents[1] / "ledgers.py")
ledgers = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(ledgers)  # type: ignore[union-attr]
Place, statements = ledgers.Place, ledgers.statements


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Any]:
    made = Place(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def served(place: Any, tmp_path: Path, logs: Any, serve: Any) -> list[Any]:
    """Two witnesses of the place's ledger."""
    return [
        serve(
            Witness(
                tmp_path / f"witnessed-{seed}",
                logs.signer(seed, f"witness.{seed}", signing.Kind.COSIGNATURE),
                [place.signer.verifier],
            )
        )
        for seed in (8, 9)
    ]


def _watched(place: Any, served: list[Any]) -> Witnesses:
    """As a command that opens the archive anew."""
    place.reopen()
    place.ledger.witnesses = Witnesses(tuple(one.cosigner for one in served))
    return place.ledger.witnesses  # type: ignore[no-any-return]


def _cosigned(place: Any, served: list[Any]) -> list[bool]:
    note = place.ledger.checkpoint()
    return [signing.cosigned_at(note, one.witness.verifier) is not None for one in served]


def test_a_checkpoint_carries_its_cosignatures(place: Any, served: list[Any]) -> None:
    for number in (1, 3, 300):
        witnesses = _watched(place, served)
        place.ledger.append(statements(number, place.ledger.size()))
        place.ledger.append(statements(1, place.ledger.size()))
        assert witnesses.away == {}
        assert _cosigned(place, served) == [True, True]
        assert place.ledger.verify() == place.ledger.size()
    keys = [one.witness.verifier for one in served]
    made = place.ledger.prove(7)
    found = evidence.verify_inclusion(made, [place.signer.verifier], keys)
    assert [name for name, _ in found.cosigned] == ["witness.8", "witness.9"]
    # Once a command has heard what a witness knows, it asks with the right size at once.
    assert served[0].asked[-3:] == [
        f"GET /witness/{served[0].asked[-3].split('/')[2]}/checkpoint",
        *["POST /witness/add-checkpoint"] * 2,
    ]


def test_who_is_away_keeps_nothing_from_being_entered(place: Any, served: list[Any]) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        silent = Cosigner(
            f"http://127.0.0.1:{deaf.getsockname()[1]}",
            signing.Verifier("silent", bytes(32), signing.Kind.COSIGNATURE),
        )
        gone = Cosigner(
            "http://127.0.0.1:9", signing.Verifier("gone", bytes(32), signing.Kind.COSIGNATURE)
        )
        witnesses = _watched(place, served)
        witnesses.cosigners = (gone, *witnesses.cosigners, silent)
        place.ledger.append(statements(2))
        assert place.ledger.verify() == 2
        assert _cosigned(place, served) == [True, True]
        assert sorted(witnesses.away) == ["gone", "silent"]
        assert all(witnesses.away.values())
        # Neither is asked again by the same command.
        place.ledger.append(statements(2, 2))
        assert _cosigned(place, served) == [True, True]


@pytest.mark.parametrize(
    "answer",
    [(500, b"sorry"), (200, b"nonsense"), (200, b"\xff"), (200, b""), (409, b"x"), (409, b"99\n")],
)
def test_odd_answers_are_that_witnesss(
    place: Any, served: list[Any], answer: tuple[int, bytes]
) -> None:
    served[1].unwell = answer
    witnesses = _watched(place, served)
    place.ledger.append(statements(2))
    assert list(witnesses.away) == ["witness.9"]
    assert "\n" not in witnesses.away["witness.9"]
    assert _cosigned(place, served) == [True, False]
    assert place.ledger.verify() == 2
    served[1].unwell = None
    _watched(place, served)
    place.ledger.cosign()
    assert _cosigned(place, served) == [True, True]


def test_a_forged_cosignature_is_not_kept(place: Any, served: list[Any], logs: Any) -> None:
    place.ledger.publish()
    served[1].witness._signer = logs.signer(7, "witness.9", signing.Kind.COSIGNATURE)
    cosigner = served[1].cosigner
    served[1].witness._signer = logs.signer(6, "witness.9", signing.Kind.COSIGNATURE)
    witnesses = _watched(place, served[:1])
    witnesses.cosigners = (*witnesses.cosigners, cosigner)
    place.ledger.append(statements(2))
    assert list(witnesses.away) == ["witness.9"]
    assert place.ledger.checkpoint().count("\n— ") == 2


def test_a_witness_remembers_what_the_archive_forgot(place: Any, served: list[Any]) -> None:
    """Database, ledger and what is kept beside the key, all from an older copy."""
    _watched(place, served)
    place.ledger.append(statements(5))
    older, newest = place.copy(), place.newest.read_bytes()
    _watched(place, served)
    place.ledger.append(statements(5, 5))
    newer = place.copy()
    place.bring_back(older)
    place.newest.write_bytes(newest)
    _watched(place, served)
    before = place.ledger.checkpoint()
    with pytest.raises(Corrupt, match="has seen 10 entries, and there are 6"):
        place.ledger.append(statements(1, 70))
    assert place.ledger.checkpoint() == before
    # From now on it is known without them.
    _watched(place, [])
    with pytest.raises(Corrupt, match="10 entries were signed"):
        place.ledger.append(statements(1, 71))
    place.bring_back(newer)
    _watched(place, served)
    assert place.ledger.append(statements(1, 10))[0].id == 11


def test_a_second_history_is_not_signed_where_a_witness_knows_the_first(
    place: Any, served: list[Any], tmp_path: Path
) -> None:
    _watched(place, served)
    place.ledger.append(statements(5))
    other = Place(tmp_path)
    other.signer = place.signer
    other.reopen()
    other.ledger.witnesses = Witnesses((served[0].cosigner,))
    with pytest.raises(Corrupt, match="other entries under this key"):
        other.ledger.append(statements(9, 50))
    assert not (other.directory / "checkpoint").exists()
    other.engine.dispose()
