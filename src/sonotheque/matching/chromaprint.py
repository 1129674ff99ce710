"""Chromaprint fingerprints (algorithm 2), computed in numpy as the sound comes in.

A frame of 4096 samples every 1365 becomes the energy of the twelve notes of the octave; a
sliding picture of sixteen such frames becomes one word of 32 bits. The method and its published
constants are those of Chromaprint by Lukáš Lalinský (https://acoustid.org/chromaprint), so that
an archive's fingerprints can be compared with AcoustID's; the computation is our own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.spectrum import HOP_SAMPLES, HZ_PER_BIN, Power, Spectrograph

NOTES = 12
SMOOTHING = (0.25, 0.75, 1.0, 0.75, 0.25)
SILENT_NORM = 0.01
"""A picture row with less than this is taken as all zero."""
PICTURE_FRAMES = 16
MARGIN_FRAMES = len(SMOOTHING) - 1 + PICTURE_FRAMES - 1
"""By how many frames a recording has fewer words than frames."""
SILENCE_WORD = 627_964_279
"""The word that digital silence gives: every difference is 0."""

_BLOCK_WORDS = 8_192
_LOWEST_HZ, _HIGHEST_HZ = 28, 3_520
LOWEST_NOTE_HZ = 27.5


class Classifier(NamedTuple):
    """Two bits of a word: the shape of a difference of two areas of the picture, where it lies
    (lowest note, notes high, frames wide), and the three thresholds that quantise it."""

    shape: int
    note: int
    notes: int
    frames: int
    thresholds: tuple[float, float, float]


_CLASSIFIERS = (
    Classifier(0, 4, 3, 15, (1.98215, 2.35817, 2.63523)),
    Classifier(4, 4, 6, 15, (-1.03809, -0.651211, -0.282167)),
    Classifier(1, 0, 4, 16, (-0.298702, 0.119262, 0.558497)),
    Classifier(3, 8, 2, 12, (-0.105439, 0.0153946, 0.135898)),
    Classifier(3, 4, 4, 8, (-0.142891, 0.0258736, 0.200632)),
    Classifier(4, 0, 3, 5, (-0.826319, -0.590612, -0.368214)),
    Classifier(1, 2, 2, 9, (-0.557409, -0.233035, 0.0534525)),
    Classifier(2, 7, 3, 4, (-0.0646826, 0.00620476, 0.0784847)),
    Classifier(2, 6, 2, 16, (-0.192387, -0.029699, 0.215855)),
    Classifier(2, 1, 3, 2, (-0.0397818, -0.00568076, 0.0292026)),
    Classifier(5, 10, 1, 15, (-0.53823, -0.369934, -0.190235)),
    Classifier(3, 6, 2, 10, (-0.124877, 0.0296483, 0.139239)),
    Classifier(2, 1, 1, 14, (-0.101475, 0.0225617, 0.231971)),
    Classifier(3, 5, 6, 4, (-0.0799915, -0.00729616, 0.063262)),
    Classifier(1, 9, 2, 12, (-0.272556, 0.019424, 0.302559)),
    Classifier(3, 4, 2, 14, (-0.164292, -0.0321188, 0.0846339)),
)
_GRAY = np.array([0, 1, 3, 2], np.uint32)

Area = Callable[[int, int, int, int], NDArray[np.float64]]


class Chromaprinter:
    """Collects sound, or its spectra, and says what words it gives.

    Holds 48 bytes a hop (0.4 kB a second), however much is fed.
    """

    def __init__(self) -> None:
        self._chroma: list[NDArray[np.float32]] = [np.empty((0, NOTES), np.float32)]
        self._spectrograph = Spectrograph(HOP_SAMPLES, self.see)

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Add `samples`: shape (n,), mono, 11,025 Hz."""
        self._spectrograph.feed(samples)

    def see(self, power: Power) -> None:
        """Add spectra, one a hop: for those who have them already, instead of `feed`."""
        self._chroma.append(_chroma(power))

    def words(self) -> NDArray[np.uint32]:
        """End the sound; its words, shape (n,): one a hop, none for under 2.6 s."""
        self._spectrograph.end()
        return words_of(np.concatenate(self._chroma))


