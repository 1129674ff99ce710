"""Quints: what a recording is indexed by, and what a query is looked up by besides."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonotheque.matching import quints
from sonotheque.matching.landmarks import STEP_BITS
from sonotheque.matching.quints import SAMPLED_OF, asked_quints_of, quints_of

Landmarks = NDArray[np.uint32]
Found = set[tuple[int, int]]
"""Hashes and numbers of first landmarks."""


def landmarks_of(ticks: NDArray[np.float64], steps: NDArray[np.float64]) -> Landmarks:
    packed = np.round(ticks).astype(np.uint32) << STEP_BITS | np.round(steps).astype(np.uint32)
    return np.asarray(np.sort(packed), np.uint32)


def piece(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    ticks, steps = np.cumsum(random.integers(3, 20, count)), random.integers(100, 900, count)
    return ticks.astype(np.float64), steps.astype(np.float64)


def found(some: quints.Quints) -> Found:
    return set(zip(some["hash"].tolist(), some["first"].tolist(), strict=True))


def one_by_one(landmarks: Landmarks, *, asked: bool) -> Found:
    """The same, quint by quint, with Python's numbers."""
    ticks = [int(landmark) >> STEP_BITS for landmark in landmarks]
    kept = set()
    for first in range(len(ticks)):
        for *between, last in combinations(range(first + 1, min(first + 17, len(ticks))), 4):
            if 80 <= ticks[last] - ticks[first] <= 250:
                some = landmarks[[first, *between, last]]
                kept |= {(hash_, first) for hash_ in hashes_of(some, asked=asked)}
    return kept


def hashes_of(five: Landmarks, *, asked: bool) -> set[int]:
    """Those that are kept of what five landmarks are, and of what they may be."""
    ticks = [int(landmark >> STEP_BITS) - int(five[0] >> STEP_BITS) for landmark in five]
    steps = [int(landmark & 1_023) - int(five[0] & 1_023) for landmark in five]
    places = [float(np.float32(16 / ticks[-1])) * at for at in ticks[1:4]]
    high = [float(step / np.float32(200 / 12)) for step in steps[1:]]
    own = [int(place) for place in places], [round(interval) for interval in high]
    seen = [own]
    if asked:
        for at, place in enumerate(places):
            other = int(place) + (1 if place % 1 >= 0.5 else -1)
            other = 1 if other < 0 else 14 if other > 15 else other
            seen.append(([*own[0][:at], other, *own[0][at + 1 :]], own[1]))
        for at, interval in enumerate(high):
            other = round(interval) + (1 if interval > round(interval) else -1)
            seen.append((own[0], [*own[1][:at], other, *own[1][at + 1 :]]))
    mask, hashes = (1 << 64) - 1, set()
    for cells, intervals in seen:
        key = intervals[-1] + 64
        for cell, interval in zip(cells, intervals, strict=False):
            key = key << 11 | ((interval + 64) * 16 + cell)
        mixed = key * 0x9E37_79B9_7F4A_7C15 & mask
        mixed = (mixed ^ mixed >> 29) * 0xBF58_476D_1CE4_E5B9 & mask
        if mixed >> 10 & 0xFFFF < round((1 << 16) / SAMPLED_OF):
            hashes.add(mixed >> 32)
    return hashes


@pytest.mark.parametrize("seed", [1, 2])
def test_quints_are_those_that_arithmetic_finds_one_by_one(seed: int) -> None:
    ticks, steps = piece(32, seed)
    landmarks = landmarks_of(ticks, steps)
    own, asked = one_by_one(landmarks, asked=False), one_by_one(landmarks, asked=True)
    assert len(own) > 2 and len(asked) > 20
    assert found(quints_of(landmarks)) == own
    assert found(asked_quints_of(landmarks)) == asked


@given(st.integers(0, 40), st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_a_query_is_looked_up_by_its_own_quints_too(count: int, seed: int) -> None:
    landmarks = landmarks_of(*piece(count, seed))
    assert found(quints_of(landmarks)) <= found(asked_quints_of(landmarks))


def test_more_of_a_copy_whose_landmarks_stray_is_found() -> None:
    ticks, steps = piece(1_500, 3)
    random = np.random.default_rng(4)
    strayed = ticks + random.normal(0, 2.5, len(ticks)), steps + random.normal(0, 4, len(steps))
    held = {hash_ for hash_, _ in found(quints_of(landmarks_of(ticks, steps)))}
    copy = landmarks_of(*strayed)
    own = {hash_ for hash_, _ in found(quints_of(copy))} & held
    asked = {hash_ for hash_, _ in found(asked_quints_of(copy))} & held
    assert len(own) > 20
    assert len(asked) > 2.5 * len(own)


def test_long_recordings_are_looked_at_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    landmarks = landmarks_of(*piece(300, 5))
    whole = found(asked_quints_of(landmarks))
    monkeypatch.setattr(quints, "_BLOCK", 7)
    assert found(asked_quints_of(landmarks)) == whole
