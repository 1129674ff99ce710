"""The index of how the archive's recordings sound: which of them a fingerprint matches.

What was added lately is in an LMDB environment, the mutable part, and in memory; when there is
enough of it, it becomes a shard, a file that never changes, and shards of a size become one. The
environment also says which shards there are, so that readers see all of a change or none. All of it
is derived: delete the directory and add the recordings again, and it is as it was.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import lmdb
import numpy as np
from numpy.typing import NDArray

from sonotheque.errors import Corrupt, EnvironmentFailure
from sonotheque.matching import shard as shards
from sonotheque.matching.quints import QUINT
from sonotheque.matching.search import Query, entry_of, find
from sonotheque.matching.shard import Entry, Part, Shard
from sonotheque.model.identifiers import RecordingId, from_crockford
from sonotheque.model.music import Fingerprints, Match
from sonotheque.store import files

_Result = TypeVar("_Result")

RECENT_MAX = 2_000
"""So many recordings added make a shard: some 30 MB."""
_MERGED_AT = 8
"""So many shards of a size become one."""
_MAP_BYTES_AT_FIRST = 16 << 20
_NAMES, _COUNT, _ORDER = b"shards", b"count", b"order"
_DATABASES = (b"entries of shaped quints", b"orders of shaped quints", b"facts of shaped quints")
"""Named after what they hold: an index of quads, or of quints that had no shape, as there was
before, is empty to us, and whoever uses it makes it anew."""
_HEAD = np.dtype([(name, "<u8") for name in ("number", "duration_ms", "words", "landmarks")])

# LMDB allows an environment to be open once in a process. It is opened for each call, which
# takes 0.1 ms, so that several parts of a program, threads and forks can each have an index.
_ENVIRONMENT_LOCK = threading.Lock()


class _Tables(NamedTuple):
    """What the environment holds, within a transaction: entries by the order of their adding, that
    order by the number of their recording, and which shards there are."""

    transaction: lmdb.Transaction
    entries: lmdb._Database
    orders: lmdb._Database
    facts: lmdb._Database

    def names(self) -> tuple[str, ...]:
        """Of the shards, oldest first."""
        return tuple(bytes(self.transaction.get(_NAMES, db=self.facts) or b"").decode().split())

    def order(self) -> int:
        """Of the entry that comes next."""
        return int.from_bytes(self.transaction.get(_ORDER, db=self.facts) or b"", "big")

    def recordings(self) -> int:
        return int.from_bytes(self.transaction.get(_COUNT, db=self.facts) or b"", "big")


class FingerprintIndex:
    """Fingerprints by recording, and recordings by how they sound.

    One process may write while others read.
    """

    def __init__(self, directory: Path) -> None:
        """Use the index in `directory`, made where it is missing.

        Raises Corrupt where a file of it was cut short, EnvironmentFailure where it cannot be used.
        """
        files.make_directory(directory)
        self._directory = directory
        self._lock = threading.Lock()
        self._names: tuple[str, ...] = ()
        self._sealed: list[Shard] = []
        self._recent: list[Shard] = []
        self._next = 0
        """The order of the first entry that is not in `_recent`."""
        if not self._file.exists():
            self._run(lambda tables: None, write=True)
        self._run(self._shards, write=False)

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
        """Let go of the shards; they are mapped again when they are needed."""
        with self._lock:
            self._names, self._sealed, self._recent, self._next = (), [], [], 0

    def __len__(self) -> int:
        """How many recordings are indexed."""
        return self._run(_Tables.recordings, write=False)

    def add(self, recording: RecordingId, fingerprints: Fingerprints) -> None:
        """Index `recording` by `fingerprints`; on disk when this returns.

        A recording has one fingerprint here: adding it again replaces what was there. All its
        encodings sound alike, so that any of them stands for the others. Raises BadInput where
        `fingerprints` is malformed.
        """
        entry = entry_of(from_crockford(recording), fingerprints)
        if self._run(lambda tables: self._put(tables, entry), write=True) >= RECENT_MAX:
            self.seal()

    def find_matches(self, fingerprints: Fingerprints) -> tuple[Match, ...]:
        """The recordings that sound like `fingerprints`, best first, suspects last.

        Raises BadInput where `fingerprints` is malformed, Corrupt where the index is.
        """
        query = Query(fingerprints)
        held = self._run(self._shards, write=False)

        def is_current(place: int, number: int) -> bool:
            return all(newer.find(number) is None for newer in held[place + 1 :])

        try:
            return find(query, held, is_current)
        except (IndexError, ValueError) as error:
            # A place that has rotted leads outside an array, or backwards.
            raise self._corrupt("is damaged") from error

    def seal(self) -> None:
        """Make a shard of what was added since the last, and one shard of several of a size."""
        held = self._run(self._shards, write=False)
        names, end = self._names, self._next
        begin, size = len(names), sum(map(len, held[len(names) :]))
        if not size:
            return
        while begin >= _MERGED_AT - 1:
            older = held[begin - _MERGED_AT + 1 : begin]
            words = sum(len(one.words) for one in held[begin - _MERGED_AT + 1 :])
            if max(map(len, older)) > 2 * size or words > shards.WORDS_MAX:
                break
            begin, size = begin - _MERGED_AT + 1, size + sum(map(len, older))
        name = f"{secrets.token_hex(8)}.shard"
        shards.write(self._directory / name, _parts(held[begin:]))
        files.sync_directory(self._directory)
        # Read before anything is let go of.
        shards.open_shard(self._directory / name)
        kept = (*names[:begin], name)
        self._run(lambda tables: _exchange(tables, kept, end), write=True)
        for path in self._directory.glob("*.shard"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self._directory / "data.mdb"

    def _shards(self, tables: _Tables) -> list[Shard]:
        """Everything that is indexed, oldest first, as the transaction sees it."""
        with self._lock:
            names = tables.names()
            if names != self._names or (tables.order() < self._next):
                self._recent, self._next = [], 0
                self._sealed = [shards.open_shard(self._directory / name) for name in names]
                self._names = names
            entries = list(_entries(tables, self._next))
            self._next = tables.order()
            if entries:
                self._recent.append(shards.build(entries))
            while len(self._recent) > 1 and len(self._recent[-2]) <= 2 * len(self._recent[-1]):
                self._recent[-2:] = [shards.join(_parts(self._recent[-2:]))]
            return [*self._sealed, *self._recent]

    def _put(self, tables: _Tables, entry: Entry) -> int:
        """How many entries are in no shard, after this one."""
        transaction, key = tables.transaction, entry.number.to_bytes(8, "big")
        order = transaction.get(key, db=tables.orders)
        value = _value_of(entry)
        if order is not None:
            if transaction.get(order, db=tables.entries) == value:
                return int(transaction.stat(tables.entries)["entries"])
            transaction.delete(order, db=tables.entries)
        elif all(one.find(entry.number) is None for one in self._shards(tables)):
            transaction.put(_COUNT, (tables.recordings() + 1).to_bytes(8, "big"), db=tables.facts)
        order = tables.order().to_bytes(8, "big")
        transaction.put(order, value, db=tables.entries)
        transaction.put(key, order, db=tables.orders)
        transaction.put(_ORDER, (tables.order() + 1).to_bytes(8, "big"), db=tables.facts)
        return int(transaction.stat(tables.entries)["entries"])

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
            except lmdb.NotFoundError:
                # An index of an earlier kind, whose tables have other names: begin a new one.
                self._run(lambda tables: None, write=True)
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
            str(self._directory), map_size=map_bytes, max_dbs=3, max_readers=512
        ) as environment:
            self._refuse_cut_file(environment)
            with environment.begin(write=write) as transaction:
                return work(
                    _Tables(
                        transaction,
                        *(
                            environment.open_db(name, transaction, create=write)
                            for name in _DATABASES
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


def _current(held: Sequence[Shard], place: int) -> NDArray[np.bool_]:
    """Which recordings of `held[place]` are in no newer one."""
    newer = [one.numbers for one in held[place + 1 :]]
    current = np.ones(len(held[place]), np.bool_)
    for numbers in newer:
        current &= ~np.isin(held[place].numbers, numbers)
    return current


def _parts(held: Sequence[Shard]) -> list[Part]:
    """What of `held`, oldest first, is current."""
    return [Part(one, _current(held, place)) for place, one in enumerate(held)]


def _exchange(tables: _Tables, names: Sequence[str], end: int) -> None:
    """Let the shards be `names`; the entries before the order `end` are in them."""
    tables.transaction.put(_NAMES, "\n".join(names).encode(), db=tables.facts)
    cursor = tables.transaction.cursor(tables.entries)
    while cursor.first() and int.from_bytes(cursor.key(), "big") < end:
        number = int(np.frombuffer(cursor.value(), _HEAD, 1)["number"][0])
        tables.transaction.delete(number.to_bytes(8, "big"), db=tables.orders)
        cursor.delete()


def _value_of(entry: Entry) -> bytes:
    sizes = (entry.number, entry.duration_ms, len(entry.words), len(entry.landmarks))
    head = np.array([sizes], _HEAD).tobytes()
    rows = (entry.words.astype("<u4"), entry.landmarks.astype("<u4"), entry.quints)
    return head + b"".join(row.tobytes() for row in rows)


def _entries(tables: _Tables, begin: int) -> Iterator[Entry]:
    """Those from the order `begin` on."""
    cursor = tables.transaction.cursor(tables.entries)
    if not cursor.set_range(begin.to_bytes(8, "big")):
        return
    for value in cursor.iternext(keys=False, values=True):
        number, duration_ms, words, landmarks = np.frombuffer(value, _HEAD, 1)[0].tolist()
        rows = np.frombuffer(value, "<u4", words + landmarks, offset=_HEAD.itemsize)
        rows = rows.astype(np.uint32)
        quints = np.frombuffer(value, QUINT, offset=_HEAD.itemsize + rows.nbytes).copy()
        yield Entry(number, duration_ms, rows[:words], rows[words:], quints)
