"""Views: the landmarks of a query as they are looked for at twice and at half the tempo.

Peaks are looked for within a fixed time. In a copy that plays twice as fast or slow others are
highest there than in the recording, and hardly any quint comes again. What is looked at twice as
closely, or half, in time sees the recording's own peaks: of a copy at half the tempo every second
frame (*coarse*), of one at the double frames half as long and far apart (*fine*).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import CENTRE_TICKS, STEP_BITS, LandmarkFinder, Levels
from sonotheque.matching.quints import Quints, asked_quints_of
from sonotheque.matching.spectrum import (
    FINE_HOP_SAMPLES,
    HALF_FRAME_SAMPLES,
    HALF_HOP_SAMPLES,
    HZ_PER_BIN,
    SAMPLE_RATE_HZ,
    Power,
    Spectrograph,
)
from sonotheque.matching.warp import FRAMES_MAX

COARSE_ROWS = 2
FINE_SECONDS = 90
"""Of the sound that are looked at closely, which takes as long as all the rest does."""
FINE_SCALE = HALF_HOP_SAMPLES / FINE_HOP_SAMPLES
_EARLIER = round(CENTRE_TICKS * (1 - 1 / COARSE_ROWS)) << STEP_BITS
"""A whole frame lasts half as many coarse ticks: its middle is that much nearer to its start."""


class View:
    """`landmarks` of which a tick lasts as long as `scale` others."""

    def __init__(self, landmarks: bytes, scale: float) -> None:
        self.landmarks = np.frombuffer(landmarks, "<u4").astype(np.uint32)
        self.scale = scale

    @cached_property
    def quints(self) -> Quints:
        return asked_quints_of(self.landmarks)


class Viewer:
    """Looks at sound and its spectra as they come: the coarse view of the first 10 minutes, the
    fine one of the first FINE_SECONDS."""

    def __init__(self) -> None:
        self._coarse = LandmarkFinder()
        self._fine = LandmarkFinder(HZ_PER_BIN * COARSE_ROWS)
        self._spectrograph = Spectrograph(HALF_HOP_SAMPLES, self._see_fine, HALF_FRAME_SAMPLES)
        self._rows = 0
        self._samples_left = FINE_SECONDS * SAMPLE_RATE_HZ

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Add `samples`: shape (n,), mono, 11,025 Hz."""
        self._spectrograph.feed(samples[: self._samples_left])
        self._samples_left = max(0, self._samples_left - len(samples))

    def see(self, power: Power, levels: Levels) -> None:
        """Add the spectra of the same sound, one a fine hop, and the levels of their bands."""
        power = power[: FRAMES_MAX - self._rows]
        every = slice(self._rows % COARSE_ROWS, len(power), COARSE_ROWS)
        self._coarse.see(power[every], levels[every])
        self._rows += len(power)

    def coarse(self) -> bytes:
        landmarks = self._coarse.landmarks()
        return (landmarks[landmarks >= _EARLIER] - np.uint32(_EARLIER)).astype("<u4").tobytes()

    def fine(self) -> bytes:
        """End the sound."""
        self._spectrograph.end()
        return self._fine.landmarks().astype("<u4").tobytes()

    def _see_fine(self, power: Power) -> None:
        self._fine.see(power, self._fine.levels(power))
