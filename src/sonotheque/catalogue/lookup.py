"""A snapshot of the catalogue: immutable files, found through one pointer that switches whole.

catalogue/current                     the number of the snapshot in use
catalogue/<n>/snapshot.json           what is in it, and from which imports
catalogue/<n>/recordings-*.parquet    one row a recording, by ISRC; those without one last
catalogue/<n>/provenance-*.parquet    the rows that lost to them
catalogue/<n>/isrc.index              ISRC → row (see isrc_index)
catalogue/<n>/id.index, id.rows       RecordingId → rank among them → row
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from sonotheque.catalogue.isrc_index import KeyIndex, pack
from sonotheque.errors import Corrupt, NotFound
from sonotheque.model.identifiers import Isrc, RecordingId, from_crockford, to_crockford
from sonotheque.model.music import Description, Recording

CURRENT_NAME = "current"
SNAPSHOT_NAME = "snapshot.json"
ISRC_INDEX_NAME = "isrc.index"
ID_INDEX_NAME = "id.index"
ID_ROWS_NAME = "id.rows"

_COLUMNS = [
    "recording_id",
    "isrc",
    "title",
    "artist",
    "album",
    "label",
    "year",
    "duration_ms",
    "popularity",
    "first_import",
]


@dataclass(frozen=True, slots=True)
class ImportAbout:
    """One import a snapshot is made of."""

    number: int
    origin: str
    licence: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSummary:
    """What a snapshot holds. Its rows are its recordings and the rows that lost to them;
    `rows_replaced` were superseded by newer rows of the same source and key in this build."""

    number: int
    built_at: str
    recordings: int
    isrcs: int
    rows: int
    rows_replaced: int
    isrc_index_bits_per_key: float
    imports: tuple[ImportAbout, ...]
    files: dict[str, int]
    """Bytes of each file."""


class Snapshot:
    """An open snapshot. Safe to share between threads; goes on when `current` moves on."""

    def __init__(self, directory: Path, summary: SnapshotSummary) -> None:
        self.summary = summary
        self._directory = directory
        self._isrcs = KeyIndex.open(directory / ISRC_INDEX_NAME)
        self._ids = KeyIndex.open(directory / ID_INDEX_NAME)
        self._added_at = {about.number: about.at for about in summary.imports}
        self._lock = threading.Lock()

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
        """The recording that carries `isrc`; none where nobody has said."""
        row = self._isrcs.rank(pack(isrc))
        return () if row is None else (self._recording(row),)

    def by_id(self, recording: RecordingId) -> Recording | None:
        rank = self._ids.rank(from_crockford(recording))
        return None if rank is None else self._recording(int(self._id_rows[rank]))

    def _recording(self, row: int) -> Recording:
        with self._lock:
            part = bisect_right(self._parts.firsts, row) - 1
            found = self._parts.opened[part].record(row - self._parts.firsts[part])
        isrc = found["isrc"]
        return Recording(
            id=RecordingId(to_crockford(found["recording_id"])),
            description=Description(
                title=found["title"],
                artist=found["artist"],
                album=found["album"],
                label=found["label"],
                year=found["year"],
                isrcs=(Isrc(isrc),) if isrc else (),
            ),
            duration_ms=found["duration_ms"] or 0,
            added_at=self._added_at[found["first_import"]],
            popularity=found["popularity"] or 0,
        )

    @cached_property
    def _id_rows(self) -> npt.NDArray[np.uint32]:
        rows: npt.NDArray[np.uint32] = np.memmap(self._directory / ID_ROWS_NAME, np.uint32, "r")
        return rows

    @cached_property
    def _parts(self) -> _Parts:
        opened = tuple(_Part(path) for path in sorted(self._directory.glob("recordings-*.parquet")))
        firsts = accumulate((part.rows for part in opened[:-1]), initial=0)
        return _Parts(opened, tuple(firsts))


@dataclass(frozen=True, slots=True)
class _Parts:
    opened: tuple[_Part, ...]
    firsts: tuple[int, ...]
    """The row each part begins with."""


class _Part:
    """One recordings-*.parquet, its footer read, its pages mapped."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, memory_map=True)
        metadata = self._file.metadata
        self.rows = metadata.num_rows
        sizes = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self._firsts = list(accumulate(sizes, initial=0))

    def record(self, row: int) -> dict[str, Any]:
        group = bisect_right(self._firsts, row) - 1
        table = self._file.read_row_group(group, columns=_COLUMNS, use_threads=False)
        found: dict[str, Any] = table.slice(row - self._firsts[group], 1).to_pylist()[0]
        return found


def current_snapshot(catalogue_directory: Path) -> Snapshot | None:
    """The snapshot in use; None before the first build."""
    number = current_number(catalogue_directory)
    return None if number is None else Snapshot.open(catalogue_directory / str(number))


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
