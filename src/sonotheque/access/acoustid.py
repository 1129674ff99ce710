"""Which recording is this fingerprint of? Asked and answered as AcoustID's web service has it.

`/v2/lookup` after https://acoustid.org/webservice, so that pyacoustid, beets and Picard can use an
archive in its place. A recording is named where its use `identify` is allowed, and what one client
is told of is bounded by the guard. Any `client` key is accepted.
"""

from __future__ import annotations

import re
import uuid
import zlib
from typing import Any
from urllib.parse import parse_qsl

from anyio import to_thread
from litestar import Response, route
from litestar.enums import HttpMethod

from sonotheque.access.describing import may_identify
from sonotheque.access.guard import TooMuch, client_of
from sonotheque.access.rendering import AnyRequest
from sonotheque.access.room import InRoom, Room
from sonotheque.errors import BadInput
from sonotheque.matching.compressed import decompress
from sonotheque.matching.spectrum import HOP_MS
from sonotheque.model.identifiers import Isrc, RecordingId, holding_id_of
from sonotheque.model.music import Fingerprints, Match, Recording
from sonotheque.store.clock import utc_now

BODY_BYTES_MAX = 1 << 20
"""Before it is unpacked, and after."""
FINGERPRINTS_MAX = 20
_FIELDS_MAX = 200
_DURATION_SECONDS_MAX = 24 * 3_600
_INDEXED = re.compile(r"fingerprint\.(\d{1,9})", re.ASCII)
# Numbers and words of errors are those of AcoustID's server, which clients know.
_FORMAT = (1, "unknown format")
_FINGERPRINT = (3, "invalid fingerprint")
_DURATION = (8, "invalid duration")
_TOO_MANY = (14, "rate limit exceeded")


class _Refused(Exception):
    """An answer of AcoustID's that is an error: its number, its words, the HTTP status."""

    def __init__(self, error: tuple[int, str], status: int = 400, detail: str = "") -> None:
        code, message = error
        self.document = {
            "status": "error",
            "error": {"code": code, "message": f"{message}: {detail}" if detail else message},
        }
        self.status = status
        super().__init__(message)


@route(
    "/v2/lookup",
    http_method=[HttpMethod.GET, HttpMethod.POST],
    include_in_schema=False,
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
)
async def lookup(request: AnyRequest, room: InRoom) -> Response[dict[str, Any]]:
    """The recordings that a fingerprint, or each of several, is of."""
    try:
        asked = _fields(request.url.query, _FIELDS_MAX)
        if request.method == HttpMethod.POST:
            encoding = request.headers.get("content-encoding", "")
            asked |= _fields(_unpacked(await request.body(), encoding), _FIELDS_MAX)
        client = client_of(request.client.host if request.client else "")
        document = await to_thread.run_sync(_answer, room, asked, client)
    except _Refused as refused:
        return Response(refused.document, status_code=refused.status)
    return Response(document, headers={"Cache-Control": "no-store"})


def _unpacked(body: bytes, encoding: str) -> str:
    if encoding == "gzip":
        try:
            unpacker = zlib.decompressobj(wbits=31)
            body = unpacker.decompress(body, BODY_BYTES_MAX + 1)
        except zlib.error:
            raise _Refused(_FINGERPRINT, detail="the body is not gzip") from None
        if len(body) > BODY_BYTES_MAX or not unpacker.eof:
            raise _Refused(
                _FINGERPRINT, 413, f"the body is cut short, or over {BODY_BYTES_MAX:,} bytes"
            )
    return body.decode("utf-8", "replace")


def _fields(text: str, fields_max: int) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, max_num_fields=fields_max))
    except ValueError:
        raise _Refused(_FINGERPRINT, detail="too many fields") from None


def _answer(room: Room, asked: dict[str, str], client: str) -> dict[str, Any]:
    if asked.get("format", "json") != "json":
        raise _Refused(_FORMAT)
    _required(asked, "client")
    indices = sorted({int(m[1]) for name in asked if (m := _INDEXED.fullmatch(name))})
    meta = set(re.split(r"[\s+,]+", asked.get("meta", "")))
    if not indices:
        return {"status": "ok", "results": _results(room, asked, "", meta, client)}
    if len(indices) > FINGERPRINTS_MAX:
        raise _Refused(_FINGERPRINT, detail=f"over {FINGERPRINTS_MAX} of them at once")
    return {
        "status": "ok",
        "fingerprints": [
            {"index": str(index), "results": _results(room, asked, f".{index}", meta, client)}
            for index in indices
        ],
    }


