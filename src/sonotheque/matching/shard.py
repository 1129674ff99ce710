"""A shard of the index: the fingerprints of many recordings in arrays that never change.

The words of all its recordings lie one after the other, and so do their landmarks. One word in
twenty, chosen by its value so that a query chooses the same, is posted under its hash: a place in
the row of words and eight bits of the hash, 5 bytes. All quints are posted in the same way, with
their whole hash, the place of their first landmark and their shape, 10 bytes. The arrays are a file
that is mapped into memory, or are made in memory for recordings that were just added.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonotheque.errors import Corrupt
from sonotheque.matching.quints import QUINT, Quints
from sonotheque.matching.sampling import SAMPLED_OF, hashes_of, sampled
from sonotheque.store import files

WORDS_MAX = (1 << 32) - 1
"""In a shard: some 2.5 million recordings."""
POSTINGS_MAX = 1_000
"""A word that begins in more places of a shard than this says little; further places are not
posted."""
_HITS_MAX = 1 << 23
QUINT_POSTINGS_MAX = 4_000
"""The same for a quint."""
_QUINT_HITS_MAX = 3 << 18
"""Of a query in a shard, the rarest first: with a million, the slowest check took over 2 s."""
_REPEATS_MAX = 16
"""The same within one recording, so that a drone cannot take all the room of its words."""
_MAGIC = b"SONOSHD3"
_HEADER_BYTES = 256
_TAG_BITS, _BUCKET_POSTINGS = 8, 6
_BUCKET_BITS_MIN, _BUCKET_BITS_MAX = 4, 24
_PASS_POSTINGS = 1 << 24
_CHUNK_WORDS = 1 << 22

Words = NDArray[np.uint32]
Places = NDArray[np.int64]


class Entry(NamedTuple):
    """A recording as it is indexed."""

    number: int
    duration_ms: int
    words: Words
    landmarks: NDArray[np.uint32]
    quints: Quints


class Hits(NamedTuple):
    """Which word of a query (its index) is found at which place of the shard's words."""

    query: NDArray[np.intp]
    place: Places


class QuintHits(NamedTuple):
    """Which quint of a query is found at which of the shard's landmarks, in which shape."""

    query: NDArray[np.intp]
    first: Places
    shape: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Shard:
    """`word_begins` and `landmark_begins` have one entry more than there are recordings.
    `buckets` says where in `places` and `tags` the postings of each range of hashes begin."""

    numbers: NDArray[np.uint64]
    durations_ms: NDArray[np.uint64]
    word_begins: NDArray[np.uint64]
    landmark_begins: NDArray[np.uint64]
    by_number: NDArray[np.uint32]
    buckets: NDArray[np.uint32]
    words: NDArray[np.uint32]
    landmarks: NDArray[np.uint32]
    places: NDArray[np.uint32]
    tags: NDArray[np.uint8]
    quint_buckets: NDArray[np.uint32]
    quint_hashes: NDArray[np.uint32]
    quint_places: NDArray[np.uint32]
    quint_shapes: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def lookup_bytes(self) -> int:
        """What the plain stage looks into: everything but the fingerprints themselves."""
        names = [field.name for field in fields(self) if not field.name.startswith("quint")]
        parts = [getattr(self, name) for name in names if name not in ("words", "landmarks")]
        return sum(int(part.nbytes) for part in parts)

    def find(self, number: int) -> int | None:
        """Which recording of the shard has `number`."""
        at = int(np.searchsorted(self.numbers, np.uint64(number), sorter=self.by_number))
        if at == len(self) or int(self.numbers[self.by_number[at]]) != number:
            return None
        return int(self.by_number[at])

    def entry(self, which: int) -> Entry:
        """What a query is compared with; its quints, which are spread over the shard, left out."""
        begin, end = (int(place) for place in self.word_begins[which : which + 2])
        first, last = (int(place) for place in self.landmark_begins[which : which + 2])
        return Entry(
            int(self.numbers[which]),
            int(self.durations_ms[which]),
            np.asarray(self.words[begin:end]),
            np.asarray(self.landmarks[first:last]),
            np.empty(0, QUINT),
        )

    def recordings_at(self, places: Places) -> NDArray[np.intp]:
        """Which recordings have their words at `places`."""
        return np.searchsorted(self.word_begins, places.astype(np.uint64), side="right") - 1

    def recordings_of(self, landmarks: Places) -> NDArray[np.intp]:
        """Which recordings have `landmarks`, by their numbers in the shard."""
        return np.searchsorted(self.landmark_begins, landmarks.astype(np.uint64), side="right") - 1

    def look_up(self, words: Words) -> Hits:
        """Where `words`, shape (n,), are posted: those of them that are sampled."""
        hashes = hashes_of(words)
        query, at = _postings(self.buckets, hashes, _HITS_MAX)
        found = self.tags[at] == _tags(hashes, _bits(self.buckets))[query]
        return Hits(query[found], self.places[at[found]].astype(np.int64))

    def look_up_quints(self, quints: Quints) -> QuintHits:
        """Where `quints`, shape (n,), are posted."""
        hashes = np.ascontiguousarray(quints["hash"])
        query, at = _postings(self.quint_buckets, hashes, _QUINT_HITS_MAX)
        found = self.quint_hashes[at] == hashes[query]
        query, at = query[found], at[found]
        return QuintHits(query, self.quint_places[at].astype(np.int64), self.quint_shapes[at])


