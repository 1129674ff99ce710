"""The index of how the archive's recordings sound: which of them a fingerprint matches.

An LMDB environment, the mutable part of the design: two tables, the fingerprints by recording
and, by word, where the word begins in which recording. All of it is derived: delete the
directory and add the recordings again, and it is as it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import lmdb
import numpy as np
from numpy.typing import NDArray

from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure
from sonotheque.matching.chromaprint import HOP_MS, MARGIN_FRAMES, SILENCE_WORD
from sonotheque.matching.comparison import Agreement, Words, agreement, is_evidence
from sonotheque.model.identifiers import RecordingId, from_crockford, to_crockford
from sonotheque.model.music import Fingerprints, Match, MatchKind
from sonotheque.store import files

_Result = TypeVar("_Result")

_MAP_BYTES_AT_FIRST = 16 << 20
_POSTINGS_MAX = 1_000
"""A word that begins in more places than this says little; further places are not indexed."""
_REPEATS_MAX = 16
"""The same within one recording, so that a drone cannot take all the room of its words."""
_CANDIDATES_MAX = 32
_ALIGNMENTS_MAX = 3
"""Of one candidate. With these, a query of ten hours takes seconds, however it was made."""
_VOTES_MIN = 2
_SAME_COVER_MIN = 0.8
_ENDS_APART_MAX_MS = 3_000
_DURATION_BYTES = 8

_ENTRY = np.dtype([("word", ">u4"), ("recording", ">u8"), ("position", ">u4")])
_POSTING_BYTES = _ENTRY.itemsize - 4

# LMDB allows an environment to be open once in a process. It is opened for each call, which
# takes 0.1 ms, so that several parts of a program, threads and forks can each have an index.
_ENVIRONMENT_LOCK = threading.Lock()


class _Tables(NamedTuple):
    """The two tables, within a transaction."""

    transaction: lmdb.Transaction
    recordings: lmdb._Database
    words: lmdb._Database


class FingerprintIndex:
    """Fingerprints by recording, and recordings by how they sound.

    One process may write while others read.
    """

    def __init__(self, directory: Path) -> None:
        """Use the index in `directory`, made where it is missing.

        Raises Corrupt where its file was cut short, EnvironmentFailure where it cannot be used.
        """
        files.make_directory(directory)
        self._directory = directory
        if not self._file.exists():
            self._run(lambda tables: None, write=True)
        len(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between calls; here for those who close what they open."""

    def __len__(self) -> int:
        """How many recordings are indexed."""
        return self._run(_count, write=False)

    def add(self, recording: RecordingId, fingerprints: Fingerprints) -> None:
        """Index `recording` by `fingerprints`; on disk when this returns.

        A recording has one fingerprint here: adding it again replaces what was there. All its
        encodings sound alike, so that any of them stands for the others. Raises BadInput where
        `fingerprints` is malformed.
        """
        words = _words_of(fingerprints)
        number = from_crockford(recording)
        value = fingerprints.duration_ms.to_bytes(_DURATION_BYTES, "big") + fingerprints.chromaprint
        self._run(lambda tables: _put(tables, number, words, value), write=True)

    def find_matches(self, fingerprints: Fingerprints) -> tuple[Match, ...]:
        """The recordings that sound like `fingerprints`, best first.

        Candidates are those that share words at one offset; a candidate is a match when, laid
        over the query there, the two agree for long enough, richly enough, and beyond chance.
        Raises BadInput where `fingerprints` is malformed.
        """
        query = _words_of(fingerprints)
        matches = self._run(
            lambda tables: [
                _match(recording, evidence, fingerprints.duration_ms)
                for recording, evidence in _matching(tables, query)
            ],
            write=False,
        )
        return tuple(sorted(matches, key=lambda match: -match.overlap_ms * match.similarity))

    @property
    def _file(self) -> Path:
        return self._directory / "data.mdb"

    def _run(self, work: Callable[[_Tables], _Result], *, write: bool) -> _Result:
        """Do `work` in one transaction, in as large a map as it needs."""
        map_bytes = _MAP_BYTES_AT_FIRST
        while True:
            try:
                if self._file.exists():
                    map_bytes = max(map_bytes, 2 * self._file.stat().st_size)
                with _ENVIRONMENT_LOCK:
                    return self._run_once(work, write, map_bytes)
            except lmdb.MapFullError:
                map_bytes *= 2
            except lmdb.MapResizedError:
                # Another process made it larger since; the size of its file says how large.
                continue
            except OSError as error:
                raise files.explain(error, self._directory) from error
            except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError) as error:
                raise self._corrupt("is damaged") from error
            except lmdb.Error as error:
                raise EnvironmentFailure(
                    f"the fingerprint index cannot be used ({error})",
                    where=str(self._directory),
                    remedy="check the disk and who may write there",
                ) from error

    def _run_once(self, work: Callable[[_Tables], _Result], write: bool, map_bytes: int) -> _Result:
        with lmdb.open(
            str(self._directory), map_size=map_bytes, max_dbs=2, max_readers=512
        ) as environment:
            self._refuse_cut_file(environment)
            with environment.begin(write=write) as transaction:
                return work(
                    _Tables(
                        transaction,
                        environment.open_db(b"recordings", transaction, create=write),
                        environment.open_db(
                            b"words", transaction, create=write, dupsort=True, dupfixed=True
                        ),
                    )
                )

    def _refuse_cut_file(self, environment: lmdb.Environment) -> None:
        """Reading a page past the end of the file would kill the process."""
        pages = int(environment.info()["last_pgno"]) + 1
        promised_bytes = pages * int(environment.stat()["psize"])
        if self._file.stat().st_size < promised_bytes:
            raise self._corrupt("was cut short")

    def _corrupt(self, how: str) -> Corrupt:
        return Corrupt(
            f"the fingerprint index {how}",
            where=str(self._file),
            remedy="delete its directory and run `sonotheque rebuild`",
        )


