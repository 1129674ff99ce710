"""What machines are told of rights: robots.txt, tdmrep.json, and each recording's policy."""

from __future__ import annotations

from typing import Any

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from sonotheque.access.describing import require_describable
from sonotheque.access.dossier import required
from sonotheque.access.room import InRoom
from sonotheque.model.identifiers import parse_recording_id
from sonotheque.rights.expression import odrl, premis, robots, site_reservation
from sonotheque.store.clock import utc_now

_READ = [HttpMethod.GET, HttpMethod.HEAD]
_KEPT = {"Cache-Control": "public, max-age=3600"}
_FRESH = {"Cache-Control": "no-cache"}


@route("/robots.txt", http_method=_READ, include_in_schema=False, sync_to_thread=False)
def robots_txt() -> Response[str]:
    """What crawlers may do."""
    return Response(robots(), media_type="text/plain", headers=_KEPT)


@route("/.well-known/tdmrep.json", http_method=_READ, include_in_schema=False, sync_to_thread=False)
def tdmrep() -> Response[Any]:
    """The site's reservation of text and data mining."""
    return Response(site_reservation(), media_type="application/json", headers=_KEPT)


@route(
    "/recordings/{recording:str}/odrl.jsonld",
    http_method=_READ,
    include_in_schema=False,
    sync_to_thread=True,
)
def policy(room: InRoom, recording: FromPath[str]) -> Response[dict[str, Any]]:
    """What may be done with one recording now, as an ODRL policy (JSON-LD)."""
    recording_id = parse_recording_id(recording)
    now = utc_now()
    required(room.archive, recording_id)
    # Those who said something are named, and who they are tells what it is.
    require_describable(room.archive, recording_id, now)
    document = odrl(
        recording_id,
        room.archive.decisions(recording_id, now),
        policy=f"/recordings/{recording_id}/odrl.jsonld",
        target=f"/recordings/{recording_id}",
    )
    return Response(document, media_type="application/ld+json", headers=_FRESH)


@route(
    "/recordings/{recording:str}/premis.xml",
    http_method=_READ,
    include_in_schema=False,
    sync_to_thread=True,
)
def preservation_rights(room: InRoom, recording: FromPath[str]) -> Response[bytes]:
    """The ledger's entries about one recording, as PREMIS 3 rights (XML)."""
    recording_id = parse_recording_id(recording)
    required(room.archive, recording_id)
    require_describable(room.archive, recording_id, utc_now())
    document = premis(recording_id, room.archive.ledger.statements_about(recording_id))
    return Response(document, media_type="application/xml", headers=_FRESH)


HANDLERS = (robots_txt, tdmrep, policy, preservation_rights)
