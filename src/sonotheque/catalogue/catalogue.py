"""The catalogue: what the archive knows of recordings, by identifier, ISRC, UPC and words.

What was deposited is in the live overlay (records and search); what was imported from others'
catalogues is in the current snapshot, and in the additions to it that were imported since.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

from sqlalchemy import Engine

from sonotheque.catalogue.lookup import CURRENT_NAME, Snapshot, current_number
from sonotheque.catalogue.query import How, Query, parse_query
from sonotheque.catalogue.records import Records
from sonotheque.catalogue.rows import StoredRecording
from sonotheque.catalogue.search import Broken, SearchIndex
from sonotheque.catalogue.shard_search import LOOKED_AT_MAX, Found, Prepared
from sonotheque.catalogue.sources import ADDITIONS_NAME, additions_of
from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, NotFound
from sonotheque.model.folding import indexed_words_of
from sonotheque.model.identifiers import Isrc, RecordingId, parse_isrc, parse_recording_id
from sonotheque.model.music import Recording
from sonotheque.store import files

_ENOUGH_FOR = {How.EXACT: 1 << 63, How.BEGUN: 10, How.LOOSE: 1}
"""A looser way is tried only where the stricter ones found fewer than so many recordings."""
_SMALL_SHARDS = 4
"""Of up to a million recordings: asked sooner than another thread is woken."""
_FEW_POSTINGS = 50_000
"""So few are gone through sooner than another thread is woken, too."""
RESULTS_MAX = 10_000
"""Nobody reads further; a program reads the snapshot itself."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the recordings that were asked for. `total` is how many there are in all, or at
    least so many where the search ended before it had looked at everything."""

    recordings: tuple[Recording, ...]
    total: int
    total_is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """A recording as a snapshot has it: what each source says, and since when it is there."""

    recording: Recording
    stored: StoredRecording
    snapshot: Snapshot


class Catalogue:
    """The records in the database, the search index in `derived` that follows them, and the
    snapshots below `snapshots`."""

    def __init__(self, engine: Engine, derived: Path, snapshots: Path) -> None:
        self._records = Records(engine)
        self._snapshots = snapshots
        self._opened: dict[Path, Snapshot] = {}
        self._marking = [snapshots / name for name in (CURRENT_NAME, ADDITIONS_NAME)]
        self._marked: tuple[tuple[int, ...], ...] | None = None
        self._search_directory = derived / "search"

    def add(self, recordings: Sequence[Recording]) -> None:
        """Add or replace `recordings`; they are findable when this returns."""
        # Opened, and so made whole, before there are records that it does not have yet.
        search = self._search
        self._records.put(recordings)
        try:
            search.put(recordings)
        except Broken:
            self._search = self._make_search_anew()

    def get(self, recording: RecordingId) -> Recording | None:
        found = self._records.get(recording)
        if found is None and (listed := self.listed(recording)):
            found = listed.recording
        return found

    def listed(self, recording: RecordingId) -> Listed | None:
        """The imported recording with that identifier, or that had it before; None for none."""
        for snapshot in self.snapshots():
            if stored := snapshot.stored_by_id(recording):
                return Listed(snapshot.recording(stored), stored, snapshot)
        return None

    def by_isrc(self, isrc: Isrc) -> tuple[Recording, ...]:
        """The recordings that carry `isrc`, the deposited ones first."""
        found = [*self._records.by_isrc(isrc)]
        for snapshot in self.snapshots():
            found += snapshot.by_isrc(isrc)
        return tuple(found)

    def by_upc(self, upc: str) -> tuple[Recording, ...]:
        """The imported recordings on the release with that UPC or EAN, in digits."""
        return self._described(lambda snapshot: snapshot.by_upc(upc))

    def by_source(self, source: str, source_id: str) -> tuple[Recording, ...]:
        """The imported recordings that `source` calls `source_id`."""
        return self._described(lambda snapshot: snapshot.by_source(source, source_id))

    def named(self, text: str) -> tuple[Recording, ...]:
        """The recordings that `text` names: by an ISRC, a UPC or EAN, an identifier, or what a
        source calls it (`musicbrainz:…`); none where it is none of these."""
        with contextlib.suppress(BadInput):
            return self.by_isrc(parse_isrc(text))
        source, colon, source_id = text.partition(":")
        if colon and (found := self.by_source(source.strip(), source_id.strip())):
            return found
        # Thirteen digits may be an identifier and an EAN.
        with contextlib.suppress(BadInput):
            if recording := self.get(parse_recording_id(text)):
                return (recording,)
        digits = re.sub(r"[\s-]", "", text)
        return self.by_upc(digits) if re.fullmatch("[0-9]{8,14}", digits) else ()

    def find(self, query: str, *, limit: int = 20, offset: int = 0) -> Page:
        """A page of the recordings that `query` finds, best first (see `query`).

        What is found as it stands comes first; where that is little, what the last word goes on
        to; where that is nothing, what is a typo away. Of each the deposited come first, then the
        most listened to.
        Raises BadInput where the query is too long to be meant.
        """
        parsed = parse_query(query)
        if not parsed:
            return Page((), 0)
        limit = max(0, limit)
        wanted = min(limit + max(0, offset), RESULTS_MAX)
        if parsed.isrcs:
            found: list[Recording] = [
                recording
                for recording in self.by_isrc(parsed.isrcs[0])
                if _holds(recording, parsed)
            ]
            return Page(tuple(found[offset:wanted]), len(found))
        search = _Search(self, parsed, wanted)
        return Page(tuple(search.run()[offset:wanted]), search.total, search.is_complete)

    def suggest(self, prefix: str, *, limit: int = 8) -> tuple[Recording, ...]:
        """What somebody who has typed `prefix` so far may be after."""
        return self.find(prefix, limit=limit).recordings

    def newest(self, limit: int) -> tuple[Recording, ...]:
        return self._records.newest(limit)

    def count(self) -> int:
        """How many recordings were deposited."""
        return self._records.count()

    def count_imported(self) -> int:
        """How many recordings others' catalogues list."""
        return sum(snapshot.count() for snapshot in self.snapshots())

    def each(self) -> Iterator[Recording]:
        """Every recording that was deposited, in order of arrival."""
        return self._records.each()

    def snapshots(self) -> tuple[Snapshot, ...]:
        """The snapshot in use and the additions since, opened again when a build has moved on."""
        while True:
            marks = self._marks()
            if marks == self._marked:
                return tuple(self._opened.values())
            paths = snapshot_directories(self._snapshots)
            try:
                self._opened = {
                    path: self._opened.get(path) or Snapshot.open(path) for path in paths
                }
                self._marked = marks
                return tuple(self._opened.values())
            except (NotFound, Corrupt):
                # A build may have cleared one away while we opened it.
                if snapshot_directories(self._snapshots) == paths:
                    raise

    def _marks(self) -> tuple[tuple[int, ...], ...]:
        """What changes when a build switches, or an import adds to the snapshot in use."""
        found = []
        for path in self._marking:
            with contextlib.suppress(FileNotFoundError):
                about = path.stat()
                found.append((about.st_ino, about.st_mtime_ns, about.st_nlink))
        return tuple(found)

    def search_deposited(self, query: Query, how: How, limit: int) -> tuple[list[Recording], int]:
        """(the best of the deposited recordings, how many there are)."""
        hits = self._search.find(query, how, limit)
        found = (self._records.get(recording) for recording in hits.recordings)
        return [recording for recording in found if recording], hits.total

    def _described(
        self, ask: Callable[[Snapshot], Iterable[StoredRecording]]
    ) -> tuple[Recording, ...]:
        return tuple(
            snapshot.recording(stored) for snapshot in self.snapshots() for stored in ask(snapshot)
        )

    @cached_property
    def _search(self) -> SearchIndex:
        index = SearchIndex(self._search_directory)
        # The index is derived data: whoever deleted it, or died between the two writes of
        # `add`, finds it whole again here.
        if index.count() != self._records.count():
            # Where another process is indexing at this moment, it will have it whole soon.
            try:
                index.put(self._records.each(), anew=True)
            except Broken:
                return self._make_search_anew()
            except EnvironmentFailure:
                pass
        return index

    def _make_search_anew(self) -> SearchIndex:
        """A power cut can leave the index so that it can be read, and never written again."""
        files.remove_tree(self._search_directory)
        index = SearchIndex(self._search_directory)
        index.put(self._records.each(), anew=True)
        return index


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads for shards: tantivy searches outside the interpreter's lock."""
    return ThreadPoolExecutor(2, thread_name_prefix="shards")


