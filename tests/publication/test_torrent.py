"""Torrents against real libtorrent sessions on 127.0.0.1."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure
from sonotheque.publication import torrent


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    content = tmp_path / "seed" / "content"
    bytes_of = random.Random(1)
    for name, size in (("a/one.bin", 700_000), ("a/two.bin", 1), ("three.bin", 40_000)):
        path = content / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes_of.randbytes(size))
    return content.parent


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("version", [1, 2])
def test_a_second_session_downloads_everything(parent: Path, tmp_path: Path, version: int) -> None:
    made = torrent.make_torrent(parent / "content", version, name="An edition")
    assert (made.version, len(made.info_hash)) == (version, {1: 40, 2: 64}[version])
    target = tmp_path / "target"
    target.mkdir()
    with torrent.seed([made], parent / "content", host="127.0.0.1") as port:
        torrent.fetch(made, target / "content", peer=("127.0.0.1", port))
    assert tree(target) == tree(parent)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_found(parent: Path, version: int, damage: str) -> None:
    made = torrent.make_torrent(parent / "content", version, name="An edition")
    torrent.verify(made, parent / "content")
    victim = parent / "content/a/one.bin"
    content = bytearray(victim.read_bytes())
    if damage == "flip":
        content[123_456] ^= 1
    if damage == "cut":
        del content[-1:]
    victim.write_bytes(content)
    if damage == "remove":
        victim.unlink()
    with pytest.raises(Corrupt, match=f"v{version} torrent"):
        torrent.verify(made, parent / "content")


def test_the_same_content_makes_the_same_torrent(parent: Path) -> None:
    for version in (1, 2):
        first, second = (
            torrent.make_torrent(parent / "content", version, name="An edition") for _ in range(2)
        )
        assert first == second
        assert torrent.parse_torrent(first.content) == first
        # Neither a date nor pad files, which old clients would write out.
        assert b"creation date" not in first.content
        assert b".pad" not in first.content


@pytest.mark.parametrize("content", [b"", b"no torrent", b"d4:infod4:name1:xee"])
def test_what_is_no_torrent_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="no torrent"):
        torrent.parse_torrent(content)


def test_a_peer_that_is_not_there_ends_in_an_error(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torrent, "STALLED_SECONDS_MAX", 0.5)
    made = torrent.make_torrent(parent / "content", 1, name="An edition")
    (tmp_path / "target").mkdir()
    with pytest.raises(EnvironmentFailure, match="nothing more arrives"):
        torrent.fetch(made, tmp_path / "target", peer=("127.0.0.1", 9))


def test_a_port_that_is_taken_is_not_swapped_for_another(parent: Path) -> None:
    made = torrent.make_torrent(parent / "content", 1, name="An edition")
    with (
        torrent.seed([made], parent / "content", host="127.0.0.1") as port,
        pytest.raises(EnvironmentFailure, match="cannot be listened on"),
        torrent.seed([made], parent / "content", host="127.0.0.1", port=port),
    ):
        pass


def test_only_the_seed_listens_and_only_on_the_loopback(parent: Path) -> None:
    made = torrent.make_torrent(parent / "content", 2, name="An edition")
    before = listening()
    with torrent.seed([made], parent / "content", host="127.0.0.1") as port:
        assert listening() - before == {("127.0.0.1", port)}
        with torrent._session():
            assert listening() - before == {("127.0.0.1", port)}
    assert listening() == before


def test_files_are_in_order_of_their_paths(tmp_path: Path) -> None:
    names = [f"{number * 7919 % 101}.bin" for number in range(40)]
    (tmp_path / "content").mkdir()
    for name in names:
        (tmp_path / "content" / name).write_bytes(b"x")
    made: Any = lt.bdecode(torrent.make_torrent(tmp_path / "content", 1, name="An edition").content)
    assert [file[b"path"][0].decode() for file in made[b"info"][b"files"]] == sorted(names)


def test_damaged_content_is_not_seeded(parent: Path) -> None:
    made = torrent.make_torrent(parent / "content", 1, name="An edition")
    (parent / "content/three.bin").write_bytes(b"x" * 40_000)
    before = listening()
    with (
        pytest.raises(Corrupt) as caught,
        torrent.seed([made], parent / "content", host="127.0.0.1"),
    ):
        pass
    # The session is closed although the error's traceback still refers to it.
    assert caught.tb
    assert listening() == before


def test_a_peer_without_an_address_is_an_error(parent: Path, tmp_path: Path) -> None:
    made = torrent.make_torrent(parent / "content", 1, name="An edition")
    with pytest.raises(EnvironmentFailure, match="cannot be found"):
        torrent.fetch(made, tmp_path, peer=("nobody.invalid", 9))


def listening() -> set[tuple[str, int]]:
    """The IPv4 addresses that this process listens on or takes datagrams at."""
    sockets = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(str(descriptor.readlink()))
    found = set()
    for table in ("tcp", "udp"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets and fields[3] in ("0A", "07"):
                address, port = fields[1].split(":")
                dotted = socket.inet_ntoa(bytes.fromhex(address)[::-1])
                found.add((dotted, int(port, 16)))
    return found