class _Evidence(NamedTuple):
    """How a recording of `duration_ms`, laid `offset` words after the query's start, agrees."""

    offset: int
    duration_ms: int
    agreement: Agreement


def _count(tables: _Tables) -> int:
    return int(tables.transaction.stat(tables.recordings)["entries"])


def _put(tables: _Tables, number: int, words: Words, value: bytes) -> None:
    key = number.to_bytes(8, "big")
    before = tables.transaction.get(key, db=tables.recordings)
    if before == value:
        return
    cursor = tables.transaction.cursor(tables.words)
    if before is not None:
        for word, posting in _postings(number, _stored_words(before)):
            if cursor.set_key_dup(word, posting):
                cursor.delete()
    for word, posting in _postings(number, words):
        if not cursor.set_key(word) or cursor.count() < _POSTINGS_MAX:
            cursor.put(word, posting)
    tables.transaction.put(key, value, db=tables.recordings)


def _matching(tables: _Tables, query: Words) -> Iterator[tuple[RecordingId, _Evidence]]:
    for number, offsets in _candidates(tables, query).items():
        value = tables.transaction.get(number.to_bytes(8, "big"), db=tables.recordings)
        if value is None:
            continue
        words = _stored_words(value)
        duration_ms = int.from_bytes(value[:_DURATION_BYTES], "big")
        found = [
            _Evidence(offset, duration_ms, evidence)
            for offset in offsets
            if (evidence := agreement(query, words, offset)) and is_evidence(evidence)
        ]
        if found:
            best = max(found, key=lambda one: one.agreement.length * one.agreement.kappa)
            yield RecordingId(to_crockford(number)), best


def _candidates(tables: _Tables, query: Words) -> dict[int, list[int]]:
    """The recordings that share most words with `query`, each at the offsets to look at."""
    words, positions = _beginnings(query)
    order = np.argsort(words, kind="stable")
    words, positions = words[order], positions[order]
    keys = [int(word).to_bytes(4, "big") for word in np.unique(words)]
    found = tables.transaction.cursor(tables.words).getmulti(
        keys, dupdata=True, dupfixed_bytes=_POSTING_BYTES, keyfixed=True
    )
    entries = np.frombuffer(found, _ENTRY)
    if not len(entries):
        return {}
    # Every place in the archive with every place in the query that has the same word.
    begin = np.searchsorted(words, entries["word"], side="left")
    count = np.searchsorted(words, entries["word"], side="right") - begin
    within = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    query_at = positions[np.repeat(begin, count) + within]
    archive_at = np.repeat(entries["position"].astype(np.int64), count)
    numbers, which = np.unique(entries["recording"].astype(np.uint64), return_inverse=True)
    offsets = query_at - archive_at
    lowest, span = int(offsets.min()), int(np.ptp(offsets)) + 3
    votes = np.repeat(which, count) * span + (offsets - lowest)
    return _best_alignments(votes, numbers, lowest, span)


