"""`sonotheque serve`: the reading room on Granian, in this process, until it is interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from sonotheque.access.site import create_app
from sonotheque.archive import open_archive
from sonotheque.desk.handling import Desk
from sonotheque.desk.watches import Watches
from sonotheque.errors import BadInput, EnvironmentFailure, SonothequeError
from sonotheque.store.clock import utc_now

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.02
_TELL_SECONDS = 60


def serve(
    directory: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the archive in `directory` until SIGINT or SIGTERM; then return.

    `port` 0 takes a free one. `ready` is called once with the address, when it answers. Raises
    NotFound where there is no archive, EnvironmentFailure where the port is taken.
    """
    port = _free_port(host, port)
    with open_archive(directory) as archive:
        desk = Desk(archive)
        desk.settle(utc_now())
        watches = Watches(archive)
        asyncio.run(_serve(create_app(archive), (desk, watches), (host, port), ready))


async def _serve(
    app: Litestar,
    telling: tuple[Desk, Watches],
    address: tuple[str, int],
    ready: Callable[[str], None] | None,
) -> None:
    host, port = address
    server = Server(app, address=host, port=port, interface=Interfaces.ASGI, log_enabled=False)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve())
    answering = asyncio.create_task(_answers(host, port))
    told = asyncio.create_task(_tell(*telling))
    done, _ = await asyncio.wait({serving, answering}, return_when=asyncio.FIRST_COMPLETED)
    if answering in done and ready:
        ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
    await serving
    answering.cancel()
    told.cancel()


async def _tell(desk: Desk, watches: Watches) -> None:
    """At once and every minute: make the notices of watches that a deposit did not come to, and
    hand over those that nobody took when they were made."""
    while True:
        await asyncio.to_thread(_tell_once, desk, watches)
        await asyncio.sleep(_TELL_SECONDS)


def _tell_once(desk: Desk, watches: Watches) -> None:
    try:
        watches.tell()
    except SonothequeError as error:
        _log.warning("the watches: %s", error)
    if desk.outbox.waiting():
        desk.tell(utc_now())


async def _answers(host: str, port: int) -> None:
    """Return once something listens there."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(_POLL_SECONDS)


def _free_port(host: str, port: int) -> int:
    """`port`, or a free one for 0, after making sure that it can be had: the server itself
    shares a port that is taken without a word."""
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except socket.gaierror as error:
        raise BadInput(
            "is not an address of this machine", where=where, remedy="try --host 127.0.0.1"
        ) from error
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise EnvironmentFailure(
            "the port is in use by another program" if taken else f"cannot listen there ({error})",
            where=where,
            remedy=f"end that program, or choose another with --port {port + 1}"
            if taken
            else "choose another with --host and --port",
        ) from error
