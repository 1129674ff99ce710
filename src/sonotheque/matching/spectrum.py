"""Spectra of sound as it comes in: what every fingerprint here is made of.

Frames of 4096 samples at 11,025 Hz under a Hamming window, as Chromaprint takes them
(https://acoustid.org/chromaprint): one every 1365 samples for it, three times as many for
fingerprints that must place a note in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 11_025
FRAME_SAMPLES = 4_096
HOP_SAMPLES = 1_365
HOP_MS = 1_000 * HOP_SAMPLES / SAMPLE_RATE_HZ
"""Time from one frame of Chromaprint to the next: 123.8 ms."""
FINE = 3
"""Fine frames in a hop."""
FINE_HOP_SAMPLES = HOP_SAMPLES // FINE
HALF_FRAME_SAMPLES = FRAME_SAMPLES // 2
HALF_HOP_SAMPLES = 228
"""Half a fine hop, all but half a sample: of the frames that see twice as fast."""
HZ_PER_BIN = SAMPLE_RATE_HZ / FRAME_SAMPLES
BINS = 1_600
"""Of the spectrum that are kept: up to 4.3 kHz."""

Power = NDArray[np.float32]
"""Shape (frames, BINS), or of half frames (frames, BINS / 2): the square of the magnitude; a
full-scale sine is about 10⁶."""

_BATCH_FRAMES = 48
"""A multiple of FINE, and small enough to stay in the processor's cache."""
_SAMPLES_AT_ONCE = 16 * FRAME_SAMPLES
"""Transformed: a fifth sooner than by four frames at once; what more would gain is little."""


class Spectrograph:
    """Collects sound and hands on its spectra, in batches of a multiple of FINE frames but for
    the last; each overwrites the one before. Holds one batch of samples and one of spectra,
    however much is fed."""

    def __init__(
        self, hop_samples: int, see: Callable[[Power], None], frame_samples: int = FRAME_SAMPLES
    ) -> None:
        """Hand a frame of `frame_samples` every `hop_samples` to `see`."""
        self._hop = hop_samples
        self._see = see
        self._frame = frame_samples
        # By FRAME_SAMPLES for either length of frame: `_power` has numpy divide by its own.
        scale = FRAME_SAMPLES / np.iinfo(np.int16).max
        self._window = (np.hamming(frame_samples) * scale).astype(np.float32)
        self._samples = np.empty(frame_samples + hop_samples * (_BATCH_FRAMES - 1), np.float32)
        self._filled = 0
        windows = np.lib.stride_tricks.sliding_window_view(self._samples, frame_samples)
        self._frames = windows[::hop_samples]
        self._at_once = _SAMPLES_AT_ONCE // frame_samples
        self._windowed = np.empty((self._at_once, frame_samples), np.float32)
        # numpy's declarations know no spectrum of 32 bits; rfft gives one.
        self._spectrum: NDArray[Any] = np.empty(
            (self._at_once, frame_samples // 2 + 1), np.complex64
        )
        bins = BINS * frame_samples // FRAME_SAMPLES
        self._spectra = np.empty((_BATCH_FRAMES, bins), np.float32)

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Add `samples`: shape (n,), mono, 11,025 Hz."""
        taken = 0
        while taken < len(samples):
            count = min(len(samples) - taken, len(self._samples) - self._filled)
            self._samples[self._filled : self._filled + count] = samples[taken : taken + count]
            taken += count
            self._filled += count
            if self._filled == len(self._samples):
                self._see(self._power(_BATCH_FRAMES))
                rest = self._samples[self._hop * _BATCH_FRAMES :].copy()
                self._samples[: len(rest)] = rest
                self._filled = len(rest)

    def end(self) -> None:
        """Hand on the whole frames that are left; the end of the sound, where it fills none, is
        in no spectrum."""
        if self._filled >= self._frame:
            self._see(self._power(1 + (self._filled - self._frame) // self._hop))
        self._filled = 0

    def _power(self, count: int) -> Power:
        """Of the first `count` frames of what is filled."""
        power = self._spectra[:count]
        bins = power.shape[1]
        for begin in range(0, count, self._at_once):
            end = min(count, begin + self._at_once)
            windowed, spectrum = self._windowed[: end - begin], self._spectrum[: end - begin]
            np.multiply(self._frames[begin:end], self._window, out=windowed)
            # This `norm` divides by the frame, in single precision; without one numpy divides by
            # Python's 1, and computes in double precision, for nearly twice the time.
            np.fft.rfft(windowed, axis=1, norm="forward", out=spectrum)
            parts = spectrum.view(np.float32)[:, : 2 * bins]
            np.square(parts, out=parts)
            np.add(parts[:, ::2], parts[:, 1::2], out=power[begin:end])
        return power
