"""The JSON API under /api/v1. Documents use the model's names; errors are `Problem`s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from litestar import Router, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from sonotheque.access import catalogued
from sonotheque.access.catalogued import ListedDocument, RecordingsDocument
from sonotheque.access.describing import describable
from sonotheque.access.dossier import DepositedAs, compile_dossier, required
from sonotheque.access.pages import look_up
from sonotheque.access.problems import Problem
from sonotheque.access.room import InRoom
from sonotheque.access.shelf import required_edition
from sonotheque.model.holdings import FixityEvent, Holding
from sonotheque.model.identifiers import RecordingId, parse_isrc, parse_recording_id
from sonotheque.model.music import Recording
from sonotheque.model.terms import Decision, Statement
from sonotheque.publication.edition import TORRENT_NAMES, Edition
from sonotheque.publication.manifest import MANIFEST_NAME, NOTE_NAME, EditionFile, Excluded
from sonotheque.store.clock import utc_now
from sonotheque.store.signing import PUBLIC_KEY_NAME

LIMIT_MAX = 100
OFFSET_MAX = 10_000
SUGGESTIONS = 8
_NOT_FOUND = {404: ResponseSpec(Problem, description="There is no such thing here.")}
_BAD = {400: ResponseSpec(Problem, description="The request makes no sense.")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveDocument:
    """What this archive is, in numbers."""

    name: str
    mandate: str
    contact: str
    key: str
    """The C2SP verifier key of everything this archive signs."""
    recording_count: int
    listed_count: int
    """How many recordings others' catalogues list."""
    holding_count: int
    held_duration_ms: int
    preserved_bytes: int
    roots: tuple[str, ...]
    ledger_size: int
    edition_count: int
    last_audit_at: str | None
    copies_checked: int
    copies_damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingDocument:
    """Everything about one recording."""

    recording: Recording
    decisions: tuple[Decision, ...]
    statements: tuple[Statement, ...]
    holding: Holding | None
    deposits: tuple[DepositedAs, ...]
    fixity: tuple[FixityEvent, ...]
    listed: ListedDocument | None
    """What others' catalogues say of it; null where they say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionsDocument:
    """What may be done with one recording at this moment, and the ledger entries behind it."""

    decisions: tuple[Decision, ...]
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionsDocument:
    """What somebody who has typed so far may be after."""

    recordings: tuple[Recording, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentDocument:
    """A torrent of protocol `version` over an edition's files."""

    version: int
    info_hash: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionSummary:
    """An edition in short."""

    number: int
    created_at: str
    recording_count: int
    file_count: int
    total_bytes: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionsDocument:
    """Every edition, newest first."""

    editions: tuple[EditionSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionDocument:
    """One edition: what is in it, what was left out and why, and how to get it."""

    number: int
    created_at: str
    recordings: tuple[RecordingId, ...]
    excluded: tuple[Excluded, ...]
    files: tuple[EditionFile, ...]
    total_bytes: int
    torrents: tuple[TorrentDocument, ...]
    manifest: str
    note: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointDocument:
    """The newest signed checkpoint of the ledger (C2SP signed note), and the key that signs."""

    size: int
    checkpoint: str
    key: str


Query = Annotated[
    str, QueryParameter(description="Words, fields (artist:…) or an ISRC.", max_length=400)
]
Limit = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=LIMIT_MAX)]
Offset = Annotated[int, QueryParameter(description="How many to pass over.", ge=0, le=OFFSET_MAX)]


@get("/archive", sync_to_thread=True)
def archive_document(room: InRoom) -> ArchiveDocument:
    """The archive: its name, its mandate and its numbers."""
    config = room.archive.config
    overview = room.counting.overview(utc_now())
    return ArchiveDocument(
        name=config.name,
        mandate=config.mandate,
        contact=config.contact,
        key=room.archive.signer.verifier.text(),
        recording_count=overview.recording_count,
        listed_count=overview.listed_count,
        holding_count=overview.holding_count,
        held_duration_ms=overview.held_duration_ms,
        preserved_bytes=overview.preserved_bytes,
        roots=overview.root_names,
        ledger_size=overview.ledger_size,
        edition_count=overview.edition_count,
        last_audit_at=overview.last_audit_at,
        copies_checked=overview.copies_checked,
        copies_damaged=overview.copies_damaged,
    )


