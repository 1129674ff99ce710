"""Likelihood: what is learnt is what the pairs were made by, and nothing stranger than evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.errors import BadInput
from sonotheque.matching.likelihood import (
    COMPARISONS,
    UNSAID,
    Patterns,
    Route,
    evidence_sql,
    learn,
    levels_of,
)

NAMES = list(COMPARISONS)
SIZES = [len(levels) for levels in COMPARISONS.values()]


def made(random: np.random.Generator, pairs: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Levels of pairs of which `share` are one recording: alike in title and duration."""
    is_one = random.random(pairs) < share
    levels = np.zeros((pairs, len(NAMES)), np.int64)
    for name, ours, others in (
        ("title", [0.9, 0.05, 0.02, 0.02, 0.01], [0.01, 0.01, 0.01, 0.01, 0.96]),
        ("duration", [0.8, 0.15, 0.05, 0], [0.05, 0.1, 0.85, 0]),
        ("year", [0.6, 0.1, 0.3, 0], [0.1, 0.1, 0.8, 0]),
    ):
        drawn = np.where(
            is_one,
            random.choice(len(ours), pairs, p=ours),
            random.choice(len(others), pairs, p=others),
        )
        levels[:, NAMES.index(name)] = drawn
    return levels, is_one


def counted(levels: np.ndarray) -> Patterns:
    kinds, pairs = np.unique(levels, axis=0, return_counts=True)
    return Patterns(kinds, pairs.astype(np.float64))


def test_what_made_the_pairs_is_learnt_without_labels() -> None:
    levels, is_one = made(np.random.default_rng(1), 200_000, 0.08)
    model = learn(Route.ARTIST, counted(levels))
    assert model.prior == pytest.approx(0.08, abs=0.01)
    assert model.bits["title"][0] == pytest.approx(math.log2(0.9 / 0.01), abs=0.3)
    assert model.bits["duration"][2] == pytest.approx(math.log2(0.05 / 0.85), abs=0.5)
    chance = model.probabilities(levels)
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.0)):
        there = (chance >= low) & (chance <= high)
        # Calibrated: of what is said to be so probable, so many are.
        assert is_one[there].mean() == pytest.approx(chance[there].mean(), abs=0.04)


def test_where_little_is_seen_the_belief_leads() -> None:
    model = learn(Route.ARTIST, Patterns(np.zeros((0, len(NAMES)), np.int64), np.zeros(0)))
    assert model.prior == pytest.approx(0.02)
    alike = [0] * len(NAMES)
    unlike = [len(levels) - 1 - (UNSAID in levels) for levels in COMPARISONS.values()]
    [same, other] = model.probabilities(np.array([alike, unlike]))
    assert same > 0.5 > other


def test_labels_teach() -> None:
    levels, is_one = made(np.random.default_rng(2), 3_000, 0.3)
    seen = Patterns(levels[:10], np.ones(10), (levels, is_one))
    taught = learn(Route.TITLE, seen)
    assert taught.labelled == 3_000
    right = (taught.probabilities(levels) >= 0.5) == is_one
    assert right.mean() > 0.97
    opposite = learn(Route.TITLE, Patterns(levels[:10], np.ones(10), (levels, ~is_one)))
    wrong = (opposite.probabilities(levels) >= 0.5) == is_one
    assert wrong.mean() < 0.5


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(*(st.integers(0, size - 1) for size in SIZES)), max_size=40))
def test_what_is_not_said_weighs_nothing_and_what_differs_never_speaks_for(
    levels: list[tuple[int, ...]],
) -> None:
    array = np.array(levels, np.int64).reshape(-1, len(NAMES))
    for route in Route:
        model = learn(route, Patterns(array, np.ones(len(array))))
        for name, words in COMPARISONS.items():
            if UNSAID in words:
                assert model.bits[name][words.index(UNSAID)] == 0
        for name in ("title", "artist", "duration", "isrc", "remaster", "stage"):
            last = len(COMPARISONS[name]) - 1 - (UNSAID in COMPARISONS[name])
            assert model.bits[name][last] <= 0
        chances = model.table()
        assert ((chances > 0) & (chances < 1)).all()


@given(st.tuples(*(st.integers(0, size - 1) for size in SIZES)))
def test_evidence_is_one_number_there_and_back(levels: tuple[int, ...]) -> None:
    number = eval(evidence_sql(), dict(zip(NAMES, levels, strict=True)))
    assert levels_of(np.array([number]))[0].tolist() == list(levels)


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(BadInput, match="unknown levels"):
        learn(Route.ARTIST, Patterns(np.full((1, len(NAMES)), 99), np.ones(1)))
