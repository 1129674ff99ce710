"""A disk that can lose power or stop: what tests of durable writes watch.

`Disk` stands at the border to the operating system. It lets every call through to the real
filesystem and keeps beside it what a power cut would leave: the bytes of the files and the names
in the directories as of their last sync. It can forget one sync, fail one call, or die at one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sonotheque.store import files

CALLS = ("open", "write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir")
SYNCING = ("fsync", "syncfs")


class Died(BaseException):
    """The process is dead; no `except Exception` of the code under test sees it."""


class Disk:
    """`fault` numbers the call (from 0) that does not happen.

    `mode` says how: "forget" drops that sync (only syncs are counted), "fail" raises ENOSPC
    once, "full" raises it from then on for whatever needs room, "die" ends everything from
    that call on. A write that does not happen writes half of its bytes.
    """

    def __init__(self, mode: str = "", fault: int = -1) -> None:
        self.mode = mode
        self.fault = fault
        self.count = 0
        self.hit = False
        self.violations: list[str] = []
        self._base = Path()
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}

    @contextmanager
    def watched(self, base: Path) -> Iterator[Disk]:
        """Watch `base`, all of which counts as synced now."""
        self._base = base
        self._sync_all()
        with self._patched():
            yield self

    @contextmanager
    def restarted(self) -> Iterator[Disk]:
        """Watch on, without faults, in what counts as another process: what the one that died
        did not sync is as little synced as before."""
        self.mode, self.hit, self.fault = "", False, -1
        with self._patched():
            yield self

    @contextmanager
    def _patched(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
            patch.setattr(files, "syncfs", self._wrapped("syncfs", files.syncfs))
            yield

    def after_power_cut(self, base: Path) -> dict[str, bytes]:
        """Path below `base` → bytes, of the files that a power cut would leave."""
        return dict(self._files(base.stat().st_ino, ""))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if self.mode == "forget":
                if name in SYNCING:
                    self.count += 1
                    if self.count - 1 == self.fault:
                        self.hit = True
                        return None
            elif self._refuses(name, arguments):
                if name == "write":
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                if self.mode == "die":
                    raise Died
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if name in ("rename", "replace"):
                self._check_synced(Path(arguments[0]), Path(arguments[1]))
                self._check_order(Path(arguments[0]), Path(arguments[1]))
            if name == "fsync":
                # The power will not really be cut, so the real one would be time lost.
                self._sync(Path(f"/proc/self/fd/{arguments[0]}"))
                return None
            if name == "syncfs":
                self._sync_all()
                return None
            result = real(*arguments, **keywords)
            if name == "mkdir" or (name == "open" and arguments[1] & os.O_EXCL):
                # The inode may be one that was used before.
                inode = Path(arguments[0]).stat().st_ino
                self._bytes.pop(inode, None)
                self._names.pop(inode, None)
            return result

        return call

    def _refuses(self, name: str, arguments: tuple[Any, ...]) -> bool:
        if name == "open" and not arguments[1] & os.O_CREAT:
            return self.hit and self.mode == "die"
        self.count += 1
        if self.count - 1 == self.fault:
            self.hit = True
            return self.mode != "full" or name not in ("unlink", "rmdir")
        return self.hit and (
            self.mode == "die" or (self.mode == "full" and name not in ("unlink", "rmdir"))
        )

    def _sync_all(self) -> None:
        """What syncfs promises: all that was written to the filesystem. Only `base` is looked at
        after the power cut."""
        for path in files.tree(self._base):
            self._sync(path)

    def _sync(self, path: Path) -> None:
        inode = path.stat().st_ino
        if path.is_dir():
            with os.scandir(path) as entries:
                self._names[inode] = {entry.name: entry.inode() for entry in entries}
        else:
            self._bytes[inode] = path.read_bytes()

    def _check_synced(self, source: Path, target: Path) -> None:
        """What gets its final name must be on the disk, whole."""
        inode = source.stat().st_ino
        if source.is_dir():
            actual = {
                str(path.relative_to(source)): path.read_bytes()
                for path in source.rglob("*")
                if path.is_file()
            }
            whole = dict(self._files(inode, "")) == actual
        else:
            whole = self._bytes.get(inode) == source.read_bytes()
        if not whole:
            self.violations.append(f"{target} got its name before its bytes were synced")

    def _check_order(self, source: Path, target: Path) -> None:
        """What takes the place of a file may speak of what is new beside it, and may be on the
        disk first: so that must be there by then."""
        if not target.is_file():
            return
        directory = target.parent
        new = {path.name for path in directory.iterdir()}
        new -= self._names.get(directory.stat().st_ino, {}).keys()
        if source.parent == directory:
            new.discard(source.name)
        if new:
            self.violations.append(f"{target} was replaced before {', '.join(new)} was synced")

    def _files(self, inode: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        for name, child in self._names.get(inode, {}).items():
            if child in self._bytes:
                yield f"{prefix}{name}", self._bytes[child]
            else:
                yield from self._files(child, f"{prefix}{name}/")
