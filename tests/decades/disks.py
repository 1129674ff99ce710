"""Disks and buckets that fail in the ways of real ones, below real storage roots.

They do not know the vault; what happens to them happens to files: bytes that change, sectors that
cannot be read (the kernel itself answers EIO), files and directories that are gone, writes that
were acknowledged and never made, a whole disk or bucket that is lost, is away, or comes back as it
was some time ago.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import obstore
from obstore.store import MemoryStore

from sonotheque.errors import EnvironmentFailure
from sonotheque.store import files
from sonotheque.store.objectstore import ObjectStore
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.objects import Vault
from sonotheque.vault.roots import Root

UNREADABLE = Path("/proc/self/mem")
"""Reading its first page fails with EIO, as a sector does that the disk has given up."""
Tree = dict[str, bytes | None]
"""What stands where; None is there and cannot be read."""

_real_write, _real_fsync, _real_syncfs = os.write, os.fsync, files.syncfs


class Place(ABC):
    """Where one storage root is kept, and what befalls it."""

    def __init__(self, name: str, location: str) -> None:
        self.name = name
        self.location = location
        self.dropping = False
        """Writes are acknowledged at once and never made."""
        self.away = False
        self.day = 0.0
        self._lying_since: Tree | None = None
        self._earlier: Tree | None = None

    @property
    @abstractmethod
    def root(self) -> Root:
        """The vault's own root on it."""

    @abstractmethod
    def keys(self) -> list[str]:
        """Everything that is there, in order; nothing while it is away."""

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """None where it cannot be read."""

    @abstractmethod
    def write(self, key: str, content: bytes | None) -> None:
        """Behind the vault's back; None for what cannot be read."""

    @abstractmethod
    def remove(self, prefix: str) -> None:
        """The file, or everything below the directory."""

    @abstractmethod
    def identity(self, key: str) -> object:
        """Another one for each time that it was written."""

    @abstractmethod
    def clear(self) -> None:
        """Nothing is left."""

    @abstractmethod
    def take_away(self, away: bool) -> None:
        """It cannot be reached, or can again."""

    def tree(self) -> Tree:
        return {key: self.read(key) for key in self.keys()}

    def drops(self, content: bytes) -> bool:
        """Whether a write is dropped now: one in two, the same ones whenever it is asked again,
        whichever thread comes first."""
        told = f"{self.name} {self.day}".encode()
        return self.dropping and hashlib.blake2b(told + content).digest()[0] % 2 == 0

    def befall(self, kind: str, chance: random.Random) -> str | None:
        """Let a thing of this `kind` happen; what it did, or None where it could not."""
        if kind in WHOLE:
            done = WHOLE[kind](self, chance)
            return done and f"{self.name} {done}"
        # What describes the root itself is left alone: nothing that was deposited is in it.
        found = [key for key in self.keys() if "/" in key and not key.startswith("extensions/")]
        return DAMAGES[kind](self, chance.choice(found), chance) if found else None

    # What happens to one file or directory.

    def _flip(self, key: str, chance: random.Random) -> str | None:
        content = bytearray(self.read(key) or b"")
        if not content:
            return None
        at = chance.randrange(len(content))
        content[at] ^= 1 << chance.randrange(8)
        self.write(key, bytes(content))
        return f"a bit of byte {at} of {self.name}:{key} flips"

    def _truncate(self, key: str, chance: random.Random) -> str | None:
        content = self.read(key)
        if not content:
            return None
        length = chance.randrange(len(content))
        self.write(key, content[:length])
        return f"{self.name}:{key} is cut to {length} bytes"

    def _zero(self, key: str, _chance: random.Random) -> str | None:
        content = self.read(key)
        if not content or not any(content):
            return None
        self.write(key, bytes(len(content)))
        return f"{self.name}:{key} reads as zeros"

    def _unreadable(self, key: str, _chance: random.Random) -> str | None:
        self.write(key, None)
        return f"{self.name}:{key} cannot be read"

    def _vanish(self, key: str, chance: random.Random) -> str | None:
        """The file, or a directory above it up to the whole object and what else is beside it."""
        parts = key.split("/")
        gone = "/".join(parts[: chance.randint(1, len(parts))])
        self.remove(gone)
        return f"{self.name}:{gone} is gone"

    def _swap(self, key: str, chance: random.Random) -> str | None:
        other = chance.choice([key for key in self.keys() if "/" in key])
        one, two = self.read(key), self.read(other)
        if one is None or two is None or one == two or other.startswith("extensions/"):
            return None
        self.write(key, two)
        self.write(other, one)
        return f"{self.name}:{key} and {self.name}:{other} change places"

    # What happens to the whole of it.

    def lose(self, _chance: random.Random | None = None) -> str | None:
        """Nothing of it can be read again; what replaces it is empty."""
        self.take_away(False)
        self.clear()
        self.dropping = False
        self._lying_since = self._earlier = None
        return "is lost"

    def _leave(self, _chance: random.Random) -> str | None:
        if self.away or not self.keys():
            return None
        self.take_away(True)
        return "is away"

    def _return(self, _chance: random.Random) -> str | None:
        if not self.away:
            return None
        self.take_away(False)
        return "is back"

    def _remember(self, _chance: random.Random) -> str | None:
        """Somebody takes its state aside: a backup, a snapshot, the other half of a mirror."""
        self._earlier = self.tree() or None
        return None

    def _go_back(self, _chance: random.Random) -> str | None:
        """It is again what it was when it was last remembered."""
        if self._earlier is None or self.away or not self.keys():
            return None
        self.clear()
        for key, content in self._earlier.items():
            self.write(key, content)
        return "is as it was earlier"

    def _start_lying(self, _chance: random.Random) -> str | None:
        """From now on what is synced stands in a cache that a power cut empties."""
        self._lying_since = self.tree() or None
        return "begins to lie about what is synced" if self._lying_since else None

    def _lose_power(self, chance: random.Random) -> str | None:
        """Half of what was written since it began to lie was never written."""
        if self._lying_since is None or self.away:
            return None
        reverted = 0
        for key, content in self.tree().items():
            if self._lying_since.get(key, b"new") == content or chance.random() < 0.5:
                continue
            reverted += 1
            if key in self._lying_since:
                self.write(key, self._lying_since[key])
            elif content is None or chance.random() < 0.5:
                self.remove(key)
            else:
                self.write(key, bytes(len(content)))
        self._lying_since = None
        return f"loses power: {reverted} files were never written"

    def _start_dropping(self, _chance: random.Random) -> str | None:
        self.dropping = True
        return "drops writes"

    def _end_dropping(self, _chance: random.Random) -> str | None:
        self.dropping = False
        return "writes again"


