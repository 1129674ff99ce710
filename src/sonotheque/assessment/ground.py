"""What a storage root stands on: disk, filesystem, owners, and who may write there."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sonotheque import config
from sonotheque.errors import SonothequeError
from sonotheque.store import signing
from sonotheque.vault.roots import Root

_SHOWN_MAX = 5
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Stands:
    """See RootFacts, which has the same names."""

    device: str
    filesystem: str = ""
    owners: tuple[str, ...] = ()
    open_count: int = 0
    open_to_others: tuple[str, ...] = ()


def present(root: Root) -> bool:
    """Whether the root is there; a store that does not answer is not."""
    try:
        return root.present
    except SonothequeError:
        return False


def stands(root: config.Root) -> Stands:
    """What the root in archive.toml stands on. A bucket's access rules cannot be seen from here."""
    if root.path is None:
        bucket = root.url.removeprefix("s3://").split("/")[0]
        return Stands(device=f"{root.endpoint or 's3'} {bucket}")
    try:
        device = root.path.stat().st_dev
    except OSError:
        return Stands(device=str(root.path))
    owners: set[int] = set()
    opened: list[str] = []
    count = 0
    for path, status in _everything(root.path):
        owners.add(status.st_uid)
        if status.st_mode & stat.S_IWOTH:
            count += 1
            if len(opened) < _SHOWN_MAX:
                opened.append(str(path))
    return Stands(
        device=f"{os.major(device)}:{os.minor(device)}",
        filesystem=filesystem_of(root.path),
        owners=tuple(sorted(map(_user, owners))),
        open_count=count,
        open_to_others=tuple(opened),
    )


def open_keys(settings: config.Config) -> Iterator[str]:
    """A private key that others than its owner may read or change, and what others may change of
    the ledger and of archive.toml."""
    key = settings.keys / signing.PRIVATE_KEY_NAME
    for path, status in _everything(settings.keys):
        forbidden = stat.S_IRWXG | stat.S_IRWXO if path == key else stat.S_IWOTH
        if status.st_mode & forbidden:
            yield str(path)
    for path, status in _everything(settings.ledger):
        if status.st_mode & stat.S_IWOTH:
            yield str(path)
    toml = settings.directory / config.CONFIG_NAME
    if toml.stat().st_mode & stat.S_IWOTH:
        yield str(toml)


def filesystem_of(path: Path) -> str:
    """The kind of filesystem that `path` is on ("ext4"), as the kernel's table of mounts says."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        # proc(5): 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "unknown"


def _everything(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """`top` and all below it; symbolic links have no mode of their own."""
    yield top, top.stat()
    for directory, below, names in os.walk(top):
        for name in (*below, *names):
            path = Path(directory, name)
            if not path.is_symlink():
                yield path, path.stat()


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
