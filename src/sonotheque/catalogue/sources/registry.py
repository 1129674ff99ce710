"""Which sources there are, and the one way in for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sonotheque.catalogue.sources import ImportSummary, Piece, stage
from sonotheque.errors import BadInput
from sonotheque.model.music import SOURCE_KINDS

KINDS = SOURCE_KINDS
YEARS_AHEAD_MAX = 2
"""Releases are announced before they appear."""


def import_source(
    kind: str,
    catalogue_directory: Path,
    path: Path,
    *,
    origin: str,
    licence: str,
    now: str,
    mapping: Path | None = None,
) -> ImportSummary:
    """Stage what `path` holds, data of one of `KINDS`, for the next build of the catalogue.

    Raises Refused without origin and licence, BadInput where it cannot be read to its end or is no
    such data; then nothing is kept. A bad row is no error: it goes to the quarantine file. Memory
    does not grow with the size of the source; each adapter says its bound.
    """
    year_max = int(now[:4]) + YEARS_AHEAD_MAX
    return stage(
        catalogue_directory,
        _pieces(kind, path, mapping, origin, year_max),
        source_path=path,
        origin=origin,
        licence=licence,
        now=now,
    )


def _pieces(
    kind: str, path: Path, mapping: Path | None, origin: str, year_max: int
) -> Iterator[Piece]:
    """The pieces of the source; its adapter alone is loaded."""
    if kind in ("table", "listens"):
        from sonotheque.catalogue.sources import listens, table

        how = table.read_mapping(mapping) if mapping else table.Mapping()
        if kind == "listens":
            return listens.read_listens(path, how, origin=origin, year_max=year_max)
        return table.read_table(path, how, source=how.source or origin, year_max=year_max)
    if kind not in KINDS or mapping:
        raise BadInput(
            "takes no mapping" if kind in KINDS else "is no source",
            where=kind,
            remedy=f"a mapping is for table and listens; the sources are {', '.join(KINDS)}",
        )
    match kind:
        case "musicbrainz":
            from sonotheque.catalogue.sources import musicbrainz

            return musicbrainz.read_musicbrainz(path, year_max=year_max)
        case "discogs":
            from sonotheque.catalogue.sources import discogs

            return discogs.read_discogs(path, year_max=year_max)
        case "ddex":
            from sonotheque.catalogue.sources import ddex

            return ddex.read_ddex(path, origin=origin, year_max=year_max)
        case _:
            from sonotheque.catalogue.sources import freemusicc

            return freemusicc.read_freemusicc(path, year_max=year_max)