def _bits(buckets: NDArray[np.uint32]) -> int:
    return (len(buckets) - 1).bit_length() - 1


def _postings(
    buckets: NDArray[np.uint32], hashes: NDArray[np.uint32], hits_max: int
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """The postings in the bucket of each of `hashes`, `hits_max` at most: whose each is, and
    where it is."""
    bucket = (hashes >> np.uint32(32 - _bits(buckets))).astype(np.intp)
    begin = buckets[bucket].astype(np.int64)
    count = buckets[bucket + 1].astype(np.int64) - begin
    if count.sum() > hits_max:
        # What is rare says more; this bounds the memory that a query takes, however it was made.
        rarest = np.argsort(count, kind="stable")
        count[rarest[count[rarest].cumsum() > hits_max]] = 0
    query = np.repeat(np.arange(len(hashes)), count)
    return query, np.arange(len(query)) + np.repeat(begin - (count.cumsum() - count), count)


class Part(NamedTuple):
    """Those recordings of a shard that the mask, shape (recordings,), keeps."""

    shard: Shard
    kept: NDArray[np.bool_]


def build(entries: Sequence[Entry]) -> Shard:
    """The shard of `entries`, in memory."""
    return _made(_Layout.of([_Run.of(entry) for entry in entries]))


def join(parts: Sequence[Part]) -> Shard:
    """One shard of `parts`, in memory."""
    return _made(_Layout.of([run for part in parts for run in _runs(*part)]))


def _made(layout: _Layout) -> Shard:
    places, tags = zip(*layout.postings(), strict=True)
    hashes, firsts, shapes = zip(*layout.quints(), strict=True)
    arrays = [
        *layout.table(),
        np.concatenate([np.empty(0, np.uint32), *layout.rows("words")]),
        np.concatenate([np.empty(0, np.uint32), *layout.rows("landmarks")]),
        np.concatenate(places),
        np.concatenate(tags),
        layout.quint_buckets(),
        np.concatenate(hashes),
        np.concatenate(firsts),
        np.concatenate(shapes),
    ]
    return Shard(*arrays)


def write(path: Path, parts: Sequence[Part]) -> None:
    """Write one shard of `parts`. Durable when this returns; needs 0.5 GB beside the table,
    whatever the size."""
    layout = _Layout.of([run for part in parts for run in _runs(*part)])
    files.write(path, _blocks(layout))


def open_shard(path: Path) -> Shard:
    """Map the shard at `path`. Raises Corrupt where it is cut short or no shard."""
    try:
        with path.open("rb") as file:
            content: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        content = b""
    except OSError as error:
        raise files.explain(error, path) from error
    if len(content) < _HEADER_BYTES or content[:8] != _MAGIC:
        raise _corrupt(path, "is damaged")
    counts = np.frombuffer(content, "<u8", len(fields(Shard)), offset=8).tolist()
    if _total_bytes(counts) != len(content):
        raise _corrupt(path, "was cut short")
    arrays, at = [], _HEADER_BYTES
    for count, kind in zip(counts, _KINDS, strict=True):
        arrays.append(np.frombuffer(content, kind, count, offset=at))
        at += _padded(count * np.dtype(kind).itemsize)
    shard = Shard(*arrays)
    if not _is_consistent(shard):
        raise _corrupt(path, "is damaged")
    return shard


def _is_consistent(shard: Shard) -> bool:
    """Whether no look-up can lead outside the arrays."""
    count, buckets = len(shard.numbers), len(shard.buckets) - 1
    return (
        len(shard.durations_ms) == len(shard.by_number) == count
        and len(shard.word_begins) == len(shard.landmark_begins) == count + 1
        and buckets.bit_count() == 1
        and len(shard.places) == len(shard.tags)
        and int(shard.buckets[-1]) == len(shard.places)
        and int(shard.word_begins[-1]) == len(shard.words)
        and int(shard.landmark_begins[-1]) == len(shard.landmarks)
        and (len(shard.quint_buckets) - 1).bit_count() == 1
        and len(shard.quint_hashes) == len(shard.quint_places) == len(shard.quint_shapes)
        and int(shard.quint_buckets[-1]) == len(shard.quint_hashes)
    )


_KINDS = (*["<u8"] * 4, *["<u4"] * 5, "u1", *["<u4"] * 3, "<u2")


def _padded(byte_count: int) -> int:
    return byte_count + -byte_count % 8


def _total_bytes(counts: Sequence[int]) -> int:
    sizes = (
        _padded(count * np.dtype(kind).itemsize) for count, kind in zip(counts, _KINDS, strict=True)
    )
    return _HEADER_BYTES + sum(sizes)


def _corrupt(path: Path, how: str) -> Corrupt:
    return Corrupt(
        f"the fingerprint index {how}",
        where=str(path),
        remedy="delete its directory and run `sonotheque rebuild`",
    )


class _Run(NamedTuple):
    """Recordings that lie one after the other: their table, words and landmarks."""

    numbers: NDArray[np.uint64]
    durations_ms: NDArray[np.uint64]
    word_counts: NDArray[np.int64]
    landmark_counts: NDArray[np.int64]
    words: Words
    landmarks: NDArray[np.uint32]
    quints: Callable[[int, int], Quints]
    """Those of the hashes from one number to another, counted from the first landmark."""

    @classmethod
    def of(cls, entry: Entry) -> _Run:
        def quints(begin: int, end: int) -> Quints:
            hashes = entry.quints["hash"]
            return entry.quints[(hashes >= begin) & (hashes < end)]

        return cls(
            np.array([entry.number], np.uint64),
            np.array([entry.duration_ms], np.uint64),
            np.array([len(entry.words)], np.int64),
            np.array([len(entry.landmarks)], np.int64),
            entry.words,
            entry.landmarks,
            quints,
        )


def _runs(shard: Shard, kept: NDArray[np.bool_]) -> Iterator[_Run]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]])))
    for begin, end in edges.reshape(-1, 2).tolist():
        words = shard.word_begins[begin : end + 1].astype(np.int64)
        landmarks = shard.landmark_begins[begin : end + 1].astype(np.int64)
        yield _Run(
            shard.numbers[begin:end],
            shard.durations_ms[begin:end],
            np.diff(words),
            np.diff(landmarks),
            shard.words[words[0] : words[-1]],
            shard.landmarks[landmarks[0] : landmarks[-1]],
            partial(_quints_of, shard, int(landmarks[0]), int(landmarks[-1])),
        )


