"""What is really on the disks, read without any of the vault's code."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Survey:
    """One copy of an object: the version blocks of its inventory where that verifies (else None),
    the digests of all its files, what tells of each that it was not written again, and which of
    them are content with the right digest."""

    directory: Path
    versions: tuple[Any, ...] | None
    good: frozenset[str] = frozenset()
    identities: dict[str, tuple[int, int]] = field(default_factory=dict)
    sound: frozenset[str] = frozenset()

    def agrees_with(self, other: Survey) -> bool:
        """Whether one history is the beginning of the other."""
        return _agree(self.versions or (), other.versions or ())

    def remove(self) -> None:
        shutil.rmtree(self.directory)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the vault said it holds: history, content digest → path, logical path → digest."""

    versions: tuple[Any, ...]
    content: dict[str, str]
    state: dict[str, str]

    def agrees_with(self, copy: Survey) -> bool:
        return _agree(self.versions, copy.versions or ())

    def continued_by(self, copy: Survey) -> bool:
        """Whether `copy` has this history, or more of it."""
        return copy.versions is not None and (copy.versions[: len(self.versions)] == self.versions)

    def without(self, lost: Collection[str]) -> Acknowledged:
        return replace(
            self,
            content={digest: path for digest, path in self.content.items() if digest not in lost},
            state={path: digest for path, digest in self.state.items() if digest not in lost}
            or self.state,
        )


def acknowledged_by(directory: Path) -> Acknowledged:
    """What the object in `directory`, just written, says of itself."""
    document = json.loads((directory / "inventory.json").read_bytes())
    head = document["versions"][document["head"]]["state"]
    return Acknowledged(
        versions=_versions(document),
        content={digest: paths[0] for digest, paths in document["manifest"].items()},
        state={path: digest for digest, paths in head.items() for path in paths},
    )


def survey(directory: Path) -> Survey:
    """Read everything below `directory`; it need not be there."""
    digests, identities = {}, {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink():
            place, status = str(path.relative_to(directory)), path.stat()
            digests[place] = hashlib.sha512(path.read_bytes()).hexdigest()
            identities[place] = (status.st_ino, status.st_mtime_ns)
    document = _verified(directory)
    manifest = document["manifest"] if document else {}
    sound = [p for digest, paths in manifest.items() for p in paths if digests.get(p) == digest]
    return Survey(
        directory=directory,
        versions=_versions(document) if document else None,
        good=frozenset(digests.values()),
        identities=identities,
        sound=frozenset(sound),
    )


def _verified(directory: Path) -> Any:
    """The inventory, where its own sidecar or that of its newest version vouches for it."""
    try:
        content = (directory / "inventory.json").read_bytes()
        document = json.loads(content)
        places = (directory, directory / document["head"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    line = f"{hashlib.sha512(content).hexdigest()} inventory.json\n".encode()
    for place in places:
        try:
            if (place / "inventory.json.sha512").read_bytes() == line:
                return document
        except OSError:
            continue
    return None


def _versions(document: Any) -> tuple[Any, ...]:
    return tuple(document["versions"][f"v{n}"] for n in range(1, len(document["versions"]) + 1))


def _agree(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]
