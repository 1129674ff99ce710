"""The freemusi.cc database as a source: Creative Commons netlabel releases, `releases.csv` and
`tracks.csv` in one directory (github.com/ojdo/freemusi.cc-database).

Each track gets its release's title, label, year and licence. Tracks have no identifier; the key is
`<release>/<disc>-<track>/<digest>`, the digest of title, artist and address, because track numbers
repeat. The same track listed twice has one key; there, and for releases, the later line holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from sonotheque.catalogue.sources import Fault, Piece
from sonotheque.catalogue.sources.cleaning import fault
from sonotheque.catalogue.sources.gathering import Row, gather
from sonotheque.catalogue.sources.reading import CsvRows, opened
from sonotheque.errors import BadInput

RELEASES_MAX = 1_000_000
"""Held in memory while the tracks pass by: some 1 GB then; there are 2,289."""

_RELEASES_NAME, _TRACKS_NAME = "releases.csv", "tracks.csv"
_OF_RELEASE = ("id", "album", "artist", "label", "licenseurl", "year")
_OF_TRACK = ("id", "disc", "track", "title", "trackartist", "trackurl", "duration")
_DIGEST_BYTES = 6

Release = dict[str, str]


def read_freemusicc(path: Path, *, year_max: int) -> Iterator[Piece]:
    """The tracks in the directory `path`. Raises BadInput."""
    return gather(_found(path), source="freemusicc", year_max=year_max)


def _found(directory: Path) -> Iterator[Row | Fault]:
    if not directory.is_dir():
        raise BadInput(
            "is not a directory" if directory.exists() else "does not exist",
            where=str(directory),
            remedy=f"name the directory of {_RELEASES_NAME} and {_TRACKS_NAME}",
        )
    releases: dict[str, Release] = {}
    for line, row, code in _rows(directory / _RELEASES_NAME, _OF_RELEASE):
        if code:
            yield fault(code, line, {"file": f"{_RELEASES_NAME}:{line}", **row})
        else:
            releases[row["id"]] = {name: row[name] for name in _OF_RELEASE}
        if len(releases) > RELEASES_MAX:
            raise BadInput(
                f"has more than {RELEASES_MAX:,} releases",
                where=str(directory / _RELEASES_NAME),
                remedy="import it in parts",
            )
    for line, row, code in _rows(directory / _TRACKS_NAME, _OF_TRACK):
        release = releases.get(row.get("id", ""))
        if code or release is None:
            yield fault(code or "release.unknown", line, row)
        else:
            yield _track(row, release, line)


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str], str]]:
    """(line, the row by column, what is wrong with it) of each row. Raises BadInput."""
    with opened(path) as reader:
        rows = CsvRows(reader)
        if missing := [name for name in needed if name not in rows.names]:
            raise BadInput(
                f"has no column {missing[0]!r}",
                where=str(path),
                remedy="give the file as freemusi.cc-database has it",
            )
        for line, values, code in rows:
            yield line, dict(zip(rows.names, values, strict=False)), code


def _track(row: dict[str, str], release: Release, line: int) -> Row:
    artist = row["trackartist"].strip() or release["artist"]
    told_apart = "\0".join((row["title"], artist, row["trackurl"])).encode()
    digest = hashlib.blake2b(told_apart, digest_size=_DIGEST_BYTES).hexdigest()
    key = f"{row['id']}/{row['disc']}-{row['track']}/{digest}"
    seconds = row["duration"].strip()
    return Row(
        line=line,
        # What stands after a # would be read as a release.
        source_id=key.replace("#", "%23"),
        title=row["title"],
        artist=artist,
        album=release["album"],
        label=release["label"],
        licence=release["licenseurl"],
        release_date=release["year"],
        duration_ms=f"{seconds}000" if seconds.isdecimal() else seconds and f"{seconds} (seconds)",
    )
