"""From votes of quints to the line on which a query lies in a recording."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonotheque.matching.landmarks import CENTRE_TICKS, STEP_BITS
from sonotheque.matching.quints import QUINT
from sonotheque.matching.shard import Entry, Shard, build
from sonotheque.matching.votes import Candidate, Votes, candidates

RECORDINGS, LANDMARKS = 3, 3_000


@pytest.fixture(scope="module")
def shard() -> Shard:
    random = np.random.default_rng(1)
    entries = []
    for number in range(RECORDINGS):
        ticks = np.sort(random.integers(0, 20_000, LANDMARKS)).astype(np.uint32)
        steps = random.integers(0, 1_000, LANDMARKS).astype(np.uint32)
        landmarks = np.asarray(np.sort(ticks << STEP_BITS | steps), np.uint32)
        words = np.empty(0, np.uint32)
        entries.append(Entry(number, 200_000, words, landmarks, np.empty(0, QUINT)))
    return build(entries)


def asked(shard: Shard, rows: list[tuple[int, Votes]]) -> list[Candidate]:
    recordings = np.concatenate([np.full(len(votes.here), which) for which, votes in rows])
    joined = Votes(*(np.concatenate(parts) for parts in zip(*(v for _, v in rows), strict=True)))
    return candidates(0, shard, recordings.astype(np.intp), joined)


def votes_on_a_line(
    shard: Shard, which: int, tempo: float, steps: float, *, count: int = 24
) -> Votes:
    """Of a query that plays what the recording has from tick 2,000 on; a vote tells the tempo to
    within 3 % or so, and the pitch to within 12 cents."""
    random = np.random.default_rng(2)
    first = np.sort(random.choice(np.arange(500, 2_500), count, replace=False)) + which * LANDMARKS
    there = (shard.landmarks[first] >> STEP_BITS).astype(np.float64)
    return Votes(
        (np.log2(tempo) + random.normal(0, 0.02, count)).astype(np.float32),
        np.round((there - 2_000) / tempo),
        (steps + random.normal(0, 2, count)).astype(np.float32),
        first.astype(np.int64),
    )


def votes_by_chance(count: int, seed: int) -> Votes:
    random = np.random.default_rng(seed)
    return Votes(
        random.uniform(-0.6, 0.6, count).astype(np.float32),
        random.integers(0, 6_000, count).astype(np.float64),
        random.uniform(-200, 200, count).astype(np.float32),
        random.integers(0, RECORDINGS * LANDMARKS, count),
    )


@given(tempo=st.floats(0.65, 1.5), steps=st.floats(-180, 180), which=st.integers(0, RECORDINGS - 1))
@settings(max_examples=80, deadline=None)
def test_votes_for_any_tempo_and_pitch_are_one_line(
    shard: Shard, tempo: float, steps: float, which: int
) -> None:
    """Wherever the edges of the cells are."""
    best = asked(shard, [(which, votes_on_a_line(shard, which, tempo, steps))])[0]
    assert best.which == which
    assert best.votes >= 15
    assert best.tempo == pytest.approx(tempo, rel=0.01)
    assert best.steps == pytest.approx(steps, abs=2)
    start = 2_000 + CENTRE_TICKS * (1 - tempo)
    assert best.start_ticks == pytest.approx(start, abs=60)


def test_five_votes_are_found_among_thousands(shard: Shard) -> None:
    rows = [(1, votes_on_a_line(shard, 1, 0.94, 12, count=5))]
    rows += [(which, votes_by_chance(1_500, 10 + which)) for which in range(RECORDINGS)]
    best = asked(shard, rows)[0]
    assert best.which == 1 and 4 <= best.votes <= 6
    assert best.tempo == pytest.approx(0.94, rel=0.01)


def test_one_line_is_one_candidate(shard: Shard) -> None:
    """Though every grid of cells brings it up."""
    found = asked(shard, [(0, votes_on_a_line(shard, 0, 1.2, -40, count=40))])
    tempos: NDArray[np.float64] = np.array([one.tempo for one in found])
    assert (np.abs(tempos / 1.2 - 1) < 0.01).sum() == 1


def test_single_votes_are_none(shard: Shard) -> None:
    assert asked(shard, [(0, votes_by_chance(1, 7))]) == []
    assert asked(shard, [(0, votes_by_chance(0, 7))]) == []
