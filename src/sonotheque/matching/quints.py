"""Quints: five landmarks as one number that neither tempo nor pitch changes.

Where the first is, does not count; by how many semitones the others are higher, and at which
fractions of the time from the first to the last the three between them come, is the same in a copy
that is faster, slower, higher or lower. The idea is that of R. Sonnleitner and G. Widmer (DAFx
2014, "Quad-based audio fingerprinting robust to time and frequency scaling"), who take four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import STEP_BITS, STEPS_PER_OCTAVE

QUINT = np.dtype([("hash", "<u4"), ("first", "<u4"), ("shape", "<u2")])
"""`first` is the number of the first landmark; `shape` tells how long and how high the quint is, so
that tempo and pitch of a hit are known without a look at its landmarks: see `octaves_and_steps`."""
SAMPLED_OF = 1_664
"""One quint in so many is kept, chosen by its hash: about ten a second."""
_SAMPLED_BELOW = np.uint64(round((1 << 16) / SAMPLED_OF) << 48)
_INNER = 3
_SPAN_MAX = 16
_BLOCK = 4_096
"""So many first landmarks are looked at at a time, which takes 40 MB."""
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
    return _sampled(landmarks, _as_they_are)


def asked_quints_of(landmarks: NDArray[np.uint32]) -> Quints:
    """The quints that a query with `landmarks` is looked up by, in no order: its own, and those it
    would have if one landmark between came a little earlier or later, or one after the first were
    a little higher or lower.

    What was done to a copy moves its landmarks by a hundredth of a second or two and some cents,
    and fractions and intervals over the edge to their neighbours. Of a copy that is hard to find
    four times as many quints are found so, and so are of what is unlike.
    """
    return _sampled(landmarks, _as_they_may_be)


class _Span(NamedTuple):
    """Stretches of landmarks, of shape (others, n): `places` are where those after the first come
    in sixteenths of the time to the last, `intervals` how many semitones higher they are."""

    places: NDArray[np.float64]
    intervals: NDArray[np.float32]


class _Seen(NamedTuple):
    """What a key is made of: a landmark `between`, shape (_INNER, ways, place, n), where it is the
    first, second or third of those; the `last`, shape (ways, n). The ways to see a quint are as it
    is, and as it may be."""

    between: NDArray[np.uint64]
    last: NDArray[np.uint64]


def _sampled(landmarks: NDArray[np.uint32], seen_of: Callable[[_Span], _Seen]) -> Quints:
    ticks = (landmarks >> np.uint32(STEP_BITS)).astype(np.int32)
    steps = (landmarks & np.uint32((1 << STEP_BITS) - 1)).astype(np.float32)
    found = [np.empty(0, QUINT)]
    for span in range(_INNER + 1, min(_SPAN_MAX, len(ticks) - 1) + 1):
        length = ticks[span:] - ticks[:-span]
        all_first = np.flatnonzero((length >= _TICKS_MIN) & (length <= _TICKS_MAX))
        for block in range(0, len(all_first), _BLOCK):
            first = all_first[block : block + _BLOCK]
            begin, low = ticks[first], steps[first]
            shape = (length[first] - _TICKS_MIN) << 8 | (low / _STEPS_AT_ONCE).astype(np.int32)
            scale = (_FRACTIONS / length[first]).astype(np.float32)
            others = first + np.arange(1, span + 1)[:, np.newaxis]
            places = (ticks[others] - begin) * scale
            intervals = (steps[others] - low) / np.float32(_STEPS_PER_SEMITONE)
            for keys in _keys(seen_of(_Span(places, intervals))):
                hashes, chosen = _hashed(keys)
                chosen %= len(first)
                some = np.empty(len(chosen), QUINT)
                some["hash"], some["first"], some["shape"] = hashes, first[chosen], shape[chosen]
                found.append(some)
    return np.concatenate(found)


def _keys(seen: _Seen) -> Iterator[NDArray[np.uint64]]:
    """For each choice of the three between, the keys of the quints in all ways, (ways · n,)."""
    one, two, three = seen.between
    count = one.shape[1]
    for begun in range(count - 2):
        from_one = seen.last << _PART_BITS | one[:, begun]
        for following in range(begun + 1, count - 1):
            from_two = from_one << _PART_BITS | two[:, following]
            from_two <<= _PART_BITS
            for at in range(following + 1, count):
                yield (from_two | three[:, at]).reshape(-1)


def _as_they_are(span: _Span) -> _Seen:
    parts = _part(np.round(span.intervals[:-1]), np.floor(span.places[:-1]))
    between = np.broadcast_to(parts, (_INNER, 1, *parts.shape))
    return _Seen(between, _semitones(np.round(span.intervals[-1:])))


def _as_they_may_be(span: _Span) -> _Seen:
    """As they are; with one of the three between in the place beside; with the nearest other
    interval of one of those, or of the last."""
    own, at = np.round(span.intervals), np.floor(span.places[:-1])
    other = np.where(span.intervals > own, own + 1, own - 1)
    beside = np.where(span.places[:-1] - at < 0.5, at - 1, at + 1)
    beside[beside < 0] = 1
    beside[beside >= _FRACTIONS] = _FRACTIONS - 2
    ways = 1 + _INNER + _INNER + 1
    between = np.empty((_INNER, ways, *at.shape), np.uint64)
    between[:] = _part(own[:-1], at)
    for which in range(_INNER):
        between[which, 1 + which] = _part(own[:-1], beside)
        between[which, 1 + _INNER + which] = _part(other[:-1], at)
    last = np.tile(_semitones(own[-1]), (ways, 1))
    last[-1] = _semitones(other[-1])
    return _Seen(between, last)


def _part(intervals: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.uint64]:
    return _semitones(intervals) * np.uint64(_FRACTIONS) + places.astype(np.uint64)


def _semitones(intervals: NDArray[np.float32]) -> NDArray[np.uint64]:
    """From 0 for the lowest that there can be."""
    return (intervals + _INTERVALS // 2).astype(np.uint64)


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
    keys *= _ODD
    keys ^= keys >> np.uint64(29)
    keys *= _OTHER_ODD
    # Those bits are the highest here, so that nothing has to be masked.
    chosen = np.flatnonzero(keys << np.uint64(38) < _SAMPLED_BELOW)
    return (keys[chosen] >> np.uint64(32)).astype(np.uint32), chosen
