"""Deliveries that are broken, odd or hostile: a coded finding with a remedy, nothing kept."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from sonotheque.archive import Archive
from sonotheque.deposit.package import read_package
from sonotheque.errors import BadInput
from sonotheque.model.findings import Severity
from sonotheque.model.holdings import ItemStatus, Receipt
from sonotheque.store.files import NAME_BYTES_MAX, portable_name

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
Deposit = Callable[..., Receipt]
Kept = Callable[[Archive], dict[str, bytes]]


class Music(Protocol):
    def file(self, path: Path, seed: int, *, seconds: float = ..., **tags: Any) -> Path: ...
    def bare(self, path: Path, seed: int, *, seconds: float = ...) -> Path: ...


def errors(receipt: Receipt) -> dict[str, set[str]]:
    """The codes of the errors, by the place they are about."""
    found: dict[str, set[str]] = {}
    for finding in (*receipt.findings, *(f for item in receipt.items for f in item.findings)):
        if finding.severity is Severity.ERROR:
            assert finding.message and finding.remedy
            found.setdefault(finding.where, set()).add(finding.code)
    return found


def test_files_that_are_no_whole_music(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit, kept: Kept
) -> None:
    top = tmp_path / "d"
    (top / "sub").mkdir(parents=True)
    expected = {}

    def put(name: str, content: bytes, code: str) -> None:
        (top / name).write_bytes(content)
        expected[name] = {code}

    put("empty.flac", b"", "audio.empty")
    put("text.flac", b"this is not music\n" * 400, "audio.unreadable")
    put("noise.mp3", bytes(range(256)) * 64, "audio.unreadable")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive_file:
        archive_file.writestr("song.flac", b"fLaC" * 1_000)
    put("zip.flac", packed.getvalue(), "audio.unreadable")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(__file__, "song.flac")
    put("tar.flac", packed.getvalue(), "audio.unreadable")
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    put("hls.mp3", playlist, "audio.unreadable")
    put("concat.flac", b"ffconcat version 1.0\nfile /etc/passwd\n", "audio.unreadable")
    for cut in ("cut.flac", "cut.mp3", "cut.m4a", "cut.ogg", "cut.wav", "cut.opus", "cut.wv"):
        whole = music.file(tmp_path / cut, 1).read_bytes()
        put(cut, whole[: len(whole) * 6 // 10], "audio.truncated")
    expected["cut.m4a"] = {"audio.unreadable"}  # its index is at the end
    put("named.mp3", music.file(tmp_path / "x.flac", 2).read_bytes(), "audio.mislabelled")
    before = kept(archive)
    receipt = deposit(top)
    assert errors(receipt) == expected
    assert not receipt.accepted
    assert {item.status for item in receipt.items} == {ItemStatus.REFUSED}
    assert kept(archive) == before
    assert archive.catalogue.count() == len(archive.fingerprints) == archive.ledger.size() == 0
    assert b"root:" not in msgspec.json.encode(receipt)


def test_names_that_are_odd_or_hostile(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit
) -> None:
    top = tmp_path / "d"
    whole = music.file(tmp_path / "x.flac", 1).read_bytes()
    top.mkdir()
    bad = [b"new\nline.flac", b"bad \xff\xfe utf.flac", b"\x1b[31mred.flac", b"null\x7f.flac"]
    odd = [b"a..b..flac", b"-rf.flac", b"x" * 250 + b".flac", b"what?.flac", "é – 音.flac".encode()]
    for number, name in enumerate((*bad, *odd)):
        # Bytes of padding make each a file of its own; a FLAC decoder ignores them.
        (top / os.fsdecode(name)).write_bytes(whole + bytes(number + 1))
    receipt = deposit(top)
    assert len(receipt.items) == len(bad) + len(odd)
    refused = {item.path for item in receipt.items if item.refused}
    assert refused == {
        "new\\nline.flac",
        "bad \\udcff\\udcfe utf.flac",
        "\\x1b[31mred.flac",
        "null\\x7f.flac",
    }
    assert {code for codes in errors(receipt).values() for code in codes} == {"package.bad-name"}
    assert json.loads(msgspec.json.encode(receipt))
    (holding,) = archive.vault.holdings()
    assert len(holding.audio) == len(odd)
    for file in holding.audio:
        kept = file.path.removeprefix("audio/")
        assert "/" not in kept
        assert len(kept.encode()) <= NAME_BYTES_MAX + len("-9")


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "..\\x", "\u202egpj.flac", "CON:", "x" * 999]
)
def test_safe_names_are_safe(name: str) -> None:
    safe = portable_name(name)
    assert safe not in ("", ".", "..")
    assert not set(safe) & set('/\\:*?"<>|')
    assert safe.isprintable()
    assert len(safe.encode()) <= NAME_BYTES_MAX
    assert portable_name(safe) == safe


def test_what_is_no_file_is_named_and_left_alone(
    music: Music,
    tmp_path: Path,
    archive: Archive,
    deposit: Deposit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outside = music.file(tmp_path / "outside" / "secret.flac", 1)
    top = tmp_path / "d"
    music.file(top / "fine.flac", 2)
    (top / "link.flac").symlink_to(outside)
    (top / "away").symlink_to(outside.parent)
    (top / "dangling.flac").symlink_to(tmp_path / "nowhere")
    (top / "loop").symlink_to(top)
    os.mkfifo(top / "pipe.flac")
    monkeypatch.chdir(top)  # the name of a socket has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.flac")
        receipt = deposit(top)
    assert errors(receipt) == {
        "link.flac": {"package.symlink"},
        "away": {"package.symlink"},
        "dangling.flac": {"package.symlink"},
        "loop": {"package.symlink"},
        "pipe.flac": {"package.not-a-file"},
        "socket.flac": {"package.not-a-file"},
    }
    assert [item.path for item in receipt.items] == ["fine.flac"]
    assert not receipt.accepted
    assert archive.catalogue.count() == 1


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """In a process of its own that gives up being root, whom no permission stops."""
    top = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        (top / "closed.flac").write_bytes(b"x")
        (top / "closed").mkdir()
        (top / "closed" / "inside.flac").write_bytes(b"x")
        (top / "fine.flac").write_bytes(b"x")
        script = (
            "import os, sys\n"
            "from pathlib import Path\n"
            "from sonotheque.deposit.package import read_package\n"
            "if os.getuid() == 0:\n    os.setgid(65534); os.setuid(65534)\n"
            "package = read_package([Path(sys.argv[1])])\n"
            "print([file.name for file in package.files],"
            " sorted((f.where, f.code) for f in package.findings))\n"
        )
        top.chmod(0o755)
        (top / "closed.flac").chmod(0)
        (top / "closed").chmod(0)
        ran = subprocess.run(
            [sys.executable, "-c", script, str(top)], capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip() == (
            "['fine.flac'] "
            "[('closed', 'package.unreadable'), ('closed.flac', 'package.unreadable')]"
        )
    finally:
        (top / "closed").chmod(0o755)
        subprocess.run(["rm", "-r", str(top)], check=True)


def test_nothing_to_deposit(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "readme.txt").write_text("no music")
    (tmp_path / "beside" / "statements.toml").write_text("")
    for path in ("empty", "beside", "missing", "x" * 300, "missing\0null"):
        with pytest.raises(BadInput) as raised:
            read_package([tmp_path / path])
        assert raised.value.remedy
        assert "\0" not in raised.value.line()


def test_a_tag_of_50_mb(music: Music, tmp_path: Path, archive: Archive, deposit: Deposit) -> None:
    big = music.file(tmp_path / "big.mp3", 1, title="T" * 50_000_000, artist="A", license=CC_BY)
    receipt = deposit(big)
    assert errors(receipt) == {"big.mp3": {"tags.too-large"}}
    assert len(msgspec.json.encode(receipt)) < 100_000
    assert archive.catalogue.count() == 0


def test_files_that_broke_other_programs(
    shared_audio: Path, tmp_path: Path, archive: Archive, deposit: Deposit
) -> None:
    statements = tmp_path / "statements.toml"
    statements.write_text(
        '[[statement]]\nissuer = "The authors"\nevidence = "LICENSE"\nlicence = "MIT"\n'
    )
    receipt = deposit(shared_audio / "mediafile", statements=statements)
    assert len(receipt.items) > 50
    taken = {item.path for item in receipt.items if not item.refused}
    assert {"full.flac", "full.mp3", "full.m4a", "full.wv", "full.ogg", "empty.opus"} <= taken
    assert not [i.path for i in receipt.items if any("crash" in f.message for f in i.findings)]
