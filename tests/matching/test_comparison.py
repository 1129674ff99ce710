"""Comparing two fingerprints: the agreement found is the one that is there, beyond chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonotheque.matching.comparison import Agreement, agreement, is_clear, is_evidence
from sonotheque.matching.landmarks import Alignment

Words = NDArray[np.uint32]


def random_words(seed: int, count: int) -> Words:
    return np.random.default_rng(seed).integers(0, 1 << 32, count, dtype=np.uint32)


def with_errors(words: Words, share: float) -> Words:
    flipped = np.random.default_rng(9).random((len(words), 32)) < share
    return words ^ np.packbits(flipped, axis=1).view("<u4").reshape(-1).astype(np.uint32)


@settings(deadline=None)
@given(
    seed=st.integers(0, 99), begin=st.integers(0, 300), length=st.integers(60, 300), data=st.data()
)
def test_an_excerpt_is_found_where_it_is(
    seed: int, begin: int, length: int, data: st.DataObject
) -> None:
    whole = random_words(seed, 600)
    part = whole[begin : begin + length]
    found = agreement(whole, part, begin)
    assert found is not None
    assert (found.begin, found.length, found.similarity, found.kappa) == (begin, length, 1, 1)
    assert is_evidence(found)
    elsewhere = data.draw(st.integers(-200, 500).filter(lambda offset: offset != begin))
    wrong = agreement(whole, part, elsewhere)
    assert wrong is None or not is_evidence(wrong)


@pytest.mark.parametrize(("share", "expected"), [(0.05, True), (0.15, True), (0.3, False)])
def test_errors_lower_the_agreement_until_it_is_no_evidence(share: float, expected: bool) -> None:
    words = random_words(1, 400)
    found = agreement(words, with_errors(words, share), 0)
    assert found is not None
    assert is_evidence(found) is expected
    if expected:
        assert found.similarity == pytest.approx(1 - share, abs=0.02)
        assert found.kappa == pytest.approx(1 - 2 * share, abs=0.04)


def test_the_stretch_leaves_out_what_differs() -> None:
    left, right = random_words(1, 500), random_words(2, 500)
    right[100:300] = left[100:300]
    found = agreement(left, right, 0)
    assert found is not None
    assert found.begin == pytest.approx(100, abs=3)
    assert found.length == pytest.approx(200, abs=6)


@settings(deadline=None)
@given(seed=st.integers(0, 99))
def test_kappa_is_zero_on_average_over_all_rotations(seed: int) -> None:
    """Sharing nine bits in ten by being steady is no agreement; the chance term accounts for it."""
    steady = np.uint32(0xFFFFFFF0)
    left, right = random_words(seed, 80) | steady, random_words(seed + 100, 80) | steady
    errors = [
        np.bitwise_count(left ^ np.roll(right, turn)).mean() / 32 for turn in range(len(right))
    ]
    found = agreement(left, right, 0)
    assert found is not None
    assert found.similarity > 0.9
    if found.length == len(left):
        error = 1 - found.similarity
        assert 1 - found.kappa == pytest.approx(error / np.mean(errors))
    assert not is_evidence(found)


@pytest.mark.parametrize("words", [np.zeros(500, np.uint32), np.arange(500, dtype=np.uint32) // 50])
def test_words_of_little_variety_are_no_evidence(words: Words) -> None:
    found = agreement(words, words, 0)
    assert found is not None
    assert found.similarity == 1
    assert not is_evidence(found)


@pytest.mark.parametrize("offset", [-500, 500, 10_000])
def test_no_overlap(offset: int) -> None:
    assert agreement(random_words(1, 500), random_words(1, 500), offset) is None
    assert agreement(random_words(1, 0), random_words(1, 0), 0) is None


def test_a_few_seconds_are_no_evidence() -> None:
    words = random_words(1, 39)
    found = agreement(words, words, 0)
    assert found is not None
    assert found.similarity == 1
    assert not is_evidence(found)


def _agreed(kappa: float, words: int) -> Agreement:
    return Agreement(begin=0, length=words, similarity=0.8, kappa=kappa, variety=words)


def _aligned(margin: float, support: float, count: int) -> Alignment:
    return Alignment(
        tempo=1.0, steps=0.0, offset_ticks=0.0, count=count, support=support, margin=margin
    )


@pytest.mark.parametrize(
    ("words", "landmarks", "expected"),
    [
        ((0.35, 60), (7.0, 0.2, 40), True),
        ((0.25, 60), (7.0, 0.2, 40), False),
        ((0.35, 60), (6.0, 0.2, 40), False),
        ((0.35, 60), (7.0, 0.1, 40), False),
        ((0.35, 60), (7.0, 0.2, 20), False),
        # Music that repeats itself.
        ((0.5, 60), (3.5, 0.6, 100), True),
        ((0.5, 60), (2.5, 0.6, 100), False),
        # Few words.
        ((0.35, 30), (12.0, 0.5, 100), True),
        ((0.35, 30), (7.0, 0.5, 100), False),
        ((0.35, 20), (12.0, 0.5, 100), False),
    ],
)
def test_words_and_landmarks_must_both_say_so(
    words: tuple[float, int], landmarks: tuple[float, float, int], expected: bool
) -> None:
    alignment = _aligned(*landmarks)
    assert is_clear(_agreed(*words), alignment) is expected
    assert not is_clear(_agreed(*words), None)
