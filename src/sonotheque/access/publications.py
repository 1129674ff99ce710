"""The editions' pages: what each holds, how to mirror it, what was left out and why."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from sonotheque.access.explanations import Because, sentences
from sonotheque.access.pages import listed
from sonotheque.access.rendering import AnyRequest, visit_of
from sonotheque.access.room import InRoom
from sonotheque.access.shelf import document, required_edition
from sonotheque.errors import NotFound
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Recording
from sonotheque.publication.tombstones import TOMBSTONES_NAME
from sonotheque.store.clock import utc_now

SHOWN_MAX = 200
"""Recordings of an edition that its page lists; the manifest lists them all."""
_READ = [HttpMethod.GET, HttpMethod.HEAD]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A recording that an edition does not hold, and why. `recording` is None where the
    catalogue has it no more."""

    id: RecordingId
    recording: Recording | None
    reasons: tuple[Because, ...]


@route("/editions", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def editions_page(request: AnyRequest, room: InRoom) -> Response[str]:
    """Every edition, newest first."""
    return room.renderer.page(visit_of(request), "editions.html", editions=room.shelf.editions())


@route("/editions/{number:int}", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def edition_page(request: AnyRequest, room: InRoom, number: FromPath[int]) -> Response[str]:
    """One edition."""
    visit, now = visit_of(request), utc_now()
    edition = required_edition(room.shelf, number)
    catalogue = room.archive.catalogue
    held = [found for id_ in edition.recordings[:SHOWN_MAX] if (found := catalogue.get(id_))]
    left_out = [
        LeftOut(
            excluded.recording,
            catalogue.get(excluded.recording),
            sentences(
                excluded.reasons,
                room.archive.ledger.statements_about(excluded.recording),
                visit.language,
            ),
        )
        for excluded in edition.excluded[:SHOWN_MAX]
    ]
    return room.renderer.page(
        visit,
        "edition.html",
        edition=edition,
        listed=listed(room.archive, held, now),
        left_out=left_out,
        shown_max=SHOWN_MAX,
        key=room.archive.signer.verifier.text(),
    )


@route(
    "/editions/{number:int}/{name:str}",
    http_method=_READ,
    include_in_schema=False,
    sync_to_thread=True,
)
def edition_document(room: InRoom, number: FromPath[int], name: FromPath[str]) -> Response[bytes]:
    """The torrents, the manifest, its signed note and the key: what a mirror begins with."""
    found = document(required_edition(room.shelf, number), name)
    if found is None:
        raise NotFound(
            "an edition has no such document", where=name[:80], remedy=f"see /editions/{number}"
        )
    path, media_type = found
    headers = {"Cache-Control": "public, max-age=3600"}
    if media_type == "application/x-bittorrent":
        headers["Content-Disposition"] = f'attachment; filename="edition-{number}-{path.name}"'
    return Response(path.read_bytes(), media_type=media_type, headers=headers)


@route(f"/{TOMBSTONES_NAME}", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def tombstones(room: InRoom) -> Response[bytes]:
    """The signed list that mirrors honour, as of now."""
    note = room.shelf.tombstones(room.archive, utc_now())
    return Response(note, media_type="text/plain", headers={"Cache-Control": "no-cache"})


HANDLERS = (editions_page, edition_page, edition_document, tombstones)
