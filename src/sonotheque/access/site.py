"""The reading room as one web application: `create_app` puts its parts together."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Response, route
from litestar.config.compression import CompressionConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath, FromQuery
from litestar.types import Message, Scope

from sonotheque import __version__
from sonotheque.access import (
    acoustid,
    api,
    audio,
    claims,
    pages,
    publications,
    reference,
    reservations,
    transparency,
)
from sonotheque.access.guard import Guard
from sonotheque.access.overview import Counting
from sonotheque.access.problems import BoundPassed, NotAllowed, Problems
from sonotheque.access.ranges import names_etag
from sonotheque.access.rendering import AnyRequest, Renderer, static_files
from sonotheque.access.room import InRoom, Room
from sonotheque.access.shelf import Shelf
from sonotheque.archive import Archive
from sonotheque.deposit.receipts import Receipts
from sonotheque.desk.handling import Desk
from sonotheque.errors import NotFound, SonothequeError
from sonotheque.rights.expression import RESERVED

_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; media-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_COMPRESSED_BYTES_MIN = 1024


@route(
    "/static/{name:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
    sync_to_thread=False,
)
def static(
    request: AnyRequest, room: InRoom, name: FromPath[str], v: FromQuery[str] = ""
) -> Response[Any]:
    """A file of the site itself; for good where the address carries its digest."""
    file = room.statics.get(name)
    if file is None:
        raise NotFound("there is no such file", where=name[:80], remedy="see the home page")
    etag = f'"{file.digest}"'
    kept = "public, max-age=31536000, immutable" if v == file.digest else "no-cache"
    headers = {"ETag": etag, "Cache-Control": kept}
    if names_etag(request.headers.get("if-none-match", ""), etag):
        return Response(None, status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def create_app(archive: Archive) -> Litestar:
    """The site and the API of `archive`, which stays open and stays the caller's to close."""
    config = archive.config
    statics = static_files()
    shelf = Shelf(config)
    room = Room(
        archive=archive,
        receipts=Receipts(archive.database),
        counting=Counting(archive, shelf),
        shelf=shelf,
        guard=Guard(
            bytes_max=config.limits.reader_bytes_per_day,
            recordings_max=config.limits.reader_recordings_per_day,
        ),
        desk=Desk(archive),
        forms=Guard(
            bytes_max=claims.FORMS_PER_DAY * claims.FORM_BYTES,
            recordings_max=claims.FORMS_PER_DAY,
        ),
        renderer=Renderer(config, statics),
        statics=statics,
    )
    problems = Problems(room)
    return Litestar(
        route_handlers=[
            *pages.HANDLERS,
            *publications.HANDLERS,
            *audio.HANDLERS,
            *reference.HANDLERS,
            *acoustid.HANDLERS,
            *claims.HANDLERS,
            *transparency.HANDLERS,
            *reservations.HANDLERS,
            static,
            api.ROUTER,
        ],
        dependencies={"room": Provide(lambda: room, sync_to_thread=False)},
        exception_handlers={
            NotAllowed: problems.not_allowed,
            BoundPassed: problems.bound_passed,
            SonothequeError: problems.ours,
            HTTPException: problems.http,
            Exception: problems.unforeseen,
        },
        before_send=[_secure],
        compression_config=CompressionConfig(
            backend="gzip",
            minimum_size=_COMPRESSED_BYTES_MIN,
            # Ranges are of the bytes as they are.
            exclude=r"^/recordings/[^/]+/(audio|download)$",
        ),
        openapi_config=OpenAPIConfig(
            title=f"{config.name}: API",
            version=__version__,
            description="Read-only. Everything the site shows, as JSON.",
            # Litestar wants an address of its own for it; ours are those of `reference`.
            path="/api/openapi",
            use_handler_docstrings=True,
            render_plugins=[JsonRenderPlugin(path="/")],
        ),
    )


async def _secure(message: Message, _scope: Scope) -> None:
    """Give every answer the headers that it does not set itself: for security, and that
    what is in it is reserved."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in (_SECURITY_HEADERS | RESERVED).items():
            headers.setdefault(name, value)
