"""The rows of a snapshot: text that any tool can read, in small frames that one look-up opens.

`recordings-<part>.tsv.zst` is tab-separated text, compressed by Zstandard (RFC 8878): a frame
with the names of the columns, then one for every 8 recordings, so that `zstdcat` reads the whole
and a look-up decompresses some 2 kB. A recording is the line that describes it, which alone has a
`recording_id`, and below it the other rows that are the same recording. No value holds a tab or a
line break; an empty one is not known. `recordings-<part>.frames` holds the offset of each frame
after the first, uint64, and the end of the last.
"""

from __future__ import annotations

import mmap
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from sonotheque.errors import Corrupt
from sonotheque.model.identifiers import Isrc, RecordingId
from sonotheque.model.music import Description, Recording

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
FRAME_RECORDINGS = 8
ROWS_SUFFIX = ".tsv.zst"
FRAMES_SUFFIX = ".frames"
_LEVEL = 1
_ISRC, _TITLE, _ARTIST, _ALBUM, _LABEL, _YEAR, _DURATION_MS, _POPULARITY = map(
    COLUMNS.index,
    ("isrc", "title", "artist", "album", "label", "year", "duration_ms", "popularity"),
)
_OTHER_ISRCS, _FIRST_IMPORT = map(COLUMNS.index, ("other_isrcs", "first_import"))
_TAB = 9
_GOES_ON = b"\t"
"""A line that begins so has no identifier, and goes on with the recording above it."""
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


# Structs, not dataclasses: one is made in a sixth of the time.
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
    """A recording and its rows, the one that describes it first.

    What nobody asks for is not turned into values, so that to look up a recording of many rows
    takes little longer than one of a single row.
    """

    texts: list[list[str]]
    """Its rows, each in the order of COLUMNS."""

    @property
    def id(self) -> str:
        return self.texts[0][0]

    @property
    def former_ids(self) -> tuple[str, ...]:
        return tuple(self.texts[0][-1].split())

    @property
    def rows(self) -> tuple[SourceRow, ...]:
        return tuple([_source_row(row) for row in self.texts])

    @property
    def isrcs(self) -> tuple[Isrc, ...]:
        """Those of its rows, the describing row's first, each once."""
        told = dict.fromkeys([(row[_ISRC], row[_OTHER_ISRCS]) for row in self.texts])
        return tuple(dict.fromkeys([isrc for one in told for isrc in _isrcs(*one)]))

    @property
    def first_import(self) -> int:
        """The number of the oldest import that had it."""
        return min(map(int, {row[_FIRST_IMPORT] for row in self.texts}))

    def described(self, added_at: Mapping[int, str]) -> Recording:
        """It as its first row describes it; `added_at` is when each import was made."""
        best, *others = self.texts
        year, popularity = best[_YEAR], int(best[_POPULARITY] or 0)
        first_import, isrcs = int(best[_FIRST_IMPORT]), _isrcs(best[_ISRC], best[_OTHER_ISRCS])
        if others:
            first_import, isrcs = self.first_import, self.isrcs
            popularity = max(popularity, *map(int, {row[_POPULARITY] or 0 for row in others}))
        return Recording(
            id=RecordingId(best[0]),
            description=Description(
                title=best[_TITLE],
                artist=best[_ARTIST],
                album=best[_ALBUM],
                label=best[_LABEL],
                year=int(year) if year else None,
                isrcs=isrcs,
            ),
            duration_ms=int(best[_DURATION_MS] or 0),
            added_at=added_at[first_import],
            popularity=popularity,
        )


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
        try:
            start, end = part.offsets[frame], part.offsets[frame + 1]
            text = self._decompressor().decompress(part.bytes[start:end])
            lines = text.split(b"\n")
            return _recording(lines, _nth(lines, turn))
        except (zstandard.ZstdError, IndexError) as error:
            raise _broken(part.path) from error

    def _decompressor(self) -> zstandard.ZstdDecompressor:
        # One is not to be shared between threads.
        try:
            own: zstandard.ZstdDecompressor = self._threads.decompressor
        except AttributeError:
            own = self._threads.decompressor = zstandard.ZstdDecompressor()
        return own


class _Part:
    """One file of rows, mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = _mapped(path)
        self.offsets = memoryview(_mapped(frames_path(path))).cast("Q")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as reader:
        return mmap.mmap(reader.fileno(), 0, access=mmap.ACCESS_READ)


def read_rows(path: Path) -> Iterator[StoredRecording]:
    """Every recording in the rows at `path`, in their order, in bounded memory."""
    part = _Part(path)
    decompressor = zstandard.ZstdDecompressor()
    for start, end in pairwise(part.offsets):
        lines = decompressor.decompress(part.bytes[start:end]).split(b"\n")
        for place, line in enumerate(lines):
            if line[:1] > _GOES_ON:
                yield _recording(lines, place)


def _nth(lines: list[bytes], turn: int) -> int:
    """The place in a frame's lines where its `turn`th recording begins, from 0. Raises IndexError
    where the frame holds fewer: its last line is empty."""
    for place, line in enumerate(lines):
        if line[0] != _TAB:
            if not turn:
                return place
            turn -= 1
    raise IndexError


def _recording(lines: list[bytes], place: int) -> StoredRecording:
    """The recording whose first line is at `place`."""
    texts = [lines[place].decode().split("\t")]
    while lines[place + 1][:1] == _GOES_ON:
        place += 1
        texts.append(lines[place].decode().split("\t"))
    return StoredRecording(texts)


def _source_row(row: list[str]) -> SourceRow:
    (
        _,
        isrc,
        title,
        artist,
        album,
        label,
        release_date,
        year,
        duration_ms,
        popularity,
        streams,
        upc,
        other_isrcs,
        licence,
        source,
        source_id,
        import_number,
        first_import,
        _,
    ) = row
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
        _isrcs(isrc, other_isrcs),
        upc,
        licence,
        int(import_number),
        int(first_import),
    )


def _isrcs(first: str, others: str) -> tuple[Isrc, ...]:
    if not first:
        return ()
    return (Isrc(first), *map(Isrc, others.split())) if others else (Isrc(first),)


def _broken(path: Path) -> Corrupt:
    return Corrupt(
        "the rows are not whole",
        where=str(path),
        remedy="build the catalogue again, or fetch the snapshot from a mirror",
    )
