"""Mirrors: a whole, verified copy of an edition somewhere else, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sonotheque.errors import BadInput, Corrupt, Refused
from sonotheque.publication import torrent
from sonotheque.publication.edition import TORRENT_NAMES, read_torrents
from sonotheque.publication.manifest import (
    CONTENT_NAME,
    NOTE_NAME,
    Manifest,
    read_note,
    verify_content,
)
from sonotheque.store import files, signing

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A verified copy of an edition in `directory`."""

    directory: Path
    edition: int
    file_count: int
    byte_count: int


def mirror_edition(
    source: Path,
    target: Path,
    *,
    verifier: signing.Verifier | None = None,
    peer: tuple[str, int] | None = None,
    progress: Progress | None = None,
) -> Mirror:
    """Copy the edition in `source` to the new directory `target` and verify every byte.

    With `peer`, only the note and the torrents are read from `source`, and the content comes
    from that peer by the v2 torrent. Without `verifier`, the key beside the edition is
    believed, which proves that the copy is whole but not whose it is. Raises Corrupt, leaving
    no `target`, where anything does not verify.
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
        manifest = verify_content(staged, verifier)
        _sync(staged)
        files.move(staged, target)
    except BaseException:
        files.remove_tree(staged)
        raise
    return _mirror(target, manifest)


def mirror_by_torrent(
    source: Path, target: Path, *, verifier: signing.Verifier, progress: Progress | None = None
) -> Mirror:
    """Seed the edition in `source` on 127.0.0.1 and mirror it from there in a second session."""
    with torrent.seed(read_torrents(source), source / CONTENT_NAME, host="127.0.0.1") as port:
        return mirror_edition(
            source, target, verifier=verifier, peer=("127.0.0.1", port), progress=progress
        )


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


def _mirror(directory: Path, manifest: Manifest) -> Mirror:
    return Mirror(
        directory=directory,
        edition=manifest.edition,
        file_count=len(manifest.files) + 1,
        byte_count=sum(file.byte_count for file in manifest.files),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise files.explain(error, path) from error
