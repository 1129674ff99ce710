"""Bags: those of the Library of Congress's suite, and those that we make ourselves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import bagit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.archive import Archive
from sonotheque.deposit.bag import Bag, is_bag, read_bag
from sonotheque.deposit.bag_text import VERSIONS
from sonotheque.deposit.package import read_package
from sonotheque.deposit.recovery import rebuild
from sonotheque.model.findings import Severity
from sonotheque.model.holdings import ItemStatus, Receipt

SUITE = Path(__file__).parents[3] / "shared" / "data" / "conformance" / "bagit-suite"
EMPTY_SHA512 = hashlib.sha512(b"").hexdigest()
CC_BY = "https://creativecommons.org/licenses/by/4.0/"

# Bags that a directory listing cannot hold: the suite was made where names differ in other ways.
INCOMPLETE_HERE = {
    "v0.97/warning/duplicate-file-with-different-case": "lists HELLO.txt, which is hello.txt on a"
    " disk that ignores case, and missing on one that does not",
    "v0.97/warning/special-system-files": "its .DS_Store is lost in most copies of the suite",
}
# What each invalid bag of the suite is refused for.
REASONS = {
    "baginfo-missing-encoding": "bag.declaration",
    "bom-in-bagit.txt": "bag.declaration",
    "corrupt-data-file": "bag.oxum",
    "corrupt-tag-file": "bag.digest",
    "extra-file-in-bag": "bag.file-unlisted",
    "invalid-version-number": "bag.version",
    "missing-baginfo": "bag.file-missing",
    "bagit-with-invalid-whitespace": "bag.declaration",
    "notAllManifestsListAllFiles": "bag.file-unlisted",
    "same-filename-listed-twice-with-different-hashes": "bag.listed-twice",
    "same-filename-listed-twice-with-the-same-hash": "bag.listed-twice",
}


class Music(Protocol):
    def file(self, path: Path, seed: int, **tags: Any) -> Path: ...
    def bare(self, path: Path, seed: int) -> Path: ...


def codes(bag: Bag, severity: Severity = Severity.ERROR) -> set[str]:
    for finding in bag.findings:
        assert finding.message and finding.remedy
        assert finding.where.isprintable()
    return {finding.code for finding in bag.findings if finding.severity is severity}


def suite() -> list[Path]:
    return sorted(path for path in SUITE.glob("v*/*/*") if path.is_dir())


def test_the_suite_is_here() -> None:
    if not SUITE.is_dir():
        pytest.skip("NOT TESTED: ../shared/data/conformance/bagit-suite is not here")
    assert len(suite()) > 50


@pytest.mark.parametrize("path", suite(), ids=lambda path: path.relative_to(SUITE).as_posix())
def test_the_suite_agrees(path: Path) -> None:
    """`valid` and `warning` bags are taken, the latter with a warning; all others are not, those
    for Windows only included: what leads out of a bag there has no business in one here."""
    name = path.relative_to(SUITE).as_posix()
    bag = read_bag(path)
    match path.parent.name:
        case _ if name in INCOMPLETE_HERE:
            assert "bag.file-missing" in codes(bag)
        case "valid" | "warning":
            assert codes(bag) == set()
            assert path.parent.name == "valid" or codes(bag, Severity.WARNING)
        case "invalid" if path.name == "missing-bagit.txt":
            assert not is_bag(path)
        case "invalid" if not path.name.startswith("out-of-scope"):
            # A 1.0 declaration with a space after its version is refused for that already.
            assert codes(bag) & {REASONS[path.name], "bag.declaration"}
        case _:
            assert codes(bag) & {"bag.path", "bag.file-missing"}
    if not bag.valid:
        assert bag.tag_files == ()


def test_the_suites_system_files(tmp_path: Path) -> None:
    source = SUITE / "v0.97/warning/special-system-files"
    if not source.is_dir():
        pytest.skip("NOT TESTED: the suite is not here")
    copy = shutil.copytree(source, tmp_path / "bag", copy_function=shutil.copyfile)
    copy.joinpath("data").chmod(0o755)
    (copy / "data/.DS_Store").touch()
    bag = read_bag(copy)
    assert (codes(bag), codes(bag, Severity.WARNING)) == (set(), {"bag.system-file"})


def make(
    path: Path,
    payload: dict[str, bytes],
    *,
    version: str = "1.0",
    algorithm: str = "sha512",
    tags: dict[str, bytes] | None = None,
    encoding: str = "UTF-8",
) -> Path:
    """A bag made by hand, so that a test can break any part of it; names are listed as they are."""

    def lines(of: dict[str, bytes]) -> bytes:
        text = "".join(
            f"{hashlib.new(algorithm, content).hexdigest()}  {name}\n"
            for name, content in of.items()
        )
        return text.encode(encoding)

    declaration = f"BagIt-Version: {version}\nTag-File-Character-Encoding: {encoding}\n"
    top = {
        "bagit.txt": declaration.encode(),
        f"manifest-{algorithm}.txt": lines({f"data/{n}": c for n, c in payload.items()}),
        **(tags or {}),
    }
    top[f"tagmanifest-{algorithm}.txt"] = lines(top)
    (path / "data").mkdir(parents=True)
    for name, content in {**top, **{f"data/{n}": c for n, c in payload.items()}}.items():
        actual = path / name.replace("%25", "%").replace("%0A", "\n").replace("%0D", "\r")
        actual.parent.mkdir(parents=True, exist_ok=True)
        actual.write_bytes(content)
    return path


def test_a_bag_that_we_make(tmp_path: Path) -> None:
    info = b"Source-Organization: Radio\nPayload-Oxum: 3.2\n"
    path = make(
        tmp_path / "b", {"a.wav": b"a", "é/b": b"bb"}, tags={"bag-info.txt": info, "m/x.xml": b"x"}
    )
    bag = read_bag(path)
    assert bag.findings == ()
    assert [file.name for file in bag.tag_files][:2] == ["bag-info.txt", "bagit.txt"]
    assert {file.name for file in bag.tag_files} >= {"m/x.xml", "manifest-sha512.txt"}
    assert bagit.Bag(str(path)).is_valid()


Break = Callable[[Path], object]


def _append(name: str, text: str) -> Break:
    def change(bag: Path) -> None:
        with (bag / name).open("a", encoding="utf-8") as file:
            file.write(text)
        for manifest in bag.glob("tagmanifest-*"):
            manifest.unlink()

    return change


def _write(name: str, content: bytes) -> Break:
    def change(bag: Path) -> None:
        (bag / name).write_bytes(content)
        for manifest in bag.glob("tagmanifest-*"):
            manifest.unlink()

    return change


def _entry(path: str) -> Break:
    return _append("manifest-sha512.txt", f"{EMPTY_SHA512}  {path}\n")


def _fetch(line: str) -> Break:
    return _write("fetch.txt", line.encode())


def _link(name: str, target: str) -> Break:
    def change(bag: Path) -> None:
        if (bag / name).exists():
            (bag / name).rename(bag / target)
        (bag / name).symlink_to(target)

    return change


def _touch(*names: str) -> Break:
    def change(bag: Path) -> None:
        for name in names:
            (bag / name).touch()

    return change


def _sibling(bag: Path) -> None:
    """`../b-2/data` begins with the bag's own path, if paths are compared as text."""
    outside = bag.with_name(f"{bag.name}-2")
    (outside / "data").mkdir(parents=True)
    (outside / "data/x").touch()
    _entry(f"../{outside.name}/data/x")(bag)


