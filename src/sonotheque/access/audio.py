"""The sound itself: inline where STREAM is allowed, as a file where DOWNLOAD is.

The ledger is asked on every request and, while a long answer is under way, every second again;
a withdrawal stops it in the middle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import quote

from anyio import CancelScope, create_task_group, to_thread
from litestar import route
from litestar.enums import HttpMethod
from litestar.params import FromPath, FromQuery
from litestar.types import ASGIApp, HTTPResponseStartEvent, Receive, Scope, Send

from sonotheque.access import copies
from sonotheque.access.dossier import AudioFile, Dossier, compile_dossier
from sonotheque.access.guard import Guard, Take, TooMuch, client_of
from sonotheque.access.problems import BoundPassed, NotAllowed
from sonotheque.access.ranges import Span, Unsatisfiable, names_etag, requested_span
from sonotheque.access.rendering import AnyRequest
from sonotheque.access.room import InRoom, Room
from sonotheque.errors import EnvironmentFailure, NotFound, SonothequeError
from sonotheque.model.identifiers import parse_recording_id
from sonotheque.model.terms import Use
from sonotheque.rights.expression import reservation
from sonotheque.store import files
from sonotheque.store.clock import utc_now
from sonotheque.store.files import Blocks

RECHECK_SECONDS = 1.0
_NEVER_KEPT = {"Cache-Control": "no-store", "Accept-Ranges": "bytes"}


@dataclass(frozen=True, slots=True)
class Representation:
    """Bytes that can be asked for in ranges."""

    blocks: Blocks
    size: int
    media_type: str
    etag: str
    disposition: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An ASGI application that sends one span of a file, block by block, and tells the guard
    how much of it was sent."""

    blocks: Blocks
    span: Span
    status: int
    headers: dict[str, str]
    still_allowed: Callable[[], bool]
    guard: Guard
    take: Take
    recheck_seconds: float = RECHECK_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until its end, the client's departure, or a withdrawal."""
        sent_bytes = 0

        async def deliver(hang_up: CancelScope) -> None:
            nonlocal sent_bytes
            blocks = self.blocks(first=self.span.first, byte_count=self.span.byte_count)
            # What cannot be read at all is an answer of its own, so it is tried before the start.
            block = await to_thread.run_sync(next, blocks, b"")
            await send(_start(self.status, self.headers))
            checked_at = time.monotonic()
            while block:
                if time.monotonic() - checked_at >= self.recheck_seconds:
                    if not await to_thread.run_sync(self.still_allowed):
                        break
                    checked_at = time.monotonic()
                # Counted before it is sent: a block cut off on its way counts as taken.
                sent_bytes += len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
                block = await to_thread.run_sync(next, blocks, b"")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            hang_up.cancel()

        try:
            async with create_task_group() as tasks:
                tasks.start_soon(deliver, tasks.cancel_scope)
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()
        finally:
            self.guard.close(self.take, sent_bytes, time.monotonic())


@dataclass(frozen=True, slots=True)
class HeadersOnly:
    """An ASGI application that answers without a body: HEAD, a redirection, 304, 416."""

    status: int
    headers: dict[str, str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        await send(_start(self.status, self.headers))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _start(status: int, headers: dict[str, str]) -> HTTPResponseStartEvent:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}


@route(
    "/recordings/{recording:str}/audio",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
    sync_to_thread=True,
)
def stream(request: AnyRequest, room: InRoom, recording: FromPath[str]) -> ASGIApp:
    """The recording to listen to: its preserved file where browsers play that, else a copy."""
    now = utc_now()
    recording_id = parse_recording_id(recording)
    if recording_id != recording:
        return HeadersOnly(308, {"Location": f"/recordings/{recording_id}/audio"})
    dossier = compile_dossier(room, recording_id, now)
    _require(dossier, Use.STREAM)
    file = dossier.to_play()
    if file is None:
        raise _no_sound(dossier)
    if file.medium.playable:
        representation = _preserved(file)
    else:
        path = copies.copy_of(file.name, file.place.blocks, file.file.sha512, room.archive.config)
        state = path.stat()
        # The encoder is not reproducible: a copy that was made again is another representation.
        etag = f'"{file.file.sha512}-opus-{state.st_mtime_ns:x}"'
        blocks = partial(files.blocks, path)
        representation = Representation(blocks, state.st_size, copies.MEDIA_TYPE, etag)
    return _answer(request, room, dossier, Use.STREAM, representation)


