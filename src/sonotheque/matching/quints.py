"""Quints: five landmarks as one number that neither tempo nor pitch changes.

Where the first is, does not count; by how many semitones the others are higher, and at which
fractions of the time from the first to the last the three between them come, is the same in a copy
that is faster, slower, higher or lower. The idea is that of R. Sonnleitner and G. Widmer (DAFx
2014, "Quad-based audio fingerprinting robust to time and frequency scaling"), who take four.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import STEP_BITS, STEPS_PER_OCTAVE

QUINT = np.dtype([("hash", "<u4"), ("first", "<u4"), ("shape", "<u2")])
"""`first` is the number of the first landmark; `shape` tells how long and how high the quint is, so
that tempo and pitch of a hit are known without a look at its landmarks: see `octaves_and_steps`."""
SAMPLED_OF = 1_664
"""One quint in so many is kept, chosen by its hash: about ten a second."""
_INNER = 3
_SPAN_MAX = 16
_TICKS_MIN, _TICKS_MAX = 80, 250
"""0.8 to 2.6 s from the first to the last: shorter ones would have inexact fractions."""
_OCTAVES = np.log2(np.arange(_TICKS_MIN, _TICKS_MIN + 256)).astype(np.float32)
_STEPS_AT_ONCE = 4
"""Steps of a landmark that a shape does not tell apart: 24 cents."""
_STEPS_PER_SEMITONE = STEPS_PER_OCTAVE / 12
_FRACTIONS = 16
_INTERVALS = 128
_PART_BITS = np.uint64((_INTERVALS * _FRACTIONS - 1).bit_length())
_ODD, _OTHER_ODD = np.uint64(0x9E37_79B9_7F4A_7C15), np.uint64(0xBF58_476D_1CE4_E5B9)
"""For hashing by multiplication (D. Knuth, TAOCP 6.4): 2⁶⁴ over the golden ratio, and a constant of
SplitMix64 (G. Steele and others, 2014)."""

Quints = NDArray[np.void]
"""Of the type QUINT, shape (n,)."""


def quints_of(landmarks: NDArray[np.uint32]) -> Quints:
    """The sampled quints of `landmarks`, in no order."""
    ticks = (landmarks >> np.uint32(STEP_BITS)).astype(np.int32)
    steps = (landmarks & np.uint32((1 << STEP_BITS) - 1)).astype(np.float32)
    found = [np.empty(0, QUINT)]
    for span in range(_INNER + 1, min(_SPAN_MAX, len(ticks) - 1) + 1):
        length = ticks[span:] - ticks[:-span]
        first = np.flatnonzero((length >= _TICKS_MIN) & (length <= _TICKS_MAX))
        begin, low = ticks[first], steps[first]
        shape = (length[first] - _TICKS_MIN) << 8 | (low / _STEPS_AT_ONCE).astype(np.int32)
        scale = (_FRACTIONS / length[first]).astype(np.float32)
        parts = {
            at: _interval(steps[first + at] - low) * np.uint64(_FRACTIONS)
            + ((ticks[first + at] - begin) * scale).astype(np.uint64)
            for at in range(1, span)
        }
        last = _interval(steps[first + span] - low)
        for inner in combinations(range(1, span), _INNER):
            key = last
            for at in inner:
                key = key << _PART_BITS | parts[at]
            hashes, chosen = _hashed(key)
            some = np.empty(len(chosen), QUINT)
            some["hash"], some["first"], some["shape"] = hashes, first[chosen], shape[chosen]
            found.append(some)
    return np.concatenate(found)


def octaves_and_steps(
    shapes: NDArray[np.uint16],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The base-2 logarithm of the ticks that quints with `shapes` last; about how many steps high
    the first landmark is, to within 2."""
    steps = (shapes & np.uint16(0xFF)).astype(np.float32)
    steps *= _STEPS_AT_ONCE
    steps += np.float32((_STEPS_AT_ONCE - 1) / 2)
    return _OCTAVES[shapes >> np.uint16(8)], steps


def _hashed(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Hashes of the sampled ones of `keys`, and which those are, by bits that the hash has not."""
    mixed = keys * _ODD
    mixed ^= mixed >> np.uint64(29)
    mixed *= _OTHER_ODD
    low = mixed >> np.uint64(10) & np.uint64(0xFFFF)
    chosen = np.flatnonzero(low < np.uint64(round((1 << 16) / SAMPLED_OF)))
    return (mixed[chosen] >> np.uint64(32)).astype(np.uint32), chosen


def _interval(steps: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Semitones, from 0 for the lowest that there can be."""
    semitones = np.round(steps / np.float32(_STEPS_PER_SEMITONE)) + _INTERVALS // 2
    return semitones.astype(np.uint64)
