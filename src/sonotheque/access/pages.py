"""The pages. Each handler gathers what its template shows; none of them decides anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from sonotheque.access import copies, pictures
from sonotheque.access.assessments import shown
from sonotheque.access.describing import describable
from sonotheque.access.dossier import AudioFile, Dossier, compile_dossier
from sonotheque.access.explanations import clean, explain, withdrawn
from sonotheque.access.language import CODES, Language, iso_duration, language
from sonotheque.access.rendering import AnyRequest, visit_of
from sonotheque.access.room import InRoom
from sonotheque.archive import Archive
from sonotheque.assessment.last import read_last
from sonotheque.catalogue.catalogue import Page
from sonotheque.errors import NotFound
from sonotheque.model.holdings import FixityEvent, HeldFile, ItemStatus
from sonotheque.model.identifiers import parse_recording_id
from sonotheque.model.music import AudioProperties, Recording
from sonotheque.model.terms import Kind, Status, Use
from sonotheque.rights.expression import reservation
from sonotheque.rights.licences import find_licence
from sonotheque.store.clock import utc_now

PAGE_LENGTH = 20
PAGES_MAX = 500
"""Beyond ten thousand results, more words find more than more pages."""
QUERY_CHARACTERS_MAX = 400
NEWEST_COUNT = 8
_YEAR_SECONDS = 31_536_000
_READ = [HttpMethod.GET, HttpMethod.HEAD]
_FORMATS = {
    "aac": "AAC",
    "alac": "ALAC",
    "flac": "FLAC",
    "mp3": "MP3",
    "opus": "Opus",
    "pcm": "PCM",
    "vorbis": "Vorbis",
    "wavpack": "WavPack",
}
_CONTAINERS = {"aiff": "AIFF", "mp4": "MPEG-4", "ogg": "Ogg", "wav": "WAV"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A recording in a list, with what a visitor wants to know before following it."""

    recording: Recording
    listenable: bool
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A preserved file, described in words."""

    file: HeldFile
    name: str
    format: str
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CopyHistory:
    """What checks of one copy found, newest first."""

    root: str
    events: tuple[FixityEvent, ...]


@dataclass(frozen=True, slots=True)
class Player:
    """What the audio element is given. `copied`: an access copy, not the preserved `format`."""

    media_type: str
    copied: bool
    format: str


@route("/", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def home(request: AnyRequest, room: InRoom) -> Response[str]:
    """What this archive is, its numbers, what is new, and two pictures."""
    visit, now = visit_of(request), utc_now()
    overview = room.counting.overview(now)
    return room.renderer.page(
        visit,
        "home.html",
        overview=overview,
        newest=listed(room.archive, room.archive.catalogue.newest(NEWEST_COUNT), now),
        pictures=pictures.pictures_of(overview, visit.language),
    )


@route("/pictures/{name:str}", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def picture(
    room: InRoom,
    name: FromPath[str],
    lang: FromQuery[str] = "en",
    theme: FromQuery[str] = "light",
    v: FromQuery[str] = "",
) -> Response[bytes]:
    """One picture as SVG; for good where `v` is the key of what it shows now."""
    overview = room.counting.overview(utc_now())
    known = {p.name: p for p in pictures.pictures_of(overview, language_of(lang))}
    wanted = known.get(name)
    if wanted is None or theme not in pictures.THEMES:
        raise NotFound("there is no such picture", where=name[:40], remedy="see the home page")
    kept = f"public, max-age={_YEAR_SECONDS}, immutable" if v == wanted.key else "no-cache"
    content = pictures.drawn(wanted, theme, room.archive.config.derived)
    # The style attributes that Vega writes are the only thing this file may do.
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    headers = {"Cache-Control": kept, "Content-Security-Policy": policy}
    return Response(content, media_type="image/svg+xml", headers=headers)


@route("/search", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def search(
    request: AnyRequest, room: InRoom, q: FromQuery[str] = "", page: FromQuery[int] = 1
) -> Response[str]:
    """Results by page; without a query, help and what is new."""
    visit, now = visit_of(request), utc_now()
    query = clean(q, QUERY_CHARACTERS_MAX)
    number = min(max(page, 1), PAGES_MAX)
    found = look_up(room.archive, query, limit=PAGE_LENGTH, offset=(number - 1) * PAGE_LENGTH)
    recordings = found.recordings if query else room.archive.catalogue.newest(NEWEST_COUNT)
    return room.renderer.page(
        visit,
        "search.html",
        query=query,
        total=found.total,
        is_exact=found.total_is_exact,
        page=number,
        pages=pages_of(found, number),
        listed=listed(room.archive, recordings, now),
    )


@route(
    "/recordings/{recording:str}", http_method=_READ, include_in_schema=False, sync_to_thread=True
)
def recording(request: AnyRequest, room: InRoom, recording: FromPath[str]) -> Response[Any]:
    """One recording: what it is, what may be done with it and why, where it is from, its copies."""
    visit, now = visit_of(request), utc_now()
    recording_id = parse_recording_id(recording)
    if recording_id != recording:
        query = f"?{request.url.query}" if request.url.query else ""
        return Redirect(f"/recordings/{recording_id}{query}", status_code=308)
    dossier = compile_dossier(room, recording_id, now)
    explained = {
        d.use.value: explain(d, dossier.statements, visit.language) for d in dossier.decisions
    }
    return room.renderer.page(
        visit,
        "recording.html",
        recording=dossier.recording,
        withdrawn=withdrawn(dossier.decisions),
        away=dossier.away,
        explained_by_use=explained,
        player=_player(dossier),
        downloadable=bool(dossier.files) and dossier.decision(Use.DOWNLOAD).allowed,
        files=[_shown(file, visit.language) for file in dossier.files],
        statements=dossier.statements,
        deposits=[
            {
                "id": deposit.deposit,
                "at": deposit.at,
                "path": clean(deposit.path, 200),
                "repeated": deposit.status is ItemStatus.ALREADY_HELD,
            }
            for deposit in dossier.deposits
        ],
        fixity=_by_root(dossier.fixity),
        headers=reservation(dossier.decisions),
        listed=dossier.listed,
        linked_data=linked_data(dossier),
    )


@route("/about", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def about(request: AnyRequest, room: InRoom) -> Response[str]:
    """What the archive never does, how the ledger works, how to have something taken down."""
    return room.renderer.page(
        visit_of(request),
        "about.html",
        checkpoint=room.archive.ledger.checkpoint(),
        key=room.archive.signer.verifier.text(),
    )


@route("/prove", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def proof(request: AnyRequest, room: InRoom) -> Response[str]:
    """The last proof that was run: nothing is checked for a visitor."""
    visit = visit_of(request)
    assessment = read_last(room.archive.config.derived)
    values = shown(assessment, visit.language) if assessment else {"assessment": None}
    return room.renderer.page(visit, "proof.html", **values)


def look_up(archive: Archive, query: str, *, limit: int, offset: int) -> Page:
    """Recordings that `query` finds: those with that ISRC, UPC or identifier where it is one,
    else by words."""
    if recordings := archive.catalogue.named(query):
        return Page(recordings[offset : offset + limit], len(recordings))
    return archive.catalogue.find(query, limit=limit, offset=offset) if query else Page((), 0)


def pages_of(found: Page, number: int) -> int:
    """How many pages of results there are; where that is not known, one more than this one."""
    known = -(-found.total // PAGE_LENGTH)
    return min(PAGES_MAX, known if found.total_is_exact else max(known, number + 1))


def listed(archive: Archive, recordings: Sequence[Recording], now: str) -> list[Listed]:
    """Those of `recordings` that may be described, with what may be done with them now."""
    entries = []
    for entry in describable(archive, recordings, now):
        decisions = archive.decisions(entry.id, now)
        listenable = any(d.use is Use.STREAM and d.allowed for d in decisions)
        entries.append(Listed(entry, listenable, withdrawn(decisions)))
    return entries


def language_of(code: str) -> Language:
    """The language of an address that names it. Raises NotFound."""
    if code not in CODES:
        raise NotFound(
            "is not a language of this site", where=code[:20], remedy=f"use {' or '.join(CODES)}"
        )
    return language(code)


def linked_data(dossier: Dossier) -> dict[str, Any]:
    """The recording as schema.org's MusicRecording, for machines that read pages."""
    description = dossier.recording.description
    licences = {
        known.url
        for statement in dossier.statements
        if statement.kind is Kind.GRANT and statement.status is Status.VERIFIED
        if (known := find_licence(statement.licence)) and known.url
    }
    data = {
        "@context": "https://schema.org",
        "@type": "MusicRecording",
        "identifier": dossier.recording.id,
        "url": f"/recordings/{dossier.recording.id}",
        "name": clean(description.title),
        "byArtist": {"@type": "MusicGroup", "name": clean(description.artist)}
        if description.artist
        else None,
        "inAlbum": {"@type": "MusicAlbum", "name": clean(description.album)}
        if description.album
        else None,
        "recordLabel": clean(description.label) or None,
        "datePublished": str(description.year) if description.year else None,
        "isrcCode": list(description.isrcs) or None,
        "duration": iso_duration(dossier.recording.duration_ms),
        "license": sorted(licences) if dossier.decision(Use.STREAM).allowed else None,
        "usageInfo": f"/recordings/{dossier.recording.id}/odrl.jsonld",
        "conditionsOfAccess": clean(
            "; ".join(reason.message for reason in dossier.decision(Use.STREAM).reasons)
        ),
    }
    return {key: value for key, value in data.items() if value}


