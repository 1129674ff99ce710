"""A disk whose power can be cut: ext4 on a loop device, shut down as `godown` of xfstests does it.

The ioctl EXT4_IOC_SHUTDOWN (Linux fs/ext4/ioctl.c) with the flag NOLOGFLUSH stops the filesystem
where it stands: what was not synced is not on the device, not even in its journal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
_IMAGE_BYTES = 48 << 20
# Nothing may reach the device by itself: no commit every five seconds, and no writing back of a
# file because another is renamed over it.
_OPTIONS = "loop,commit=600,noauto_da_alloc"


def missing() -> str:
    """Why no power can be cut here; empty where it can."""
    if os.geteuid() != 0:
        return "mounting a disk needs root"
    if shutil.which("mkfs.ext4") is None:
        return "mkfs.ext4 is not installed (e2fsprogs)"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return ""


class Disk:
    """An ext4 image in `base`, mounted at `place` and nowhere else."""

    def __init__(self, base: Path) -> None:
        self.place = base / "disk"
        self._image, self._saved = base / "disk.img", base / "saved.img"
        self.place.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(self._image))

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """The disk in use; when it was cut, the next mounting replays its journal."""
        _run("mount", "-o", _OPTIONS, str(self._image), str(self.place))
        try:
            yield self.place
        finally:
            _run("umount", str(self.place))

    def save(self) -> None:
        _run("cp", "--sparse=always", str(self._image), str(self._saved))

    def restore(self) -> None:
        _run("cp", "--sparse=always", str(self._saved), str(self._image))

    def cut(self) -> None:
        """Cut the power of the mounted disk."""
        cut(self.place)


def cut(place: Path) -> None:
    """Cut the power of the disk that is mounted at `place`, from within whatever process."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(descriptor)


def _run(*words: str) -> None:
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(words)}: {ran.stderr.strip()}")
