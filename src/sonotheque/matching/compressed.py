"""Chromaprint's compressed form, in which AcoustID's clients send fingerprints.

Of each word the bits that differ from the word before, as the distances from one set bit to the
next: three bits a distance and 0 after the last; 7 stands for more, and how much more is in five
bits each after all of those. The layout is that of Chromaprint by Lukáš Lalinský; the code is ours.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from sonotheque.errors import BadInput
from sonotheque.matching.comparison import Words

WORDS_MAX = 1 << 16
"""2 hours and a quarter; a client sends two minutes."""
CHARACTERS_MAX = 1 << 20
_ALGORITHM = 1
"""Chromaprint's own number for what it calls algorithm 2."""
_NORMAL_BITS, _MORE_BITS, _MORE = 3, 5, 7
_WORD_BITS = 32


def decompress(text: str) -> Words:
    """The words of a compressed fingerprint, URL-safe base64 with or without its padding.

    Memory: some 50 bytes a character of the text, whatever it claims. Raises BadInput.
    """
    if len(text) > CHARACTERS_MAX:
        raise _bad(f"has over {CHARACTERS_MAX:,} characters")
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        content = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise _bad("is not URL-safe base64") from None
    if len(content) < 4:
        raise _bad("is cut short")
    if content[0] != _ALGORITHM:
        raise _bad("is not of Chromaprint's algorithm 2")
    count = int.from_bytes(content[1:4], "big")
    if not 0 < count <= WORDS_MAX:
        raise _bad(f"claims {count:,} words; 1 to {WORDS_MAX:,} can be asked about")
    bits = np.unpackbits(np.frombuffer(content[4:], np.uint8), bitorder="little")
    steps = _numbers(bits, _NORMAL_BITS)
    ends = np.flatnonzero(steps == 0)
    if len(ends) < count:
        raise _bad("is cut short")
    steps = steps[: ends[count - 1] + 1].astype(np.int64)
    more = np.flatnonzero(steps == _MORE)
    # What is more begins at a whole byte.
    begin = -(-len(steps) * _NORMAL_BITS // 8) * 8
    extra = _numbers(bits[begin:], _MORE_BITS)
    if len(extra) < len(more):
        raise _bad("is cut short")
    steps[more] += extra[: len(more)]
    return _words(steps, ends[:count])


def _numbers(bits: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    """`bits` as numbers of `width` bits, the lowest first."""
    whole = bits[: len(bits) // width * width].reshape(-1, width)
    numbers: NDArray[np.int64] = whole.astype(np.int64) @ (1 << np.arange(width))
    return numbers


def _words(steps: NDArray[np.int64], ends: NDArray[np.intp]) -> Words:
    """The words of the distances `steps`, each word's closed by a 0 at one of `ends`."""
    sums = steps.cumsum()
    before = np.concatenate([np.zeros(1, np.int64), sums[ends[:-1]]])
    word = np.searchsorted(ends, np.arange(len(steps)))
    place = sums - before[word]
    is_bit = steps > 0
    if place.max(initial=0) > _WORD_BITS:
        raise _bad("has a word of more than 32 bits")
    bits = np.left_shift(np.int64(1), place[is_bit] - 1)
    changed = np.bincount(word[is_bit], weights=bits, minlength=len(ends)).astype(np.uint32)
    words: Words = np.bitwise_xor.accumulate(changed)
    return words


def _bad(what: str) -> BadInput:
    return BadInput(what, where="the fingerprint", remedy="send what `fpcalc` prints")