BROKEN: list[tuple[str, str, Break]] = [
    ("a payload file is changed", "bag.digest", lambda b: (b / "data/a.wav").write_bytes(b"b")),
    ("a payload file is lost", "bag.file-missing", lambda b: (b / "data/a.wav").unlink()),
    ("a payload file is added", "bag.file-unlisted", _touch("data/z")),
    ("a tag file is changed", "bag.digest", lambda b: (b / "notes.txt").write_bytes(b"b")),
    ("a tag file is lost", "bag.file-missing", lambda b: (b / "notes.txt").unlink()),
    ("no payload", "bag.no-payload", lambda b: shutil.rmtree(b / "data")),
    ("no manifest", "bag.no-manifest", lambda b: (b / "manifest-sha512.txt").unlink()),
    ("an unknown digest", "bag.algorithm", _write("manifest-crc32.txt", b"")),
    ("a digest that is a variable length", "bag.algorithm", _write("manifest-shake_128.txt", b"")),
    ("a second manifest that lacks a file", "bag.file-unlisted", _write("manifest-md5.txt", b"")),
    ("no declaration", "bag.declaration", _write("bagit.txt", b"")),
    ("a declaration that goes on", "bag.declaration", _append("bagit.txt", "Bag: yes\n")),
    ("a declaration that is no text", "bag.declaration", _write("bagit.txt", b"\xff" * 40)),
    *(
        (f"version {version}", "bag.version", _write("bagit.txt", text.encode()))
        for version in ("2.0", "0.92", "0.98", "1.1", "1.", "10")
        if (text := f"BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n")
    ),
    *(
        (f"encoding {encoding}", "bag.encoding", _write("bagit.txt", text.encode()))
        for encoding in ("none", "rot13", "zlib", "undefined", "a\0b")
        if (text := f"BagIt-Version: 1.0\nTag-File-Character-Encoding: {encoding}\n")
    ),
    ("text of another encoding", "bag.encoding", _write("manifest-sha512.txt", b"\xe9\xff\n")),
    ("a line that is none", "bag.line", _append("manifest-sha512.txt", "hello\n")),
    ("a digest that is too short", "bag.line", _append("manifest-sha512.txt", "ab12  data/a\n")),
    ("a line without end", "bag.line", _append("manifest-sha512.txt", "a" * 100_000)),
    *(
        (f"path {path!r}", "bag.path", _entry(path))
        for path in (
            "data/../../../etc/passwd", "/etc/passwd", "~/x", "~root/x", "../x", "data/", "data//x",
            "data/./x", "data", "C:\\x", "\\\\server\\x", "data\\x", "notes.txt", "data/a\0b",
            "././data/x", "data/..", "%HomeDrive%/x",
        )
    ),
    ("a path to a neighbour", "bag.path", _sibling),
    ("a payload file in the tag manifest", "bag.path",
     lambda b: (b / "tagmanifest-sha512.txt").write_text(f"{EMPTY_SHA512}  data/a.wav\n")),
    ("a file listed twice", "bag.listed-twice",
     lambda b: (b / "manifest-sha512.txt").write_text(
         (b / "manifest-sha512.txt").read_text() * 2)),
    ("a file that is elsewhere", "bag.not-fetched", _fetch("http://127.0.0.1:1/x 3 data/x\n")),
    ("a fetch that leads out", "bag.path", _fetch("http://127.0.0.1:1/x - ../x\n")),
    ("a fetch of a tag file", "bag.path", _fetch("http://127.0.0.1:1/x - notes.txt\n")),
    ("a fetch that is none", "bag.line", _fetch("data/x\n")),
    ("a link", "package.symlink", _link("data/l", "/etc/passwd")),
    ("a link to a directory", "package.symlink", _link("l", "data")),
    ("a linked declaration", "package.symlink", _link("bagit.txt", "c")),
    ("a pipe", "package.not-a-file", lambda b: os.mkfifo(b / "data/p")),
    ("a wrong Oxum", "bag.oxum", _write("bag-info.txt", b"Payload-Oxum: 9.1\n")),
    ("an Oxum that is none", "bag.oxum", _write("bag-info.txt", b"Payload-Oxum: many.one\n")),
    ("an Oxum without count", "bag.tag-file", _write("bag-info.txt", b"Payload-Oxum: 1\n")),
    ("labels that are none", "bag.tag-file", _write("bag-info.txt", b"hello\n")),
    ("endless labels", "bag.tag-file", _write("bag-info.txt", b"A: b\n" * 300_000)),
    ("two names that are one", "bag.names-alike", _touch("data/e\u0301", "data/\u00e9")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "code", "change"), BROKEN, ids=[what for what, _, _ in BROKEN])
