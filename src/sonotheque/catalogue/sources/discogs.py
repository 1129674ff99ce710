"""Discogs as a source: the releases of its monthly dumps (`discogs_…_releases.xml.gz`).

A dump is taken apart at the end of each release, so that one that is not well-formed is set aside
by itself, and memory holds one. Discogs has no recordings of its own: a track is known by its
place on its release, `<release>-<position>`.

Headings are no tracks: those without position and duration among tracks that have positions, and
index tracks whose sub-tracks have positions; these go before the titles of their sub-tracks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sonotheque.catalogue.sources import Fault, Piece
from sonotheque.catalogue.sources.cleaning import fault
from sonotheque.catalogue.sources.gathering import Counted, Row, clock_ms, gather, known_part
from sonotheque.catalogue.sources.reading import cut_short, opened, paths_in
from sonotheque.errors import BadInput
from sonotheque.store.markup import (
    HEAD_BYTES,
    Element,
    Unfit,
    parse,
    root_of,
    text_of,
)

RELEASE_BYTES_MAX = 1 << 24
"""The XML of one release. Memory: some 200 MB for the dumps, and 600 MB for a release made to
fill it."""

_BLOCK_BYTES = 1 << 18
_END, _END_OF_ALL = b"</release>", b"</releases>"
_NUMBERED = re.compile(r" \(\d+\)$")
"""How Discogs tells names apart that are written alike."""
_AROUND_BARCODE = re.compile(r"[\s<>-]")
_BARCODE = re.compile(r"[0-9]{6,14}")
_SHOWN_BYTES = 300


def read_discogs(path: Path, *, year_max: int) -> Iterator[Piece]:
    """The tracks of the dump at `path`, or of those in a directory. Raises BadInput."""
    return gather(_found(path), source="discogs", year_max=year_max)


def _found(path: Path) -> Iterator[Row | Fault]:
    paths = paths_in(path, "*releases.xml.gz", "*releases.xml")
    counted = Counted(len(paths) > 1)
    for part in paths:
        with opened(part) as reader:
            for line, content in _releases(reader, part):
                place, file = counted.place(part.name, line)
                yield from _read(content, place, file)
        counted.next_file()


def _releases(reader: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """(its first line, the XML) of each release, whatever that holds; of one over the bound, the
    beginning and no end. Raises BadInput where this is no dump of releases, or no whole one."""
    head = reader.read(HEAD_BYTES)
    buffer = bytearray(_after_root(head, path))
    line = 1 + head.count(b"\n") - buffer.count(b"\n")
    start, searched, skipping = 0, 0, False
    while True:
        end = buffer.find(_END, searched)
        if end >= 0:
            end += len(_END)
            content = bytes(buffer[start:end])
            if not skipping:
                yield _at_its_line(content, line)
            line += content.count(b"\n")
            start = searched = end
            skipping = False
            continue
        if not skipping and len(buffer) - start > RELEASE_BYTES_MAX:
            yield _at_its_line(bytes(buffer[start : start + RELEASE_BYTES_MAX + 1]), line)
            skipping = True
        # The end may stand across two blocks, so as much as could be its beginning stays.
        kept = max(start, len(buffer) - len(_END_OF_ALL)) if skipping else start
        line += buffer.count(b"\n", start, kept)
        del buffer[:kept]
        start, searched = 0, max(0, len(buffer) - len(_END))
        block = reader.read(_BLOCK_BYTES)
        if not block:
            break
        buffer += block
    rest, end_of_all, after = bytes(buffer).partition(_END_OF_ALL)
    if not end_of_all:
        raise cut_short(path, "it ends before </releases>")
    if rest.strip() or after.strip():
        yield _at_its_line(rest + after, line)


def _at_its_line(content: bytes, line: int) -> tuple[int, bytes]:
    """(the line that it begins on where `line` is that of the white space before, `content`)."""
    return line + content.count(b"\n", 0, len(content) - len(content.lstrip())), content


def _after_root(head: bytes, path: Path) -> bytes:
    """`head` without the start tag of the root. Raises BadInput where it is none of releases."""
    try:
        name, at = root_of(head)
    except Unfit as unfit:
        raise BadInput(
            "declares a document type, which could hold entities"
            if unfit.code == "xml.entities"
            else f"is no Discogs dump ({unfit.why})",
            where=str(path),
            remedy="give discogs_…_releases.xml.gz as Discogs publishes it",
        ) from unfit
    if name != "releases":
        raise BadInput(
            f"is a dump of {name[:40]}, which lists no recordings",
            where=str(path),
            remedy="give the dump of releases of the same month",
        )
    tag, _, rest = head[at:].partition(b">")
    # An empty dump may be one tag.
    return _END_OF_ALL if tag.endswith(b"/") else rest


def _read(content: bytes, line: int, file: str) -> Iterator[Row | Fault]:
    """The rows of one release; at least one row or fault."""
    shown = {"text": content.strip()[:_SHOWN_BYTES].decode(errors="backslashreplace"), "file": file}
    if len(content) > RELEASE_BYTES_MAX:
        yield fault("line.too-long", line, shown)
        return
    try:
        release = parse(content.strip())
    except Unfit as unfit:
        yield fault(unfit.code, line, shown, unfit.why)
        return
    if release.tag != "release":
        yield fault("xml.broken", line, shown, f"{release.tag} is no release")
        return
    identifier = (release.get("id") or "").strip()
    credit = _artist(release)
    common = {
        "album": text_of(release, "title"),
        "label": "; ".join(
            dict.fromkeys(
                _NUMBERED.sub("", label.get("name") or "")
                for label in release.iterfind("labels/label")
            )
        ),
        "upc": _barcode(release),
        "release_date": known_part(text_of(release, "released")),
        "file": file,
    }
    times: dict[str, int] = {}
    for title, artist, track in _tracks(release):
        # What stands after a # would be read as a release.
        place = text_of(track, "position").replace("#", "%23")
        times[place] = times.get(place, 0) + 1
        again = f"~{times[place]}" if times[place] > 1 else ""
        yield Row(
            line=line,
            source_id=f"{identifier}-{place}{again}" if identifier else "",
            title=title,
            artist=artist or credit,
            duration_ms=clock_ms(text_of(track, "duration")),
            **common,
        )
    if not times:
        yield fault("release.no-tracks", line, {"release": identifier, **common})


def _tracks(release: Element) -> Iterator[tuple[str, str, Element]]:
    """(title, artist, element) of each track that is a recording; no artist: the release's."""
    tracks = release.findall("tracklist/track")
    placed = any(text_of(track, "position") or _parts(track) for track in tracks)
    for track in tracks:
        title, artist = text_of(track, "title"), _artist(track)
        parts = _parts(track)
        for part in parts:
            whole = ": ".join(filter(None, (title, text_of(part, "title"))))
            yield whole, _artist(part) or artist, part
        is_heading = placed and not text_of(track, "position") and not text_of(track, "duration")
        if not parts and not is_heading:
            yield title, artist, track


def _parts(track: Element) -> list[Element]:
    """Its sub-tracks, where they are tracks: where one of them has a position."""
    parts: list[Element] = track.findall("sub_tracks/track")
    return parts if any(text_of(part, "position") for part in parts) else []


def _artist(element: Element) -> str:
    """The artists as they are credited, joined as they are there."""
    text = ""
    join = ""
    for artist in element.iterfind("artists/artist"):
        name = text_of(artist, "anv") or _NUMBERED.sub("", text_of(artist, "name"))
        text += f"{join}{name}"
        join = text_of(artist, "join")
        join = ", " if join in ("", ",") else f" {join} "
    return text


def _barcode(release: Element) -> str:
    """The first barcode that has the form of one; people write much else into that field."""
    for identifier in release.iterfind("identifiers/identifier[@type='Barcode']"):
        digits = _AROUND_BARCODE.sub("", identifier.get("value") or "")
        if _BARCODE.fullmatch(digits):
            return digits
    return ""
