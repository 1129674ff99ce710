"""OCFL 1.1 (https://ocfl.io/1.1/spec/): inventories, names and the storage layout. Pure.

The layout is extension 0003-hash-and-id-n-tuple-storage-layout with its default parameters:
three directories of three digits of the identifier's SHA-256, then the identifier itself,
percent-encoded, so that a person who finds the disk can tell what is what.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sonotheque.model.holdings import HeldFile, Holding
from sonotheque.model.identifiers import HoldingId, Sha512


def _text(document: object) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"


ROOT_MARKER = ("0=ocfl_1.1", b"ocfl_1.1\n")
OBJECT_MARKER = ("0=ocfl_object_1.1", b"ocfl_object_1.1\n")
SPEC = "1.1"
INVENTORY_TYPE = f"https://ocfl.io/{SPEC}/spec/#inventory"
INVENTORY = "inventory.json"
CONTENT = "content"
SIDECAR = "inventory.json.sha512"
LAYOUT_NAME = "0003-hash-and-id-n-tuple-storage-layout"
LAYOUT = {
    "extension": LAYOUT_NAME,
    "description": "Three tuples of the identifier's SHA-256, then the identifier, encoded",
}
LAYOUT_PARAMETERS = {
    "extensionName": LAYOUT_NAME,
    "digestAlgorithm": "sha256",
    "tupleSize": 3,
    "numberOfTuples": 3,
}
ROOT_FILES = (
    (f"extensions/{LAYOUT_NAME}/config.json", _text(LAYOUT_PARAMETERS)),
    ("ocfl_layout.json", _text(LAYOUT)),
    ROOT_MARKER,
)
"""What an empty storage root holds, in the order in which it is written: a root that has its
marker is whole."""
LAYOUT_DEPTH = 4
"""Directories from the storage root to an object."""
TUPLE = re.compile(r"[0-9a-f]{3}")
"""Name of a directory between a storage root and an object."""
_PLAIN = frozenset(string.ascii_letters + string.digits + "-_")
_NAME_CHARACTERS_MAX = 100
_SHA512 = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an OCFL object says it holds.

    `versions` are the version blocks, v1 first; `manifest` maps a digest to content paths
    relative to the object's root.
    """

    id: HoldingId
    manifest: Mapping[Sha512, tuple[str, ...]]
    versions: tuple[Mapping[str, Any], ...]

    @property
    def head(self) -> int:
        return len(self.versions)

    def continues(self, other: Inventory) -> bool:
        """Whether the versions of `other` are the first ones of this one's."""
        return self.id == other.id and self.versions[: other.head] == other.versions

    def state(self) -> dict[str, Sha512]:
        """Logical path → digest in the newest version."""
        newest: Mapping[str, list[str]] = self.versions[-1]["state"]
        return {path: Sha512(digest) for digest, paths in newest.items() for path in paths}

    def content_path(self, digest: Sha512) -> str:
        return self.manifest[digest][0]

    def content_paths(self) -> dict[str, Sha512]:
        """Every content path of every version → the digest it must have."""
        return {path: digest for digest, paths in self.manifest.items() for path in paths}

    def to_json(self) -> bytes:
        document = {
            "id": self.id,
            "type": INVENTORY_TYPE,
            "digestAlgorithm": "sha512",
            "head": f"v{self.head}",
            "manifest": {digest: list(paths) for digest, paths in self.manifest.items()},
            "versions": {f"v{n}": block for n, block in enumerate(self.versions, 1)},
        }
        return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True).encode()


class _Version(msgspec.Struct):
    created: str
    state: dict[str, list[str]]


class _Document(msgspec.Struct):
    """What an inventory must have, at least, to be read at all."""

    id: str
    head: str
    digest_algorithm: str = msgspec.field(name="digestAlgorithm")
    manifest: dict[str, list[str]]
    versions: dict[str, _Version]


def next_version(
    previous: Inventory | None,
    holding: HoldingId,
    additions: Mapping[str, Sha512],
    *,
    message: str,
    agent: str,
    now: str,
) -> tuple[Inventory, dict[str, str]]:
    """The inventory in which `additions` (logical path → digest) are laid over `previous`.

    Also what must be written: content path → the logical path whose bytes go there; bytes that
    the object holds already are not written again.
    """
    version = previous.head + 1 if previous else 1
    state = {**(previous.state() if previous else {}), **additions}
    manifest = dict(previous.manifest) if previous else {}
    writes = {}
    for path, digest in additions.items():
        if digest not in manifest:
            content = f"v{version}/{CONTENT}/{path}"
            manifest[digest] = (content,)
            writes[content] = path
    by_digest: dict[str, list[str]] = {}
    for path, digest in sorted(state.items()):
        by_digest.setdefault(digest, []).append(path)
    block = {
        "created": now,
        "message": message,
        "user": {"name": agent, "address": "https://sonotheque.invalid/"},
        "state": by_digest,
    }
    versions = (*(previous.versions if previous else ()), block)
    return Inventory(holding, manifest, versions), writes