WHOLE: dict[str, Callable[[Place, random.Random], str | None]] = {
    "death": Place.lose,
    "deleted": Place.lose,
    "away": Place._leave,
    "back": Place._return,
    "remember": Place._remember,
    "stale": Place._go_back,
    "lies": Place._start_lying,
    "power cut": Place._lose_power,
    "drops": Place._start_dropping,
    "drops end": Place._end_dropping,
}
DAMAGES: dict[str, Callable[[Place, str, random.Random], str | None]] = {
    "flip": Place._flip,
    "truncate": Place._truncate,
    "zero": Place._zero,
    "unreadable": Place._unreadable,
    "vanish": Place._vanish,
    "swap": Place._swap,
}


class Disk(Place):
    """A disk that is mounted at `base`, with the root in a directory on it."""

    def __init__(self, name: str, location: str, base: Path) -> None:
        super().__init__(name, location)
        self.base = base
        self._elsewhere = base.with_name(f"{base.name}.away")
        base.mkdir(parents=True)

    @property
    def root(self) -> Vault:
        return Vault(self.name, self.base / "vault")

    def keys(self) -> list[str]:
        top = self.root.path
        return sorted(
            str(Path(directory, name).relative_to(top))
            for directory, _, names in os.walk(top)
            for name in names
        )

    def read(self, key: str) -> bytes | None:
        path = self.root.path / key
        return None if path.is_symlink() else path.read_bytes()

    def write(self, key: str, content: bytes | None) -> None:
        path = self.root.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if content is None:
            path.symlink_to(UNREADABLE)
        else:
            path.write_bytes(content)

    def remove(self, prefix: str) -> None:
        path = self.root.path / prefix
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def identity(self, key: str) -> object:
        status = (self.root.path / key).lstat()
        return status.st_ino, status.st_mtime_ns

    def clear(self) -> None:
        shutil.rmtree(self.base, ignore_errors=True)
        self.base.mkdir()

    def take_away(self, away: bool) -> None:
        if away != self.away:
            there, here = (self.base, self._elsewhere) if away else (self._elsewhere, self.base)
            there.rename(here)
        self.away = away


