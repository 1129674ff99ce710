"""Sound at the rate that fingerprints hear, how it is recognised, and how it is made faster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.fingerprint import Printer
from sonotheque.model.music import Fingerprints

Samples = NDArray[np.int16]
RATE_HZ = 11_025


def fingerprints_of(samples: Samples) -> Fingerprints:
    """Of mono samples at RATE_HZ."""
    printer = Printer()
    printer.feed(samples)
    return printer.fingerprints(round(1_000 * len(samples) / RATE_HZ))


def at_speed(samples: Samples, speed: float) -> Samples:
    """Played faster, and as much higher."""
    places = np.arange(0, len(samples) - 1, speed)
    return np.asarray(np.interp(places, np.arange(len(samples)), samples), np.int16)
