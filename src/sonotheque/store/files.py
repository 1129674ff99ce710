"""Durable writes: what these functions return from is on the disk, not on its way there.

Three rules, each of which the tests break on purpose: bytes are synced before the name that
leads to them; a directory is synced after a name in it changed; nothing is ever visible under
its final name before it is whole. Where many files go together, those functions that say so
leave the syncing to their caller, which does it for all of them by `sync_together`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

from sonotheque.errors import BadInput, EnvironmentFailure, SonothequeError

CHUNK_BYTES = 1 << 20
NAME_BYTES_MAX = 120
ONE_BY_ONE_MAX = 24
"""Of so many paths, each is synced: to sync a filesystem also waits for what others wrote to it."""
_LOCK_POLL_SECONDS = 0.02
# Names that open a device rather than a file where Windows reads them.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)
# Filesystems of which syncfs(2) promises what fsync(2) of every file does, by the type that
# statfs(2) gives: bcachefs, btrfs, ext2 to ext4, F2FS, tmpfs, XFS, ZFS. On FUSE and SMB it does
# not reach through to the disk.
_SYNCED_WHOLE = frozenset(
    {0xCA451A4E, 0x9123683E, 0xEF53, 0xF2F52010, 0x01021994, 0x58465342, 0x2FC12FC1}
)
_STATFS_BYTES = 256
_LIBC = ctypes.CDLL(None, use_errno=True)
_SYNCFS = _LIBC.syncfs
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp", re.DOTALL)


class Blocks(Protocol):
    """Gives the bytes of something, from byte `first` on, in blocks of bounded size."""

    def __call__(self, *, first: int = 0, byte_count: int | None = None) -> Iterator[bytes]: ...


def create(path: Path, content: bytes, *, synced: bool = True) -> None:
    """Write `content` to a new file and sync it, unless the caller does. The caller syncs the
    directory."""
    with _reported(path), _new_file(path) as descriptor:
        _write_all(descriptor, content)
        if synced:
            os.fsync(descriptor)


def replace(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Make `path` hold `content`, whole or not at all, and sync file and directory."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with _reported(path):
        try:
            with _new_file(temporary, mode) as descriptor:
                _write_all(descriptor, content)
                os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    sync_directory(path.parent)


def append_line(path: Path, line: bytes, *, mode: int = 0o644) -> None:
    """Add `line`, which holds no line break, to the file `path`, and sync it; a line that a process
    that died left unended is ended first. One writer at a time is the caller's business."""
    with _reported(path):
        made = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            _write_all(descriptor, (b"\n" if torn else b"") + line + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    if made:
        sync_directory(path.parent)


def leftovers(directory: Path) -> list[Path]:
    """What `replace` left in `directory` when its process died."""
    with _reported(directory), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [path for path in directory.iterdir() if _TEMPORARY.fullmatch(path.name)]
    return []


def copy(source: Path, target: Path, *, synced: bool = True) -> str:
    """Copy `source` to the new file `target` and sync it, unless the caller does; the SHA-512
    of the bytes written.

    The caller syncs the directory, and compares the digest with the one it expects.
    """
    # Opened before the target is made, so that a missing source leaves nothing behind.
    with _reported(source), source.open("rb", buffering=0) as reader:
        return write(target, _read_blocks(reader, source), synced=synced)


def write(target: Path, blocks: Iterable[bytes], *, synced: bool = True) -> str:
    """Write `blocks` to the new file `target` and sync it, unless the caller does; the SHA-512
    of the bytes written.

    As for `copy`, the directory and the digest are the caller's business.
    """
    digest = hashlib.sha512()
    with _reported(target), _new_file(target) as descriptor:
        for block in blocks:
            digest.update(block)
            _write_all(descriptor, block)
        if synced:
            os.fsync(descriptor)
    return digest.hexdigest()


def blocks(path: Path, *, first: int = 0, byte_count: int | None = None) -> Iterator[bytes]:
    """The bytes of the file, from byte `first` on, in blocks of CHUNK_BYTES at most."""
    with _reported(path), path.open("rb", buffering=0) as reader:
        reader.seek(first)
        yield from _read_blocks(reader, path, byte_count)


@contextlib.contextmanager
def unnamed(directory: Path, content: Iterable[bytes]) -> Iterator[int]:
    """The descriptor of a file in `directory` that holds `content`, has no name, and is gone
    when the context ends."""
    with contextlib.ExitStack() as stack:
        with _reported(directory):
            file = stack.enter_context(tempfile.TemporaryFile(dir=directory, buffering=0))
            for block in content:
                _write_all(file.fileno(), block)
            file.seek(0)
        yield file.fileno()


def move(source: Path, target: Path) -> None:
    """Rename `source` (whose contents are synced) to the new name `target`, durably."""
    rename(source, target)
    sync_directory(target.parent)
    if source.parent != target.parent:
        sync_directory(source.parent)


def rename(source: Path, target: Path) -> None:
    """Rename `source` (whose contents are synced) to the new name `target`. The caller syncs
    the directories."""
    with _reported(target):
        # rename(2) replaces an empty directory in silence: a name, once taken, must stay taken.
        if target.exists() or target.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)


