"""OCFL objects as others make them, and every way to break one: one fault, one code.

Everything here is made from nothing: no object of anybody else's is in the repository.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Document = dict[str, Any]
Files = Mapping[str, bytes]
CREATED = "2020-02-03T04:05:06Z"


@dataclass
class Maker:
    """Makes a valid object; each part of how can be changed."""

    id: str = "urn:example:one"
    versions: list[Files] = field(default_factory=lambda: [{"a.txt": b"a", "d/b.txt": b"b"}])
    spec: str = "1.1"
    algorithm: str = "sha512"
    content: str | None = None
    digits: int = 1
    inventories: bool = True
    fixity: tuple[str, ...] = ()
    upper: bool = False
    apart: Files = field(default_factory=dict)
    change: Callable[[Document, int], object] = lambda document, head: None

    def name(self, number: int) -> str:
        return f"v{number:0{self.digits}d}"

    def digest(self, content: bytes, algorithm: str = "") -> str:
        name = algorithm or self.algorithm
        if name == "size":
            text = str(len(content))
        elif name.startswith("blake2b-"):
            bits = int(name.removeprefix("blake2b-"))
            text = hashlib.blake2b(content, digest_size=bits // 8).hexdigest()
        else:
            text = hashlib.new(name.replace("/", "_"), content).hexdigest()
        return text.upper() if self.upper else text

    def document(self, head: int) -> Document:
        """The inventory of version `head`."""
        directory = self.content or "content"
        manifest: dict[str, list[str]] = {}
        fixity: dict[str, dict[str, list[str]]] = {}
        blocks: Document = {}
        for number, state in enumerate(self.versions[:head], 1):
            told: dict[str, list[str]] = {}
            for logical, content in state.items():
                digest = self.digest(content)
                told.setdefault(digest, []).append(logical)
                if digest not in manifest:
                    path = f"{self.name(number)}/{directory}/{logical}"
                    manifest[digest] = [path]
                    for algorithm in self.fixity:
                        other = self.digest(content, algorithm)
                        fixity.setdefault(algorithm, {}).setdefault(other, []).append(path)
            blocks[self.name(number)] = {
                "created": CREATED,
                "message": f"version {number}",
                "user": {"name": "Ada", "address": "mailto:ada@example.org"},
                "state": told,
            }
        document: Document = {
            "id": self.id,
            "type": f"https://ocfl.io/{self.spec}/spec/#inventory",
            "digestAlgorithm": self.algorithm,
            "head": self.name(head),
            "manifest": manifest,
            "versions": blocks,
        }
        if self.content:
            document["contentDirectory"] = self.content
        if fixity:
            document["fixity"] = fixity
        self.change(document, head)
        return document

    def make(self, directory: Path) -> Path:
        """Write the object to `directory`."""
        directory.mkdir(parents=True)
        (directory / f"0=ocfl_object_{self.spec}").write_text(f"ocfl_object_{self.spec}\n")
        newest = self.document(len(self.versions))
        for digest, paths in newest.get("manifest", {}).items():
            for path in paths:
                content = next(
                    content
                    for state in self.versions
                    for content in state.values()
                    if self.digest(content).lower() == digest.lower()
                )
                (directory / path).parent.mkdir(parents=True, exist_ok=True)
                (directory / path).write_bytes(content)
        for number in range(1, len(self.versions) + 1):
            (directory / self.name(number)).mkdir(exist_ok=True)
            if self.inventories or number == len(self.versions):
                write_inventory(directory / self.name(number), self.document(number))
        write_inventory(directory, newest)
        for name, content in self.apart.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        return directory


def write_inventory(directory: Path, document: Document | bytes, algorithm: str = "") -> None:
    """Write an inventory and its sidecar."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    if not algorithm:
        told = document.get("digestAlgorithm") if isinstance(document, dict) else None
        algorithm = told if told in ("sha256", "sha512") else "sha512"
    digest = hashlib.new(algorithm, content).hexdigest()
    (directory / "inventory.json").write_bytes(content)
    (directory / f"inventory.json.{algorithm}").write_text(f"{digest}  inventory.json\n")


