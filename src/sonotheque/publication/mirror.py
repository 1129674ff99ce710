"""Mirrors: a whole, verified copy of an edition somewhere else, or nothing.

A mirror honours the archive's tombstones: it does not keep the files of recordings that are on the
list, and the newest list that it has seen stands in it as `tombstones.txt`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sonotheque.errors import BadInput, Corrupt, Refused
from sonotheque.model.identifiers import RecordingId
from sonotheque.publication import torrent
from sonotheque.publication.edition import TORRENT_NAMES, read_torrents
from sonotheque.publication.manifest import (
    CONTENT_NAME,
    NOTE_NAME,
    Manifest,
    Note,
    read_note,
    read_signed_manifest,
    verify_content,
)
from sonotheque.publication.tombstones import (
    BYTES_MAX,
    TOMBSTONES_NAME,
    Tombstones,
    parse_list,
    read_list,
    refuse_rollback,
)
from sonotheque.store import files, signing, web

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A verified copy of an edition in `directory`. `tombstones_at` is when the list that it
    honours was made, empty where none was found; `removed` are the files that it took away now."""

    directory: Path
    edition: int
    file_count: int
    byte_count: int
    tombstones_at: str = ""
    withheld: tuple[RecordingId, ...] = ()
    removed: tuple[str, ...] = ()


def mirror_edition(
    source: Path,
    target: Path,
    *,
    verifier: signing.Verifier | None = None,
    peer: tuple[str, int] | None = None,
    tombstones: str = "",
    progress: Progress | None = None,
) -> Mirror:
    """Copy the edition in `source` to the new directory `target` and verify every byte.

    With `peer`, only the note and the torrents are read from `source`, and the content comes
    from that peer by the v2 torrent. Without `verifier`, the key beside the edition is
    believed, which proves that the copy is whole but not whose it is. `tombstones` is the file or
    the address of the list to honour; without it, the one beside the edition. Raises Corrupt,
    leaving no `target`, where anything does not verify.
    """
    if not (source / NOTE_NAME).is_file():
        raise BadInput(
            "is not an edition", where=str(source), remedy="name a directory like editions/1"
        )
    if target.exists():
        raise Refused("exists already", where=str(target), remedy="name a new directory")
    verifier = verifier or signing.parse_verifier(_text(source / signing.PUBLIC_KEY_NAME))
    note = read_note(source, verifier)
    torrents = read_torrents(source)
    if (note.v1, note.v2) != tuple(made.info_hash for made in torrents):
        raise Corrupt(
            "the torrents are not those that were signed",
            where=str(source),
            remedy="get the edition's torrents from the archive itself",
        )
    honoured = _offered(source, tombstones, verifier)
    staged = target.with_name(f".{target.name}.mirroring")
    files.remove_tree(staged)
    files.make_directory(staged)
    try:
        for name in (NOTE_NAME, *TORRENT_NAMES.values()):
            files.copy(source / name, staged / name)
        files.create(staged / signing.PUBLIC_KEY_NAME, (verifier.text() + "\n").encode())
        if peer:
            torrent.fetch(torrents[-1], staged / CONTENT_NAME, peer=peer, progress=progress)
        else:
            _copy_tree(source / CONTENT_NAME, staged / CONTENT_NAME)
        if honoured:
            files.create(staged / TOMBSTONES_NAME, honoured[0])
        removed = _remove_withheld(staged, note, honoured[1] if honoured else None)
        manifest = verify_content(staged, verifier, _withheld(honoured))
        _sync(staged)
        files.move(staged, target)
    except BaseException:
        files.remove_tree(staged)
        raise
    return _mirror(target, manifest, honoured, removed)