def _player(dossier: Dossier) -> Player | None:
    file = dossier.to_play()
    if file is None or not dossier.decision(Use.STREAM).allowed:
        return None
    if file.medium.playable:
        return Player(file.medium.media_type, False, "")
    return Player(copies.MEDIA_TYPE, True, _format(file))


def _shown(file: AudioFile, speak: Language) -> ShownFile:
    details: tuple[str, ...] = ()
    if file.audio:
        details = _details(file.audio, speak)
    return ShownFile(file.file, clean(file.name, 160), _format(file), details)


def _format(file: AudioFile) -> str:
    if file.audio is None:
        return file.name.rpartition(".")[2].upper()[:8] or "?"
    codec, container = file.audio.codec, file.audio.container
    name = _FORMATS.get(codec, codec.upper())
    if container in _CONTAINERS and codec != "mp3":
        return f"{_CONTAINERS[container]} ({name})" if codec != "opus" else "Opus"
    return name


def _details(audio: AudioProperties, speak: Language) -> tuple[str, ...]:
    channels = {1: "recording.mono", 2: "recording.stereo"}.get(audio.channels)
    details = [
        speak.text("recording.lossless" if audio.lossless else "recording.lossy"),
        speak.text("recording.rate", kilohertz=speak.number(audio.sample_rate_hz / 1000, 1)),
        speak.text(channels) if channels else speak.text("recording.channels", n=audio.channels),
    ]
    if audio.bits_per_sample:
        details.append(speak.text("recording.bits", n=audio.bits_per_sample))
    elif audio.bit_rate_bps:
        kilobits = speak.number(audio.bit_rate_bps / 1000)
        details.append(speak.text("recording.bit_rate", n=kilobits))
    if audio.iscc:
        details.append(audio.iscc)
    return tuple(details)


def _by_root(events: Sequence[FixityEvent]) -> list[CopyHistory]:
    roots = dict.fromkeys(event.root for event in events)
    return [
        CopyHistory(root, tuple(event for event in events if event.root == root)) for root in roots
    ]


HANDLERS = (home, picture, search, recording, about, proof)