def words_of(chroma: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The words of the energies of the notes, `chroma`: shape (hops, 12)."""
    blocks = [
        _words(chroma[start : start + _BLOCK_WORDS + MARGIN_FRAMES].astype(np.float64))
        for start in range(0, len(chroma) - MARGIN_FRAMES, _BLOCK_WORDS)
    ]
    return np.concatenate(blocks) if blocks else np.empty(0, np.uint32)


def _note_bins() -> tuple[slice, NDArray[np.intp], NDArray[np.intp]]:
    """The bins of the spectrum that count; where in them each note begins; which note that is."""
    lowest, highest = round(_LOWEST_HZ / HZ_PER_BIN), round(_HIGHEST_HZ / HZ_PER_BIN)
    octaves = np.log2(np.arange(lowest, highest) * HZ_PER_BIN / LOWEST_NOTE_HZ)
    notes = (NOTES * (octaves - np.floor(octaves))).astype(np.intp)
    begins = np.flatnonzero(np.diff(notes, prepend=-1))
    return slice(lowest, highest), begins, notes[begins]


NOTE_BINS, _NOTE_BEGINS, _NOTE_AT = _note_bins()


def _chroma(power: Power) -> NDArray[np.float32]:
    """The energy of each note in each frame of `power`, shape (frames, 12)."""
    # Not a matrix product: its threads would spin on every core for next to nothing.
    energy = np.add.reduceat(power[:, NOTE_BINS], _NOTE_BEGINS, axis=1)
    chroma = np.zeros((len(power), NOTES), np.float32)
    for column, note in enumerate(_NOTE_AT):
        chroma[:, note] += energy[:, column]
    return chroma


def _words(chroma: NDArray[np.float64]) -> NDArray[np.uint32]:
    """The words of `chroma`, shape (frames, 12) with over MARGIN_FRAMES frames."""
    rows = len(chroma) - len(SMOOTHING) + 1
    smooth = np.zeros((rows, NOTES))
    for at, weight in enumerate(SMOOTHING):
        smooth += weight * chroma[at : at + rows]
    norm = np.sqrt((smooth * smooth).sum(axis=1, keepdims=True))
    picture = np.divide(smooth, norm, out=np.zeros_like(smooth), where=norm >= SILENT_NORM)
    integral = np.zeros((rows + 1, NOTES + 1))
    integral[1:, 1:] = picture.cumsum(axis=0).cumsum(axis=1)
    count = rows - PICTURE_FRAMES + 1

    def area(frame: int, frame_end: int, note: int, note_end: int) -> NDArray[np.float64]:
        begin, end = integral[frame : frame + count], integral[frame_end : frame_end + count]
        total: NDArray[np.float64] = (
            end[:, note_end] - begin[:, note_end] - end[:, note] + begin[:, note]
        )
        return total

    words = np.zeros(count, np.uint32)
    for classifier in _CLASSIFIERS:
        value = _difference(classifier, area)
        level = np.searchsorted(classifier.thresholds, value, side="right")
        words = words << np.uint32(2) | _GRAY[level]
    return words


def _difference(classifier: Classifier, area: Area) -> NDArray[np.float64]:
    """The logarithm of one area over another; which two, `classifier.shape` says."""
    shape, low, notes, frames, _ = classifier
    high = low + notes
    match shape:
        case 0:
            left, right = area(0, frames, low, high), np.zeros(())
        case 1:
            middle = low + notes // 2
            left, right = area(0, frames, middle, high), area(0, frames, low, middle)
        case 2:
            half = frames // 2
            left, right = area(half, frames, low, high), area(0, half, low, high)
        case 3:
            half, middle = frames // 2, low + notes // 2
            left = area(0, half, middle, high) + area(half, frames, low, middle)
            right = area(0, half, low, middle) + area(half, frames, middle, high)
        case 4:
            lower, upper = low + notes // 3, low + 2 * (notes // 3)
            left = area(0, frames, lower, upper)
            right = area(0, frames, low, lower) + area(0, frames, upper, high)
        case _:
            early, late = frames // 3, 2 * (frames // 3)
            left = area(early, late, low, high)
            right = area(0, early, low, high) + area(late, frames, low, high)
    difference: NDArray[np.float64] = np.log1p(left) - np.log1p(right)
    return difference