def supersede(source: Path, target: Path) -> None:
    """Put the file `source`, which is synced, in the place of the file `target`. The caller
    syncs the directories."""
    with _reported(target):
        source.replace(target)


def make_directory(path: Path) -> None:
    """Make `path` and its missing parents, each synced into its parent."""
    for directory in _made(path):
        sync_directory(directory.parent)


def make_directories(path: Path) -> set[Path]:
    """Make `path` and its missing parents; the directories that got a name, which the caller
    syncs."""
    return {directory.parent for directory in _made(path)}


def _made(path: Path) -> Iterator[Path]:
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        with _reported(directory):
            directory.mkdir(exist_ok=True)
        yield directory


@contextlib.contextmanager
def opened(path: Path, flags: int = 0) -> Iterator[int]:
    """The descriptor of the file or directory `path`, to be read or synced."""
    with _reported(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def sync_file(path: Path) -> None:
    """Sync a file that something else has written."""
    with opened(path) as descriptor:
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    with opened(path, os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def sync_tree(path: Path) -> None:
    """Sync `path` and every directory below it, deepest first (files were synced when made)."""
    for directory, _, _ in os.walk(path, topdown=False):
        sync_directory(Path(directory))


def sync_together(paths: Iterable[Path]) -> None:
    """Sync `paths`, files and directories of one filesystem, in no order: what must be on the
    disk before something else is synced by a call of its own.

    Many of them are synced by one call for the filesystem, where it does as much.
    """
    waiting = iter(paths)
    first = [*islice(waiting, ONE_BY_ONE_MAX + 1)]
    if len(first) > ONE_BY_ONE_MAX:
        with opened(first[0]) as descriptor:
            if is_synced_whole(descriptor):
                syncfs(descriptor)
                return
    for path in chain(first, waiting):
        with opened(path) as descriptor:
            os.fsync(descriptor)


def syncfs(descriptor: int) -> None:
    """Sync everything that was written to the filesystem which this open file stands on:
    syncfs(2), which `os` lacks."""
    if _SYNCFS(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def is_synced_whole(descriptor: int) -> bool:
    """Whether `syncfs` does as much for the filesystem that this open file stands on as fsync(2)
    of every file on it."""
    status = ctypes.create_string_buffer(_STATFS_BYTES)
    if _LIBC.fstatfs(descriptor, status):
        return False
    # The type is the first field.
    return ctypes.c_ulong.from_buffer(status).value in _SYNCED_WHOLE


def tree(path: Path) -> Iterator[Path]:
    """`path`, and every directory and file below it."""
    for directory, _, names in os.walk(path):
        yield Path(directory)
        yield from (Path(directory, name) for name in names)


def remove_tree(path: Path) -> None:
    """Remove a directory that nothing leads to any more; not an error where it is gone."""
    with _reported(path), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def portable_name(name: str) -> str:
    """`name` as a file name that every system takes and shows, at most NAME_BYTES_MAX of UTF-8."""
    composed = unicodedata.normalize("NFC", name)
    kept = "".join(c if c.isprintable() and c not in '/\\:*?"<>|\ufffd' else "_" for c in composed)
    kept = kept.strip(" .") or "_"
    if kept.split(".", 1)[0].rstrip().casefold() in _DEVICES:
        kept = f"_{kept}"
    stem, suffix = Path(kept).stem, Path(kept).suffix
    if len(suffix.encode()) > 8:
        stem, suffix = kept, ""
    room = NAME_BYTES_MAX - len(suffix.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + suffix


def text_of(name: Path | str) -> str:
    """`name` as it can be written: on the disk it need not be Unicode."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def sha512_of(path: Path) -> str:
    """SHA-512 of the file's bytes as the disk gives them now, hexadecimal."""
    return digest_of(path, "sha512")


def digest_of(path: Path, algorithm: str) -> str:
    """The same by an `algorithm` of hashlib's, against accidents: MD5 and SHA-1 keep out nobody."""
    with _reported(path), path.open("rb") as reader:
        return hashlib.file_digest(
            reader, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def fresh_blocks(path: str) -> Iterator[bytes]:
    """The bytes of the file, in blocks of CHUNK_BYTES at most, as the disk gives them now: what
    the page cache has of it is dropped first. Raises BadInput for what is no file."""
    try:
        # O_NONBLOCK, so that a pipe in the place of a file is not waited for.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags)
    except OSError as error:
        raise explain(error, Path(path)) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput("is not a file", where=path, remedy="move it out of the way")
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        # One byte more than there is: the end of a small file is seen by its first read.
        size, left = min(status.st_size + 1, CHUNK_BYTES), status.st_size
        while block := os.read(descriptor, size):
            yield block
            left -= len(block)
            if left == 0:
                break
    except OSError as error:
        raise explain(error, Path(path)) from error
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(
    path: Path,
    *,
    wait_seconds: float = 0,
    stopped: Callable[[], bool] = lambda: False,
    busy: str = "another sonotheque is writing to this archive",
) -> Iterator[None]:
    """Hold the lock file `path`: one writer at a time.

    Raises EnvironmentFailure, saying that it is `busy`, where it is still taken after
    `wait_seconds` or when waiting is `stopped`.
    """
    with _reported(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _locked(descriptor):
            if time.monotonic() >= deadline or stopped():
                raise EnvironmentFailure(
                    busy,
                    where=str(path.parent),
                    remedy="wait for it to end, then run the command again",
                )
            time.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _new_file(path: Path, mode: int = 0o644) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read_blocks(reader: FileIO, source: Path, byte_count: int | None = None) -> Iterator[bytes]:
    # A failing read(2) names no file: say here that it was not the target's disk.
    left = byte_count
    while left is None or left > 0:
        with _reported(source):
            block = reader.read(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
        if not block:
            return
        left = None if left is None else left - len(block)
        yield block


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into this package's errors."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def explain(error: OSError, path: Path) -> SonothequeError:
    """The operating system's `error` about `path` as one of ours, with its remedy."""
    where = str(error.filename or path)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return EnvironmentFailure(
                "the disk is full",
                where=where,
                remedy="free some space and run the same command again: it goes on from there",
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return EnvironmentFailure(
                "permission denied", where=where, remedy="give this user access to it"
            )
        case errno.ENOENT | errno.ENOTDIR:
            return BadInput("does not exist", where=where, remedy="check the path")
        case errno.ENAMETOOLONG:
            return BadInput("the name is too long", where=where[:80], remedy="shorten it")
        case errno.EIO:
            return EnvironmentFailure(
                "the disk failed to read or write",
                where=where,
                remedy="check the disk, then run `sonotheque audit`",
            )
        case _:
            return EnvironmentFailure(
                error.strerror or str(error), where=where, remedy="see that path's disk and rights"
            )
