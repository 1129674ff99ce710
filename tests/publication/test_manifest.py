"""The manifest and its note, read back from hostile hands."""

from __future__ import annotations

import json

import pytest

from sonotheque.archive import Archive
from sonotheque.errors import Corrupt
from sonotheque.model.identifiers import Sha512
from sonotheque.publication.edition import Edition
from sonotheque.publication.manifest import (
    Note,
    read_manifest,
    read_note,
    verify_content,
)
from sonotheque.store import files


def test_the_note_names_the_edition_and_its_hashes(archive: Archive, edition: Edition) -> None:
    note = read_note(edition.directory, archive.signer.verifier)
    assert (note.v1, note.v2) == edition.torrents
    assert note.edition == 1
    manifest = edition.directory / "content/manifest.json"
    assert note.manifest_sha512 == files.sha512_of(manifest)


@pytest.mark.parametrize(
    "name", ["../../../archive.toml", "/etc/passwd", "a\0b", "n" * 300, "audio", ""]
)
def test_a_path_that_is_no_file_of_the_content_is_refused(
    archive: Archive, edition: Edition, name: str
) -> None:
    """Even a manifest that the archive itself signed may not lead out of the edition."""
    path = edition.directory / "content/manifest.json"
    document = json.loads(path.read_text())
    outside = archive.config.directory / "archive.toml"
    document["files"].append({"path": name, "sha512": files.sha512_of(outside), "byte_count": 1})
    path.write_text(json.dumps(document))
    note = Note(
        edition=1,
        archive="x",
        manifest_sha512=Sha512(files.sha512_of(path)),
        v1=edition.torrents[0],
        v2=edition.torrents[1],
    )
    (edition.directory / "manifest.txt").write_text(archive.signer.sign(note.text()))
    with pytest.raises(Corrupt, match="is missing"):
        verify_content(edition.directory, archive.signer.verifier)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"edition": "one"}'])
def test_a_broken_manifest_is_corrupt(edition: Edition, content: bytes) -> None:
    (edition.directory / "content/manifest.json").write_bytes(content)
    with pytest.raises(Corrupt, match="cannot be read"):
        read_manifest(edition.directory)


def test_a_signed_note_of_something_else_is_corrupt(archive: Archive, edition: Edition) -> None:
    for text in ("something else\n", "sonotheque edition\nedition: one\n"):
        (edition.directory / "manifest.txt").write_text(archive.signer.sign(text))
        with pytest.raises(Corrupt, match="cannot be read"):
            read_note(edition.directory, archive.signer.verifier)
