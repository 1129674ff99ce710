"""Durable writes: bytes before names, directories after names, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sonotheque.errors import BadInput, EnvironmentFailure, SonothequeError
from sonotheque.store import files

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]

BIG = os.urandom(3 * files.CHUNK_BYTES + 17)


def _create(base: Path) -> None:
    files.create(base / "new", BIG)
    files.sync_directory(base)


def _replace_new(base: Path) -> None:
    files.replace(base / "new", BIG)


def _replace_old(base: Path) -> None:
    files.replace(base / "old", BIG)


def _copy(base: Path) -> None:
    digest = files.copy(base / "old", base / "new")
    files.sync_directory(base)
    assert digest == hashlib.sha512(b"old bytes").hexdigest()


def _move(base: Path) -> None:
    files.move(base / "here" / "file", base / "there" / "file")


def _move_directory(base: Path) -> None:
    files.move(base / "here" / "tree", base / "there" / "tree")


def _sync_tree(base: Path) -> None:
    (base / "new" / "deep").mkdir(parents=True)
    files.create(base / "new" / "deep" / "file", b"leaf")
    files.create(base / "new" / "file", b"branch")
    files.sync_tree(base / "new")
    files.move(base / "new", base / "whole")


def _together(base: Path, number: int) -> None:
    """Nothing is synced but by the calls for all of it."""
    for leaf in range(number):
        files.make_directories(base / "new" / str(leaf))
        files.create(base / "new" / str(leaf) / "leaf", b"leaf", synced=False)
    files.copy(base / "old", base / "new" / "copy", synced=False)
    files.sync_together(files.tree(base / "new"))
    named = files.make_directories(base / "a" / "b")
    files.rename(base / "new", base / "a" / "b" / "whole")
    files.supersede(base / "a" / "b" / "whole" / "copy", base / "here" / "file")
    files.sync_together([base / "a" / "b", base / "a" / "b" / "whole", base / "here", *named])


def _few_together(base: Path) -> None:
    _together(base, 2)


def _many_together(base: Path) -> None:
    _together(base, files.ONE_BY_ONE_MAX)


def _make_directory(base: Path) -> None:
    files.make_directory(base / "a" / "b" / "c")
    files.replace(base / "a" / "b" / "c" / "file", b"leaf")


START = {
    "old": b"old bytes",
    "here/file": b"moved",
    "here/tree/deep/leaf": b"leaf",
    "there/other": b"other",
}
OPERATIONS: list[tuple[Callable[[Path], None], dict[str, bytes], set[str]]] = [
    (_create, {"new": BIG}, set()),
    (_replace_new, {"new": BIG}, set()),
    (_replace_old, {"old": BIG}, set()),
    (_copy, {"new": b"old bytes"}, set()),
    (_move, {"there/file": b"moved"}, {"here/file"}),
    (_move_directory, {"there/tree/deep/leaf": b"leaf"}, {"here/tree/deep/leaf"}),
    (_sync_tree, {"whole/deep/file": b"leaf", "whole/file": b"branch"}, set()),
    (_make_directory, {"a/b/c/file": b"leaf"}, set()),
    (
        _few_together,
        {"here/file": b"old bytes", **{f"a/b/whole/{leaf}/leaf": b"leaf" for leaf in range(2)}},
        set(),
    ),
    (
        _many_together,
        {
            "here/file": b"old bytes",
            **{f"a/b/whole/{leaf}/leaf": b"leaf" for leaf in range(files.ONE_BY_ONE_MAX)},
        },
        set(),
    ),
]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name, content in START.items():
        path = tmp_path / "base" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "base"


def _fresh(base: Path) -> None:
    subprocess.run(["rm", "-rf", base], check=True)
    for name, content in START.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(content)


@pytest.mark.parametrize(("operation", "added", "gone"), OPERATIONS)
def test_what_returned_survives_a_power_cut(
    base: Path, operation: Callable[[Path], None], added: dict[str, bytes], gone: set[str]
) -> None:
    with disk.Disk().watched(base) as watching:
        operation(base)
    expected = {name: bytes_ for name, bytes_ in (START | added).items() if name not in gone}
    assert watching.after_power_cut(base) == expected
    assert watching.violations == []


@pytest.mark.parametrize(("operation", "added", "gone"), OPERATIONS)
def test_every_single_fsync_counts(
    base: Path, operation: Callable[[Path], None], added: dict[str, bytes], gone: set[str]
) -> None:
    expected = {name: bytes_ for name, bytes_ in (START | added).items() if name not in gone}
    fault = 0
    while True:
        _fresh(base)
        with disk.Disk("forget", fault).watched(base) as watching:
            operation(base)
        if not watching.hit:
            break
        noticed = watching.violations or watching.after_power_cut(base) != expected
        assert noticed, f"fsync {fault} of {operation.__name__} could be deleted unnoticed"
        fault += 1
    assert fault > 0


def test_one_by_one_where_the_filesystem_promises_no_more(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_SYNCED_WHOLE", frozenset())
    fault = 0
    while True:
        _fresh(base)
        with disk.Disk("forget", fault).watched(base) as watching:
            _many_together(base)
        if not watching.hit:
            break
        fault += 1
    assert fault > 2 * files.ONE_BY_ONE_MAX
    assert watching.violations == []


@pytest.mark.parametrize("mode", ["die", "fail", "full"])
@pytest.mark.parametrize("old", [b"", b"old bytes"])
def test_replace_is_all_or_nothing(tmp_path: Path, mode: str, old: bytes) -> None:
    path = tmp_path / "file"
    fault = 0
    while True:
        for leftover in tmp_path.iterdir():
            leftover.unlink()
        if old:
            path.write_bytes(old)
        watching = disk.Disk(mode, fault)
        with watching.watched(tmp_path), contextlib.suppress(EnvironmentFailure, disk.Died):
            files.replace(path, BIG)
        assert (path.read_bytes() if path.exists() else b"") in (old, BIG)
        assert (watching.after_power_cut(tmp_path).get("file", b"")) in (old, BIG)
        if mode == "full":
            assert {name.name for name in tmp_path.iterdir()} <= {"file"}, "a leftover"
        if not watching.hit:
            assert path.read_bytes() == BIG
            break
        fault += 1
    assert fault >= 4


def test_create_and_copy_never_overwrite(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_bytes(b"mine")
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    for write in (lambda: files.create(taken, b"x"), lambda: files.copy(other, taken)):
        with pytest.raises(EnvironmentFailure, match="taken"):
            write()
    assert taken.read_bytes() == b"mine"


@pytest.mark.parametrize("taken", ["file", "directory", "dangling link"])
def test_move_never_overwrites(tmp_path: Path, taken: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    match taken:
        case "file":
            target.write_bytes(b"mine")
        case "directory":
            target.mkdir()
        case _:
            target.symlink_to("nowhere")
    with pytest.raises(EnvironmentFailure, match="File exists"):
        files.move(source, target)
    assert source.is_dir()


def test_replace_keeps_a_secret(tmp_path: Path) -> None:
    files.replace(tmp_path / "secret", b"x", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_remove_tree_of_what_is_gone_is_no_error(tmp_path: Path) -> None:
    files.remove_tree(tmp_path / "gone")
    (tmp_path / "a" / "b").mkdir(parents=True)
    files.remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_make_directory_again_is_no_error(tmp_path: Path) -> None:
    for _ in range(2):
        files.make_directory(tmp_path / "a" / "b")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SonothequeError):
        files.make_directory(tmp_path / "file" / "b")


# What the operating system refuses comes out as one line that says what, where and the remedy.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a really full disk; mounting one needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"NOT TESTED: a really full disk; mount says {mounted.stderr!r}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    kept = small_disk / "kept"
    files.replace(kept, b"kept")
    source = tmp_path / "source"
    source.write_bytes(BIG)
    attempts: list[Callable[[], object]] = [
        lambda: files.create(small_disk / "new", BIG),
        lambda: files.replace(kept, BIG),
        lambda: files.copy(source, small_disk / "copy"),
    ]
    for attempt in attempts:
        for leftover in ("new", "copy"):
            (small_disk / leftover).unlink(missing_ok=True)
        with pytest.raises(EnvironmentFailure) as caught:
            attempt()
        assert "disk is full" in caught.value.line()
        assert str(small_disk) in caught.value.where
        assert "\n" not in caught.value.line()
    assert kept.read_bytes() == b"kept"
    assert [path.name for path in small_disk.glob(".*")] == []


def test_a_read_only_disk(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    attempts: list[Callable[[], object]] = [
        lambda: files.replace(small_disk / "file", b"x"),
        lambda: files.create(small_disk / "file", b"x"),
        lambda: files.make_directory(small_disk / "directory"),
    ]
    for attempt in attempts:
        with pytest.raises(EnvironmentFailure, match="permission denied"):
            attempt()


def test_a_source_that_cannot_be_read_is_the_one_that_is_named(tmp_path: Path) -> None:
    source = Path("/proc/self/mem")  # its first page is not mapped: read(2) says EIO
    attempts: list[Callable[[], object]] = [
        lambda: files.copy(source, tmp_path / "copy"),
        lambda: files.sha512_of(source),
    ]
    for attempt in attempts:
        with pytest.raises(EnvironmentFailure, match="the disk failed") as caught:
            attempt()
        assert caught.value.where == str(source)


@pytest.mark.parametrize(
    ("number", "kind", "what"),
    [
        (errno.ENOSPC, EnvironmentFailure, "full"),
        (errno.EDQUOT, EnvironmentFailure, "full"),
        (errno.EACCES, EnvironmentFailure, "permission"),
        (errno.EROFS, EnvironmentFailure, "permission"),
        (errno.EIO, EnvironmentFailure, "failed to read or write"),
        (errno.EMFILE, EnvironmentFailure, "open files"),
        (errno.ENAMETOOLONG, BadInput, "name is too long"),
    ],
)
def test_a_failing_fsync_is_reported(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[SonothequeError],
    what: str,
) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=what) as caught:
        files.replace(tmp_path / "file", b"new")
    assert str(tmp_path / "file")[:80] in caught.value.line()
    assert caught.value.remedy
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(kind, match=what):
        files.sync_directory(tmp_path)


def test_a_missing_source_and_a_long_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        files.copy(tmp_path / "missing", tmp_path / "copy")
    with pytest.raises(BadInput, match="too long"):
        files.create(tmp_path / ("x" * 300), b"")
    with pytest.raises(BadInput, match="does not exist"):
        files.sha512_of(tmp_path / "missing")


# One writer at a time.

_TRY = """
import sys
from pathlib import Path
from sonotheque.errors import EnvironmentFailure
from sonotheque.store import files
try:
    with files.exclusive(Path(sys.argv[1])):
        print("mine")