def parse_inventory(content: bytes) -> Inventory:
    """Read an inventory that this module wrote; raises ValueError where anything is off."""
    try:
        raw = json.loads(content)
        document = msgspec.convert(raw, _Document)
        versions = tuple(raw["versions"][f"v{n}"] for n in range(1, len(raw["versions"]) + 1))
    except (KeyError, RecursionError) as error:
        raise ValueError(f"its versions or its nesting are wrong: {error}") from error
    manifest = {Sha512(digest): tuple(paths) for digest, paths in document.manifest.items()}
    inventory = Inventory(HoldingId(document.id), manifest, versions)
    _check_paths([path for paths in manifest.values() for path in paths])
    for path in inventory.content_paths():
        number, content_directory, *rest = path.split("/")
        numbers = {f"v{n}" for n in range(1, inventory.head + 1)}
        if number not in numbers or content_directory != CONTENT or not rest:
            raise ValueError(f"{path!r} is not a content path")
    for version in document.versions.values():
        _check_paths([path for paths in version.state.values() for path in paths])
    digests = {digest for version in document.versions.values() for digest in version.state}
    sound = (
        document.digest_algorithm == "sha512"
        and document.head == f"v{inventory.head}"
        and inventory.head > 0
        and all(_SHA512.fullmatch(digest) and paths for digest, paths in manifest.items())
        and digests == manifest.keys()
    )
    if not sound:
        raise ValueError("it contradicts itself")
    return inventory


class _Listing(msgspec.Struct):
    """Of an inventory that is known to be sound, what says which files there are."""

    head: str
    manifest: dict[str, list[str]]


_LISTING = msgspec.json.Decoder(_Listing)


def file_paths(inventory: bytes) -> list[str]:
    """Every file that the object has, in order, by its inventory's bytes, which are known to be
    sound: nothing is checked here."""
    listing = _LISTING.decode(inventory)
    versions = ("", *(f"v{n}/" for n in range(1, int(listing.head[1:]) + 1)))
    return sorted(
        [
            OBJECT_MARKER[0],
            *(f"{version}{name}" for version in versions for name in (INVENTORY, SIDECAR)),
            *(path for paths in listing.manifest.values() for path in paths),
        ]
    )


def files_beside_inventory(newest: Inventory, document: bytes) -> dict[str, Sha512]:
    """The files that the newest version of an object is made of, beside the object's inventory,
    whose bytes are `document` → the digest that each must have."""
    version, of_sidecar = f"v{newest.head}", digest_of(sidecar(document))
    return {
        OBJECT_MARKER[0]: digest_of(OBJECT_MARKER[1]),
        SIDECAR: of_sidecar,
        f"{version}/{INVENTORY}": digest_of(document),
        f"{version}/{SIDECAR}": of_sidecar,
        **{newest.content_path(digest): digest for digest in newest.state().values()},
    }


def directories(paths: Iterable[str]) -> dict[str, set[str]]:
    """Every directory that `paths` stand in, "" for the object itself → the names in it."""
    names: dict[str, set[str]] = {"": set()}
    for path in paths:
        directory, _, name = path.rpartition("/")
        while directory not in names:
            names[directory] = {name}
            directory, _, name = directory.rpartition("/")
        names[directory].add(name)
    return names


def version_of(path: str) -> int:
    """The version in whose directory a file of an object stands; 0 for those beside them."""
    directory, stroke, _ = path.partition("/")
    return int(directory[1:]) if stroke else 0


def digest_of(content: bytes) -> Sha512:
    return Sha512(hashlib.sha512(content).hexdigest())


def sidecar(inventory: bytes) -> bytes:
    return f"{digest_of(inventory)} {INVENTORY}\n".encode()


def object_path(holding: HoldingId) -> str:
    """Path of the object below the storage root."""
    digest = hashlib.sha256(holding.encode()).hexdigest()
    name = "".join(
        chr(byte) if chr(byte) in _PLAIN else f"%{byte:02x}" for byte in holding.encode()
    )
    if len(name) > _NAME_CHARACTERS_MAX:
        name = f"{name[:_NAME_CHARACTERS_MAX]}-{digest}"
    return f"{digest[:3]}/{digest[3:6]}/{digest[6:9]}/{name}"


def holding_of(inventory: Inventory, sizes: Mapping[Sha512, int]) -> Holding:
    """The newest version of the object as a Holding; its `audio` is in order of arrival."""
    order = {
        path: n
        for n, block in reversed([*enumerate(inventory.versions)])
        for paths in block["state"].values()
        for path in paths
    }
    state = sorted(inventory.state().items(), key=lambda item: (order[item[0]], item[0]))
    return Holding(
        id=inventory.id,
        version=inventory.head,
        created_at=str(inventory.versions[0]["created"]),
        files=tuple(
            HeldFile(path=path, sha512=digest, byte_count=sizes[digest]) for path, digest in state
        ),
    )


def _check_paths(paths: list[str]) -> None:
    """Check that all of `paths` can be files below one directory, side by side."""
    known = set(paths)
    for path in paths:
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ValueError(f"{path!r} is not a path inside the object")
        if any("/".join(parts[:length]) in known for length in range(1, len(parts))):
            raise ValueError(f"{path!r} lies below a file")
    if len(known) != len(paths):
        raise ValueError("it gives two digests to one path")
