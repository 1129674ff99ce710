"""MusicBrainz as a source: the lines of its JSON dumps, and documents of its web service.

Read are `recording` and `release` documents: in dump files (a document a line; plain, compressed,
or in the archive as published, whose lines are in `mbdump/<entity>`), and as the web service
answers them (`/ws/2`), one by one or in lists. Fields: musicbrainz.org/doc/MusicBrainz_API.

A track becomes a row `<recording>#<release>` with its release's title, date, barcode and labels;
a recording that is listed without releases, a row `<recording>`.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from sonotheque.catalogue.sources import Fault, Piece
from sonotheque.catalogue.sources.cleaning import fault
from sonotheque.catalogue.sources.gathering import Counted, Row, gather, known_part
from sonotheque.catalogue.sources.reading import cut_short, lines_of, opened, paths_in
from sonotheque.errors import BadInput

DOCUMENT_BYTES_MAX = 1 << 25
"""A line of a dump, or a document of several lines. Memory: some 250 MB for the dumps, and 1 GB for
a document that is made to fill it."""

_ENTITIES = ("recording", "release")
_NAMES = ("*.json", "*.jsonl", *_ENTITIES)
_TAR_HEAD_BYTES, _TAR_MARK = 512, slice(257, 262)
_TAR_READ_BYTES_MAX = 1 << 24
_MEMBERS_MAX = 1_000
_SHOWN_BYTES = 300


class _Named(msgspec.Struct):
    name: str | None = None


class _Credit(msgspec.Struct):
    name: str | None = None
    joinphrase: str | None = None
    artist: _Named | None = None


class _LabelInfo(msgspec.Struct):
    label: _Named | None = None


class _Id(msgspec.Struct):
    id: str | None = None


class _Release(msgspec.Struct, rename="kebab"):
    id: str | None = None
    title: str | None = None
    artist_credit: list[_Credit] | None = None
    date: str | None = None
    barcode: str | None = None
    label_info: list[_LabelInfo] | None = None
    media: list[_Medium] | None = None


class _Recording(msgspec.Struct, rename="kebab"):
    id: str | None = None
    title: str | None = None
    artist_credit: list[_Credit] | None = None
    length: int | float | str | None = None
    first_release_date: str | None = None
    isrcs: list[str | _Id] | None = None
    releases: list[_Release] | None = None


class _Track(msgspec.Struct, rename="kebab"):
    title: str | None = None
    artist_credit: list[_Credit] | None = None
    length: int | float | str | None = None
    recording: _Recording | None = None


class _Medium(msgspec.Struct, rename="kebab"):
    pregap: _Track | None = None
    tracks: list[_Track] | None = None
    data_tracks: list[_Track] | None = None


_ABSENT = msgspec.Raw()


class _Kind(msgspec.Struct, rename="kebab"):
    """What tells documents apart, none of it read."""

    recordings: msgspec.Raw = _ABSENT
    releases: msgspec.Raw = _ABSENT
    id: msgspec.Raw = _ABSENT
    video: msgspec.Raw = _ABSENT
    length: msgspec.Raw = _ABSENT
    media: msgspec.Raw = _ABSENT
    status: msgspec.Raw = _ABSENT
    packaging: msgspec.Raw = _ABSENT
    quality: msgspec.Raw = _ABSENT


class _Recordings(msgspec.Struct):
    recordings: list[_Recording]


class _Releases(msgspec.Struct):
    releases: list[_Release]


def read_musicbrainz(path: Path, *, year_max: int) -> Iterator[Piece]:
    """The recordings in `path`, a file or a directory of them. Raises BadInput."""
    return gather(_found(path), source="musicbrainz", year_max=year_max)


def _found(path: Path) -> Iterator[Row | Fault]:
    paths = paths_in(path, *_NAMES)
    counted = Counted(len(paths) > 1)
    for part in paths:
        for name, line, content, too_long in _documents(part):
            place, file = counted.place(name, line)
            if too_long:
                yield fault("line.too-long", place, _shown(content, file))
            else:
                yield from _read(content, place, file)
        counted.next_file()


def _documents(path: Path) -> Iterator[tuple[str, int, bytes, bool]]:
    """(the file's name, the line, the document there, whether it is only its beginning)."""
    with opened(path) as reader:
        head = reader.read(_TAR_HEAD_BYTES)
        is_archive = head[_TAR_MARK] == b"ustar"
        if not is_archive:
            whole = head + reader.read(DOCUMENT_BYTES_MAX + 1 - len(head))
            if len(whole) <= DOCUMENT_BYTES_MAX and not _is_lines(whole):
                yield path.name, 1, _without_mark(whole), False
                return
    del head
    with opened(path) as reader:
        members = _members(reader, path) if is_archive else [(path.name, reader)]
        for name, member in members:
            for line in lines_of(member, DOCUMENT_BYTES_MAX):
                content = _without_mark(line.content) if line.number == 1 else line.content
                if content.strip():
                    yield name, line.number, content, line.too_long


def _is_lines(whole: bytes) -> bool:
    """Whether a file is a document a line, rather than one document on several lines."""
    first, _, rest = _without_mark(whole).strip().partition(b"\n")
    if not rest:
        return False
    try:
        msgspec.json.decode(first)
    except (ValueError, RecursionError):
        return rest.lstrip().startswith(b"{") and not first.startswith(b"[")
    return True


def _without_mark(content: bytes) -> bytes:
    return content.removeprefix(b"\xef\xbb\xbf")


def _members(reader: IO[bytes], path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The dumps in an archive. Raises BadInput where it holds none."""
    seen = []
    try:
        # Not as a stream: that reads a header of any size into memory.
        with tarfile.open(fileobj=_Guarded(reader), mode="r:") as archive:
            for member in archive:
                seen.append(member.name[:100])
                if len(seen) > _MEMBERS_MAX:
                    raise tarfile.ReadError("it holds too many files to be a dump")
                content = archive.extractfile(member) if member.isfile() else None
                if content and Path(member.name).parts[-2:] in [("mbdump", e) for e in _ENTITIES]:
                    yield member.name, content
    except tarfile.TarError as error:
        raise cut_short(path, str(error)) from error
    if not any(Path(name).name in _ENTITIES for name in seen):
        raise BadInput(
            f"holds no recordings and no releases ({', '.join(seen)[:_SHOWN_BYTES]})",
            where=str(path),
            remedy="give recording.tar.xz or release.tar.xz of the JSON dumps",
        )


class _Guarded(io.RawIOBase):
    """An archive's bytes from front to back, of which nobody reads many at once: so no header can
    fill the memory."""

    def __init__(self, reader: IO[bytes]) -> None:
        self._reader = reader
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _TAR_READ_BYTES_MAX:
            raise tarfile.ReadError("a header of it is too large")
        content = self._reader.read(size)
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._at:
            raise tarfile.ReadError("its files are not one after the other")
        while self._at < offset and self.read(min(offset - self._at, _TAR_READ_BYTES_MAX)):
            pass
        return self._at

    def tell(self) -> int:
        return self._at


def _read(content: bytes, line: int, file: str) -> Iterator[Row | Fault]:
    """The rows of one document; at least one row or fault."""
    try:
        releases, recordings = _parsed(content)
    except UnicodeDecodeError:
        yield fault("encoding.broken", line, _shown(content, file))
    except msgspec.ValidationError:
        yield fault("json.unexpected", line, _shown(content, file))
    except (msgspec.DecodeError, RecursionError):
        yield fault("json.broken", line, _shown(content, file))
    else:
        if not releases and not recordings:
            yield fault("release.no-tracks", line, _shown(content, file))
        for release in releases:
            yield from _tracks(release, line, file)
        for recording in recordings:
            yield from _recording(recording, line, file)


def _parsed(content: bytes) -> tuple[list[_Release], list[_Recording]]:
    kind = msgspec.json.decode(content, type=_Kind)
    has = {name for name in kind.__struct_fields__ if bytes(getattr(kind, name))}
    if has & {"id", "recordings"} == {"recordings"}:
        return [], msgspec.json.decode(content, type=_Recordings).recordings
    if has & {"id", "releases"} == {"releases"}:
        return msgspec.json.decode(content, type=_Releases).releases, []
    if has & {"media", "status", "packaging", "quality"}:
        return [msgspec.json.decode(content, type=_Release)], []
    if has & {"video", "length"}:
        return [], [msgspec.json.decode(content, type=_Recording)]
    raise msgspec.ValidationError("neither a recording nor a release")


def _tracks(release: _Release, line: int, file: str) -> Iterator[Row | Fault]:
    common = {**_of_release(release), "line": line, "file": file}
    times: dict[str, int] = {}
    for medium in release.media or ():
        pregap = [medium.pregap] if medium.pregap else []
        for track in (*pregap, *(medium.tracks or ()), *(medium.data_tracks or ())):
            recording = track.recording or _Recording()
            name = recording.id or ""
            key = f"{name}#{release.id or ''}" if name else ""
            times[key] = times.get(key, 0) + 1
            if times[key] > 1 and key:
                key += f".{times[key]}"
            length = track.length if recording.length is None else recording.length
            yield Row(
                source_id=key,
                title=recording.title or track.title or "",
                artist=_artist(recording.artist_credit)
                or _artist(track.artist_credit)
                or _artist(release.artist_credit),
                isrc=_isrcs(recording),
                duration_ms=_length(length),
                **common,
            )
    if not times:
        yield fault("release.no-tracks", line, _named(release, file))


def _recording(recording: _Recording, line: int, file: str) -> Iterator[Row]:
    about: dict[str, Any] = {
        "line": line,
        "file": file,
        "title": recording.title or "",
        "artist": _artist(recording.artist_credit),
        "isrc": _isrcs(recording),
        "duration_ms": _length(recording.length),
    }
    name = recording.id or ""
    for release in recording.releases or ():
        key = f"{name}#{release.id or ''}" if name else ""
        yield Row(source_id=key, **about, **_of_release(release))
    if not recording.releases:
        date = known_part(recording.first_release_date or "")
        yield Row(source_id=name, release_date=date, **about)


def _of_release(release: _Release) -> dict[str, Any]:
    labels = [info.label.name for info in release.label_info or () if info.label]
    return {
        "album": release.title or "",
        "upc": release.barcode or "",
        "label": "; ".join(dict.fromkeys(label for label in labels if label)),
        "release_date": known_part(release.date or ""),
    }


def _artist(credits: list[_Credit] | None) -> str:
    return "".join(
        (credit.name or (credit.artist.name if credit.artist else "") or "")
        + (credit.joinphrase or "")
        for credit in credits or ()
    )


def _isrcs(recording: _Recording) -> str:
    codes = [code if isinstance(code, str) else code.id for code in recording.isrcs or ()]
    return ";".join(code for code in codes if code)


def _length(length: float | str | None) -> str:
    return "" if length is None else str(length)


def _shown(content: bytes, file: str) -> dict[str, str]:
    return {"text": content[:_SHOWN_BYTES].decode(errors="backslashreplace"), "file": file}


def _named(release: _Release, file: str) -> dict[str, str]:
    return {"release": release.id or "", "album": release.title or "", "file": file}