class Bucket(Place):
    """A bucket, in memory. What cannot be read in it is gone: that is how a store says it."""

    def __init__(self, name: str, location: str) -> None:
        super().__init__(name, location)
        self._memory = MemoryStore()
        self._root = BucketRoot(name, _Store(self, self._memory))

    @property
    def root(self) -> BucketRoot:
        return self._root

    def keys(self) -> list[str]:
        if self.away:
            return []
        return sorted(meta["path"] for page in obstore.list(self._memory) for meta in page)

    def read(self, key: str) -> bytes | None:
        return bytes(obstore.get(self._memory, key).bytes())

    def write(self, key: str, content: bytes | None) -> None:
        if content is None:
            obstore.delete(self._memory, key)
        else:
            obstore.put(self._memory, key, content)

    def remove(self, prefix: str) -> None:
        for key in self.keys():
            if key == prefix or key.startswith(f"{prefix}/"):
                obstore.delete(self._memory, key)

    def identity(self, key: str) -> object:
        return obstore.head(self._memory, key)["e_tag"]

    def clear(self) -> None:
        for key in self.keys():
            obstore.delete(self._memory, key)

    def take_away(self, away: bool) -> None:
        self.away = away


class _Store(ObjectStore):
    """The package's own object store, on a server that may not answer or drop what it was sent."""

    def __init__(self, bucket: Bucket, memory: MemoryStore) -> None:
        super().__init__(f"s3://{bucket.name}", lambda: memory)
        self._bucket = bucket

    def write(self, key: str, content: Iterable[bytes], *, replace: bool) -> bool:
        whole = b"".join(content)
        if self._bucket.drops(whole):
            return True
        return super().write(key, [whole], replace=replace)

    @contextlib.contextmanager
    def _reported(self, key: str) -> Iterator[None]:
        if self._bucket.away:
            raise EnvironmentFailure("the store did not answer", where=self.where)
        with super()._reported(key):
            yield


@contextlib.contextmanager
def at_the_border(places: list[Place]) -> Iterator[None]:
    """While this lasts, nothing is synced (no power is cut but by `power cut`), and half of what
    is written to a disk that drops is zeros."""
    disks = [place for place in places if isinstance(place, Disk)]

    def write(descriptor: int, content: Any) -> int:
        dropping = [disk for disk in disks if disk.dropping]
        if dropping:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            for disk in dropping:
                if path.is_relative_to(disk.base) and disk.drops(bytes(content)):
                    return _real_write(descriptor, bytes(len(content)))
        return _real_write(descriptor, content)

    def fsync(fd: Any) -> None:
        pass

    def syncfs(descriptor: int) -> None:
        pass

    os.write, os.fsync, files.syncfs = write, fsync, syncfs
    try:
        yield
    finally:
        os.write, os.fsync, files.syncfs = _real_write, _real_fsync, _real_syncfs
