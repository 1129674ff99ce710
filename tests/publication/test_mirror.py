"""A mirror is a whole, verified edition, or it is not there."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sonotheque.archive import Archive
from sonotheque.errors import BadInput, Corrupt, Refused, SonothequeError
from sonotheque.publication.edition import Edition
from sonotheque.publication.mirror import mirror_by_torrent, mirror_edition
from sonotheque.store import signing

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]


def flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("way", ["directory", "torrent"])
def test_a_mirror_is_the_edition_byte_for_byte(
    archive: Archive, edition: Edition, tmp_path: Path, way: str
) -> None:
    target, verifier = tmp_path / "mirror", archive.signer.verifier
    if way == "torrent":
        made = mirror_by_torrent(edition.directory, target, verifier=verifier)
    else:
        made = mirror_edition(edition.directory, target, verifier=verifier)
    assert tree(target) == tree(edition.directory)
    assert (made.edition, made.file_count) == (1, len(edition.files) + 1)
    # A mirror is an edition: it can be mirrored on.
    again = mirror_edition(target, tmp_path / "again", verifier=verifier)
    assert tree(again.directory) == tree(target)


def flip_audio(edition: Path) -> None:
    flip(next((edition / "content/audio").rglob("*.flac")))


def flip_manifest(edition: Path) -> None:
    flip(edition / "content/manifest.json", 100)


def flip_note(edition: Path) -> None:
    flip(edition / "manifest.txt", 30)


def add_a_file(edition: Path) -> None:
    (edition / "content/audio/extra.exe").write_bytes(b"MZ")


def link_a_file(edition: Path) -> None:
    (edition / "content/audio/link").symlink_to("/etc/passwd")


def lose_a_file(edition: Path) -> None:
    next((edition / "content/audio").rglob("*.flac")).unlink()


def swap_a_torrent(edition: Path) -> None:
    shutil.copy(edition / "edition.v2.torrent", edition / "edition.v1.torrent")


@pytest.mark.parametrize(
    "tamper",
    [
        flip_audio,
        flip_manifest,
        flip_note,
        add_a_file,
        link_a_file,
        lose_a_file,
        swap_a_torrent,
    ],
)
def test_a_tampered_edition_is_refused_and_nothing_is_left(
    archive: Archive, edition: Edition, tmp_path: Path, tamper: Callable[[Path], None]
) -> None:
    source = tmp_path / "tampered"
    shutil.copytree(edition.directory, source)
    tamper(source)
    with pytest.raises(Corrupt):
        mirror_edition(source, tmp_path / "mirror", verifier=archive.signer.verifier)
    assert not (tmp_path / "mirror").exists()
    assert not list(tmp_path.glob(".*mirroring"))


@pytest.mark.parametrize("way", ["flip", "remove"])
def test_a_broken_torrent_file_is_bad_input(edition: Edition, tmp_path: Path, way: str) -> None:
    source = tmp_path / "tampered"
    shutil.copytree(edition.directory, source)
    if way == "flip":
        flip(source / "edition.v1.torrent", 0)
    else:
        (source / "edition.v2.torrent").unlink()
    with pytest.raises(BadInput):
        mirror_edition(source, tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()


def test_another_archive_s_key_does_not_open_it(edition: Edition, tmp_path: Path) -> None:
    stranger = signing.create_key(tmp_path / "keys", "stranger").verifier
    with pytest.raises(Corrupt, match="signature"):
        mirror_edition(edition.directory, tmp_path / "mirror", verifier=stranger)


def test_what_is_no_edition_and_what_is_there_already_are_refused(
    edition: Edition, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="not an edition"):
        mirror_edition(tmp_path, tmp_path / "mirror")
    (tmp_path / "mirror").mkdir()
    with pytest.raises(Refused, match="exists already"):
        mirror_edition(edition.directory, tmp_path / "mirror")


def test_without_a_key_the_copy_is_still_checked(edition: Edition, tmp_path: Path) -> None:
    source = tmp_path / "tampered"
    shutil.copytree(edition.directory, source)
    flip_audio(source)
    with pytest.raises(SonothequeError):
        mirror_edition(source, tmp_path / "mirror")


def test_a_key_that_is_none_is_bad_input(edition: Edition, tmp_path: Path) -> None:
    source = tmp_path / "tampered"
    shutil.copytree(edition.directory, source)
    (source / "signing.pub").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="verifier key"):
        mirror_edition(source, tmp_path / "mirror")


def test_a_mirror_is_on_the_disk_before_it_has_its_name(
    archive: Archive, edition: Edition, tmp_path: Path
) -> None:
    base = tmp_path / "mirrors"
    base.mkdir()
    watch = disk.Disk()
    with watch.watched(base):
        mirror_by_torrent(edition.directory, base / "one", verifier=archive.signer.verifier)
    assert watch.violations == []
    kept = {f"one/{name}": content for name, content in tree(edition.directory).items()}
    assert watch.after_power_cut(base) == kept
