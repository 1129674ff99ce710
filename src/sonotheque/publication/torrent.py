"""Torrents over an edition's content, v1 for reach and v2 for its stronger hashes.

Two files over the same directory rather than a hybrid: clients in use (Debian's transmission
and aria2 among them) refuse hybrids. Sessions here find peers by address alone: no DHT, no
local discovery, no port mapping, no trackers; and only the one that seeds listens.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt

from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure

Progress = Callable[[str, int, int], None]
_POLL_SECONDS = 0.05
STALLED_SECONDS_MAX = 60.0
"""How long a check or a download may go without any progress."""


@dataclass(frozen=True, slots=True)
class Torrent:
    """A .torrent file's bytes. `info_hash` is hexadecimal: SHA-1 for v1, SHA-256 for v2."""

    version: int
    content: bytes
    info_hash: str


def make_torrent(directory: Path, version: int, *, name: str) -> Torrent:
    """A torrent of protocol `version` (1 or 2) over every file below `directory`.

    `name` is the folder that an ordinary client makes for it; the functions here read and write
    the same files in whatever directory they are given. The same content makes the same torrent:
    files in order of their paths, no date, no client, and no pad files, which old clients would
    write out as files of the content.
    """
    flag = lt.create_torrent.v1_only if version == 1 else lt.create_torrent.v2_only
    parent = directory.absolute().parent
    entries = [
        lt.create_file_entry(path.relative_to(parent).as_posix(), path.stat().st_size)
        for path in sorted(directory.absolute().rglob("*"))
        if path.is_file()
    ]
    creation = lt.create_torrent(entries, 0, flag)
    creation.set_creation_date(0)
    try:
        lt.set_piece_hashes(creation, str(parent))
    except RuntimeError as error:
        raise EnvironmentFailure(
            f"libtorrent: {error}", where=str(directory), remedy="check that its files can be read"
        ) from error
    document = creation.generate()
    document[b"info"][b"name"] = name.encode()
    return parse_torrent(lt.bencode(document))


def parse_torrent(content: bytes) -> Torrent:
    """Read a v1 or v2 .torrent file. Raises BadInput where it is neither."""
    hashes = _parameters(content).info_hashes
    if hashes.has_v1() == hashes.has_v2():
        raise BadInput("is a hybrid torrent", remedy="give a v1 or a v2 torrent")
    version = 1 if hashes.has_v1() else 2
    return Torrent(version, content, str(hashes.v1 if version == 1 else hashes.v2))


def verify(torrent: Torrent, directory: Path) -> None:
    """Re-read and re-hash all that `torrent` describes, in `directory`. Raises Corrupt."""
    with _session() as session:
        _add_whole(session, torrent, directory)


@contextlib.contextmanager
def seed(torrents: list[Torrent], directory: Path, *, host: str, port: int = 0) -> Iterator[int]:
    """Offer the files in `directory` on `host` (an IP address) while the block runs.

    Yields the port, which is a free one for `port` 0. Raises Corrupt where the content is not
    the torrents', EnvironmentFailure where the port cannot be listened on.
    """
    with _session(f"{host}:{port}") as session:
        for torrent in torrents:
            _add_whole(session, torrent, directory)
        if session.listen_port() == 0:
            raise EnvironmentFailure(
                "cannot be listened on",
                where=f"{host}:{port}",
                remedy="name another --host or --port",
            )
        yield session.listen_port()


def fetch(
    torrent: Torrent, directory: Path, *, peer: tuple[str, int], progress: Progress | None = None
) -> None:
    """Download the files of `torrent` into `directory` from `peer` (host, port).

    Every byte is written when this returns, though not synced. Raises EnvironmentFailure where
    nothing arrives for STALLED_SECONDS_MAX.
    """
    address = _resolve(peer)
    with _session() as session:
        handle = session.add_torrent(_parameters(torrent.content, directory))
        _wait(handle, _is_checked, None)
        _wait(handle, lambda status: status.is_seeding, progress, address)
        _flush(session, handle)


