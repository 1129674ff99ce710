"""Landmarks: the peaks of a recording in time and log-frequency, and how two sets of them agree.

What is played faster has its peaks closer in time, what is pitched has them higher on a scale of
octaves, and what is done to level, bandwidth or noise leaves most of them where they were. The idea
is that of A. Wang (ISMIR 2003, "An industrial-strength audio search algorithm") and, for changed
speed, of J. Six and M. Leman (ISMIR 2014, "Panako").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.spectrum import (
    FINE_HOP_SAMPLES,
    FRAME_SAMPLES,
    HZ_PER_BIN,
    SAMPLE_RATE_HZ,
    Power,
)

TICK_MS = 1_000 * FINE_HOP_SAMPLES / SAMPLE_RATE_HZ / 4
"""A landmark's time is counted in quarters of a fine hop: 10.3 ms."""
STEPS_PER_OCTAVE = 200
"""A landmark's frequency is counted in steps of 6 cents."""
CENTS_PER_STEP = 1_200 / STEPS_PER_OCTAVE
STEP_BITS = 10
_TICKS_MAX = (1 << 32 - STEP_BITS) - 1
"""12 hours: what comes later has no landmarks."""
_LOWEST_HZ, _OCTAVES, _BANDS_PER_OCTAVE = 130.0, 5, 36
_FLOOR = 1e-5
"""What is added to the power, so that silence and dither have no peaks."""
_TIME_REACH, _BAND_REACH = 4, 6
"""A peak is the highest within so many fine frames and bands on either side."""
_MEAN_TIME_REACH, _MEAN_BAND_REACH = 35, 20
_PROMINENCE_MIN = 0.3
"""Over the mean of its surroundings, in nepers of power."""
_CELL_FRAMES, _CELL_PEAKS = 48, 20
"""The most prominent so many of each 2 s."""
_BLOCK_FRAMES = 10 * _CELL_FRAMES
CENTRE_TICKS = FRAME_SAMPLES / 2 / SAMPLE_RATE_HZ * 1_000 / TICK_MS
"""From the start of a frame, which its number counts, to its middle, where its sound is."""

Floats = NDArray[np.float64]
Levels = NDArray[np.float32]
"""Shape (frames, bands): the logarithm of the highest power in each band."""


class _Bands(NamedTuple):
    """Where in a spectrum each band begins, and how many bins on either side of its middle belong
    to it; which bins are of use at all."""

    hz_per_bin: float
    begins: NDArray[np.intp]
    halves: NDArray[np.intp]
    first_bin: int
    end_bin: int

    @classmethod
    def of(cls, hz_per_bin: float) -> _Bands:
        edges = np.arange(_OCTAVES * _BANDS_PER_OCTAVE + 1) - 0.5
        bins = _LOWEST_HZ * 2 ** (edges / _BANDS_PER_OCTAVE) / hz_per_bin
        begins = np.round(bins[:-1]).astype(np.intp)
        halves = np.maximum(1, np.round(np.diff(bins) / 2)).astype(np.intp)
        end = int(begins[-1] + 2 * halves[-1]) + 3
        return cls(hz_per_bin, begins, halves, int(begins[0]) - 2, end)


