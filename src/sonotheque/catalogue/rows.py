"""The rows of a snapshot: text that any tool can read, in small frames that one look-up opens.

`recordings-<part>.tsv.zst` is tab-separated text, compressed by Zstandard (RFC 8878): a frame
with the names of the columns, then one for every 16 recordings, so that `zstdcat` reads the whole
and a look-up decompresses some 4 kB. A recording is the line that describes it, which alone has a
`recording_id`, and below it the other rows that are the same recording. No value holds a tab or a
line break; an empty one is not known. `recordings-<part>.frames` holds the offset of each frame
after the first, uint64, and the end of the last.
"""

from __future__ import annotations

import mmap
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from sonotheque.errors import Corrupt
from sonotheque.model.identifiers import Isrc

COLUMNS = (
    "recording_id",
    "isrc",
    "title",
    "artist",
    "album",
    "label",
    "release_date",
    "year",
    "duration_ms",
    "popularity",
    "streams",
    "upc",
    "other_isrcs",
    "licence",
    "source",
    "source_id",
    "import_number",
    "first_import",
    "former_ids",
)
HEADER = "\t".join(COLUMNS).encode() + b"\n"
FRAME_RECORDINGS = 16
ROWS_SUFFIX = ".tsv.zst"
FRAMES_SUFFIX = ".frames"
_LEVEL = 3
_JOINT = b"\r"
"""No value holds one: see cleaning."""
_FRAMES_AT_ONCE = 16_384


def write_rows(
    path: Path, lines: memoryview, starts: npt.NDArray[np.int64], *, threads: int = 2
) -> None:
    """Write `lines` (UTF-8, each with its line break) to `path` and its frames' offsets beside it.

    `starts`, shape (recordings,), are the bytes where each recording begins in `lines`. The files
    are not synced: a build seals its directory as a whole.
    """
    borders = np.append(starts[::FRAME_RECORDINGS], len(lines))
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    sizes: list[int] = []
    with path.open("wb") as output:
        header = compressor.compress(HEADER)
        output.write(header)
        for first in range(0, len(borders) - 1, _FRAMES_AT_ONCE):
            some = borders[first : first + _FRAMES_AT_ONCE + 1].tolist()
            pieces: Any = [lines[start:end] for start, end in pairwise(some)]
            frames = compressor.multi_compress_to_buffer(pieces, threads=threads)
            for number in range(len(frames)):
                sizes.append(output.write(frames[number].tobytes()))
    offsets = np.cumsum(np.array([len(header), *sizes], np.uint64), dtype=np.uint64)
    offsets.tofile(frames_path(path))


def frames_path(path: Path) -> Path:
    """Where the offsets of the frames of the rows at `path` are."""
    return path.with_name(path.name.removesuffix(ROWS_SUFFIX) + FRAMES_SUFFIX)


# Structs, not dataclasses: a look-up makes them in a sixth of the time.
class SourceRow(msgspec.Struct, frozen=True):
    """What one source says of a recording. Empty text: it does not say."""

    source: str
    source_id: str
    title: str
    artist: str
    album: str
    label: str
    release_date: str
    """ISO 8601; empty where not all of it is known."""
    year: int | None
    duration_ms: int | None
    popularity: int | None
    streams: int | None
    isrcs: tuple[Isrc, ...]
    upc: str
    licence: str
    import_number: int
    first_import: int


class StoredRecording(msgspec.Struct, frozen=True):
    """A recording and its rows, the one that describes it first."""

    id: str
    former_ids: tuple[str, ...]
    rows: tuple[SourceRow, ...]


class Rows:
    """The rows of an open snapshot, by the number of the recording. Safe to share between
    threads; holds no more memory than the frames it was asked for."""

    def __init__(self, paths: Sequence[Path], counts: Sequence[int]) -> None:
        """`paths` of the parts in their order, and how many recordings each holds."""
        self._parts = [_Part(path) for path in paths]
        self._firsts = list(accumulate(counts[:-1], initial=0)) if counts else []
        self._threads = threading.local()

    def get(self, number: int) -> StoredRecording:
        """The `number`th recording, from 0. Raises Corrupt."""
        place = bisect_right(self._firsts, number) - 1
        frame, turn = divmod(number - self._firsts[place], FRAME_RECORDINGS)
        part = self._parts[place]
        recordings = _recordings_of(self._decompressed(part, frame))
        if turn >= len(recordings):
            raise _broken(part.path)
        return _recording(recordings[turn])

    def _decompressed(self, part: _Part, frame: int) -> bytes:
        # A decompressor is not to be shared between threads.
        decompressor = getattr(self._threads, "decompressor", None)
        if decompressor is None:
            decompressor = self._threads.decompressor = zstandard.ZstdDecompressor()
        try:
            text: bytes = decompressor.decompress(part.frame(frame))
        except (zstandard.ZstdError, IndexError) as error:
            raise _broken(part.path) from error
        return text


class _Part:
    """One file of rows, mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes = _mapped(path)
        self._offsets = _mapped(frames_path(path)).cast("Q")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def frame(self, number: int) -> memoryview:
        return self._bytes[self._offsets[number] : self._offsets[number + 1]]


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as reader:
        return memoryview(mmap.mmap(reader.fileno(), 0, access=mmap.ACCESS_READ))


def read_rows(path: Path) -> Iterator[StoredRecording]:
    """Every recording in the rows at `path`, in their order, in bounded memory."""
    part = _Part(path)
    decompressor = zstandard.ZstdDecompressor()
    for frame in range(len(part)):
        yield from map(_recording, _recordings_of(decompressor.decompress(part.frame(frame))))


def _recordings_of(text: bytes) -> list[bytes]:
    """The recordings of a frame, each its lines with `_JOINT` between them."""
    # A line that begins with a tab has no identifier: it goes on with the recording above it.
    return text[:-1].replace(b"\n\t", _JOINT + b"\t").split(b"\n")


def _recording(lines: bytes) -> StoredRecording:
    rows = [line.split("\t") for line in lines.decode().split(_JOINT.decode())]
    return StoredRecording(
        rows[0][0], tuple(rows[0][-1].split()), tuple(_source_row(row) for row in rows)
    )


def _source_row(row: list[str]) -> SourceRow:
    _, isrc, title, artist, album, label, release_date, year, duration_ms, popularity = row[:10]
    streams, upc, other_isrcs, licence, source, source_id, import_number, first_import, _ = row[10:]
    return SourceRow(
        source,
        source_id,
        title,
        artist,
        album,
        label,
        release_date,
        int(year) if year else None,
        int(duration_ms) if duration_ms else None,
        int(popularity) if popularity else None,
        int(streams) if streams else None,
        _isrcs(isrc, other_isrcs) if isrc else (),
        upc,
        licence,
        int(import_number),
        int(first_import),
    )


def _isrcs(first: str, others: str) -> tuple[Isrc, ...]:
    return (Isrc(first), *map(Isrc, others.split())) if others else (Isrc(first),)


def _broken(path: Path) -> Corrupt:
    return Corrupt(
        "the rows are not whole",
        where=str(path),
        remedy="build the catalogue again, or fetch the snapshot from a mirror",
    )
