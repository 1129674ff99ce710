"""Whether what sounds the same is a copy, or the same work played again.

Players strike a note some hundredths of a second early or late, each time otherwise; a copy,
however it was made, has every landmark where the recording has it. So the landmarks of a copy lie
closer to their line than those of another performance, more of them are there, and what they are
off by is chance, while the landmarks of a note that was struck late are all late *together*.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import (
    CENTS_PER_STEP,
    Alignment,
    Pairs,
    nearest,
    pairs_near,
    ticks_and_steps,
)
from sonotheque.matching.warp import QUARTERS

_REACH_TICKS, _REACH_STEPS = 16, 3
"""Pairs within these say how far landmarks are from the line, and how many are there by chance."""
_ROUNDS = 60
_JITTER_MIN = 0.1
"""What rounding to ticks leaves of none."""
_TOGETHER_TICKS, _TOGETHER_NEXT = 2, 4
"""Landmarks so near in the recording began together; of the next so many after each."""
_TOGETHER_REACH_TICKS = 6
_TOGETHER_BELIEF = 10
"""So many pairs weigh as much as the belief that landmarks have nothing to do with each other."""
_TOGETHER_LEAST, _TOGETHER_MOST = -1.0, 3.0
_BY_SPEED_CENTS, _SPEED_CENTS_MIN = 3.0, 20.0
"""A copy at another speed is as much higher as it is faster, 99 in 100 to 2 cents. Of 193 players
that were taken for copies none came nearer than 6 by chance. It may be another performance that
was made faster, though."""
_UNLIKE_OCTAVES_MAX = 0.5
_CONSTANT, _JITTER, _SUPPORT, _TOGETHER, _UNLIKE = -1.34, -5.12, 10.5, -1.8, 9.15
_COPY_MIN, _COPY_BY_SPEED_MIN, _COPY_UNCHANGED_MIN = -0.25, -1.5, 0.7
"""Logistic regression on 546 copies of 18 tracks of the calibration half (docs/matching.md) and 185
performances of 16 scores that words and landmarks both had called copies. Of 572 copies of 44 files
of that half at another speed 3 are below the second, and 2 were not found; of 71 performances of 12
of the scores that were made faster or slower, 1 is above. Of 942 copies of 119 files of it that are
unchanged in time 2 are below the third; of 576 performances of 16 of the scores one that kept the
tempo had 0.22, which would have been joined with the recording."""
TEMPO_SAME, CENTS_SAME = 0.004, 50 / QUARTERS
"""Within these a copy is not called modified: clocks differ by as much."""


class Scatter(NamedTuple):
    """How the landmarks of a copy lie about their line. `jitter_ticks` is the standard deviation of
    those that are there not by chance; `together` the mean product of what two are off by that
    began together, in square ticks: 0 where it is chance."""

    jitter_ticks: float
    together: float


def scatter(
    copy: NDArray[np.uint32], recording: NDArray[np.uint32], alignment: Alignment
) -> Scatter:
    """Of landmarks that `alignment` lays over each other, which it counts at least six of."""
    line = (alignment.tempo, alignment.steps, alignment.offset_ticks)
    pairs = pairs_near(copy, recording, *line)
    if pairs is None:
        return Scatter(_JITTER_MIN, 0.0)
    return Scatter(_jitter(pairs), _together(pairs, recording))


def is_performance(scatter: Scatter, alignment: Alignment) -> bool:
    """Whether the landmarks are rather those of another performance than of a copy.

    Nobody's pitch follows their tempo to within three cents: what was only made faster or slower as
    a whole has much in its favour. What else is done to pitch and tempo, players seldom do by much.
    What is unchanged in both is joined with the recording: it must be more surely a copy.
    """
    cents = alignment.steps * CENTS_PER_STEP
    unlike_cents = abs(cents - 1_200 * float(np.log2(alignment.tempo)))
    is_unchanged = abs(alignment.tempo - 1) <= TEMPO_SAME and abs(cents) <= CENTS_SAME
    is_by_speed = unlike_cents <= _BY_SPEED_CENTS and abs(cents) >= _SPEED_CENTS_MIN
    log_odds = (
        _CONSTANT
        + _JITTER * float(np.log(scatter.jitter_ticks + 0.3))
        + _SUPPORT * alignment.support
        + _TOGETHER * min(max(scatter.together, _TOGETHER_LEAST), _TOGETHER_MOST)
        + _UNLIKE * min(unlike_cents / 1_200, _UNLIKE_OCTAVES_MAX)
    )
    if is_unchanged:
        return log_odds < _COPY_UNCHANGED_MIN
    return log_odds < (_COPY_BY_SPEED_MIN if is_by_speed else _COPY_MIN)


def _jitter(pairs: Pairs) -> float:
    """Of a normal distribution about the line, over as many as chance puts everywhere: by
    expectation maximisation."""
    on_line = np.abs(pairs.early) <= _REACH_TICKS / 4
    middle = float(np.median(pairs.higher[on_line])) if on_line.any() else 0.0
    near = np.abs(pairs.early) <= _REACH_TICKS
    early = pairs.early[near & (np.abs(pairs.higher - middle) <= _REACH_STEPS)]
    if not len(early):
        return _JITTER_MIN
    deviation, share, mean = 2.0, 0.5, 0.0
    for _ in range(_ROUNDS):
        density = np.exp(-0.5 * ((early - mean) / deviation) ** 2)
        density *= share / (deviation * np.sqrt(2 * np.pi))
        chance = density / (density + (1 - share) / (2 * _REACH_TICKS))
        total = max(float(chance.sum()), 1e-9)
        share, mean = total / len(early), float((chance * early).sum()) / total
        variance = float((chance * (early - mean) ** 2).sum()) / total
        deviation = float(np.sqrt(variance + _JITTER_MIN**2))
    return deviation


def _together(pairs: Pairs, recording: NDArray[np.uint32]) -> float:
    of_copy = nearest(pairs, _TOGETHER_REACH_TICKS)
    early = pairs.early[of_copy]
    there, _ = ticks_and_steps(recording[pairs.recording[of_copy]])
    products = [
        (early[step:] * early[:-step])[np.abs(there[step:] - there[:-step]) <= _TOGETHER_TICKS]
        for step in range(1, _TOGETHER_NEXT + 1)
    ]
    together = np.concatenate(products)
    return float(together.sum()) / (len(together) + _TOGETHER_BELIEF)