def snapshot_directories(catalogue_directory: Path) -> list[Path]:
    """Where the snapshot in use and the additions to it are."""
    number = current_number(catalogue_directory)
    current = [catalogue_directory / str(number)] if number is not None else []
    return current + additions_of(catalogue_directory)


def _find(task: tuple[Snapshot, Prepared, int], *, limit: int, candidates_max: int) -> Found:
    """What one shard of a snapshot has."""
    snapshot, prepared, shard = task
    return snapshot.search.find(prepared, shard, limit, candidates_max)


class _Search:
    """One search through all there is, ended where it has as many recordings as are wanted."""

    def __init__(self, catalogue: Catalogue, query: Query, wanted: int) -> None:
        self._catalogue = catalogue
        self._query = query
        self._wanted = wanted
        self._found: list[Recording] = []
        self.total = 0
        self.is_complete = False

    def run(self) -> list[Recording]:
        snapshots = self._catalogue.snapshots()
        before: dict[Snapshot, Prepared] = {}
        for how in How:
            # By what was found, not by what was wanted: every page must come of the same list.
            if self.total >= _ENOUGH_FOR[how]:
                break
            asked = []
            for snapshot in snapshots:
                if prepared := snapshot.search.prepare(self._query, how, before.get(snapshot)):
                    asked.append((snapshot, prepared))
                    before[snapshot] = prepared
            if self._has_enough(how, asked):
                return self._found
        self.is_complete = True
        return self._found

    def _has_enough(self, how: How, asked: list[tuple[Snapshot, Prepared]]) -> bool:
        found, total = self._catalogue.search_deposited(self._query, how, self._missing())
        self._found += found
        self.total += total
        # A shard of every snapshot in turn, the most listened-to recordings first; two at a time
        # of those that are large.
        last = max((len(snapshot.search) for snapshot, _ in asked), default=0)
        is_small = sum(prepared.postings_max for _, prepared in asked) <= _FEW_POSTINGS
        shard, candidates_max = 0, LOOKED_AT_MAX
        while shard < last and self._missing():
            width = 1 if is_small or shard < _SMALL_SHARDS else 2
            tasks = [
                (snapshot, prepared, number)
                for number in range(shard, shard + width)
                for snapshot, prepared in asked
                if number < len(snapshot.search) and prepared.is_in(number)
            ]
            find = partial(_find, limit=self._missing(), candidates_max=candidates_max)
            answers = map(find, tasks) if width == 1 else _pool().map(find, tasks)
            for (snapshot, *_), hits in zip(tasks, answers, strict=True):
                some = hits.numbers[: self._missing()]
                self._found += map(snapshot.numbered, some)
                self.total += hits.total
                candidates_max -= hits.looked_at
            shard += width
        return not self._missing()

    def _missing(self) -> int:
        return self._wanted - len(self._found)


def _holds(recording: Recording, query: Query) -> bool:
    """Whether a recording that was looked up has every word and year of `query` besides."""
    said = recording.description
    texts = {"title": said.title, "artist": said.artist, "album": said.album, "label": said.label}
    words = {field: indexed_words_of(text) for field, text in texts.items()}
    everywhere = {word for field in words.values() for word in field}
    return (
        set(query.isrcs) <= set(said.isrcs)
        and all(year == said.year for year in query.years)
        and all(word.text in words.get(word.field, everywhere) for word in query.words)
    )