def honour(
    source: Path, mirror: Path, *, verifier: signing.Verifier | None = None, tombstones: str = ""
) -> Mirror:
    """Bring the `mirror` of the edition in `source` up to the newest list of tombstones, and verify
    what it keeps.

    Raises Refused where `mirror` is not of that edition, and for a list older than the one it
    honours already; Corrupt for one that the archive has not signed. Then nothing has changed.
    """
    stranger = Refused(
        "exists already, and is no mirror of that edition",
        where=str(mirror),
        remedy="name a new directory",
    )
    if not (mirror / NOTE_NAME).is_file():
        raise stranger
    verifier = verifier or signing.parse_verifier(_text(mirror / signing.PUBLIC_KEY_NAME))
    note = read_note(mirror, verifier)
    if read_note(source, verifier) != note:
        raise stranger
    honoured = _offered(source, tombstones, verifier)
    kept = mirror / TOMBSTONES_NAME
    if kept.exists():
        known = read_list(kept, verifier)
        if honoured is None:
            honoured = (kept.read_bytes(), known)
        refuse_rollback(known, honoured[1], tombstones or str(source))
    # The list first: whoever reads the mirror meanwhile knows why a file is missing.
    if honoured:
        files.replace(kept, honoured[0])
    removed = _remove_withheld(mirror, note, honoured[1] if honoured else None)
    manifest = verify_content(mirror, verifier, _withheld(honoured))
    return _mirror(mirror, manifest, honoured, removed)


def mirror_by_torrent(
    source: Path, target: Path, *, verifier: signing.Verifier, progress: Progress | None = None
) -> Mirror:
    """Seed the edition in `source` on 127.0.0.1 and mirror it from there in a second session."""
    with torrent.seed(read_torrents(source), source / CONTENT_NAME, host="127.0.0.1") as port:
        return mirror_edition(
            source, target, verifier=verifier, peer=("127.0.0.1", port), progress=progress
        )


_Honoured = tuple[bytes, Tombstones]
"""A signed list as it came, and what it says."""


def _offered(source: Path, tombstones: str, verifier: signing.Verifier) -> _Honoured | None:
    """The list at `tombstones`, or the newest of those that stand in and beside `source`."""
    if tombstones:
        note = web.get(tombstones, BYTES_MAX) if "://" in tombstones else _bytes(Path(tombstones))
        return note, parse_list(note, verifier, tombstones)
    found = []
    for place in (source, source.resolve().parent):
        if (path := place / TOMBSTONES_NAME).is_file():
            note = _bytes(path)
            found.append((note, parse_list(note, verifier, str(path))))
    return max(found, key=lambda one: (one[1].ledger_size, one[1].at), default=None)


def _withheld(honoured: _Honoured | None) -> frozenset[RecordingId]:
    return honoured[1].recordings if honoured else frozenset()


def _remove_withheld(directory: Path, note: Note, tombstones: Tombstones | None) -> tuple[str, ...]:
    """Remove the files of recordings that are on the list; their paths in the content."""
    if tombstones is None or not tombstones.tombstones:
        return ()
    content = directory / CONTENT_NAME
    removed = []
    listed = tombstones.recordings
    for item in read_signed_manifest(directory, note).recordings:
        path = content / item.path
        if item.recording in listed and path.is_file():
            path.unlink()
            files.sync_directory(path.parent)
            removed.append(item.path)
    return tuple(removed)


def _copy_tree(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_symlink():
            raise Corrupt("is a symbolic link", where=str(path), remedy="do not trust this copy")
        if path.is_file():
            copy = target / path.relative_to(source)
            files.make_directory(copy.parent)
            files.copy(path, copy)


def _sync(directory: Path) -> None:
    """Put on the disk what libtorrent wrote, which it does not do itself."""
    for path in directory.rglob("*"):
        if path.is_file():
            files.sync_file(path)
    files.sync_tree(directory)


def _mirror(
    directory: Path, manifest: Manifest, honoured: _Honoured | None, removed: tuple[str, ...]
) -> Mirror:
    withheld = _withheld(honoured)
    gone = {item.path: item.recording for item in manifest.recordings if item.recording in withheld}
    kept = [file for file in manifest.files if file.path not in gone]
    return Mirror(
        directory=directory,
        edition=manifest.edition,
        file_count=len(kept) + 1,
        byte_count=sum(file.byte_count for file in kept),
        tombstones_at=honoured[1].at if honoured else "",
        withheld=tuple(gone.values()),
        removed=removed,
    )


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise Corrupt("is too long a list", where=str(path), remedy="ask the archive about it")
        return path.read_bytes()
    except OSError as error:
        raise files.explain(error, path) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise files.explain(error, path) from error
