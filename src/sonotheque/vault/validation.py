"""Is this directory an OCFL object, of version 1.0 or 1.1 of the specification?

`validate` looks at every file and reads every byte; `inventory_rules` knows what an inventory may
say. Hard links are not asked about: who copies a root with them gets files.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sonotheque.model.identifiers import Sha512
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.inventory_rules import SIZE, SPECS, Checked, Problem, check, check_prior

INVENTORY_BYTES_MAX = 64_000_000
"""Reading one takes about ten times its size in memory."""
PROBLEMS_MAX = 200
"""Of one object that are told; more of them say nothing new."""
REGISTERED_EXTENSIONS = frozenset(
    {
        "0001-digest-algorithms",
        "0002-flat-direct-storage-layout",
        "0003-hash-and-id-n-tuple-storage-layout",
        "0004-hashed-n-tuple-storage-layout",
        "0005-mutable-head",
        "0006-flat-omit-prefix-storage-layout",
        "0007-n-tuple-omit-prefix-storage-layout",
        "0008-schema-registry",
        "0009-digest-algorithms",
        "0010-differential-n-tuple-omit-prefix-storage-layout",
        "0011-direct-clean-path-layout",
        "0012-hash-and-no-prefix-id-n-tuple-storage-layout",
        "initial",
    }
)
"""https://ocfl.github.io/extensions/, November 2026."""
OBJECT_PREFIX = "ocfl_object_"
_SIDECAR = re.compile(r"([0-9A-Fa-f]+)[ \t]+inventory\.json\s*")
_VERSION_LIKE = re.compile(r"v\d+")


