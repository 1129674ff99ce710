"""What others' catalogues say: its part of the API, and of a recording's page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from sonotheque.access.describing import describable, may_describe
from sonotheque.access.problems import Problem
from sonotheque.access.room import InRoom
from sonotheque.archive import Archive
from sonotheque.catalogue import provenance
from sonotheque.catalogue.changes import Change, changes_since
from sonotheque.catalogue.lookup import ImportAbout, SnapshotAbout
from sonotheque.catalogue.provenance import ListedRelease, Said
from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Recording
from sonotheque.store.clock import utc_now

CHANGES_MAX = 1_000
_NOT_FOUND = {404: ResponseSpec(Problem, description="There is no such thing here.")}
_BAD = {400: ResponseSpec(Problem, description="The request makes no sense.")}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingsDocument:
    """Some recordings of `total`, from `offset` on. Where the search ended early, because it had
    found enough, `total` is how many there are at least."""

    recordings: tuple[Recording, ...]
    total: int
    offset: int
    total_is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRowDocument:
    """A row of a source, as it names it."""

    source: str
    source_id: str
    import_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDocument:
    """What others' catalogues say of a recording: each value with the numbers of the rows that
    give it, from 1; and the snapshots of the catalogue that have had it."""

    rows: tuple[SourceRowDocument, ...]
    fields: tuple[Said, ...]
    releases: tuple[ListedRelease, ...]
    snapshots: tuple[int, ...]
    former_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueDocument:
    """What was imported: the snapshot in use, what came since, and the snapshots before."""

    snapshot: SnapshotAbout | None
    isrcs: int
    rows: int
    added: int
    imports: tuple[ImportAbout, ...]
    before: tuple[SnapshotAbout, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesDocument:
    """What the builds after snapshot `since` changed, oldest first; `more` where that is not all:
    changes.tsv.zst in each snapshot has them."""

    since: int
    changes: tuple[Change, ...]
    more: bool


@get("/upc/{upc:str}", sync_to_thread=True, responses=_NOT_FOUND)
def by_upc(room: InRoom, upc: FromPath[str]) -> RecordingsDocument:
    """The recordings on the release with this UPC or EAN, as others' catalogues list them."""
    digits = upc.replace("-", "").replace(" ", "")
    if not (digits.isascii() and digits.isdecimal() and 6 <= len(digits) <= 14):
        raise BadInput("is not a UPC", where=upc[:40], remedy="give 6 to 14 digits")
    return _all_of(room.archive, room.archive.catalogue.by_upc(digits))


@get("/sources/{source:str}/{source_id:str}", sync_to_thread=True)
def by_source(room: InRoom, source: FromPath[str], source_id: FromPath[str]) -> RecordingsDocument:
    """The recordings that a source calls by this identifier of its own."""
    return _all_of(room.archive, room.archive.catalogue.by_source(source, source_id))


@get("/catalogue", sync_to_thread=True)
def catalogue(room: InRoom) -> CatalogueDocument:
    """What was imported from others' catalogues, from where and under which licence."""
    summaries = [snapshot.summary for snapshot in room.archive.catalogue.snapshots()]
    built = [summary for summary in summaries if summary.number]
    return CatalogueDocument(
        snapshot=built[0].about() if built else None,
        isrcs=sum(summary.isrcs for summary in summaries),
        rows=sum(summary.rows for summary in summaries),
        added=sum(summary.recordings for summary in summaries if not summary.number),
        imports=tuple(about for summary in summaries for about in summary.imports),
        before=built[0].before if built else (),
    )


@get("/catalogue/changes", sync_to_thread=True, responses=_NOT_FOUND)
def changes(
    room: InRoom,
    since: Annotated[int, QueryParameter(description="The number of a snapshot; 0 for all.", ge=0)],
) -> ChangesDocument:
    """What was added, merged and described anew since a snapshot."""
    directory = room.archive.config.catalogue
    found = tuple(islice(changes_since(directory, since), CHANGES_MAX + 1))
    now = utc_now()
    shown = [c for c in found[:CHANGES_MAX] if may_describe(room.archive, c.recording, now)]
    return ChangesDocument(since=since, changes=tuple(shown), more=len(found) > CHANGES_MAX)


HANDLERS = (by_upc, by_source, catalogue, changes)


def listed_document(archive: Archive, recording: RecordingId) -> ListedDocument | None:
    """What others' catalogues say of `recording`; None where they say nothing."""
    listed = archive.catalogue.listed(recording)
    if listed is None:
        return None
    return ListedDocument(
        rows=tuple(
            SourceRowDocument(
                source=row.source, source_id=row.source_id, import_number=row.import_number
            )
            for row in listed.stored.rows
        ),
        fields=provenance.said(listed.stored),
        releases=provenance.releases(listed.stored),
        snapshots=listed.snapshot.appeared_in(listed.stored),
        former_ids=listed.stored.former_ids,
    )


def _all_of(archive: Archive, every: tuple[Recording, ...]) -> RecordingsDocument:
    found = describable(archive, every, utc_now())
    return RecordingsDocument(recordings=found, total=len(found), offset=0)
