"""The published editions, read once and kept until the directory they stand in changes."""

from __future__ import annotations

import threading
from pathlib import Path

from sonotheque.archive import Archive
from sonotheque.config import Config
from sonotheque.errors import NotFound
from sonotheque.publication.edition import TORRENT_NAMES, Edition, editions
from sonotheque.publication.manifest import CONTENT_NAME, MANIFEST_NAME, NOTE_NAME
from sonotheque.publication.tombstones import tombstones_of
from sonotheque.store.signing import PUBLIC_KEY_NAME

_MEDIA_TYPES = {
    TORRENT_NAMES[1]: "application/x-bittorrent",
    TORRENT_NAMES[2]: "application/x-bittorrent",
    NOTE_NAME: "text/plain",
    PUBLIC_KEY_NAME: "text/plain",
    MANIFEST_NAME: "application/json",
}


class Shelf:
    """The editions of one archive. Safe to use from several threads."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._seen = -1
        self._editions: tuple[Edition, ...] = ()
        self._listed: tuple[int, str, int] | None = None
        self._tombstones = b""

    def editions(self) -> tuple[Edition, ...]:
        """Every edition, newest first; a new one is here as soon as it has its name."""
        try:
            changed = self._config.editions.stat().st_mtime_ns
        except FileNotFoundError:
            return ()
        with self._lock:
            if changed != self._seen:
                self._editions = editions(self._config)
                self._seen = changed
            return self._editions

    def tombstones(self, archive: Archive, now: str) -> bytes:
        """The signed list of what was published and may not be shared any more, made anew with
        every entry of the ledger and every edition, and every minute: permissions end by day."""
        published = self.editions()
        key = (archive.ledger.size(), now[:16], len(published))
        with self._lock:
            if key != self._listed:
                made = tombstones_of(archive, published, now)
                self._tombstones = archive.signer.sign(made.text()).encode()
                self._listed = key
            return self._tombstones


def required_edition(shelf: Shelf, number: int) -> Edition:
    """The edition of that number. Raises NotFound."""
    found = next((one for one in shelf.editions() if one.number == number), None)
    if found is None:
        raise NotFound("there is no such edition", where=str(number), remedy="see /editions")
    return found


def document(edition: Edition, name: str) -> tuple[Path, str] | None:
    """Where one of the few files that a mirror begins with stands, and its media type; None for
    every other name."""
    media_type = _MEDIA_TYPES.get(name)
    if media_type is None:
        return None
    place = edition.directory / CONTENT_NAME if name == MANIFEST_NAME else edition.directory
    return place / name, media_type