def _best_alignments(
    votes: NDArray[np.int64], numbers: NDArray[np.uint64], lowest: int, span: int
) -> dict[int, list[int]]:
    """Count `votes`, each recording's index in `numbers` times `span` plus an offset over `lowest`.

    Votes one hop apart support each other: another encoding's words may begin a hop later.
    """
    alignments, counts = np.unique(votes, return_counts=True)
    support = counts.copy()
    neighbours = np.flatnonzero(np.diff(alignments) == 1)
    support[neighbours] += counts[neighbours + 1]
    support[neighbours + 1] += counts[neighbours]
    candidates: dict[int, list[int]] = {}
    for at in np.argsort(-support, kind="stable")[: 8 * _CANDIDATES_MAX]:
        which, shifted = divmod(int(alignments[at]), span)
        if support[at] < _VOTES_MIN:
            break
        offsets = candidates.setdefault(int(numbers[which]), [])
        if len(offsets) < _ALIGNMENTS_MAX:
            offsets.append(shifted + lowest)
        if len(candidates) == _CANDIDATES_MAX:
            break
    return candidates


def _match(recording: RecordingId, evidence: _Evidence, query_ms: int) -> Match:
    """What `evidence` says. The same recording starts and ends at the same time and agrees over
    most of both; otherwise the shorter of the two is called a part of the longer."""
    offset_ms = round(evidence.offset * HOP_MS)
    shorter_ms, longer_ms = sorted((query_ms, evidence.duration_ms))
    overlap_ms = min(round((evidence.agreement.length + MARGIN_FRAMES) * HOP_MS), shorter_ms)
    apart_ms = max(abs(offset_ms), abs(offset_ms + evidence.duration_ms - query_ms))
    if apart_ms <= _ENDS_APART_MAX_MS and overlap_ms >= _SAME_COVER_MIN * longer_ms:
        kind = MatchKind.SAME_RECORDING
    elif query_ms <= evidence.duration_ms:
        kind = MatchKind.EXCERPT
    else:
        kind = MatchKind.CONTAINS
    return Match(
        recording=recording,
        kind=kind,
        similarity=round(evidence.agreement.similarity, 4),
        offset_ms=offset_ms,
        overlap_ms=overlap_ms,
    )


def _words_of(fingerprints: Fingerprints) -> Words:
    if len(fingerprints.chromaprint) % 4 or not 0 <= fingerprints.duration_ms < 1 << 63:
        raise BadInput(
            "is not a fingerprint",
            where=f"{len(fingerprints.chromaprint)} bytes, {fingerprints.duration_ms} ms",
            remedy="give whole 32-bit words and a duration from 0",
        )
    return np.frombuffer(fingerprints.chromaprint, "<u4").astype(np.uint32)


def _stored_words(value: bytes | memoryview) -> Words:
    return np.frombuffer(value, "<u4", offset=_DURATION_BYTES).astype(np.uint32)


def _postings(number: int, words: Words) -> Iterator[tuple[bytes, bytes]]:
    """Key and value in the table of words for each place where a word of `words` begins."""
    recording = number.to_bytes(8, "big")
    begun, positions = _beginnings(words)
    for word, position in zip(begun.tolist(), positions.tolist(), strict=True):
        yield word.to_bytes(4, "big"), recording + position.to_bytes(4, "big")


def _beginnings(words: Words) -> tuple[Words, NDArray[np.int64]]:
    """The words that say something, and where they begin: not silence, not the repetitions of
    a word that lasts, and of each word the first _REPEATS_MAX places."""
    begins = np.ones(len(words), np.bool_)
    begins[1:] = words[1:] != words[:-1]
    positions = np.flatnonzero(begins & (words != SILENCE_WORD))
    order = positions[np.argsort(words[positions], kind="stable")]
    ordered = words[order]
    first = np.searchsorted(ordered, ordered, side="left")
    kept = np.sort(order[np.arange(len(order)) - first < _REPEATS_MAX])
    return words[kept], kept
