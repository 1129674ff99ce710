"""The manifest of an edition: everything in it, everything left out and why, and a signature.

`content/manifest.json` lists every other file of the content with its digest; `manifest.txt`,
beside the content, is a signed note that names the edition, the digest of manifest.json and the
info hashes of both torrents. Whoever trusts the archive's key can check every byte from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from sonotheque.errors import Corrupt
from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.model.terms import Reason
from sonotheque.store import files, signing

CONTENT_NAME = "content"
MANIFEST_NAME = "manifest.json"
NOTE_NAME = "manifest.txt"
_NOTE_TITLE = "sonotheque edition"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionFile:
    """One file of the content; `path` is relative to it, with forward slashes."""

    path: str
    sha512: Sha512
    byte_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionRecording:
    """A recording in the edition. `statements` are the ledger entries that allow it."""

    recording: RecordingId
    title: str
    artist: str
    licence: str
    attribution: str
    generated: bool
    path: str
    statements: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """A recording that the archive holds and does not publish, and why."""

    recording: RecordingId
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`ledger_size` is the number of ledger entries that were known when it was decided."""

    edition: int
    archive: str
    created_at: str
    ledger_size: int
    files: tuple[EditionFile, ...]
    recordings: tuple[EditionRecording, ...]
    excluded: tuple[Excluded, ...]

    def to_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the signed note says."""

    edition: int
    archive: str
    manifest_sha512: Sha512
    v1: str
    v2: str

    def text(self) -> str:
        return (
            f"{_NOTE_TITLE}\nedition: {self.edition}\narchive: {self.archive}\n"
            f"manifest-sha512: {self.manifest_sha512}\n"
            f"torrent-v1: {self.v1}\ntorrent-v2: {self.v2}\n"
        )


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the edition in `directory`, not checked against its signature."""
    path = directory / CONTENT_NAME / MANIFEST_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise _unreadable(path) from error


def read_note(directory: Path, verifier: signing.Verifier) -> Note:
    """The note of the edition in `directory`, signed by `verifier`. Raises Corrupt."""
    path = directory / NOTE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path) from error
    lines = signing.verify(text, verifier).splitlines()
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    try:
        if lines[0] != _NOTE_TITLE:
            raise ValueError(lines[0])
        return Note(
            edition=int(fields["edition"]),
            archive=fields["archive"],
            manifest_sha512=Sha512(fields["manifest-sha512"]),
            v1=fields["torrent-v1"],
            v2=fields["torrent-v2"],
        )
    except (KeyError, ValueError) as error:
        raise _unreadable(path) from error


def read_signed_manifest(directory: Path, note: Note) -> Manifest:
    """The manifest of the edition in `directory`, which is the one that `note` names. Raises
    Corrupt."""
    _check(directory / CONTENT_NAME, MANIFEST_NAME, note.manifest_sha512)
    return read_manifest(directory)


def verify_content(
    directory: Path, verifier: signing.Verifier, withheld: frozenset[RecordingId] = frozenset()
) -> Manifest:
    """Check the signature, the manifest's digest and every file of the content against it.

    Raises Corrupt, naming the file, where a byte differs, a file is missing or one is too many.
    The files of recordings that are `withheld` may be missing.
    """
    note = read_note(directory, verifier)
    content = directory / CONTENT_NAME
    manifest = read_signed_manifest(directory, note)
    listed = {file.path: file.sha512 for file in manifest.files} | {
        MANIFEST_NAME: note.manifest_sha512
    }
    found = {
        path.relative_to(content).as_posix()
        for path in content.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    if strange := sorted(found - listed.keys()):
        raise Corrupt(
            "is not in the manifest", where=str(content / strange[0]), remedy="do not trust it"
        )
    gone = {item.path for item in manifest.recordings if item.recording in withheld} - found
    for path, sha512 in listed.items():
        if path not in gone:
            _check(content, path, sha512)
    return manifest


def _check(content: Path, name: str, sha512: Sha512) -> None:
    path = content / name
    try:
        inside = path.resolve().is_relative_to(content.resolve()) and path.is_file()
    except (OSError, ValueError):
        # No name at all: too long, or with a NUL in it.
        inside = False
    if not inside:
        raise Corrupt("is missing", where=str(path), remedy="mirror the edition again")
    if files.sha512_of(path) != sha512:
        raise Corrupt(
            "does not match its digest", where=str(path), remedy="mirror the edition again"
        )


def _unreadable(path: Path) -> Corrupt:
    return Corrupt("cannot be read", where=str(path), remedy="mirror the edition again")
