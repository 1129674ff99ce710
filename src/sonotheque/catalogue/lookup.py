"""A snapshot of the catalogue: immutable files, found through one pointer that switches whole.

catalogue/current                      the number of the snapshot in use
catalogue/<n>/snapshot.json            what is in it, and from which imports
catalogue/<n>/recordings-*.tsv.zst     the recordings by ISRC, those without one last (see rows)
catalogue/<n>/recordings-*.frames      where the frames of those begin
catalogue/<n>/unmatched-*.tsv.zst      counts of listeners to recordings that nobody describes
catalogue/<n>/isrc.index               ISRC → number of the recording (see isrc_index)
catalogue/<n>/*.keys                   other keys → number (see keys)
catalogue/<n>/search/                  words → number (see shards)
catalogue/<n>/changes.tsv.zst          what is not as it was in the snapshot before
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from sonotheque.catalogue.isrc_index import KeyIndex, pack
from sonotheque.catalogue.keys import Keys, hash_id, hash_number, hash_text
from sonotheque.catalogue.query import FIELDS
from sonotheque.catalogue.rows import Rows, StoredRecording
from sonotheque.catalogue.shard_search import ShardSearch
from sonotheque.errors import Corrupt, NotFound
from sonotheque.model.folding import indexed_words_of
from sonotheque.model.identifiers import Isrc, RecordingId, from_crockford
from sonotheque.model.music import Recording

CURRENT_NAME = "current"
SNAPSHOT_NAME = "snapshot.json"
ISRC_INDEX_NAME = "isrc.index"
OTHER_ISRCS_NAME = "other-isrcs.keys"
IDS_NAME = "ids.keys"
UPCS_NAME = "upcs.keys"
SOURCES_NAME = "sources.keys"
SEARCH_NAME = "search"
CHANGES_NAME = "changes.tsv.zst"


@dataclass(frozen=True, slots=True)
class ImportAbout:
    """One import a snapshot is made of."""

    number: int
    origin: str
    licence: str
    at: str


@dataclass(frozen=True, slots=True)
class SnapshotAbout:
    """A snapshot that was in use once; `last_import` is the newest it was made of."""

    number: int
    built_at: str
    recordings: int
    last_import: int
    changes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSummary:
    """What a snapshot holds. Its rows are its recordings, the rows that are the same recordings,
    and those that count listeners to recordings nobody describes; `rows_replaced` were superseded
    by newer rows of the same source and key in this build."""

    number: int
    built_at: str
    recordings: int
    isrcs: int
    rows: int
    rows_replaced: int
    isrc_index_bits_per_key: float
    imports: tuple[ImportAbout, ...]
    parts: dict[str, int]
    """Recordings in each recordings-<part>, in their order."""
    files: dict[str, int]
    """Bytes of each file, by its path in the snapshot."""
    changes: dict[str, int]
    """How many recordings were added, merged, described anew since the snapshot before."""
    shards: tuple[int, ...]
    """The least weight of each shard of the search index but the last."""
    before: tuple[SnapshotAbout, ...] = ()

    def about(self) -> SnapshotAbout:
        last = max((about.number for about in self.imports), default=0)
        return SnapshotAbout(self.number, self.built_at, self.recordings, last, self.changes)


class Snapshot:
    """An open snapshot. Safe to share between threads; goes on when `current` moves on."""

    def __init__(self, directory: Path, summary: SnapshotSummary) -> None:
        self.summary = summary
        self.directory = directory
        paths = [directory / f"recordings-{part}.tsv.zst" for part in summary.parts]
        self._rows = Rows(paths, list(summary.parts.values()))
        self._isrcs = KeyIndex.open(directory / ISRC_INDEX_NAME)
        self._other_isrcs = Keys(directory / OTHER_ISRCS_NAME)
        self._ids = Keys(directory / IDS_NAME)
        self._upcs = Keys(directory / UPCS_NAME)
        self._sources = Keys(directory / SOURCES_NAME)
        self._added_at = {about.number: about.at for about in summary.imports}

    @classmethod
    def open(cls, directory: Path) -> Snapshot:
        """Open the snapshot in `directory`.

        Raises NotFound where there is none, Corrupt where a file is missing or not whole.
        """
        summary = read_summary(directory)
        for name, byte_count in summary.files.items():
            path = directory / name
            if not path.is_file() or path.stat().st_size != byte_count:
                raise Corrupt(
                    "a file of the snapshot is missing or not whole",
                    where=str(path),
                    remedy="build the catalogue again, or fetch the snapshot from a mirror",
                )
        return cls(directory, summary)

    def count(self) -> int:
        return self.summary.recordings

    def by_isrc(self, isrc: Isrc) -> tuple[Recording, ...]:
        """The recordings that carry `isrc`; none where nobody has said."""
        return tuple([one.described(self._added_at) for one in self.stored_by_isrc(isrc)])

    def stored_by_isrc(self, isrc: Isrc) -> list[StoredRecording]:
        packed = pack(isrc)
        number = self._isrcs.rank(packed)
        found = [] if number is None else [self._rows.get(number)]
        if self._other_isrcs.count:
            others = self._each(self._other_isrcs.candidates(hash_number(packed)))
            found += [other for other in others if isrc in other.isrcs]
        return found

    def by_id(self, recording: RecordingId) -> Recording | None:
        """The recording that has that identifier, or had it before it was found to be another."""
        found = self.stored_by_id(recording)
        return self.recording(found) if found else None

    def stored_by_id(self, recording: RecordingId) -> StoredRecording | None:
        candidates = self._each(self._ids.candidates(hash_id(from_crockford(recording))))
        for found in candidates:
            if recording == found.id or recording in found.former_ids:
                return found
        return None

    def by_upc(self, upc: str) -> list[StoredRecording]:
        """The recordings on the release with that UPC or EAN (digits), in no order of tracks."""
        number = int(upc)
        return [
            found
            for found in self._each(self._upcs.candidates(hash_number(number)))
            if any(row.upc and int(row.upc) == number for row in found.rows)
        ]

    def by_source(self, source: str, source_id: str) -> list[StoredRecording]:
        """The recordings that `source` calls `source_id` (up to a `#`, see sources)."""
        candidates = self._each(self._sources.candidates(hash_text(f"{source}\x1f{source_id}")))
        return [
            found
            for found in candidates
            if any(
                row.source == source and row.source_id.partition("#")[0] == source_id
                for row in found.rows
            )
        ]

    def has_isrc(self, packed: int) -> bool:
        """Whether a recording stands under, or may carry besides, the packed ISRC."""
        return self._isrcs.rank(packed) is not None or bool(
            self._other_isrcs.candidates(hash_number(packed))
        )

    def has_source(self, source: str, source_id: str) -> bool:
        """Whether there is a recording that `source` calls `source_id`."""
        return bool(self.by_source(source, source_id))

    @cached_property
    def search(self) -> ShardSearch:
        return ShardSearch(self.directory / SEARCH_NAME, self._words_of)

    def _words_of(self, number: int) -> dict[str, list[str]]:
        said = self.numbered(number).description
        return {field: indexed_words_of(getattr(said, field)) for field in FIELDS}

    def numbered(self, number: int) -> Recording:
        """The `number`th recording, from 0, as the search index counts them."""
        return self.recording(self._rows.get(number))

    def recording(self, stored: StoredRecording) -> Recording:
        """`stored` as the catalogue describes it."""
        return stored.described(self._added_at)

    def appeared_in(self, stored: StoredRecording) -> tuple[int, ...]:
        """The numbers of the snapshots that have had the recording, oldest first."""
        history = (*self.summary.before, self.summary.about())
        return tuple(about.number for about in history if about.last_import >= stored.first_import)

    def _each(self, numbers: Iterable[int]) -> list[StoredRecording]:
        return [self._rows.get(number) for number in numbers]


def current_snapshot(catalogue_directory: Path) -> Snapshot | None:
    """The snapshot in use; None before the first build. Raises Corrupt."""
    while True:
        number = current_number(catalogue_directory)
        if number is None:
            return None
        try:
            return Snapshot.open(catalogue_directory / str(number))
        except Corrupt:
            # A build may have switched to the next, and cleared this one away, while we opened it.
            if current_number(catalogue_directory) == number:
                raise


def current_number(catalogue_directory: Path) -> int | None:
    """The number of the snapshot in use. Raises Corrupt."""
    path = catalogue_directory / CURRENT_NAME
    try:
        return int(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Corrupt(
            "does not name a snapshot",
            where=str(path),
            remedy="write the number of the newest snapshot directory into it",
        ) from error


def read_summary(directory: Path) -> SnapshotSummary:
    """What the snapshot in `directory` says of itself. Raises NotFound or Corrupt."""
    path = directory / SNAPSHOT_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=SnapshotSummary)
    except FileNotFoundError:
        raise NotFound(
            "no snapshot here", where=str(directory), remedy="build the catalogue first"
        ) from None
    except msgspec.DecodeError as error:
        raise Corrupt(
            f"is not a snapshot's summary ({error})",
            where=str(path),
            remedy="build the catalogue again, or fetch the snapshot from a mirror",
        ) from error