def test_a_bag_that_is_not_whole_is_refused(
    tmp_path: Path, what: str, code: str, change: Break, caplog: pytest.LogCaptureFixture
) -> None:
    path = make(tmp_path / "b", {"a.wav": b"a"}, tags={"notes.txt": b"n"})
    assert read_bag(path).valid
    change(path)
    bag = read_bag(path)
    assert code in codes(bag)
    assert bag.tag_files == ()
    package = read_package([path])
    assert package.files == ()
    assert code in {finding.code for finding in package.findings}
    assert caplog.records == []


def test_a_line_without_end_is_read_no_further(tmp_path: Path) -> None:
    path = make(tmp_path / "b", {"a.wav": b"a"})
    _append("manifest-sha512.txt", "a" * 100_000)(path)
    assert [one.message for one in read_bag(path).findings] == ["has a line that has no end"]


def test_many_errors_are_cut_short_and_many_warnings_hide_none(tmp_path: Path) -> None:
    path = make(tmp_path / "many", {"a": b"a"})
    _append("manifest-sha512.txt", "hello\n" * 5_000)(path)
    assert len(read_bag(path).findings) == 100
    names = {f"data/{number}": b"" for number in range(300)}
    path = make(tmp_path / "warned", {name.removeprefix("data/"): b"" for name in names})
    manifest = path / "manifest-sha512.txt"
    _write(manifest.name, manifest.read_bytes().replace(b"  data", b"  ./data"))(path)
    assert codes(read_bag(path)) == set()
    (path / "data/299").write_bytes(b"changed")
    assert codes(read_bag(path)) == {"bag.digest"}


@pytest.mark.parametrize("version", VERSIONS)
def test_escaped_names(tmp_path: Path, version: str) -> None:
    """Line ends are escaped in every version; the percent sign in 1.0 alone."""
    path = make(tmp_path / "b", {"a%0Ab%0Dc": b"1", "d%25": b"2"}, version=version)
    if version != "1.0":
        assert "bag.file-missing" in codes(read_bag(path))
        (path / "data/d%").rename(path / "data/d%25")
    assert codes(read_bag(path)) == set()
    (path / "data/a\nb\rc").write_bytes(b"3")
    assert codes(read_bag(path)) == {"bag.digest"}


