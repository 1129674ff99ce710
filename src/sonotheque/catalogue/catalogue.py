"""The catalogue: what the archive knows of recordings, by identifier, ISRC and words.

What was deposited is in the live overlay (records and search); what was imported from others'
catalogues is in the current snapshot, and is found by identifier and ISRC.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from sonotheque.catalogue.lookup import Snapshot, current_number, current_snapshot
from sonotheque.catalogue.records import Records
from sonotheque.catalogue.search import SearchIndex
from sonotheque.errors import EnvironmentFailure
from sonotheque.model.identifiers import Isrc, RecordingId
from sonotheque.model.music import Recording


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the recordings that were asked for, and how many there are in all."""

    recordings: tuple[Recording, ...]
    total: int


class Catalogue:
    """The records in the database, the search index in `derived` that follows them, and the
    snapshots below `snapshots`."""

    def __init__(self, engine: Engine, derived: Path, snapshots: Path) -> None:
        self._records = Records(engine)
        self._snapshots = snapshots
        self._opened: Snapshot | None = None
        self._search_directory = derived / "search"

    def add(self, recordings: Sequence[Recording]) -> None:
        """Add or replace `recordings`; they are findable when this returns."""
        # Opened, and so made whole, before there are records that it does not have yet.
        search = self._search
        self._records.put(recordings)
        search.put(recordings)

    def get(self, recording: RecordingId) -> Recording | None:
        found = self._records.get(recording)
        if found is None and (snapshot := self._snapshot()):
            found = snapshot.by_id(recording)
        return found

    def by_isrc(self, isrc: Isrc) -> tuple[Recording, ...]:
        """The deposited recordings that carry `isrc`; where there are none, the imported one."""
        found = self._records.by_isrc(isrc)
        if not found and (snapshot := self._snapshot()):
            found = snapshot.by_isrc(isrc)
        return found

    def find(self, query: str, *, limit: int = 20, offset: int = 0) -> Page:
        """A page of the recordings that `query` finds, best first (see `search`)."""
        hits = self._search.find(query, limit=limit, offset=offset)
        found = [self._records.get(recording) for recording in hits.recordings]
        return Page(tuple(recording for recording in found if recording), hits.total)

    def suggest(self, prefix: str, *, limit: int = 8) -> tuple[Recording, ...]:
        """What somebody who has typed `prefix` so far may be after."""
        return self.find(prefix, limit=limit).recordings

    def newest(self, limit: int) -> tuple[Recording, ...]:
        return self._records.newest(limit)

    def count(self) -> int:
        """How many recordings were deposited."""
        return self._records.count()

    def each(self) -> Iterator[Recording]:
        """Every recording that was deposited, in order of arrival."""
        return self._records.each()

    def _snapshot(self) -> Snapshot | None:
        """The snapshot in use, opened again when a build has moved on."""
        number = current_number(self._snapshots)
        if number is not None and (self._opened is None or self._opened.summary.number != number):
            self._opened = current_snapshot(self._snapshots)
        return self._opened

    @cached_property
    def _search(self) -> SearchIndex:
        index = SearchIndex(self._search_directory)
        # The index is derived data: whoever deleted it, or died between the two writes of
        # `add`, finds it whole again here.
        if index.count() != self._records.count():
            # Where another process is indexing at this moment, it will have it whole soon.
            with contextlib.suppress(EnvironmentFailure):
                index.put(self._records.each(), anew=True)
        return index