class Hash(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Validated:
    """What was found in an object's directory.

    `newest` is its inventory as far as it could be understood, None where there is none; `sha512`
    the digests of its content files, complete where it is valid. `apart` are files that OCFL
    leaves to whoever keeps the object (logs, extensions, other directories of a version): nothing
    in an inventory says what they must hold.
    """

    directory: Path
    spec: str
    newest: Checked | None
    problems: tuple[Problem, ...]
    sha512: Mapping[str, Sha512]
    apart: tuple[str, ...]

    @property
    def id(self) -> str:
        """Empty where it could not be read."""
        return self.newest.id if self.newest else ""

    @property
    def valid(self) -> bool:
        return self.newest is not None and not any(p.is_error for p in self.problems)


def validate(directory: Path) -> Validated:
    """Validate the object in `directory`. Raises EnvironmentFailure where the disk fails."""
    looking = _Object(directory)
    looking.look()
    return Validated(
        directory=directory,
        spec=looking.spec,
        newest=looking.newest,
        problems=tuple(looking.told()),
        sha512=looking.sha512,
        apart=tuple(sorted(looking.apart)),
    )


def declaration(
    names: list[str], prefix: str, read: Mapping[str, bytes]
) -> tuple[str, list[Problem]]:
    """The version that a directory with the files `names` declares by `0=<prefix><version>`, and
    what is wrong with its declaration; `read` holds what such files say."""
    codes = _OBJECT if prefix == OBJECT_PREFIX else _ROOT
    problems = []
    declared = sorted(name for name in names if re.match(r"\d=", name))
    if len(declared) != 1:
        code, what = ("several", "several declarations") if declared else ("none", "no declaration")
        problems.append(Problem(codes[code], f"has {what} of a version of OCFL", ""))
    for name in () if declared else names:
        if re.fullmatch(rf".*{prefix}\d+\.\d+", name):
            message = "is no declaration, which is called 0= and what it declares"
            problems.append(Problem(codes["format"], message, name))
    spec = ""
    for name in declared:
        value = name[2:]
        if not name.startswith("0="):
            problems.append(Problem(codes["type"], "the declaration does not begin with 0=", name))
        elif not value.startswith(prefix) or (
            codes is _ROOT and value.startswith(OBJECT_PREFIX)  # an object is no storage root
        ):
            problems.append(Problem(codes["value"], f"declares no {prefix[:-1]}", name))
        elif value.removeprefix(prefix) not in SPECS:
            problems.append(Problem(codes["version"], "declares a version that there is not", name))
        else:
            spec = max(spec, value.removeprefix(prefix))
            if read.get(name) != f"{value}\n".encode():
                message = "does not hold what its name says, and a line feed"
                problems.append(Problem(codes["content"], message, name))
    return spec, problems


_OBJECT = {"format": "E002", "none": "E003", "several": "E003", "type": "E005", "value": "E006"} | {
    "version": "E004",
    "content": "E007",
}
_ROOT = {"format": "E075", "none": "E069", "several": "E076", "type": "E078", "value": "E079"} | {
    "version": "E077",
    "content": "E080",
}


@dataclass(slots=True)
class _Object:
    """An object's directory while it is looked at. `files` maps paths to sizes, `within` the
    names at the top to the paths below them; `content` holds the paths of content files."""

    directory: Path
    spec: str = SPECS[-1]
    problems: list[Problem] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    within: dict[str, list[str]] = field(default_factory=dict)
    content: set[str] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)
    sha512: dict[str, Sha512] = field(default_factory=dict)
    newest: Checked | None = None
    document: bytes | None = None
    priors: list[Checked] = field(default_factory=list)

    def told(self) -> Iterator[Problem]:
        """Every problem once, the errors first, not too many of them."""
        found = [*self.problems]
        for checked in (self.newest, *self.priors):
            found += checked.problems if checked else []
        ordered = sorted(dict.fromkeys(found), key=lambda problem: not problem.is_error)
        yield from ordered[:PROBLEMS_MAX]

    def look(self) -> None:
        self._walk()
        top = [name for name in self.files if "/" not in name]
        read = {name: self._small(name) for name in top if name[1:2] == "="}
        spec, problems = declaration(top, OBJECT_PREFIX, read)
        self.problems += problems
        self.spec = spec or self.spec
        if ocfl.INVENTORY not in self.files:
            self._note("E063", "there is no inventory", ocfl.INVENTORY)
            for name in top:
                # A stem of its own: a digest file is called inventory.json.sha512.
                if name.casefold().partition(".")[0] == "inventory" and name.count(".") < 2:
                    self._note("E034", f"an inventory is called {ocfl.INVENTORY}", name)
            return
        self.document = self._read(ocfl.INVENTORY)
        if self.document is None:
            return
        self.newest = check(self.document, ocfl.INVENTORY, self.spec)
        if spec and self.newest.spec != spec and self.newest.sound:
            message = f"its type is of OCFL {self.newest.spec}, the object of {spec}"
            self.newest.note("E038", message)
        self._sidecar("", self.newest, self.document)
        self._root_entries(self.newest)
        self._prior_versions(self.newest)
        for version in self.newest.versions:
            self._version_entries(self.newest, version)
        if self.newest.sound:
            self._bytes(self.newest)

    def _note(self, code: str, message: str, where: str) -> None:
        self.problems.append(Problem(code, message, where))

    def _walk(self) -> None:
        def failed(error: OSError) -> None:
            raise files.explain(error, self.directory) from error

        for directory, below, names in os.walk(self.directory, onerror=failed):
            for name in sorted([*below, *names]):
                path = Path(directory) / name
                relative = path.relative_to(self.directory).as_posix()
                status = path.lstat()
                if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
                    linked = stat.S_ISLNK(status.st_mode)
                    what = "a symbolic link" if linked else "neither a file nor a directory"
                    self._note("E090" if linked else "E089", f"is {what}", relative)
                    continue
                self.within.setdefault(relative.partition("/")[0], []).append(relative)
                if stat.S_ISDIR(status.st_mode):
                    self.directories.add(relative)
                else:
                    self.files[relative] = status.st_size

    def _root_entries(self, newest: Checked) -> None:
        known = {ocfl.INVENTORY, f"{ocfl.INVENTORY}.{newest.algorithm}"}
        for name in sorted(self.within):
            if name in self.files:
                if name not in known and name[1:2] != "=":
                    self._note("E001", "is a file that an object does not have", name)
            elif name in ("logs", "extensions"):
                self.apart |= self.files.keys() & {*self.within[name]}
            elif name not in newest.versions:
                is_version = _VERSION_LIKE.fullmatch(name) is not None
                what = "version that the inventory" if is_version else "directory that an object"
                self._note("E046" if is_version else "E001", f"is a {what} does not have", name)
                for path in self.within[name]:
                    if path.rpartition("/")[2].startswith(f"0={OBJECT_PREFIX}"):
                        message = "is an object within an object"
                        self._note("E082", message, path.rpartition("/")[0])
        for name in sorted(self.within.get("extensions", ())):
            if name.count("/") == 1 and name in self.files:
                self._note("E067", "is a file among the extensions", name)
            elif name.count("/") == 1 and name.partition("/")[2] not in REGISTERED_EXTENSIONS:
                self._note("W013", "is an extension that is not registered", name)

    def _version_entries(self, newest: Checked, version: str) -> None:
        if version not in self.directories:
            for code in ("E046", "E010"):
                self._note(code, "is a version that has no directory", version)
            return
        content = f"{version}/{newest.content_directory}"
        prior = next((one for one in self.priors if one.where.startswith(f"{version}/")), newest)
        known = {f"{version}/{ocfl.INVENTORY}", f"{version}/{ocfl.INVENTORY}.{prior.algorithm}"}
        inside = False
        for name in self.within.get(version, ()):
            if name.startswith(f"{content}/"):
                inside = True
                if name in self.files:
                    self.content.add(name)
                elif self._is_empty(name):
                    self._note("E024", "is an empty directory", name)
            elif name in self.directories:
                if name.count("/") == 1 and name != content:
                    self._note("W002", "is a directory that a version should not have", name)
            elif name.count("/") > 1:
                self.apart.add(name)
            elif name not in known:
                self._note("E015", "is a file that a version does not have", name)
        if content not in self.directories and any(
            path.startswith(f"{content}/") for path in newest.manifest
        ):
            self._note("E016", "has content in the manifest, and no content directory", version)
        if content in self.directories and not inside:
            self._note("W003", "is a content directory with nothing in it", content)

    def _is_empty(self, directory: str) -> bool:
        with os.scandir(self.directory / directory) as entries:
            return next(entries, None) is None

    def _prior_versions(self, newest: Checked) -> None:
        spec = SPECS[0]
        listed: set[str] = set()
        for version in newest.versions:
            name = f"{version}/{ocfl.INVENTORY}"
            if name not in self.files:
                if version in self.directories:
                    self._note("W010", "has no inventory of its own", version)
                continue
            document = self._read(name)
            if document is None:
                continue
            if version == newest.versions[-1]:
                if document != self.document:
                    self._note("E064", "is not the inventory of the object", name)
                else:
                    self._sidecar(f"{version}/", newest, document)
                continue
            prior = check(document, name, spec)
            self.priors.append(prior)
            self._sidecar(f"{version}/", prior, document)
            if prior.versions and prior.versions[-1] != version:
                prior.note("E040", f"its newest version is {prior.versions[-1][:20]}")
            if missing := listed - prior.manifest.keys():
                prior.note("E023", f"it does not list {min(missing)[:60]!r}")
            listed |= prior.manifest.keys()
            if prior.spec < spec:
                prior.note("E103", f"it is of OCFL {prior.spec}, and one before it of {spec}")
            spec = max(spec, prior.spec)
            check_prior(newest, prior)
        if newest.spec < spec:
            newest.note("E103", f"it is of OCFL {newest.spec}, and an older one of {spec}")

    def _sidecar(self, place: str, checked: Checked, document: bytes) -> None:
        if checked.algorithm not in ("sha512", "sha256"):
            return
        name = f"{place}{ocfl.INVENTORY}.{checked.algorithm}"
        if name not in self.files:
            others = [n for n in self.files if n.startswith(f"{place}{ocfl.INVENTORY}.")]
            code = "E059" if others else "E058"
            self._note(code, "there is no digest of the inventory by its algorithm", name)
            return
        match = _SIDECAR.fullmatch(self._small(name).decode("utf-8", "replace"))
        if match is None:
            self._note("E061", "is not a digest and `inventory.json`", name)
        elif match[1].lower() != hashlib.new(checked.algorithm, document).hexdigest():
            self._note("E060", "is not the digest of the inventory beside it", name)

    def _bytes(self, newest: Checked) -> None:
        """Every content file is listed, and has every digest that any inventory gives it."""
        for name in sorted(self.content - newest.manifest.keys()):
            self._note("E023", "is in no manifest", name)
        wanted: dict[str, dict[str, set[tuple[str, str]]]] = {}
        for checked in (newest, *self.priors):
            for path, digest in checked.manifest.items():
                claim = (digest, "E092")
                wanted.setdefault(path, {}).setdefault(checked.algorithm, set()).add(claim)
            for path, digests in checked.fixity.items():
                for algorithm, digest in digests.items():
                    claim = (digest, "E093")
                    wanted.setdefault(path, {}).setdefault(algorithm, set()).add(claim)
        for path in sorted(wanted):
            if path not in self.content:
                for code in sorted({code for c in wanted[path].values() for _, code in c}):
                    self._note(code, "is in an inventory, and not there", path)
                continue
            actual = _digests(self.directory / path, {*wanted[path], "sha512"})
            self.sha512[path] = Sha512(actual["sha512"])
            for algorithm, claims in wanted[path].items():
                for digest, code in sorted(claims):
                    if digest != actual[algorithm]:
                        self._note(code, f"does not match its {algorithm} digest", path)

    def _read(self, name: str) -> bytes | None:
        """An inventory; None where it is too large to be read."""
        if self.files[name] > INVENTORY_BYTES_MAX:
            self._note("E033", f"has over {INVENTORY_BYTES_MAX:,} bytes", name)
            return None
        return (self.directory / name).read_bytes()

    def _small(self, name: str) -> bytes:
        with (self.directory / name).open("rb") as file:
            return file.read(1_000)


def _digests(path: Path, algorithms: Iterable[str]) -> dict[str, str]:
    """The file's digests by each of `algorithms`, in one reading."""
    hashes = {name: _hash(name) for name in algorithms if name != SIZE}
    byte_count = 0
    for block in files.blocks(path):
        byte_count += len(block)
        for one in hashes.values():
            one.update(block)
    return {name: one.hexdigest() for name, one in hashes.items()} | {SIZE: str(byte_count)}


def _hash(algorithm: str) -> Hash:
    if algorithm.startswith("blake2b-"):
        return hashlib.blake2b(digest_size=int(algorithm.removeprefix("blake2b-")) // 8)
    name = {"sha512/256": "sha512_256"}.get(algorithm, algorithm)
    return hashlib.new(name, usedforsecurity=False)