class LandmarkFinder:
    """Looks at spectra as they come, one a fine hop. Holds 4 MB and 4 bytes a landmark, of which
    there are ten a second at most."""

    def __init__(self, hz_per_bin: float = HZ_PER_BIN) -> None:
        self._bands = _Bands.of(hz_per_bin)
        self._begins = self._bands.begins - self._bands.first_bin
        rows = _BLOCK_FRAMES + 2 * _MEAN_TIME_REACH + _CELL_FRAMES
        self._power = np.empty((rows, self._bands.end_bin - self._bands.first_bin), np.float32)
        self._levels = np.empty((rows, len(self._bands.begins)), np.float32)
        self._filled = 0
        self._first = 0
        """The number of the frame in the first row."""
        self._next = 0
        """The number of the frame from which on nothing has been looked for."""
        self._found: list[NDArray[np.uint32]] = []

    def levels(self, power: Power) -> Levels:
        """How loud each band is in each frame of `power`."""
        rows = power[:, self._bands.first_bin : self._bands.end_bin]
        # As whole numbers, the bits of what is not negative have the same order, and are
        # compared in half the time.
        highest = np.maximum.reduceat(rows.view(np.int32), self._begins, axis=1)
        return _level(highest.view(np.float32))

    def see(self, power: Power, levels: Levels) -> None:
        """Add spectra and what `levels` says of them: for the coarse view every second, for the
        fine one those of half frames."""
        bands = self._bands
        for begin in range(0, len(power), _CELL_FRAMES):
            rows = power[begin : begin + _CELL_FRAMES, bands.first_bin : bands.end_bin]
            end = self._filled + len(rows)
            self._power[self._filled : end] = rows
            self._levels[self._filled : end] = levels[begin : begin + _CELL_FRAMES]
            self._filled = end
            if self._first + self._filled >= self._next + _BLOCK_FRAMES + _MEAN_TIME_REACH:
                self._look(self._next + _BLOCK_FRAMES)
                kept = self._next - _MEAN_TIME_REACH - self._first
                if kept > 0:
                    for buffer in (self._power, self._levels):
                        rest = buffer[kept : self._filled].copy()
                        buffer[: len(rest)] = rest
                    self._filled, self._first = self._filled - kept, self._first + kept

    def landmarks(self) -> NDArray[np.uint32]:
        """End the sound; its landmarks, shape (n,), in the order of time: ticks, then 10 bits of
        steps over 130 Hz."""
        if self._first + self._filled > self._next:
            self._look(self._first + self._filled)
        return np.unique(np.concatenate([np.empty(0, np.uint32), *self._found]))

    def _look(self, end: int) -> None:
        """Find the landmarks of the frames from `_next` to `end`."""
        # Rows that came after the reach of the mean do not count, however the sound was fed.
        rows = min(self._filled, end + _MEAN_TIME_REACH - self._first)
        begin, end_row = self._next - self._first, end - self._first
        frames, bands, prominence = _peaks(self._levels[:rows], begin, end_row)
        order = np.lexsort((-prominence, (frames + self._first) // _CELL_FRAMES))
        cells = (frames[order] + self._first) // _CELL_FRAMES
        rank = np.arange(len(order)) - np.searchsorted(cells, cells)
        kept = order[rank < _CELL_PEAKS]
        at, steps = _refined(self._power[:rows], self._bands, frames[kept], bands[kept])
        ticks = np.round(4 * (at + self._first)).astype(np.int64)
        good = (ticks >= 0) & (ticks <= _TICKS_MAX) & (steps >= 0) & (steps < 1 << STEP_BITS)
        self._found.append((ticks[good] << STEP_BITS | steps[good]).astype(np.uint32))
        self._next = end


def _level(power: Power) -> Levels:
    return np.asarray(np.log(power + np.float32(_FLOOR)), np.float32)


def _peaks(
    levels: Levels, begin: int, end: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Row, band and prominence of each peak in the rows of `levels`, which has a column for each
    band, from `begin` to `end`."""
    near = slice(begin, end)
    highest = _around(levels, _TIME_REACH, 0, np.maximum, -np.inf)[near]
    highest = _around(highest, _BAND_REACH, 1, np.maximum, -np.inf)
    total = _around(levels, _MEAN_TIME_REACH, 0, np.add, 0.0)[near]
    total = _around(total, _MEAN_BAND_REACH, 1, np.add, 0.0)
    rows, where = np.nonzero(levels[near] == highest)
    within = _within(rows + begin, _MEAN_TIME_REACH, len(levels))
    within *= _within(where, _MEAN_BAND_REACH, levels.shape[1])
    mean = np.divide(total[rows, where], within, dtype=np.float32)
    prominence = levels[rows + begin, where] - mean
    kept = prominence > _PROMINENCE_MIN
    return rows[kept] + begin, where[kept], prominence[kept]


def _around(
    values: NDArray[np.float32], reach: int, axis: int, join: np.ufunc, edge: float
) -> NDArray[np.float32]:
    """All of `values` within `reach` along `axis`, joined by `join`, which `edge` does not
    change: by twos, fours, eights, for sums one after the other wait for each other."""
    shape = list(values.shape)
    shape[axis] = reach
    beyond = np.full(shape, edge, np.float32)
    running = np.concatenate([beyond, values, beyond], axis)
    count, width = values.shape[axis], 2 * reach + 1

    def part(begin: int, end: int | None) -> NDArray[np.float32]:
        return running[begin:end] if axis == 0 else running[:, begin:end]

    joined, taken, span = part(0, count), 1, 1
    while 2 * span <= width:
        running = join(part(0, -span), part(span, None))
        span *= 2
        if width & span:
            joined = join(joined, part(taken, taken + count))
            taken += span
    return joined


def _within(places: NDArray[np.intp], reach: int, count: int) -> NDArray[np.intp]:
    """How many of `count` places are within `reach` of each of `places`."""
    return np.minimum(count, places + reach + 1) - np.maximum(0, places - reach)


def _refined(
    power: Power, bands: _Bands, rows: NDArray[np.intp], where: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.int64]]:
    """Time in rows and frequency in steps of the peaks in `rows` and the bands `where`, between
    the rows and bins by parabolas."""
    reach = int(bands.halves.max()) + 1
    around = np.arange(-reach, reach + 1)
    middle = bands.begins[where] + bands.halves[where] - bands.first_bin
    bins = np.clip(middle[:, np.newaxis] + around, 1, power.shape[1] - 2)
    near = np.abs(around) <= bands.halves[where][:, np.newaxis]
    highest = np.where(near, power[rows[:, np.newaxis], bins], -np.inf).argmax(axis=1)
    peak = bins[np.arange(len(bins)), highest]
    by_bin = _vertex(*(_level(power[rows, peak + at]) for at in (-1, 0, 1)))
    octaves = np.log2((peak + bands.first_bin + by_bin) * bands.hz_per_bin / _LOWEST_HZ)
    steps = np.round(STEPS_PER_OCTAVE * octaves).astype(np.int64)
    if len(power) < 3:
        return rows.astype(np.float64), steps
    inner = np.clip(rows, 1, len(power) - 2)
    by_row = _vertex(*(_level(power[inner + at, peak]) for at in (-1, 0, 1)))
    return inner + by_row, steps


def _vertex(
    left: NDArray[np.float32], middle: NDArray[np.float32], right: NDArray[np.float32]
) -> Floats:
    """Where the parabola through three neighbours is highest, from -0.5 to 0.5 of the middle."""
    curve = np.minimum(left - 2 * middle + right, -1e-6)
    vertex: Floats = np.clip(0.5 * (left - right) / curve, -0.5, 0.5).astype(np.float64)
    return vertex


def are_landmarks(content: bytes) -> bool:
    """Whether `content` is whole numbers of 32 bits in the order of time, as a finder's are."""
    if len(content) % 4:
        return False
    landmarks = np.frombuffer(content, "<u4")
    return not (landmarks[1:] < landmarks[:-1]).any()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How the landmarks of a copy lie on those of a recording.

    What the copy plays at its tick t is at `tempo` · t + `offset_ticks` of the recording, and
    `steps` higher. `count` landmarks of the copy are there, `support` of those that could be (0
    to 1). `margin` is how far that is above all other alignments nearby, in their standard
    deviations.
    """

    tempo: float
    steps: float
    offset_ticks: float
    count: int
    support: float
    margin: float


_NEAR_TICKS, _NEAR_STEPS = 160, 7
_BIN_TICKS = 6
_LINE_TICKS = 4
"""So near to the line, a landmark is on it."""
_SLOPES = np.linspace(-0.014, 0.014, 57)
_PAIRS_MIN = 6
_PAIRS_MAX = 2_000_000


def align(
    copy: NDArray[np.uint32],
    recording: NDArray[np.uint32],
    tempo: float,
    steps: float,
    offset_ticks: float,
) -> Alignment | None:
    """The best alignment within 1.4 % of `tempo`, 40 cents of `steps` and 1.6 s of `offset_ticks`;
    None where hardly anything is near."""
    pairs = pairs_near(copy, recording, tempo, steps, offset_ticks)
    if pairs is None:
        return None
    which, _, times, early, higher = pairs
    middle = float(times.mean())
    counts = np.stack([_bins(early - slope * (times - middle)) for slope in _SLOPES])
    couples = counts[:, :-1] + counts[:, 1:]
    best, place = np.unravel_index(int(couples.argmax()), couples.shape)
    others = np.delete(couples[best], slice(max(0, place - 2), place + 3))
    spread = max(float(others.std()), float(np.sqrt(others.mean())), 1.0)
    margin = (float(couples[best, place]) - float(others.mean())) / spread
    slope = float(_SLOPES[best])
    shift = (float(place) + 1) * _BIN_TICKS - _NEAR_TICKS
    pitch = 0.0
    for reach_ticks in (_BIN_TICKS, _BIN_TICKS, _LINE_TICKS):
        inlier = np.abs(early - shift - slope * (times - middle)) <= reach_ticks
        if inlier.sum() < _PAIRS_MIN:
            return None
        slope, shift = _line(times[inlier] - middle, early[inlier])
        pitch = float(higher[inlier].mean())
    offset = offset_ticks + shift - slope * middle
    count = len(np.unique(which[inlier]))
    return Alignment(
        tempo=tempo + slope,
        steps=steps - pitch,
        offset_ticks=offset,
        count=count,
        support=count / _possible(copy, recording, tempo + slope, offset),
        margin=margin,
    )


def coinciding(
    copy: NDArray[np.uint32], recording: NDArray[np.uint32], alignment: Alignment
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which landmarks of the copy lie on one of the recording, as `alignment` says, and on which:
    the nearest in time. Both of shape (n,), in the order of the copy."""
    line = (alignment.tempo, alignment.steps, alignment.offset_ticks)
    pairs = pairs_near(copy, recording, *line)
    if pairs is None:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    chosen = nearest(pairs, _LINE_TICKS)
    return pairs.copy[chosen], pairs.recording[chosen]


class Pairs(NamedTuple):
    """Landmarks of a copy, each with each of the recording that is near where it is expected, shape
    (n,): which of the `copy` and of the `recording`, when (`times`) the one is in ticks, how many
    ticks later than expected the other is (`early`) and how many steps `higher`."""

    copy: NDArray[np.intp]
    recording: NDArray[np.intp]
    times: Floats
    early: Floats
    higher: Floats


def pairs_near(
    copy: NDArray[np.uint32],
    recording: NDArray[np.uint32],
    tempo: float,
    steps: float,
    offset_ticks: float,
) -> Pairs | None:
    """Those within 1.6 s and 42 cents of where the line expects them; None where there are hardly
    any, or millions."""
    expected, there = tempo * _times(copy) + offset_ticks, _times(recording)
    begin = np.searchsorted(there, expected - _NEAR_TICKS)
    count = np.searchsorted(there, expected + _NEAR_TICKS) - begin
    if not 0 < count.sum() <= _PAIRS_MAX:
        return None
    which = np.repeat(np.arange(len(copy)), count)
    other = np.arange(len(which)) + np.repeat(begin - (count.cumsum() - count), count)
    higher = _steps(recording)[other] - (_steps(copy)[which] - steps)
    near = np.abs(higher) <= _NEAR_STEPS
    if near.sum() < _PAIRS_MIN:
        return None
    which, other = which[near], other[near]
    early = there[other] - expected[which]
    return Pairs(which, other, _times(copy)[which], early, higher[near])


def nearest(pairs: Pairs, reach_ticks: float) -> NDArray[np.intp]:
    """Which of `pairs` are those of each landmark of the copy with the nearest in time, where that
    is within reach: shape (n,), in the order of the copy."""
    order = np.lexsort((np.abs(pairs.early), pairs.copy))
    order = order[np.abs(pairs.early[order]) <= reach_ticks]
    _, first = np.unique(pairs.copy[order], return_index=True)
    return order[first]


def ticks_and_steps(landmarks: NDArray[np.uint32]) -> tuple[Floats, Floats]:
    """When each is, by the start of its frame, and how high over 130 Hz."""
    ticks, steps = landmarks >> np.uint32(STEP_BITS), landmarks & np.uint32((1 << STEP_BITS) - 1)
    return ticks.astype(np.float64), steps.astype(np.float64)


def _times(landmarks: NDArray[np.uint32]) -> Floats:
    """In ticks, of the middle of the frame."""
    return (landmarks >> np.uint32(STEP_BITS)).astype(np.float64) + CENTRE_TICKS


def _steps(landmarks: NDArray[np.uint32]) -> Floats:
    return (landmarks & np.uint32((1 << STEP_BITS) - 1)).astype(np.float64)


def _bins(early: Floats) -> NDArray[np.int64]:
    bins = 2 * _NEAR_TICKS // _BIN_TICKS
    place = np.clip((early + _NEAR_TICKS) // _BIN_TICKS, -1, bins).astype(np.int64) + 1
    return np.bincount(place, minlength=bins + 2)[1:-1]


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and height at 0 of the line through the points, by least squares."""
    mean_x, mean_y = float(x.mean()), float(y.mean())
    spread = float(((x - mean_x) ** 2).sum())
    slope = float(((x - mean_x) * (y - mean_y)).sum()) / spread if spread else 0.0
    return slope, mean_y - slope * mean_x


def _possible(
    copy: NDArray[np.uint32], recording: NDArray[np.uint32], tempo: float, offset: float
) -> int:
    """How many landmarks of the copy fall between the first and the last of the recording."""
    expected, there = tempo * _times(copy) + offset, _times(recording)
    return max(1, int(((expected >= there[0] - 1) & (expected <= there[-1] + 1)).sum()))
