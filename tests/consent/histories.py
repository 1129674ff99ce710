"""Random histories of a recording's rights: what is said, refused, taken down, contested and taken
back, by clocks that jump.

Drawn from a `random.Random`, so that one seed is one history: a hundred choices are in it, which
Hypothesis would take long to make. The long form (a million histories) draws from the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Basis, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import EVERYWHERE, Territory

OURS, THEIRS = RecordingId("0000000000001"), RecordingId("0000000000002")
TIMES = [f"2026-0{month}-01T00:00:00.000000Z" for month in range(1, 8)]
DAYS = [time[:10] for time in TIMES]
"""A term is in days, as people write it."""
PLACES = (EVERYWHERE, Territory("FR"), Territory("US"))
_COUNTRIES = [place for place in PLACES if place]
_MANY = 8


def history(
    random: Random,
    recordings: Sequence[RecordingId] = (OURS, OURS, OURS, THEIRS),
    *,
    count_max: int = _MANY,
    first: int = 1,
) -> tuple[Statement, ...]:
    """Up to `count_max` entries, numbered from `first`, in the order of the ledger.

    Entries are dated by a clock that may step back and forth, so their dates are in no order; one
    in four revokes something (which may be an appeal, by somebody who is not entitled to it).
    """
    count = random.randint(0, count_max)
    return tuple(statement(random, number, recordings) for number in range(first, first + count))


def statement(random: Random, number: int, recordings: Sequence[RecordingId]) -> Statement:
    """A random entry with that number; if it revokes, it is any entry up to the one after it."""
    kind = random.choice([*Kind])
    # Some name few uses and some many; none, and all of them, come up as well.
    share = random.choice([0.1, 0.5, 0.9])
    return Statement(
        id=number,
        recording=random.choice(recordings),
        kind=kind,
        uses=tuple(use for use in Use if random.random() < share),
        status=random.choice([*Status]),
        issuer=random.choice("AB"),
        evidence="e",
        at=random.choice(TIMES),
        basis=random.choice([None, *Basis]) if kind is Kind.GRANT else None,
        begins_at=random.choice(["", "", "", *DAYS]),
        ends_at=random.choice(["", "", "", *DAYS]),
        revokes=random.randint(max(0, number - _MANY), number + 1)
        if kind is Kind.REVOCATION
        else 0,
        layers=random.choice([(), tuple(Layer), (Layer.RECORDING,), (Layer.WORK,)]),
        territories=_some(random),
        territories_except=_some(random),
    )


def _some(random: Random) -> tuple[Territory, ...]:
    if random.random() < 0.7:
        return ()
    return tuple(country for country in _COUNTRIES if random.random() < 0.6)
