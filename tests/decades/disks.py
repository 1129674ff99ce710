"""Disks that fail in the ways of real ones, below a real storage root in a real directory.

A `Disk` holds one root. It does not know the vault; what happens to it happens to files: bytes
that change, sectors that cannot be read (the kernel itself answers EIO), files and directories
that are gone, writes that were acknowledged and never made, a whole disk that dies, is away, or
comes back as it was some time ago.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

UNREADABLE = Path("/proc/self/mem")
"""Reading its first page fails with EIO, as a sector does that the disk has given up."""

_real_write = os.write


class Disk:
    """One disk, mounted at `base`, with the storage root `base`/vault on it."""

    def __init__(self, name: str, location: str, base: Path) -> None:
        self.name = name
        self.location = location
        self.base = base
        self.dropping = False
        """Writes are acknowledged at once and never reach the platter."""
        self._lying_since: Path | None = None
        self._earlier: Path | None = None
        base.mkdir(parents=True)

    @property
    def root(self) -> Path:
        return self.base / "vault"

    @property
    def mounted(self) -> bool:
        return self.base.exists()

    @property
    def away(self) -> bool:
        return self._beside("away").exists()

    def object_files(self) -> list[Path]:
        """Every file of every object, in order; what describes the root itself is left alone."""
        found = []
        for directory, below, names in os.walk(self.root):
            if Path(directory) == self.root:
                below[:] = [name for name in below if name != "extensions"]
                continue
            found += [Path(directory, name) for name in names]
        return sorted(found)

    def befall(self, kind: str, chance: random.Random) -> str | None:
        """Let a thing of this `kind` happen; what it did, or None where it could not."""
        if kind in WHOLE:
            done = WHOLE[kind](self, chance)
            return done and f"{self.name} {done}"
        found = self.object_files()
        return DAMAGES[kind](self, chance.choice(found), chance) if found else None

    # What happens to one file or directory.

    def _flip(self, path: Path, chance: random.Random) -> str | None:
        content = _content(path)
        if not content:
            return None
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        return f"a bit of byte {place} of {self._short(path)} flips"

    def _truncate(self, path: Path, chance: random.Random) -> str | None:
        content = _content(path)
        if not content:
            return None
        length = chance.randrange(len(content))
        path.write_bytes(content[:length])
        return f"{self._short(path)} is cut to {length} bytes"

    def _zero(self, path: Path, chance: random.Random) -> str | None:
        content = _content(path)
        if not content or not any(content):
            return None
        path.write_bytes(bytes(len(content)))
        return f"{self._short(path)} reads as zeros"

    def _unreadable(self, path: Path, chance: random.Random) -> str | None:
        path.unlink()
        path.symlink_to(UNREADABLE)
        return f"{self._short(path)} cannot be read"

    def _vanish(self, path: Path, chance: random.Random) -> str | None:
        """The file, or a directory above it up to the whole object and what else is beside it."""
        above = [path, *path.parents[: len(path.relative_to(self.root).parts) - 1]]
        gone = chance.choice(above)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()
        return f"{self._short(gone)} is gone"

    def _swap(self, path: Path, chance: random.Random) -> str | None:
        other = chance.choice(self.object_files())
        one, two = _content(path), _content(other)
        if one is None or two is None or one == two:
            return None
        path.write_bytes(two)
        other.write_bytes(one)
        return f"{self._short(path)} and {self._short(other)} change places"

    # What happens to the whole disk.

    def die(self, _chance: random.Random | None = None) -> str | None:
        """Nothing of it can be read again, wherever it was; what replaces it is empty."""
        for name in ("away", "earlier", "lying"):
            shutil.rmtree(self._beside(name), ignore_errors=True)
        shutil.rmtree(self.base, ignore_errors=True)
        self.dropping = False
        self._lying_since = self._earlier = None
        return "is lost"

    def replace(self) -> None:
        self.base.mkdir(exist_ok=True)

    def _unmount(self, _chance: random.Random) -> str | None:
        if not self.mounted:
            return None
        self.base.rename(self._beside("away"))
        return "is away"

    def _mount(self, _chance: random.Random) -> str | None:
        if not self.away or self.mounted:
            return None
        self._beside("away").rename(self.base)
        return "is back"

    def _remember(self, _chance: random.Random) -> str | None:
        """Somebody takes its state aside: a backup, a snapshot, the other half of a mirror."""
        self._earlier = self._kept("earlier")
        return None

    def _go_back(self, _chance: random.Random) -> str | None:
        """It is again what it was when it was last remembered."""
        if self._earlier is None or not self.mounted:
            return None
        shutil.rmtree(self.base)
        shutil.copytree(self._earlier, self.base, symlinks=True)
        return "is as it was earlier"

    def _start_lying(self, _chance: random.Random) -> str | None:
        """From now on what is synced stands in a cache that a power cut empties."""
        self._lying_since = self._kept("lying")
        return "begins to lie about what is synced" if self._lying_since else None

    def _lose_power(self, chance: random.Random) -> str | None:
        """Half of what was written since it began to lie was never written."""
        if self._lying_since is None or not self.mounted:
            return None
        before = _tree(self._lying_since / "vault")
        reverted = 0
        for place, content in _tree(self.root).items():
            if before.get(place) == content or chance.random() < 0.5:
                continue
            reverted += 1
            path = self.root / place
            if place in before:
                path.unlink()
                _put(path, before[place])
            elif path.is_symlink() or chance.random() < 0.5:
                path.unlink()
            else:
                path.write_bytes(bytes(path.stat().st_size))
        self._lying_since = None
        return f"loses power: {reverted} files were never written"

    def _start_dropping(self, _chance: random.Random) -> str | None:
        self.dropping = True
        return "drops writes"

    def _end_dropping(self, _chance: random.Random) -> str | None:
        self.dropping = False
        return "writes again"

    def _beside(self, name: str) -> Path:
        return self.base.with_name(f"{self.base.name}.{name}")

    def _kept(self, name: str) -> Path | None:
        """A copy of its state now, beside it; None where it is not there."""
        kept = self._beside(name)
        shutil.rmtree(kept, ignore_errors=True)
        if not self.mounted:
            return None
        shutil.copytree(self.base, kept, symlinks=True)
        return kept

    def _short(self, path: Path) -> str:
        return f"{self.name}:{path.relative_to(self.root)}"


WHOLE: dict[str, Callable[[Disk, random.Random], str | None]] = {
    "death": Disk.die,
    "deleted": Disk.die,
    "away": Disk._unmount,
    "back": Disk._mount,
    "remember": Disk._remember,
    "stale": Disk._go_back,
    "lies": Disk._start_lying,
    "power cut": Disk._lose_power,
    "drops": Disk._start_dropping,
    "drops end": Disk._end_dropping,
}
DAMAGES: dict[str, Callable[[Disk, Path, random.Random], str | None]] = {
    "flip": Disk._flip,
    "truncate": Disk._truncate,
    "zero": Disk._zero,
    "unreadable": Disk._unreadable,
    "vanish": Disk._vanish,
    "swap": Disk._swap,
}


@contextlib.contextmanager
def at_the_border(disks: list[Disk], chance: random.Random) -> Iterator[None]:
    """While this lasts, nothing is synced (no power is cut but by `lose_power`), and what is
    written to a disk that drops is, one time in two, zeros."""

    def write(descriptor: int, content: bytes) -> int:
        dropping = [disk for disk in disks if disk.dropping]
        if dropping:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            for disk in dropping:
                if path.is_relative_to(disk.base) and chance.random() < 0.5:
                    _real_write(descriptor, bytes(len(content)))
                    return len(content)
        return _real_write(descriptor, content)

    synced, os.write, os.fsync = os.fsync, write, lambda _descriptor: None  # type: ignore[assignment]
    try:
        yield
    finally:
        os.write, os.fsync = _real_write, synced


def _content(path: Path) -> bytearray | None:
    """The bytes of a file; None for a sector that cannot be read already."""
    return None if path.is_symlink() else bytearray(path.read_bytes())


def _tree(root: Path) -> dict[str, bytes | None]:
    return {
        str(Path(directory, name).relative_to(root)): _readable(Path(directory, name))
        for directory, _, names in os.walk(root)
        for name in names
    }


def _readable(path: Path) -> bytes | None:
    content = _content(path)
    return None if content is None else bytes(content)


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.symlink_to(UNREADABLE)
    else:
        path.write_bytes(content)