def _add_whole(session: Any, torrent: Torrent, directory: Path) -> None:
    """Add `torrent` and check what is in `directory` against it. Raises Corrupt."""
    handle = session.add_torrent(_parameters(torrent.content, directory))
    try:
        _wait(handle, _is_checked, None)
        whole = handle.status().is_seeding
    except EnvironmentFailure as error:
        raise _corrupt(torrent, directory) from error
    if not whole:
        raise _corrupt(torrent, directory)


def _is_checked(status: Any) -> bool:
    """Whether libtorrent has finished looking at what is on the disk."""
    states = lt.torrent_status
    return status.state in (states.downloading, states.finished, states.seeding)


def _wait(
    handle: Any,
    done: Callable[[Any], bool],
    progress: Progress | None,
    peer: tuple[str, int] | None = None,
) -> None:
    last, moved_at = -1.0, time.monotonic()
    while True:
        status = handle.status()
        if status.errc.value():
            raise EnvironmentFailure(
                f"libtorrent: {status.errc.message()}",
                where=status.save_path,
                remedy="check that the files are there and readable",
            )
        if done(status):
            return
        if status.progress != last:
            last, moved_at = status.progress, time.monotonic()
            if progress:
                progress("torrent", int(status.total_wanted_done), int(status.total_wanted))
        elif time.monotonic() - moved_at > STALLED_SECONDS_MAX:
            raise EnvironmentFailure(
                "nothing more arrives",
                where=":".join(map(str, peer)) if peer else status.save_path,
                remedy="check that the other side is seeding, then run the command again",
            )
        if peer and status.num_peers == 0:
            handle.connect_peer(peer)
        time.sleep(_POLL_SECONDS)


def _flush(session: Any, handle: Any) -> None:
    """Wait until all that was hashed is written too: libtorrent hashes from memory."""
    handle.flush_cache()
    deadline = time.monotonic() + STALLED_SECONDS_MAX
    while time.monotonic() < deadline:
        session.wait_for_alert(1000)
        if any(isinstance(alert, lt.cache_flushed_alert) for alert in session.pop_alerts()):
            return
    raise EnvironmentFailure(
        "what was fetched could not be written",
        where=handle.status().save_path,
        remedy="check that disk, then run the command again",
    )


def _resolve(peer: tuple[str, int]) -> tuple[str, int]:
    host, port = peer
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError) as error:
        raise EnvironmentFailure(
            "cannot be found", where=f"{host}:{port}", remedy="check the peer's name and port"
        ) from error
    return str(found[0][4][0]), port


@contextlib.contextmanager
def _session(listen: str = "") -> Iterator[Any]:
    session = lt.session(
        {
            "listen_interfaces": listen,
            "listen_system_port_fallback": False,
            "max_retry_port_bind": 0,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_outgoing_utp": False,
            "allow_multiple_connections_per_ip": True,
            "alert_mask": lt.alert_category.storage,
        }
    )
    try:
        yield session
    finally:
        # Not left to the collector, which an error's traceback would keep waiting.
        session.apply_settings({"listen_interfaces": ""})
        for handle in session.get_torrents():
            session.remove_torrent(handle)


def _parameters(content: bytes, directory: Path | None = None) -> Any:
    try:
        parameters = lt.load_torrent_buffer(content)
    except (RuntimeError, TypeError) as error:
        raise BadInput("is no torrent", where=str(error), remedy="fetch it again") from error
    # Start at once, rather than when libtorrent's own queue finds the time.
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if directory is not None and parameters.ti is not None:
        layout = parameters.ti.layout()
        paths = (layout.file_path(number) for number in range(layout.num_files()))
        parameters.save_path = str(directory.parent)
        parameters.renamed_files = {
            number: f"{directory.name}/{path.partition('/')[2]}"
            for number, path in enumerate(paths)
        }
    return parameters


def _corrupt(torrent: Torrent, directory: Path) -> Corrupt:
    return Corrupt(
        f"does not match the v{torrent.version} torrent",
        where=str(directory),
        remedy="build the edition again, or mirror it again from somebody else",
    )
