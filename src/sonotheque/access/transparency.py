"""The ledger for whoever mirrors or watches it (https://c2sp.org/tlog-tiles), and this archive as
a witness of others' ledgers (https://c2sp.org/tlog-witness)."""

from __future__ import annotations

import re
from datetime import datetime

from litestar import Response, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath, RawBody

from sonotheque.access.room import InRoom
from sonotheque.errors import NotFound
from sonotheque.rights.published import read_successions
from sonotheque.rights.witness import REQUEST_BYTES_MAX, Reply
from sonotheque.store.clock import utc_now

_READ = [HttpMethod.GET, HttpMethod.HEAD]
_TILE = re.compile(r"/(?:entries|[0-9]{1,2})/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?")
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_AT_ONCE = {"Cache-Control": "no-cache"}
_NO_WITNESS = Reply(404, "no log is witnessed here\n")
_NOTHING = Reply(404, "nothing was cosigned of this log\n")


@route("/ledger/checkpoint", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def checkpoint(room: InRoom) -> Response[str]:
    """The newest checkpoint, as a signed note."""
    return _exactly(Reply(200, room.archive.ledger.checkpoint()))


@route("/ledger/tile/{name:path}", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def tile(room: InRoom, name: FromPath[str]) -> Response[bytes]:
    """A tile of hashes, or a bundle of entries."""
    path = room.archive.config.ledger / f"tile{name}"
    if not _TILE.fullmatch(name) or not path.is_file():
        raise NotFound("there is no such tile", where=name[:80], remedy="see /ledger/checkpoint")
    return Response(path.read_bytes(), media_type="application/octet-stream", headers=_FOR_GOOD)


@route(
    "/ledger/proofs/{number:int}", http_method=_READ, include_in_schema=False, sync_to_thread=True
)
def proof(room: InRoom, number: FromPath[int]) -> Response[str]:
    """The proof of an entry as of now, to be kept: what `rights prove` writes."""
    made = room.archive.ledger.prove(number)
    named = {"Content-Disposition": f'attachment; filename="entry-{number}.tlog-proof"'}
    return Response(made.text(), media_type="text/plain; charset=utf-8", headers=named | _AT_ONCE)


@route("/ledger/keys/{number:int}", http_method=_READ, include_in_schema=False, sync_to_thread=True)
def key_note(room: InRoom, number: FromPath[int]) -> Response[str]:
    """The note by which one key of the archive named the next."""
    notes = read_successions(room.archive.config.ledger)
    if not 0 < number <= len(notes):
        raise NotFound("there is no such note", where=str(number), remedy="see /about for the key")
    return _exactly(Reply(200, notes[number - 1]))


@post(
    "/witness/add-checkpoint",
    include_in_schema=False,
    sync_to_thread=True,
    request_max_body_size=REQUEST_BYTES_MAX,
)
def add_checkpoint(room: InRoom, body: RawBody) -> Response[str]:
    """Cosign the checkpoint of a log that is witnessed here."""
    witness = room.archive.witness
    at_s = int(datetime.fromisoformat(utc_now()).timestamp())
    return _exactly(_NO_WITNESS if witness is None else witness.add_checkpoint(body, at_s))


@route(
    "/witness/{origin_hash:str}/checkpoint",
    http_method=_READ,
    include_in_schema=False,
    sync_to_thread=True,
)
def witnessed(room: InRoom, origin_hash: FromPath[str]) -> Response[str]:
    """What was cosigned last of one log."""
    witness = room.archive.witness
    note = witness.checkpoint(origin_hash) if witness else None
    return _exactly(_NOTHING if note is None else Reply(200, note))


def _exactly(reply: Reply) -> Response[str]:
    """`reply` with the media type that it names, to which nothing is added."""
    headers = {"Content-Type": reply.media_type, **_AT_ONCE}
    return Response(reply.text, status_code=reply.status, headers=headers)


HANDLERS = (checkpoint, tile, proof, key_note, add_checkpoint, witnessed)
