"""From the quints that a query shares with the recordings of a shard to where it may be in them.

Each quint is a vote for a recording, a tempo and a pitch. Votes that say about the same, and that
lie in the order and as far apart as they do in the recording, are on one line.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import CENTRE_TICKS, ticks_and_steps
from sonotheque.matching.shard import Shard

_SUSPECTED_MAX = 16
"""Candidates of a shard by quints that are looked at."""
_CELLS_MAX = 64
_OCTAVES_APART, _STEPS_APART, _GRIDS = 0.15, 14, 3
"""A quint tells the tempo to within 3 % and the pitch to within 20 cents, as a rule."""
_QUINT_VOTES_MIN = 2
_VOTE_BITS = 24
"""Of the number of a vote: a shard has fewer than 2²⁰ hits."""
_VOTE_MASK = np.uint64((1 << _VOTE_BITS) - 1)
_LINES_OF = 12
"""Lines through two of so many votes are tried."""
_APART_TICKS_MIN, _TEMPO_REACH = 100, 0.06
_TEMPO_ONE, _STEPS_ONE, _START_ONE_TICKS = 0.005, 3, 60
_LINE_REACH_TICKS = 20


class Candidate(NamedTuple):
    """A recording of a shard, as its number there, that the query may be a copy of, so many times
    as fast and so many steps higher: at its tick t the query plays what the recording does at
    `tempo` · t + `start_ticks`."""

    shard: int
    which: int
    tempo: float
    steps: float
    start_ticks: float
    votes: int
    view: int = 0


class Votes(NamedTuple):
    """Of quints, each shape (votes,): at which tempo (in octaves), at which tick of the query, how
    many steps higher than the recording, and at which landmark of the shard."""

    octaves: NDArray[np.float32]
    here: NDArray[np.float64]
    steps: NDArray[np.float32]
    first: NDArray[np.int64]

    def chosen(self, which: NDArray[np.integer[Any]]) -> Votes:
        octaves, here, steps, first = self
        return Votes(octaves[which], here[which], steps[which], first[which])


def _cells(recordings: NDArray[np.intp], votes: Votes, grid: int) -> NDArray[np.uint64]:
    """One number for the votes for one recording at about one tempo and pitch, in ascending order;
    the vote that each is of in its last _VOTE_BITS. Each grid lies a third of a cell beside the
    others: votes that an edge divides in one are together in another."""
    aside = np.float32(grid / _GRIDS), np.float32(-grid / _GRIDS % 1)
    tempo_cell = np.round(votes.octaves / np.float32(_OCTAVES_APART) + aside[0])
    pitch_cell = np.round(votes.steps / np.float32(_STEPS_APART) + aside[1])
    cells = recordings << 7 | tempo_cell.astype(np.int64) + 64
    cells = cells << 7 | pitch_cell.astype(np.int64) + 64
    numbered = (cells << _VOTE_BITS | np.arange(len(cells))).astype(np.uint64)
    # Numbers alone are sorted in a tenth of the time that an order of them takes.
    numbered.sort()
    return numbered


def candidates(
    number: int, shard: Shard, recordings: NDArray[np.intp], votes: Votes
) -> list[Candidate]:
    """Those that most `votes` are for, best first; `number` is the shard's, `recordings` which of
    its recordings each vote is for."""
    several = np.flatnonzero(np.bincount(recordings)[recordings] >= _QUINT_VOTES_MIN)
    recordings, votes = recordings[several], votes.chosen(several)
    found: list[Candidate] = []
    for grid in range(_GRIDS):
        numbered = _cells(recordings, votes, grid)
        cells = numbered >> np.uint64(_VOTE_BITS)
        first = np.flatnonzero(np.diff(cells, prepend=~np.uint64(0)))
        counts = np.diff(first, append=len(cells))
        best = np.argsort(-counts, kind="stable")[:_CELLS_MAX]
        for at in best[counts[best] >= _QUINT_VOTES_MIN].tolist():
            members = numbered[first[at] : first[at] + counts[at]] & _VOTE_MASK
            which = int(cells[first[at]] >> np.uint64(14))
            one = _in_line(number, which, shard, votes.chosen(members))
            if one.votes >= _QUINT_VOTES_MIN:
                found.append(one)
    found.sort(key=lambda one: -one.votes)
    distinct: list[Candidate] = []
    for one in found:
        if len(distinct) < _SUSPECTED_MAX and not any(_are_one(one, other) for other in distinct):
            distinct.append(one)
    return distinct


def _are_one(one: Candidate, other: Candidate) -> bool:
    """Whether an alignment finds the same from both."""
    return (
        one.which == other.which
        and abs(one.tempo / other.tempo - 1) <= _TEMPO_ONE
        and abs(one.steps - other.steps) <= _STEPS_ONE
        and abs(one.start_ticks - other.start_ticks) <= _START_ONE_TICKS
    )


def _in_line(number: int, which: int, shard: Shard, votes: Votes) -> Candidate:
    """The line on which most of `votes`, for one recording, say at which of its ticks the query
    is: of those through two of them, at a tempo that is near what they say."""
    here = votes.here
    there, _ = ticks_and_steps(shard.landmarks[votes.first])
    middle = float(np.median(here))
    tempo = float(2 ** np.median(votes.octaves))
    some = np.unique(np.linspace(0, len(here) - 1, _LINES_OF).astype(np.intp))
    left, right = (some[side] for side in np.triu_indices(len(some), 1))
    apart = here[right] - here[left]
    far = np.abs(apart) >= _APART_TICKS_MIN
    slopes = (there[right] - there[left])[far] / apart[far]
    slopes = slopes[np.abs(slopes / tempo - 1) <= _TEMPO_REACH]
    best = (0, 0.0, 1.0)
    for slope in (tempo, *slopes.tolist()):
        starts = np.sort(there - slope * (here - middle))
        # As many as lie within the reach after each.
        count = np.searchsorted(starts, starts + 2 * _LINE_REACH_TICKS, side="right")
        count -= np.arange(len(starts))
        at = int(count.argmax())
        if count[at] > best[0]:
            best = (int(count[at]), float(starts[at]) + _LINE_REACH_TICKS, slope)
    _, start, slope = best
    on_line = np.abs(there - slope * (here - middle) - start) <= _LINE_REACH_TICKS + 1
    start = float(np.median((there - slope * (here - middle))[on_line])) - slope * middle
    return Candidate(
        number,
        which,
        slope,
        float(np.median(votes.steps[on_line])),
        start + CENTRE_TICKS * (1 - slope),
        int(on_line.sum()),
    )