def make_root(directory: Path, spec: str = "1.1", layout: str = "", **parameters: object) -> Path:
    """Write an empty storage root to `directory`."""
    directory.mkdir(parents=True)
    (directory / f"0=ocfl_{spec}").write_text(f"ocfl_{spec}\n")
    if layout:
        document = {"extension": layout, "description": "made for a test"}
        (directory / "ocfl_layout.json").write_text(json.dumps(document))
        if parameters:
            place = directory / "extensions" / layout
            place.mkdir(parents=True)
            (place / "config.json").write_text(json.dumps({"extensionName": layout, **parameters}))
    return directory


# Objects that are odd, and valid.

GOOD: dict[str, tuple[Maker, set[str]]] = {
    "one version": (Maker(), set()),
    "OCFL 1.0": (Maker(spec="1.0"), set()),
    "three versions": (
        Maker(versions=[{"a": b"a"}, {"a": b"a", "b": b"b"}, {"c": b"a", "b": b"c"}]),
        set(),
    ),
    "nothing in it": (Maker(versions=[{}]), set()),
    "SHA-256": (Maker(algorithm="sha256"), {"W004"}),
    "padded": (Maker(digits=4, versions=[{"a": b"a"}, {"a": b"b"}]), {"W001"}),
    "another content directory": (Maker(content="stuff", versions=[{"a": b"a"}, {}]), set()),
    "digests in capitals": (Maker(upper=True), set()),
    "every fixity": (
        Maker(fixity=("md5", "sha1", "sha256", "sha512", "blake2b-512")),
        set(),
    ),
    "the digests of an extension": (Maker(fixity=("sha512/256", "blake2b-256", "size")), set()),
    "no older inventories": (
        Maker(inventories=False, versions=[{"a": b"a"}, {"b": b"b"}]),
        {"W010"},
    ),
    "logs and extensions": (
        Maker(apart={"logs/x.log": b"log", "extensions/0005-mutable-head/y": b"y"}),
        set(),
    ),
    "an unknown extension": (Maker(apart={"extensions/mine/y": b"y"}), {"W013"}),
    "another directory in a version": (Maker(apart={"v1/notes/n": b"n"}), {"W002"}),
    "an id that is no URI": (Maker(id="one two"), {"W005"}),
}


# One fault, and the code of the rule that it breaks.


def _change(what: Callable[[Document], object]) -> Callable[[Path], None]:
    """Change the inventory of a one-version object, and its copy in the version."""

    def change(directory: Path) -> None:
        document = json.loads((directory / "inventory.json").read_bytes())
        what(document)
        for place in (directory, directory / "v1"):
            write_inventory(place, document)

    return change


def _set(*keys: str, to: object) -> Callable[[Path], None]:
    def what(document: Document) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return _change(what)


def _drop(*keys: str) -> Callable[[Path], None]:
    def what(document: Document) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return _change(what)


def _paths(block: str, path: str) -> Callable[[Path], None]:
    """Give the first digest of the manifest or the state another path."""

    def what(document: Document) -> None:
        found = document["manifest"] if block == "manifest" else document["versions"]["v1"]["state"]
        found[next(iter(found))] = [path]

    return _change(what)


def _raw(content: bytes) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        for place in (directory, directory / "v1"):
            write_inventory(place, content)

    return change


def _file(name: str, content: bytes = b"x") -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)

    return change