@route(
    "/recordings/{recording:str}/download",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
    sync_to_thread=True,
)
def download(
    request: AnyRequest,
    room: InRoom,
    recording: FromPath[str],
    sha512: FromQuery[str] = "",
) -> ASGIApp:
    """A preserved file as it is; `sha512` says which, where there are several."""
    now = utc_now()
    recording_id = parse_recording_id(recording)
    if recording_id != recording:
        return HeadersOnly(308, {"Location": f"/recordings/{recording_id}/download"})
    dossier = compile_dossier(room, recording_id, now)
    _require(dossier, Use.DOWNLOAD)
    file = next((file for file in dossier.files if sha512 in ("", file.file.sha512)), None)
    if file is None:
        raise _no_sound(dossier)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in file.name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}"
    representation = replace(_preserved(file), disposition=disposition)
    return _answer(request, room, dossier, Use.DOWNLOAD, representation)


def _require(dossier: Dossier, use: Use) -> None:
    decision = dossier.decision(use)
    if not decision.allowed:
        raise NotAllowed(decision, dossier.statements)


def _no_sound(dossier: Dossier) -> SonothequeError:
    if dossier.away:
        return EnvironmentFailure(
            "no storage root can read this holding",
            where=dossier.recording.id,
            remedy="run `sonotheque audit --heal`",
        )
    return NotFound(
        "the archive does not hold that sound",
        where=dossier.recording.id,
        remedy="see the recording's page for what is held",
    )


def _preserved(file: AudioFile) -> Representation:
    etag = f'"{file.file.sha512}"'
    blocks, size = file.place.blocks, file.file.byte_count
    return Representation(blocks, size, file.medium.media_type, etag)


def _answer(
    request: AnyRequest,
    room: Room,
    dossier: Dossier,
    use: Use,
    representation: Representation,
) -> ASGIApp:
    """The part of `representation` that is asked for (RFC 9110, sections 13 and 14)."""
    asked = request.headers
    headers = {
        **_NEVER_KEPT,
        "ETag": representation.etag,
        **reservation(dossier.decisions),
    }
    if representation.disposition:
        headers["Content-Disposition"] = representation.disposition
    if names_etag(asked.get("if-none-match", ""), representation.etag):
        return HeadersOnly(304, headers)
    size = representation.size
    # Ranges are defined for GET alone.
    ranges = asked.get("range", "") if request.method == HttpMethod.GET else ""
    try:
        span = requested_span(ranges, asked.get("if-range", ""), representation.etag, size)
    except Unsatisfiable:
        return HeadersOnly(416, {**_NEVER_KEPT, "Content-Range": f"bytes */{size}"})
    status = 206 if span else 200
    if span:
        headers["Content-Range"] = span.content_range
    span = span or Span(0, size, size)
    headers |= {"Content-Type": representation.media_type, "Content-Length": str(span.byte_count)}
    if request.method == HttpMethod.HEAD:
        return HeadersOnly(status, headers)
    archive, recording = room.archive, dossier.recording.id
    client = client_of(request.client.host if request.client else "")
    take = room.guard.open(client, recording, span.byte_count, time.monotonic())
    if isinstance(take, TooMuch):
        raise BoundPassed(take)
    return Delivery(
        blocks=representation.blocks,
        span=span,
        status=status,
        headers=headers,
        still_allowed=lambda: archive.decide(recording, use, utc_now()).allowed,
        guard=room.guard,
        take=take,
    )


HANDLERS = (stream, download)
