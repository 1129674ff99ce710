"""What befalls the disks in ten years: planned from a seed alone, at the published rates
(docs/durability.md) times a hardship."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

DAYS = 3652
HARDSHIPS = (1, 10, 100)
# A year, for each disk. The first four are published rates, for one disk; a root has several,
# which is one reason more for hardships. What follows them are assumptions: how often people err.
RATES = {
    "death": 0.0157,
    "unreadable": 0.0315,
    "flip": 0.0023,
    "zero": 0.0023,
    "truncate": 0.001,
    "swap": 0.001,
    "vanish": 0.005,
    "deleted": 0.002,
    "stale": 0.005,
    "lies": 0.01,
    "drops": 0.01,
}
FIRES = 0.002
"""A year and location."""
UNCHANGED = {"away": 0.5, "remember": 0.5}
"""A year and disk, whatever the hardship."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happens `where` (a disk or a location) on a day; `salt` decides the rest of it."""

    day: float
    kind: str
    where: str
    salt: int


@dataclass(frozen=True, slots=True)
class Decade:
    """A plan. `disks` is (name, location), the primary root's first; a bucket's name says so."""

    seed: int
    hardship: int
    audit_days: int
    disks: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]


def plan(seed: int) -> Decade:
    """The decade of `seed`, and of nothing else."""
    chance = random.Random(f"decade {seed}")
    hardship = chance.choice(HARDSHIPS)
    audit_days = chance.choice((90, 180, 365))
    count = chance.choice((2, 3, 3, 4))
    names = [f"root{number}" for number in range(1, count + 1)]
    # The primary is always a directory; of the others, one in three is a bucket.
    names = [names[0], *(chance.choice((n, n, f"bucket{n[4:]}")) for n in names[1:])]
    disks = tuple((name, f"place{chance.randint(1, count)}") for name in names)
    events = [Event(audit_days * n, "audit", "", 0) for n in range(1, DAYS // audit_days)]
    for kind, yearly in (("deposit", 1.5), ("read", 4.0)):
        events += _happening(chance, kind, "", yearly)
    for name in names:
        for kind, yearly in RATES.items():
            for event in _happening(chance, kind, name, yearly * hardship):
                events += [event, *_consequences(chance, event)]
        for kind, yearly in UNCHANGED.items():
            for event in _happening(chance, kind, name, yearly):
                events += [event, *_consequences(chance, event)]
    for place in sorted({location for _, location in disks}):
        for event in _happening(chance, "fire", place, FIRES * hardship):
            burnt = [name for name, location in disks if location == place]
            replaced = event.day + chance.uniform(30, 300)
            events += [event, *(Event(replaced, "replaced", name, 0) for name in burnt)]
    events.sort(key=lambda event: event.day)
    return Decade(seed, hardship, audit_days, disks, tuple(events))


def _happening(chance: random.Random, kind: str, where: str, yearly: float) -> Iterator[Event]:
    day = chance.expovariate(yearly / 365.25)
    while day < DAYS:
        yield Event(day, kind, where, chance.randrange(1 << 30))
        day += chance.expovariate(yearly / 365.25)


def _consequences(chance: random.Random, event: Event) -> list[Event]:
    """What must follow, some days later: a new disk, the end of an absence, a power cut."""
    follows = {
        "death": ("replaced", 2, 30),
        "deleted": ("replaced", 0, 3),
        "away": ("back", 0.1, 20),
        "lies": ("power cut", 1, 100),
        "drops": ("drops end", 1, 100),
    }
    if event.kind not in follows:
        return []
    kind, least, most = follows[event.kind]
    return [Event(event.day + chance.uniform(least, most), kind, event.where, event.salt + 1)]
