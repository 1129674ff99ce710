"""Which words of Chromaprint are posted in an index, and under which hash."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.chromaprint import SILENCE_WORD

SAMPLED_OF = 20
"""One word in so many is posted."""
_LOW = (1 << 12) - 1

Words = NDArray[np.uint32]


def hashes_of(words: Words) -> NDArray[np.uint32]:
    """A permutation of the words of 32 bits, so that any bits of it are as good as others
    (the finaliser of MurmurHash3, A. Appleby)."""
    mixed = words.astype(np.uint32)
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def sampled(words: Words) -> NDArray[np.bool_]:
    """Which of `words` are posted, and so worth looking up: by low bits, which say nothing of the
    bucket. Silence is not."""
    chosen = (hashes_of(words) & np.uint32(_LOW)) < _LOW // SAMPLED_OF
    return np.asarray(chosen & (words != SILENCE_WORD))