@pytest.mark.parametrize("version", VERSIONS)
def test_tag_manifests_count_in_every_version(tmp_path: Path, version: str) -> None:
    path = make(tmp_path / "b", {"a": b"a"}, version=version, tags={"notes.txt": b"n"})
    assert read_bag(path).valid
    (path / "notes.txt").write_bytes(b"m")
    assert codes(read_bag(path)) == {"bag.digest"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/%\\"),
                min_size=1, max_size=30).filter(
            lambda n: n not in (".", "..") and len(n.encode()) < 200 and n.strip() == n),
        min_size=1, max_size=4, unique_by=lambda n: n.casefold()),
    encoding=st.sampled_from(["UTF-8", "UTF-16"]),
)  # fmt: skip
def test_any_name_can_be_listed(tmp_path: Path, names: list[str], encoding: str) -> None:
    path = tmp_path / "b"
    shutil.rmtree(path, ignore_errors=True)
    make(path, {name: name.encode() for name in names}, encoding=encoding)
    errors = codes(read_bag(path))
    alike = len({bagit.normalize_unicode(name) for name in names}) < len(names)
    assert errors == ({"bag.names-alike"} if alike else set())


# From a bag to a holding.


def test_a_bag_is_deposited_with_what_it_says_of_itself(
    archive: Archive, deposit: Callable[..., Receipt], music: Music, tmp_path: Path
) -> None:
    source = tmp_path / "my bag"
    music.file(source / "one.flac", 1)
    music.bare(source / "sub/two.wav", 2)
    (source / "statements.toml").write_text(
        '[[statement]]\nissuer = "X"\nlicence = "CC0-1.0"\nevidence = "e"\nfiles = ["sub/*"]\n'
    )
    bagit.make_bag(
        str(source),
        {"Source-Organization": "Radio Anna", "Contact-Name": "Anna"},
        checksums=["md5"],
    )
    receipt = deposit(source)
    assert [(item.path, item.status) for item in receipt.items] == [
        ("one.flac", ItemStatus.DEPOSITED),
        ("sub/two.wav", ItemStatus.DEPOSITED),
    ]
    assert receipt.source == "my bag"
    for item in receipt.items:
        assert item.holding
        for root in archive.roots:
            place = f"deposits/{receipt.deposit}/bag/my bag"
            assert b"Radio Anna" in root.read(item.holding, f"{place}/bag-info.txt")
            assert root.read(item.holding, f"{place}/manifest-md5.txt")
    archive.close()
    rebuilt = rebuild(archive.config.directory)
    assert (rebuilt.recordings, rebuilt.receipts) == (2, 1)


def test_nothing_is_written_of_a_bag_that_is_not_whole(
    archive: Archive,
    deposit: Callable[..., Receipt],
    music: Music,
    tmp_path: Path,
    kept: Callable[[Archive], dict[str, bytes]],
) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    music.file(whole / "one.flac", 1)
    music.file(torn / "two.flac", 2)
    for path in (whole, torn):
        bagit.make_bag(str(path))
    with (torn / "data/two.flac").open("ab") as file:
        file.write(b"\0")
    before = kept(archive)
    receipt = deposit(torn)
    assert (receipt.items, receipt.accepted) == ((), False)
    assert {finding.code for finding in receipt.findings} == {"bag.oxum"}
    assert kept(archive) == before
    receipt = deposit(whole, torn)
    assert [item.path for item in receipt.items] == ["whole/one.flac"]
    assert not receipt.accepted


def test_large_tag_files_are_left_out(
    archive: Archive, deposit: Callable[..., Receipt], music: Music, tmp_path: Path
) -> None:
    source = tmp_path / "b"
    music.file(source / "one.flac", 1)
    bagit.make_bag(str(source), {"Source-Organization": "Radio Anna"})
    (source / "scan.tif").write_bytes(bytes(300_000))
    (source / "a:b.txt").write_bytes(b"1")
    (source / "a?b.txt").write_bytes(b"2")
    receipt = deposit(source)
    assert receipt.accepted
    left_out = [f.where for f in receipt.findings if f.code == "bag.tag-file-left-out"]
    assert left_out == ["b/a?b.txt", "b/scan.tif"]
    (item,) = receipt.items
    assert item.holding
    paths = {path.rsplit("/b/", 1)[-1] for path in archive.vault.required(item.holding).state()}
    assert {"a_b.txt", "bag-info.txt"} <= paths
    assert "scan.tif" not in paths
    json.dumps([finding.where for finding in receipt.findings])
