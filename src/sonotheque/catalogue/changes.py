"""What is not in a snapshot as it was in the one before: listed by each build, kept for good."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from sonotheque.catalogue.lookup import CHANGES_NAME, current_number, read_summary
from sonotheque.errors import NotFound
from sonotheque.model.identifiers import RecordingId

KINDS = ("added", "merged", "changed")
"""New; several that were found to be one; described by other words."""
COLUMNS = ("change", "recording_id", "isrc", "title", "artist", "former_ids")


@dataclass(frozen=True, slots=True)
class Change:
    """One recording that a build added, merged or described anew, as it was then."""

    snapshot: int
    kind: str
    recording: RecordingId
    isrc: str
    title: str
    artist: str
    former_ids: tuple[RecordingId, ...]


def changes_since(catalogue_directory: Path, number: int) -> Iterator[Change]:
    """What the builds after snapshot `number` changed, oldest first, in bounded memory; with 0,
    all of them but the first, which added everything.

    Raises NotFound where there is no such snapshot.
    """
    current = current_number(catalogue_directory)
    history = []
    if current is not None:
        summary = read_summary(catalogue_directory / str(current))
        history = [about.number for about in (*summary.before, summary.about())]
    if number and number not in history:
        raise NotFound(
            "there is no such snapshot",
            where=str(number),
            remedy="`sonotheque catalogue` lists those there are",
        )
    for later in history:
        path = catalogue_directory / str(later) / CHANGES_NAME
        if later > number and path.exists():
            yield from _changes_of(path, later)


def _changes_of(path: Path, number: int) -> Iterator[Change]:
    with path.open("rb") as packed:
        frames = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        lines = io.TextIOWrapper(frames, encoding="utf-8", newline="\n")
        next(lines)
        for line in lines:
            kind, id_, isrc, title, artist, former = line.rstrip("\n").split("\t")
            ids = tuple(RecordingId(one) for one in former.split())
            yield Change(number, kind, RecordingId(id_), isrc, title, artist, ids)