def _required(asked: dict[str, str], name: str) -> str:
    if not asked.get(name):
        raise _Refused((2, f'missing required parameter "{name}"'))
    return asked[name]


def _results(
    room: Room, asked: dict[str, str], suffix: str, meta: set[str], client: str
) -> list[dict[str, Any]]:
    duration = _required(asked, f"duration{suffix}")
    compressed = _required(asked, f"fingerprint{suffix}")
    seconds = int(duration.partition(".")[0]) if re.fullmatch(r"\d{1,6}(\.\d+)?", duration) else 0
    if not 0 < seconds <= _DURATION_SECONDS_MAX:
        raise _Refused(_DURATION)
    try:
        words = decompress(compressed)
    except BadInput as error:
        raise _Refused(_FINGERPRINT, detail=error.what) from None
    # A client sends the beginning: that is what it is asked about, however long the rest is.
    prints = Fingerprints(
        chromaprint=words.astype("<u4").tobytes(), duration_ms=round(len(words) * HOP_MS)
    )
    found = []
    for match in room.archive.fingerprints.find_matches(prints):
        recording = room.archive.catalogue.get(match.recording)
        known = recording is not None and not match.is_suspect
        if recording is None or not known or not _may_name(room, recording.id, client):
            continue
        found.append(_result(room, match, recording, meta))
    return sorted(found, key=lambda result: -result["score"])


def _may_name(room: Room, recording: RecordingId, client: str) -> bool:
    """Whether `client` may be told of `recording`; raises where it was told of enough today."""
    if not may_identify(room.archive, recording, utc_now()):
        return False
    take = room.guard.open(client, recording, 0, room.seconds())
    if isinstance(take, TooMuch):
        raise _Refused(_TOO_MANY, 429)
    room.guard.close(take, 0, room.seconds())
    return True


def _result(room: Room, match: Match, recording: Recording, meta: set[str]) -> dict[str, Any]:
    own = _uuid(recording.id)
    result: dict[str, Any] = {"id": own, "score": match.similarity}
    if meta & {"recordings", "recordingids"}:
        said: dict[str, Any] = {
            "id": _musicbrainz_id(room, recording.description.isrcs) or own,
            "sonotheque": recording.id,
        }
        if "recordings" in meta:
            described = recording.description
            said |= {
                "title": described.title,
                "duration": round(recording.duration_ms / 1_000),
                "artists": [{"id": _uuid(described.artist), "name": described.artist}]
                if described.artist
                else [],
            }
            if described.album:
                said |= _releases(described.album, meta)
        result["recordings"] = [said]
    return result


def _releases(album: str, meta: set[str]) -> dict[str, Any]:
    """What `meta` asks for of an album. Releases stand in their group where both are asked for, and
    Picard reads no group without them, and no release without its (here unknown) media."""
    named = {"id": _uuid(album), "title": album}
    releases: dict[str, Any] = {}
    if "releases" in meta:
        releases = {"releases": [named | {"mediums": []}]}
    return {"releasegroups": [named | releases]} if "releasegroups" in meta else releases


def _musicbrainz_id(room: Room, isrcs: tuple[Isrc, ...]) -> str:
    """What MusicBrainz calls the one recording with these codes, where its data was imported."""
    found = {
        row.source_id.partition("#")[0]
        for snapshot in room.archive.catalogue.snapshots()
        for isrc in isrcs
        for stored in snapshot.stored_by_isrc(isrc)
        for row in stored.rows
        if row.source == "musicbrainz"
    }
    return found.pop() if len(found) == 1 else ""


def _uuid(name: str) -> str:
    """A UUID (version 5) that is the same each time: clients expect one, and ours are none."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, holding_id_of(RecordingId(name))))


HANDLERS = (lookup,)