def _quints_of(shard: Shard, first: int, last: int, begin: int, end: int) -> Quints:
    """The quints of the landmarks from `first` to `last` with hashes from `begin` to `end`."""
    low = np.searchsorted(shard.quint_hashes, np.uint32(begin))
    high = np.searchsorted(shard.quint_hashes, np.uint32(end - 1), side="right")
    places = shard.quint_places[low:high]
    mine = np.flatnonzero((places >= first) & (places < last))
    quints = np.empty(len(mine), QUINT)
    quints["hash"] = shard.quint_hashes[low:high][mine]
    quints["first"] = places[mine] - np.uint32(first)
    quints["shape"] = shard.quint_shapes[low:high][mine]
    return quints


@dataclass(slots=True)
class _Layout:
    """What a new shard is going to hold. Its postings are looked through range by range of their
    hashes, so that no more of them than _PASS_POSTINGS are in memory."""

    runs: list[_Run]
    word_begins: NDArray[np.int64]
    posting_count: int
    bucket_bits: int
    bucket_counts: NDArray[np.int64]
    quint_counts: NDArray[np.int64]

    @classmethod
    def of(cls, runs: list[_Run]) -> _Layout:
        counts = np.concatenate([np.zeros(1, np.int64), *(run.word_counts for run in runs)])
        layout = cls(runs, counts.cumsum(), 0, _BUCKET_BITS_MIN, *[np.zeros(0, np.int64)] * 2)
        estimate = int(layout.word_begins[-1]) // SAMPLED_OF
        bits = (estimate // _BUCKET_POSTINGS).bit_length()
        layout.bucket_bits = min(max(bits, _BUCKET_BITS_MIN), _BUCKET_BITS_MAX)
        layout.bucket_counts = np.zeros(1 << layout.bucket_bits, np.int64)
        layout.quint_counts = np.zeros(1 << layout.bucket_bits, np.int64)
        for places, _ in layout.postings(counting=True):
            layout.posting_count += len(places)
        for hashes, _, _ in layout.quints():
            bucket = (hashes >> np.uint32(32 - layout.bucket_bits)).astype(np.intp)
            layout.quint_counts += np.bincount(bucket, minlength=len(layout.quint_counts))
        return layout

    def quint_buckets(self) -> NDArray[np.uint32]:
        return np.concatenate([[0], self.quint_counts.cumsum()]).astype(np.uint32)

    def quints(
        self,
    ) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint16]]]:
        """Hashes, places and shapes, in the order of their hashes."""
        width = (1 << 32) // self._passes()
        for begin in range(0, 1 << 32, width):
            place, found = 0, [np.empty(0, QUINT)]
            for run in self.runs:
                some = run.quints(begin, begin + width).copy()
                some["first"] += np.uint32(place)
                found.append(some)
                place += len(run.landmarks)
            quints = np.concatenate(found)
            quints = quints[np.argsort(quints["hash"], kind="stable")]
            quints = quints[_rank(quints["hash"]) < QUINT_POSTINGS_MAX]
            yield quints["hash"].copy(), quints["first"].copy(), quints["shape"].copy()

    def _passes(self) -> int:
        words = int(self.word_begins[-1])
        passes = max(1, -(-words // SAMPLED_OF // _PASS_POSTINGS))
        return min(1 << (passes - 1).bit_length(), 1 << self.bucket_bits)

    def table(self) -> tuple[Any, ...]:
        numbers = np.concatenate([np.empty(0, np.uint64), *(run.numbers for run in self.runs)])
        landmark_counts = [np.zeros(1, np.int64), *(run.landmark_counts for run in self.runs)]
        durations = [np.empty(0, np.uint64), *(run.durations_ms for run in self.runs)]
        return (
            numbers,
            np.concatenate(durations),
            self.word_begins.astype(np.uint64),
            np.concatenate(landmark_counts).cumsum().astype(np.uint64),
            np.argsort(numbers, kind="stable").astype(np.uint32),
            np.concatenate([[0], self.bucket_counts.cumsum()]).astype(np.uint32),
        )

    def rows(self, what: str) -> Iterator[NDArray[np.uint32]]:
        for run in self.runs:
            row = getattr(run, what)
            for begin in range(0, len(row), _CHUNK_WORDS):
                yield row[begin : begin + _CHUNK_WORDS]

    def postings(
        self, *, counting: bool = False
    ) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
        """Places and tags, in the order of their hashes."""
        passes = self._passes()
        for number in range(passes):
            yield self._pass(number, passes, counting)

    def _pass(
        self, number: int, passes: int, counting: bool
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        found_hashes, found_places = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
        shift = np.uint32(32 - (passes.bit_length() - 1)) if passes > 1 else None
        place = 0
        for run in self.runs:
            for begin in range(0, len(run.words), _CHUNK_WORDS):
                row = run.words[begin : begin + _CHUNK_WORDS]
                before = run.words[begin - 1 : begin] if begin else np.empty(0, np.uint32)
                at = self._beginnings(row, before, place + begin)
                hashes = hashes_of(row[at])
                if shift is not None:
                    mine = hashes >> shift == number
                    at, hashes = at[mine], hashes[mine]
                found_hashes.append(hashes)
                found_places.append(at + place + begin)
            place += len(run.words)
        return self._ordered(np.concatenate(found_hashes), np.concatenate(found_places), counting)

    def _beginnings(self, row: Words, before: Words, place: int) -> NDArray[np.int64]:
        """Where in `row`, which lies at `place` after the word `before`, a sampled word begins."""
        begins = sampled(row)
        begins[1:] &= (row[1:] != row[:-1]) | self._is_first(place + np.arange(1, len(row)))
        if len(before) and before[0] == row[0] and not self._is_first(np.array([place]))[0]:
            begins[0] = False
        return np.flatnonzero(begins)

    def _is_first(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a recording begins at each of `places`."""
        at = np.minimum(np.searchsorted(self.word_begins, places), len(self.word_begins) - 1)
        return np.asarray(self.word_begins[at] == places)

    def _ordered(
        self, hashes: NDArray[np.uint32], places: NDArray[np.int64], counting: bool
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        order = np.argsort(hashes, kind="stable")
        hashes, places = hashes[order], places[order]
        recordings = np.searchsorted(self.word_begins, places, side="right")
        few = _rank(hashes) < POSTINGS_MAX
        few &= _rank(hashes.astype(np.uint64) << np.uint64(32) | recordings.astype(np.uint64)) < (
            _REPEATS_MAX
        )
        hashes, places = hashes[few], places[few]
        if counting:
            bucket = (hashes >> np.uint32(32 - self.bucket_bits)).astype(np.intp)
            self.bucket_counts += np.bincount(bucket, minlength=len(self.bucket_counts))
        return places.astype(np.uint32), _tags(hashes, self.bucket_bits)


def _rank(ordered: NDArray[Any]) -> NDArray[np.intp]:
    """How many equal values come before each of `ordered`."""
    return np.arange(len(ordered)) - np.searchsorted(ordered, ordered, side="left")


def _tags(hashes: NDArray[np.uint32], bucket_bits: int) -> NDArray[np.uint8]:
    """The bits of each hash after those that name its bucket."""
    return (hashes >> np.uint32(32 - bucket_bits - _TAG_BITS)).astype(np.uint8)


def _blocks(layout: _Layout) -> Iterable[bytes]:
    table = [np.ascontiguousarray(part) for part in layout.table()]
    words, landmarks = int(layout.word_begins[-1]), int(table[3][-1])
    quint_buckets = layout.quint_buckets()
    postings, quints = layout.posting_count, int(quint_buckets[-1])
    counts = [*map(len, table), words, landmarks, postings, postings]
    counts += [len(quint_buckets), quints, quints, quints]
    header = _MAGIC + np.array(counts, "<u8").tobytes()
    yield header.ljust(_HEADER_BYTES, b"\0")
    for part, kind in zip(table, _KINDS[: len(table)], strict=True):
        yield from _column([part.astype(kind, copy=False)])
    yield from _column(layout.rows("words"))
    yield from _column(layout.rows("landmarks"))
    # Made anew for each column: no more than a pass of them is ever in memory.
    yield from _column(places for places, _ in layout.postings())
    yield from _column(tags for _, tags in layout.postings())
    yield from _column([quint_buckets])
    for column in range(3):
        yield from _column(quint[column] for quint in layout.quints())


def _column(parts: Iterable[NDArray[Any]]) -> Iterator[bytes]:
    """The bytes of `parts`, and zeros up to a multiple of eight."""
    byte_count = 0
    for part in parts:
        content = part.tobytes()
        byte_count += len(content)
        yield content
    yield b"\0" * (-byte_count % 8)
