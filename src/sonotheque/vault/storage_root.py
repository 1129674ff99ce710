"""A storage root of somebody else's: what it declares, and where its objects are.

It is walked by the objects' declarations, whatever its layout is; symbolic links are not followed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonotheque.store import files
from sonotheque.vault import layouts, ocfl
from sonotheque.vault.inventory_rules import Problem
from sonotheque.vault.validation import (
    OBJECT_PREFIX,
    PROBLEMS_MAX,
    REGISTERED_EXTENSIONS,
    declaration,
)

PREFIX = "ocfl_"
LAYOUT_NAME = "ocfl_layout.json"
_EXTENSIONS = "extensions"
_BYTES_MAX = 100_000
"""Of a layout or its parameters."""


@dataclass(slots=True)
class StorageRoot:
    """A storage root, opened by `open_root`. `spec` is empty where it declares no version, and
    then it is none. `problems` grows while its objects are listed."""

    path: Path
    spec: str
    layout_name: str = ""
    problems: list[Problem] = field(default_factory=list)
    _layout: layouts.Layout | None = None
    _depths: set[bool] = field(default_factory=set)
    _ends: int = 0
    """Objects and other storage roots that the walk has come to."""

    def objects(self) -> Iterator[str]:
        """The path of every object below the root, in order, in bounded memory. A storage root
        that lies within this one is told, and not gone into."""
        yield from self._below("")
        if len(self._depths) > 1:
            message = "has objects at its top and deeper down"
            self._note("W015", message, "")

    def misplaced(self, name: str, identifier: str) -> Problem | None:
        """What is wrong with the object `identifier` standing at `name`, if anything is."""
        if self._layout is None:
            return None
        try:
            expected = self._layout(identifier)
        except ValueError as error:
            return Problem(
                "E083", f"{self.layout_name} has no place for {identifier[:60]!r}: {error}", ""
            )
        if expected != name:
            return Problem("W014", f"{self.layout_name} would put it at {expected[:120]}", "")
        return None

    def _below(self, directory: str) -> Iterator[str]:
        names, below, links = [], [], []
        with os.scandir(self.path / directory) as entries:
            for entry in entries:
                if entry.is_symlink():
                    links.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                else:
                    names.append(entry.name)
        prefix = f"{directory}/" if directory else ""
        for link in sorted(links):
            self._note("E090", "is a symbolic link", f"{prefix}{link}")
        declared = [name for name in names if name.startswith("0=")]
        if directory and (declared or ocfl.INVENTORY in names):
            self._ends += 1
            if ocfl.INVENTORY not in names and _of_roots(declared):
                self._note("E074", "is a storage root within a storage root", directory)
                return
            self._depths.add("/" in directory)
            yield directory
            return
        if directory and not (names or below or links):
            self._note("E073", "is an empty directory", directory)
        if directory:
            self._loose(directory, sorted(names), on_the_way=bool(below))
        for name in sorted(below):
            before = self._ends
            if directory or name != _EXTENSIONS:
                yield from self._below(f"{prefix}{name}")
                if not directory and self._ends == before:
                    self._note("E088", "is a directory without any object", name)

    def _loose(self, directory: str, names: list[str], *, on_the_way: bool) -> None:
        """Note the files `names` of a directory that is no object."""
        for name in names:
            self._note("E072", "is a file that is in no object", f"{directory}/{name}")
            if on_the_way:
                self._note("E084", "lies on the way to objects", f"{directory}/{name}")
        if names and not on_the_way:
            self._note("E085", "ends in no object", directory)

    def _note(self, code: str, message: str, where: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(code, message, where))

    def _read_layout(self) -> None:
        if not (self.path / LAYOUT_NAME).exists():
            return
        document = _json(self.path / LAYOUT_NAME)
        keys = ("extension", "description")
        if document is None or not all(isinstance(document.get(key), str) for key in keys):
            message = "is no JSON object with an extension and a description"
            self._note("E070", message, LAYOUT_NAME)
            return
        self.layout_name = document["extension"]
        if self.layout_name not in REGISTERED_EXTENSIONS:
            message = f"names {self.layout_name[:60]!r}, which is no registered layout"
            self._note("E071", message, LAYOUT_NAME)
            return
        place = self.path / _EXTENSIONS / self.layout_name / "config.json"
        parameters = _json(place) if place.exists() else {}
        try:
            if parameters is None:
                raise ValueError("its config.json is no JSON object")
            self._layout = layouts.layout_of(self.layout_name, parameters)
        except ValueError as error:
            where = f"{_EXTENSIONS}/{self.layout_name}/config.json"
            self._note("E071", f"is not what the layout wants: {error}", where)

    def _read_extensions(self) -> None:
        if not (self.path / _EXTENSIONS).is_dir():
            return
        for entry in sorted((self.path / _EXTENSIONS).iterdir()):
            where = f"{_EXTENSIONS}/{entry.name}"
            if entry.is_symlink():
                self._note("E090", "is a symbolic link", where)
            elif not entry.is_dir():
                self._note("E112", "is a file among the extensions", where)
            elif entry.name not in REGISTERED_EXTENSIONS:
                self._note("W016", "is an extension that is not registered", where)


def open_root(path: Path) -> StorageRoot:
    """Look at the storage root in the directory `path`. Raises BadInput where there is none."""
    try:
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    except OSError as error:
        raise files.explain(error, path) from error
    read = {}
    for name in names:
        if name[1:2] == "=":
            with (path / name).open("rb") as file:
                read[name] = file.read(1_000)
    spec, problems = declaration(names, PREFIX, read)
    root = StorageRoot(path, spec, problems=problems)
    root._read_layout()
    root._read_extensions()
    return root


def _of_roots(declared: list[str]) -> bool:
    return all(
        name.startswith(f"0={PREFIX}") and not name.startswith(f"0={OBJECT_PREFIX}")
        for name in declared
    )


def _json(path: Path) -> Mapping[str, Any] | None:
    """The JSON object in a small file; None where there is none."""
    try:
        if path.is_symlink() or path.stat().st_size > _BYTES_MAX:
            return None
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
