"""How alike two fingerprints are where they are laid over each other: the evidence for a match.

Two recordings that sound steady share most bits by chance (0.85 for unlike ambient pieces), so
the bare bit error rate proves nothing. What counts is the agreement beyond chance: Cohen's kappa
(J. Cohen, 1960, "A coefficient of agreement for nominal scales") over the bits of the words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import Alignment

Words = NDArray[np.uint32]

WORD_BITS = 32
WORDS_MIN = 40
"""5 s of agreement, which take a file of 7.6 s: less is no evidence."""
VARIETY_MIN = 24
"""Different words in the stretch: a tone, a drone or silence has fewer."""
SIMILARITY_MIN = 0.8
KAPPA_MIN = 0.55
"""Chosen and measured on the same 22 tracks of games and 12 recordings of librosa, so nothing is
held out: whole tracks as MP3, Opus and AAC down to 24 kbit/s reach 0.76 at least, with the first
second cut off 0.73, excerpts of 10 s 0.63 (the lowest seen). The best of all alignments of unlike
pairs is 0.45 (two ambient pieces, 0.85 similar), of a song and its own guitar track 0.43."""
KAPPA_BOTH_MIN = 0.3
MARGIN_MIN, SUPPORT_MIN, LANDMARKS_MIN = 6.5, 0.15, 24
"""What landmarks must say beside words."""
STEADY_MARGIN_MIN, STEADY_SUPPORT_MIN = 3.0, 0.5
"""What they must say of music that repeats itself, which has other alignments as good."""
SURE_MARGIN_MIN, SURE_SUPPORT_MIN, SURE_LANDMARKS_MIN, FEW_WORDS_MIN = 10.0, 0.4, 64, 24
"""What they must say where only so many words agree."""
MARGIN_HINT, SUPPORT_HINT, LANDMARKS_HINT = 6.0, 0.15, 32
"""What landmarks alone must say for a suspect.

Chosen on the calibration half (docs/matching.md): of 24,308 unlike candidates that the search
brought up for 2,226 excerpts, those with at least 24 landmarks in place had margins up to 5.5 and
supports up to 0.38, and those with 0.4 or more supports no margin over 2.5."""
_BITS_ALLOWED = 10
"""A stretch goes on while words differ in fewer bits than this on average; chance is 16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The stretch on which two fingerprints agree best at one alignment.

    `begin` and `length` are in words of the first of the two. `similarity` is 1 − bit error
    rate; `kappa` is 0 for chance and 1 for identity; `variety` is how many different words the
    poorer of the two has there.
    """

    begin: int
    length: int
    similarity: float
    kappa: float
    variety: int


def agreement(first: Words, second: Words, offset: int) -> Agreement | None:
    """Where `second` laid `offset` words after the start of `first` agrees with it best.

    None where they do not touch or nothing agrees.
    """
    begin, end = max(0, offset), min(len(first), offset + len(second))
    if begin >= end:
        return None
    left, right = first[begin:end], second[begin - offset : end - offset]
    stretch = _best_stretch(_BITS_ALLOWED - np.bitwise_count(left ^ right).astype(np.int64))
    if stretch is None:
        return None
    left, right = left[stretch], right[stretch]
    error = float(np.bitwise_count(left ^ right).mean()) / WORD_BITS
    chance = _chance_error(left, right)
    return Agreement(
        begin=begin + stretch.start,
        length=len(left),
        similarity=1 - error,
        kappa=1 - error / chance if chance else 0.0,
        variety=min(len(np.unique(left)), len(np.unique(right))),
    )


def _best_stretch(scores: NDArray[np.int64]) -> slice | None:
    """The run of `scores` with the greatest sum, None where no score is over 0."""
    sums = np.concatenate([np.zeros(1, np.int64), scores.cumsum()])
    lowest = np.minimum.accumulate(sums)
    end = int(np.argmax(sums - lowest))
    if sums[end] <= lowest[end]:
        return None
    return slice(int(np.argmin(sums[: end + 1])), end)


def _chance_error(left: Words, right: Words) -> float:
    """The bit error rate of `left` and `right` if they had nothing to do with each other.

    For each bit, from how often it is set on either side; it equals the mean over every way of
    turning one of them round against the other.
    """
    set_left, set_right = _share_set(left), _share_set(right)
    return float((set_left * (1 - set_right) + set_right * (1 - set_left)).mean())


def _share_set(words: Words) -> NDArray[np.float64]:
    """How often each of the 32 bits is set, shape (32,)."""
    octets = np.ascontiguousarray(words.astype("<u4")).view(np.uint8).reshape(-1, 4)
    share: NDArray[np.float64] = np.unpackbits(octets, axis=1).mean(axis=0)
    return share


def is_evidence(agreement: Agreement) -> bool:
    """Whether `agreement` is long, rich and clear enough to say: this sounds the same."""
    return (
        agreement.length >= WORDS_MIN
        and agreement.variety >= VARIETY_MIN
        and agreement.similarity >= SIMILARITY_MIN
        and agreement.kappa >= KAPPA_MIN
    )


def is_hint(alignment: Alignment) -> bool:
    """Whether the landmarks alone are enough to look closer where they say."""
    return (
        alignment.margin >= MARGIN_HINT
        and alignment.support >= SUPPORT_HINT
        and alignment.count >= LANDMARKS_HINT
    )


def is_clear(agreement: Agreement, alignment: Alignment | None) -> bool:
    """Whether words and landmarks both say: this sounds the same."""
    if alignment is None or agreement.kappa < KAPPA_BOTH_MIN:
        return False
    margin, support, count = alignment.margin, alignment.support, alignment.count
    if agreement.length < WORDS_MIN or agreement.variety < VARIETY_MIN:
        return (
            min(agreement.length, agreement.variety) >= FEW_WORDS_MIN
            and count >= SURE_LANDMARKS_MIN
            and margin >= SURE_MARGIN_MIN
            and support >= SURE_SUPPORT_MIN
        )
    return count >= LANDMARKS_MIN and (
        (margin >= MARGIN_MIN and support >= SUPPORT_MIN)
        or (margin >= STEADY_MARGIN_MIN and support >= STEADY_SUPPORT_MIN)
    )
