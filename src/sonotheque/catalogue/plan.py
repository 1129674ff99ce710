"""The plan of a build: decided once, kept beside its work, so that a killed build goes on by it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a build is made of, decided once. `cuts` part the ISRCs, packed, into buckets; rows
    without one fall into `buckets_without_isrc` more. `shards` part the recordings by how much
    they are listened to (see shards.py)."""

    number: int
    previous: int | None
    imports: tuple[int, ...]
    rows: int
    """How many rows go in."""
    piece_rows: int
    """How many are spread at once."""
    cuts: tuple[int, ...]
    buckets_without_isrc: int
    shards: tuple[int, ...] = ()

    @property
    def buckets(self) -> int:
        return len(self.cuts) + 1 + self.buckets_without_isrc
