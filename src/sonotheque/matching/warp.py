"""What a recording's Chromaprint would be if it had been played faster, slower, higher or lower.

A *picture* is the energy of the quarters of a semitone, octaves folded, three times as often as
Chromaprint looks: sampled at another rate in time and turned round in pitch, it gives the words of
another tempo and another key, without the sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.chromaprint import LOWEST_NOTE_HZ, NOTE_BINS, NOTES, words_of
from sonotheque.matching.spectrum import FINE, HZ_PER_BIN, Power

QUARTERS = 4
"""Of a semitone: the picture can be turned by 25 cents."""
FRAMES_MAX = 14_542
"""Of the picture: the first 10 minutes. What is longer is compared as it is, and by these."""
_COLUMNS = NOTES * QUARTERS

Words = NDArray[np.uint32]


def _quarters() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where in the notes' bins each quarter of a semitone begins; which column that is."""
    bins = np.arange(NOTE_BINS.start, NOTE_BINS.stop)
    octaves = np.log2(bins * HZ_PER_BIN / LOWEST_NOTE_HZ)
    columns = (_COLUMNS * (octaves - np.floor(octaves))).astype(np.intp)
    begins = np.flatnonzero(np.diff(columns, prepend=-1))
    return begins, columns[begins]


_BEGINS, _COLUMN_AT = _quarters()
_RUNS = np.split(np.arange(len(_COLUMN_AT)), np.flatnonzero(np.diff(_COLUMN_AT) != 1) + 1)
"""Quarters that have neighbouring columns, as they lie in the notes' bins."""


class Painter:
    """Looks at spectra as they come, one a fine hop, and paints the picture: 1.4 MB at most."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float16]] = [np.empty((0, _COLUMNS), "<f2")]
        self._frames = 0

    def see(self, power: Power) -> None:
        power = power[: FRAMES_MAX - self._frames]
        if not len(power):
            return
        energy = np.add.reduceat(power[:, NOTE_BINS], _BEGINS, axis=1)
        columns = np.zeros((len(power), _COLUMNS), np.float32)
        for run in _RUNS:
            column = _COLUMN_AT[run[0]]
            columns[:, column : column + len(run)] += energy[:, run[0] : run[-1] + 1]
        self._rows.append(np.sqrt(columns).astype("<f2"))
        self._frames += len(power)

    def picture(self) -> bytes:
        """Rows of 48 little-endian numbers of 16 bits: the roots of the energies."""
        return np.concatenate(self._rows).tobytes()


class Warper:
    """A picture, ready to be warped. Raises ValueError where it is not whole rows."""

    def __init__(self, picture: bytes) -> None:
        roots = np.frombuffer(picture, "<f2").reshape(-1, _COLUMNS).astype(np.float32)
        self._energy = roots * roots
        self._turned: dict[int, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        """Fine frames."""
        return len(self._energy)

    def words(self, tempo: float, quarters: int, phase: float = 0.0) -> Words:
        """The words of the recording of which this is a copy `tempo` times as fast and `quarters`
        of a semitone higher, from `phase` of its hops after the start on.

        Word n is what the recording has n hops after what it was playing at the copy's start.
        """
        chroma = self._chroma(quarters)
        if len(chroma) < 2:
            return np.empty(0, np.uint32)
        count = int((len(chroma) - 1) * tempo / FINE - phase) + 1
        at = (np.arange(max(0, count)) + phase) * (FINE / tempo)
        row = np.minimum(at.astype(np.intp), len(chroma) - 2)
        share = (at - row).astype(np.float32)[:, np.newaxis]
        return words_of(chroma[row] * (1 - share) + chroma[row + 1] * share)

    def _chroma(self, quarters: int) -> NDArray[np.float32]:
        found = self._turned.get(quarters)
        if found is None:
            turned = np.roll(self._energy, -quarters, axis=1)
            found = turned.reshape(-1, NOTES, QUARTERS).sum(axis=2)
            self._turned[quarters] = found
        return found