except EnvironmentFailure as error:
    print(error.line())
"""


def _another_process(lock: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", _TRY, lock], capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_exclusive_refuses_a_second_writer(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with files.exclusive(lock):
        refused = _another_process(lock)
        assert "another sonotheque is writing" in refused
        assert refused.count("\n") == 1
        with pytest.raises(EnvironmentFailure, match="another"), files.exclusive(lock):
            pass
    assert _another_process(lock) == "mine\n"


def test_exclusive_ends_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), files.exclusive(tmp_path / ".lock"):
        raise ZeroDivisionError
    assert _another_process(tmp_path / ".lock") == "mine\n"


def test_sha512_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BIG)
    assert files.sha512_of(tmp_path / "file") == hashlib.sha512(BIG).hexdigest()


def test_a_digest_is_that_of_the_bytes_by_any_algorithm(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # RFC 1321, appendix A.5, and FIPS 180's example.
    assert files.digest_of(tmp_path / "a", "md5") == "900150983cd24fb0d6963f7d28e17f72"
    assert files.sha512_of(tmp_path / "a").startswith("ddaf35a193617abacc417349ae204131")


def test_a_name_that_is_no_text_can_be_written() -> None:
    assert files.text_of(Path("é") / os.fsdecode(b"\xff.mp3")) == "é/\\udcff.mp3"
