"""A crowd: shards of recordings that nobody made, to look real ones up among.

Each plays 174 s, what a file of 3.49 MB (the mean of the 86 million that were copied) does at
160 kbit/s. Its words and quints come from real recordings and are as often frequent or rare as
there; where they lie is drawn at random, and so are its landmarks, ten a second. What a shard
looks up is whole. Two things a recording of the crowd lacks: its words are all 0 (a file with a
hole), for they are read only when it is a candidate; and quints without landmarks of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import STEP_BITS, TICK_MS
from sonotheque.matching.quints import quints_of
from sonotheque.matching.sampling import SAMPLED_OF, hashes_of, sampled
from sonotheque.matching.shard import POSTINGS_MAX, QUINT_POSTINGS_MAX, Shard
from sonotheque.matching.spectrum import HOP_MS
from sonotheque.model.music import Fingerprints

SECONDS = 174
SHARD_MAX = 2_000_000
_WORDS = int(1_000 * SECONDS / HOP_MS)
_LANDMARKS = 10 * SECONDS
_VARIANTS = 100_000_000
"""Words with up to three bits turned, of which one in SAMPLED_OF is posted."""
_CHUNK = 1 << 24

Words = NDArray[np.uint32]


class Crowd:
    """Makes shards of recordings like `real`, as files in `directory`."""

    def __init__(self, directory: Path, real: Sequence[Fingerprints], *, seed: int = 6) -> None:
        self._directory = directory
        self._random = np.random.default_rng(seed)
        self._files = 0
        words = np.concatenate([np.frombuffer(one.chromaprint, "<u4") for one in real])
        self._variants = self._turned(words.astype(np.uint32))
        landmarks = [np.frombuffer(one.landmarks, "<u4").astype(np.uint32) for one in real]
        quints = [quints_of(row) for row in landmarks]
        self._quints_each = round(
            sum(map(len, quints)) / sum(one.duration_ms for one in real) * 1_000 * SECONDS
        )
        self._hashes, counts = np.unique(
            np.concatenate([row["hash"] for row in quints]), return_counts=True
        )
        self._shares = counts / counts.sum()
        self._shapes = np.concatenate([row["shape"] for row in quints])
        self._steps = np.concatenate(landmarks) & np.uint32((1 << STEP_BITS) - 1)

    def shard(self, count: int, first_number: int, *, with_quints: bool) -> Shard:
        """`count` recordings with the numbers from `first_number` on."""
        buckets, places, tags = self._postings(count)
        begins = np.arange(count + 1, dtype=np.uint64)
        landmarks = _LANDMARKS if with_quints else 0
        quints = self._quints(count) if with_quints else _no_quints()
        return Shard(
            np.arange(first_number, first_number + count, dtype=np.uint64),
            np.full(count, 1_000 * SECONDS, np.uint64),
            begins * np.uint64(_WORDS),
            begins * np.uint64(landmarks),
            np.arange(count, dtype=np.uint32),
            buckets,
            self._file(count * _WORDS, np.uint32),
            self._landmarks(count) if with_quints else np.empty(0, np.uint32),
            places,
            tags,
            *quints,
        )

    def _file(self, count: int, kind: Any) -> NDArray[Any]:
        self._files += 1
        path = self._directory / f"crowd-{self._files}"
        return np.memmap(path, kind, "w+", shape=(count,))

    def _turned(self, words: Words) -> Words:
        """Words to post: the real ones with up to three bits turned, so that a crowd has more
        different ones than the recordings that it was made of."""
        found = []
        for _ in range(_VARIANTS // _CHUNK):
            drawn = self._random.choice(words, _CHUNK)
            for _ in range(3):
                bit = self._random.integers(0, 64, _CHUNK, dtype=np.uint32)
                drawn ^= np.where(bit < 32, np.uint32(1) << (bit & np.uint32(31)), np.uint32(0))
            found.append(drawn[sampled(drawn)])
        return np.concatenate(found)

    def _postings(self, count: int) -> tuple[NDArray[np.uint32], Words, NDArray[np.uint8]]:
        """Buckets, places and tags, as a shard lays them out."""
        posted = count * _WORDS // SAMPLED_OF
        bits = (posted // 6).bit_length()
        bits = min(max(bits, 4), 24)
        keys = hashes_of(self._random.choice(self._variants, posted)).astype(np.uint64)
        keys <<= np.uint64(32)
        keys |= self._random.integers(0, count * _WORDS, posted, dtype=np.uint64)
        keys.sort()
        hashes, places = (keys >> np.uint64(32)).astype(np.uint32), keys.astype(np.uint32)
        del keys
        few = _few(hashes, POSTINGS_MAX)
        hashes, places = hashes[few], places[few]
        tags = (hashes >> np.uint32(24 - bits)).astype(np.uint8)
        edges = np.arange((1 << bits) + 1, dtype=np.uint64) << np.uint64(32 - bits)
        buckets = np.searchsorted(hashes, edges.astype(np.uint64)).astype(np.uint32)
        return buckets, self._kept(places), self._kept(tags)

    def _kept(self, values: NDArray[Any]) -> NDArray[Any]:
        file = self._file(len(values), values.dtype)
        file[:] = values
        return file

    def _quints(self, count: int) -> tuple[NDArray[Any], ...]:
        """Buckets, hashes, places and shapes."""
        expected = self._shares * (count * self._quints_each)
        counts = np.minimum(self._random.poisson(expected), QUINT_POSTINGS_MAX)
        total = int(counts.sum())
        bits = min(max((count * _WORDS // SAMPLED_OF // 6).bit_length(), 4), 24)
        hashes, places = self._file(total, np.uint32), self._file(total, np.uint32)
        shapes = self._file(total, np.uint16)
        begins = np.concatenate([[0], counts.cumsum()])
        step = max(1, _CHUNK // QUINT_POSTINGS_MAX)
        for first in range(0, len(counts), step):
            begin, end = int(begins[first]), int(begins[min(first + step, len(counts))])
            some = slice(first, first + step)
            hashes[begin:end] = np.repeat(self._hashes[some], counts[some])
            shapes[begin:end] = self._random.choice(self._shapes, end - begin)
            places[begin:end] = self._random.integers(0, count * _LANDMARKS - 16, end - begin)
        edges = np.arange((1 << bits) + 1, dtype=np.uint64) << np.uint64(32 - bits)
        buckets = begins[np.searchsorted(self._hashes, edges)].astype(np.uint32)
        return buckets, hashes, places, shapes

    def _landmarks(self, count: int) -> Words:
        file = self._file(count * _LANDMARKS, np.uint32)
        apart = 1_000 / 10 / TICK_MS
        ticks = (np.arange(_LANDMARKS) * apart).astype(np.uint32) << np.uint32(STEP_BITS)
        rows = _CHUNK // _LANDMARKS
        for begin in range(0, count, rows):
            end = min(count, begin + rows)
            steps = self._random.choice(self._steps, (end - begin) * _LANDMARKS)
            file[begin * _LANDMARKS : end * _LANDMARKS] = np.tile(ticks, end - begin) | steps
        return file


def _few(ordered: Words, most: int) -> NDArray[np.bool_]:
    """Which of `ordered` have fewer than `most` of their like before them."""
    late = np.zeros(len(ordered), np.bool_)
    late[most:] = ordered[most:] == ordered[:-most]
    return ~late


def _no_quints() -> tuple[NDArray[Any], ...]:
    none = np.empty(0, np.uint32)
    return np.zeros(2, np.uint32), none, none, np.empty(0, np.uint16)
