"""What is really on the disks, read without any of the vault's code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from disks import Place


@dataclass(frozen=True, slots=True)
class Survey:
    """One copy of an object: the version blocks of its inventory where that verifies (else None),
    and what that says its content is (path → digest); the digests of all its files, as paths and as
    a set, and what tells of each that it was not written again; which of them are content with the
    right digest. `state` is the newest version's, by logical path; `own` where the object's own
    inventory says so, without which it is not read until healed."""

    place: Place
    name: str
    versions: tuple[Any, ...] | None
    state: dict[str, str] = field(default_factory=dict)
    own: bool = False
    good: frozenset[str] = frozenset()
    identities: dict[str, object] = field(default_factory=dict)
    sound: frozenset[str] = frozenset()
    content: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def agrees_with(self, other: Survey) -> bool:
        """Whether one history is the beginning of the other."""
        return _agree(self.versions or (), other.versions or ())

    def gives(self, digest: str) -> bool:
        """Whether these bytes are where the inventory says that they are."""
        return any(self.content[path] == digest for path in self.sound)

    def remove(self) -> None:
        self.place.remove(self.name)


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
        return copy.versions is not None and copy.versions[: len(self.versions)] == self.versions

    def without(self, lost: Collection[str]) -> Acknowledged:
        return replace(
            self,
            content={digest: path for digest, path in self.content.items() if digest not in lost},
            state={path: digest for path, digest in self.state.items() if digest not in lost},
        )


def acknowledged_by(place: Place, name: str) -> Acknowledged:
    """What the object at `name`, just written, says of itself."""
    document = json.loads(place.read(f"{name}/inventory.json") or b"")
    return Acknowledged(
        versions=_versions(document),
        content={digest: paths[0] for digest, paths in document["manifest"].items()},
        state=_state(document),
    )


def survey(place: Place, name: str, keys: Collection[str] | None = None) -> Survey:
    """Read everything of the object at `name`, which need not be there. `keys` are all keys of
    the place, where they are known."""
    found = place.keys() if keys is None else keys
    files = {
        key.removeprefix(f"{name}/"): content
        for key in found
        if key.startswith(f"{name}/") and (content := place.read(key)) is not None
    }
    digests = {path: hashlib.sha512(content).hexdigest() for path, content in files.items()}
    own = _vouched(files, "")
    document = own or _witness(files)
    manifest = document["manifest"] if document else {}
    sound = [p for digest, paths in manifest.items() for p in paths if digests.get(p) == digest]
    return Survey(
        place=place,
        name=name,
        versions=_versions(document) if document else None,
        state=_state(document) if document else {},
        own=own is not None,
        good=frozenset(digests.values()),
        identities={path: place.identity(f"{name}/{path}") for path in files},
        sound=frozenset(sound),
        content={path: digest for digest, paths in manifest.items() for path in paths},
        digests=digests,
    )


def _witness(files: dict[str, bytes]) -> Any:
    """The inventory in the directory of the newest version that has a whole one."""
    numbers = {int(path[1:].split("/")[0]) for path in files if path[0] == "v"}
    found = (_vouched(files, f"v{number}/") for number in sorted(numbers, reverse=True))
    return next((document for document in found if document), None)


def _vouched(files: dict[str, bytes], place: str) -> Any:
    """The inventory in `place`, where its own sidecar or that of its newest version vouches for
    it; else None."""
    content = files.get(f"{place}inventory.json", b"")
    try:
        document = json.loads(content)
        vouching = {place, f"{place}{document['head']}/"}
    except (ValueError, TypeError, KeyError):
        return None
    line = f"{hashlib.sha512(content).hexdigest()} inventory.json\n".encode()
    vouched = any(files.get(f"{one}inventory.json.sha512") == line for one in vouching)
    return document if vouched else None


def _state(document: Any) -> dict[str, str]:
    head = document["versions"][document["head"]]["state"]
    return {path: digest for digest, paths in head.items() for path in paths}


def _versions(document: Any) -> tuple[Any, ...]:
    return tuple(document["versions"][f"v{n}"] for n in range(1, len(document["versions"]) + 1))


def _agree(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]