@get("/recordings", sync_to_thread=True, responses=_BAD)
def recordings(room: InRoom, q: Query, limit: Limit = 20, offset: Offset = 0) -> RecordingsDocument:
    """Search the catalogue; the best come first, and stay in order from page to page."""
    found = look_up(room.archive, q, limit=limit, offset=offset)
    return RecordingsDocument(
        recordings=describable(room.archive, found.recordings, utc_now()),
        total=found.total,
        total_is_exact=found.total_is_exact,
        offset=offset,
    )


@get("/recordings/{recording:str}", sync_to_thread=True, responses=_NOT_FOUND)
def recording(room: InRoom, recording: FromPath[str]) -> RecordingDocument:
    """One recording: what it is, what is held, where it is from, how its copies are."""
    dossier = compile_dossier(room, parse_recording_id(recording), utc_now())
    return RecordingDocument(
        recording=dossier.recording,
        decisions=dossier.decisions,
        statements=dossier.statements,
        holding=dossier.holding,
        deposits=dossier.deposits,
        fixity=dossier.fixity,
        listed=dossier.listed,
    )


@get("/recordings/{recording:str}/decisions", sync_to_thread=True, responses=_NOT_FOUND)
def decisions(room: InRoom, recording: FromPath[str]) -> DecisionsDocument:
    """What may be done with one recording now, use by use, with the reasons."""
    recording_id = parse_recording_id(recording)
    required(room.archive, recording_id)
    return DecisionsDocument(
        decisions=room.archive.decisions(recording_id, utc_now()),
        statements=room.archive.ledger.statements_about(recording_id),
    )


@get("/isrc/{isrc:str}", sync_to_thread=True, responses=_NOT_FOUND)
def by_isrc(room: InRoom, isrc: FromPath[str]) -> RecordingsDocument:
    """The recordings on which a source has put this ISRC; more than one is a warning sign."""
    every = room.archive.catalogue.by_isrc(parse_isrc(isrc))
    found = describable(room.archive, every, utc_now())
    return RecordingsDocument(recordings=found, total=len(found), offset=0)


@get("/suggest", sync_to_thread=True, responses=_BAD)
def suggest(room: InRoom, q: Query) -> SuggestionsDocument:
    """What somebody who has typed so far may be after."""
    found = room.archive.catalogue.suggest(q, limit=SUGGESTIONS) if q.strip() else ()
    return SuggestionsDocument(recordings=describable(room.archive, found, utc_now()))


@get("/editions", sync_to_thread=True)
def all_editions(room: InRoom) -> EditionsDocument:
    """Every edition that was published, newest first."""
    return EditionsDocument(editions=tuple(_summary(one) for one in room.shelf.editions()))


@get("/editions/{number:int}", sync_to_thread=True, responses=_NOT_FOUND)
def edition(room: InRoom, number: FromPath[int]) -> EditionDocument:
    """One edition: its recordings, its files with their digests, its torrents."""
    found = required_edition(room.shelf, number)
    base = f"/editions/{number}"
    return EditionDocument(
        number=number,
        created_at=found.created_at,
        recordings=found.recordings,
        excluded=found.excluded,
        files=found.files,
        total_bytes=found.total_bytes,
        torrents=tuple(
            TorrentDocument(version=version, info_hash=info_hash, url=f"{base}/{name}")
            for (version, name), info_hash in zip(
                TORRENT_NAMES.items(), found.torrents, strict=True
            )
        ),
        manifest=f"{base}/{MANIFEST_NAME}",
        note=f"{base}/{NOTE_NAME}",
        key=f"{base}/{PUBLIC_KEY_NAME}",
    )


@get("/ledger/checkpoint", sync_to_thread=True)
def checkpoint(room: InRoom) -> CheckpointDocument:
    """The newest signed checkpoint of the ledger."""
    return CheckpointDocument(
        size=room.archive.ledger.size(),
        checkpoint=room.archive.ledger.checkpoint(),
        key=room.archive.signer.verifier.text(),
    )


ROUTER = Router(
    "/api/v1",
    route_handlers=[
        archive_document,
        recordings,
        recording,
        decisions,
        by_isrc,
        *catalogued.HANDLERS,
        suggest,
        all_editions,
        edition,
        checkpoint,
    ],
)


def _summary(edition: Edition) -> EditionSummary:
    return EditionSummary(
        number=edition.number,
        created_at=edition.created_at,
        recording_count=len(edition.recordings),
        file_count=len(edition.files),
        total_bytes=edition.total_bytes,
        url=f"/api/v1/editions/{edition.number}",
    )