def _gone(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


def _renamed(name: str, to: str) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        (directory / name).rename(directory / to)

    return change


def _twice(block: str) -> Callable[[Path], None]:
    """A digest in capitals beside itself."""

    def what(document: Document) -> None:
        found = document["manifest"] if block == "manifest" else document["fixity"]["md5"]
        digest = next(digest for digest in found if digest.upper() != digest)
        found[digest.upper()] = found[digest]

    return _change(what)


DIGEST_A = hashlib.sha512(b"a").hexdigest()
DECLARED = "0=ocfl_object_1.1"

BAD: list[tuple[str, Callable[[Path], None]]] = [
    ("E001", _file("notes.txt")),
    ("E001", _file("notes/x")),
    ("E001", _file("logs")),
    ("E002", _renamed(DECLARED, "ocfl_object_1.1")),
    ("E003", _gone(DECLARED)),
    ("E003", _file("0=ocfl_object_1.0", b"ocfl_object_1.0\n")),
    ("E004", _renamed(DECLARED, "0=ocfl_object_7.0")),
    ("E005", _renamed(DECLARED, "1=ocfl_object_1.1")),
    ("E006", _renamed(DECLARED, "0=another_object_1.1")),
    ("E007", _file(DECLARED, b"ocfl_object_1.1")),
    ("E008", _set("versions", to={})),
    ("E009", _change(lambda d: d["versions"].update({"v2": d["versions"].pop("v1")}))),
    ("E010", _change(lambda d: d["versions"].update({"v3": d["versions"]["v1"]}))),
    ("E012", _change(lambda d: d["versions"].update({"v02": d["versions"]["v1"]}))),
    ("E014", _paths("manifest", "v01/content/a.txt")),
    ("E015", _file("v1/notes.txt")),
    ("E015", _paths("manifest", "v1/other/a.txt")),
    ("E016", lambda directory: shutil.rmtree(directory / "v1/content")),
    ("E017", _set("contentDirectory", to="a/b")),
    ("E018", _set("contentDirectory", to="..")),
    ("E021", _paths("manifest", "v1/other/a.txt")),
    ("E023", _file("v1/content/more.txt")),
    ("E024", lambda directory: (directory / "v1/content/empty").mkdir()),
    ("E025", _set("digestAlgorithm", to="md5")),
    ("E025", _set("digestAlgorithm", to=5)),
    ("E029", _set("fixity", to={"sha1": {"0" * 39 + "g": ["v1/content/a.txt"]}})),
    ("E030", _set("digestAlgorithm", to="sha256")),
    ("E030", _set("fixity", to={"sha256": {"0" * 63: ["v1/content/a.txt"]}})),
    ("E031", _change(lambda d: d["manifest"].update({"abc": ["v1/content/x"]}))),
    ("E032", _set("fixity", to={"blake2b-512": {"0" * 127: ["v1/content/a.txt"]}})),
    ("E033", _raw(b"{")),
    ("E033", _raw(b"[]")),
    ("E033", _raw(b"\xff")),
    ("E033", _raw(b"[" * 100_000)),
    ("E033", _raw(b'{"id": NaN}')),
    ("E033", _raw(b'{"id": "a", "id": "b"}')),
    ("E033", _raw(b'{"id": "\\ud800"}')),
    ("E034", _renamed("inventory.json", "Inventory.json")),
    ("E034", _renamed("inventory.json", "inventory.jsonld")),
    ("E035", _paths("manifest", "v1\\content\\a.txt")),
    ("E035", _set("fixity", to={"md5": {hashlib.md5(b"a").hexdigest(): ["v1\\content\\a.txt"]}})),
    ("E036", _drop("id")),
    ("E036", _drop("type")),
    ("E036", _drop("digestAlgorithm")),
    ("E036", _drop("head")),
    ("E037", _set("id", to="")),
    ("E038", _set("type", to="https://ocfl.io/1.0/spec/#inventory")),
    ("E038", _set("type", to=1)),
    ("E039", _set("digestAlgorithm", to="sha256")),
    ("E040", _set("head", to="v2")),
    ("E041", _drop("manifest")),
    ("E042", _paths("manifest", "content/a.txt")),
    ("E043", _drop("versions")),
    ("E044", _change(lambda d: d.update(Versions=d.pop("versions")))),
    ("E044", _set("versions", to=[])),
    ("E045", _set("versions", to=[])),
    ("E046", lambda directory: (directory / "v2").mkdir()),
    ("E046", _change(lambda d: d["versions"].update({"first": d["versions"]["v1"]}))),
    ("E047", _set("versions", "v1", to=[])),
    ("E048", _drop("versions", "v1", "created")),
    ("E048", _drop("versions", "v1", "state")),
    ("E049", _set("versions", "v1", "created", to="2020-02-03")),
    ("E049", _set("versions", "v1", "created", to="2020-02-03T04:05:06")),
    ("E049", _set("versions", "v1", "created", to="2020-13-03T04:05:06Z")),
    ("E050", _change(lambda d: d["versions"]["v1"]["state"].update({"0" * 128: ["z"]}))),
    ("E050", _set("versions", "v1", "state", to=[])),
    ("E051", _change(lambda d: d["versions"]["v1"]["state"].update({DIGEST_A: "a.txt"}))),
    ("E052", _paths("state", "a/../b")),
    ("E052", _paths("state", "a//b")),
    ("E053", _paths("state", "/a")),
    ("E053", _paths("state", "a/")),
    ("E054", _set("versions", "v1", "user", to={"address": "mailto:a@example.org"})),
    ("E054", _set("versions", "v1", "user", to="Ada")),
    ("E055", _set("Fixity", to={})),
    ("E056", _set("fixity", to={"crc32": {}})),
    ("E057", _set("fixity", to={"md5": []})),
    ("E057", _set("fixity", to={"md5": {"0" * 32: ["v1/content/none"]}})),
    ("E057", _set("fixity", to={"md5": {"0" * 31: ["v1/content/a.txt"]}})),
    ("E058", _gone("inventory.json.sha512")),
    ("E058", _gone("v1/inventory.json.sha512")),
    ("E059", _renamed("inventory.json.sha512", "inventory.json.sha256")),
    ("E060", _file("inventory.json.sha512", b"0" * 128 + b" inventory.json\n")),
    ("E061", _file("inventory.json.sha512", b"0" * 128 + b" other.json\n")),
    ("E063", _gone("inventory.json")),
    ("E064", lambda directory: write_inventory(directory / "v1", b"{}")),
    ("E067", _file("extensions/x")),
    ("E082", _file(f"nested/deep/{DECLARED}", b"ocfl_object_1.1\n")),
    ("E089", lambda directory: os.mkfifo(directory / "v1/content/pipe")),
    ("E090", lambda directory: (directory / "v1/content/link").symlink_to("a.txt")),
    ("E090", lambda directory: (directory / "logs").symlink_to("v1")),
    ("E092", _file("v1/content/a.txt", b"changed")),
    ("E092", _gone("v1/content/a.txt")),
    ("E092", _change(lambda d: d["manifest"].update({DIGEST_A: "v1/content/a.txt"}))),
    ("E093", _set("fixity", to={"md5": {"0" * 32: ["v1/content/a.txt"]}})),
    ("E094", _set("versions", "v1", "message", to=5)),
    ("E095", _paths("state", "d/b.txt")),
    ("E095", _paths("state", "d")),
    ("E096", _twice("manifest")),
    ("E097", _twice("fixity")),
    ("E098", _set("manifest", DIGEST_A, to=[5])),
    ("E099", _paths("manifest", "v1/content/../a.txt")),
    ("E099", _paths("manifest", "v1/content//a.txt")),
    ("E100", _paths("manifest", "/v1/content/a.txt")),
    ("E100", _paths("manifest", "v1/content/a.txt/")),
    ("E101", _paths("manifest", "v1/content/d/b.txt")),
    ("E101", _paths("manifest", "v1/content/d")),
    ("E102", _set("colour", to="red")),
    ("E102", _set("versions", "v1", "colour", to="red")),
    ("E102", _set("versions", "v1", "user", "colour", to="red")),
    ("E104", _change(lambda d: d["versions"].update({"1": d["versions"]["v1"]}))),
    ("E105", _change(lambda d: d["versions"].update({"v1.5": d["versions"]["v1"]}))),
    ("E105", _change(lambda d: d["versions"].update({"v0": d["versions"]["v1"]}))),
    ("E106", _set("manifest", to=[])),
    ("E107", _change(lambda d: d["versions"]["v1"]["state"].pop(DIGEST_A))),
    ("E108", _set("contentDirectory", to="")),
    ("E111", _set("fixity", to=[])),
    ("W003", lambda directory: None),
    ("W007", _drop("versions", "v1", "message")),
    ("W008", _drop("versions", "v1", "user", "address")),
    ("W009", _set("versions", "v1", "user", "address", to="Ada")),
]  # fmt: skip

# Faults between the inventories of two versions: how the older one is changed.
TWO: list[Files] = [{"a": b"a"}, {"a": b"a", "b": b"b"}]


def _older(what: Callable[[Document], object]) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        document = json.loads((directory / "v1/inventory.json").read_bytes())
        what(document)
        write_inventory(directory / "v1", document)

    return change


def _of_three(what: Callable[[Document], object]) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        document = json.loads((directory / "v2/inventory.json").read_bytes())
        what(document)
        write_inventory(directory / "v2", document)

    return change


def _rename_state(document: Document) -> None:
    (digest,) = document["versions"]["v1"]["state"]
    document["versions"]["v1"]["state"][digest] = ["z"]


def _wrong_digest(document: Document) -> None:
    (digest,) = document["manifest"]
    other = "0" * 128
    document["manifest"][other] = document["manifest"].pop(digest)
    state = document["versions"]["v1"]["state"]
    state[other] = state.pop(digest)


OLDER: list[tuple[str, Maker, Callable[[Path], None]]] = [
    ("E019", Maker(versions=TWO, content="stuff"), _older(lambda d: d.pop("contentDirectory"))),
    ("E020", Maker(versions=TWO), _older(lambda d: d.update(contentDirectory="stuff"))),
    ("E023", Maker(versions=[*TWO, {"c": b"c"}]),
     _of_three(lambda d: d["manifest"].pop(DIGEST_A))),
    ("E037", Maker(versions=TWO), _older(lambda d: d.update(id="urn:example:other"))),
    ("E110", Maker(versions=TWO), _older(lambda d: d.update(id="urn:example:other"))),
    ("E040", Maker(versions=TWO), _older(lambda d: d.update(head="v2"))),
    ("E066", Maker(versions=TWO), _older(_rename_state)),
    ("E066", Maker(versions=TWO), _older(_wrong_digest)),
    ("E092", Maker(versions=TWO), _older(_wrong_digest)),
    ("E103", Maker(versions=[*TWO, {"c": b"c"}]),
     _of_three(lambda d: d.update(type="https://ocfl.io/1.0/spec/#inventory"))),
    ("W011", Maker(versions=TWO), _older(lambda d: d["versions"]["v1"].update(message="other"))),
]  # fmt: skip
ELEVEN = Maker(digits=2, versions=[{"a": b"%d" % number} for number in range(10)])


def broken(directory: Path) -> Iterator[tuple[str, Path]]:
    """Make every object with one fault below `directory`: the code, and where it is."""
    for number, (code, change) in enumerate(BAD):
        place = directory / f"{number:03d}-{code}"
        fixity = ("md5",) if code == "E097" else ()
        Maker(fixity=fixity, versions=[{}] if code == "W003" else [{"a.txt": b"a", "d/b.txt": b"b"}]
              ).make(place)  # fmt: skip
        if code == "W003":
            (place / "v1/content").mkdir()
        change(place)
        yield code, place
    for number, (code, maker, change) in enumerate(OLDER):
        place = directory / f"older-{number:03d}-{code}"
        maker.make(place)
        change(place)
        yield code, place
    for code in ("E011", "E012", "E013"):
        yield code, ELEVEN.make(directory / f"eleven-{code}")
    missing = Maker(versions=TWO, inventories=False).make(directory / "missing-E046")
    shutil.rmtree(missing / "v1")
    yield "E046", missing
