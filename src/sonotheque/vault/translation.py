"""An object that was found elsewhere, as a root of ours holds it.

Every object in our roots has one form: SHA-512, version directories v1, v2 …, content in
`content`, an inventory in every version. An object that has it is taken byte for byte. Any other
is put into it: the same identifier, the same versions with all that is said of each, the same
logical paths, the same bytes; the digests that it had stand in the inventory's `fixity` block,
which OCFL has for that (those that the specification itself names). See docs/adr/0014.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonotheque.errors import Corrupt, Refused
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.inventory_rules import DIGEST_DIGITS, Checked
from sonotheque.vault.validation import Validated


@dataclass(frozen=True, slots=True)
class Found:
    """A valid object in a directory outside our roots, in the form of ours; see `roots.Source`.

    `contents` maps content paths of our form to the files in the directory; `left_over` are
    content files that no version uses.
    """

    directory: Path
    inventory: ocfl.Inventory
    as_it_was: bool
    contents: Mapping[str, str]
    left_over: tuple[str, ...] = ()
    name: str = "elsewhere"
    _documents: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def present(self) -> bool:
        return self.directory.is_dir()

    def place_of(self, name: str) -> str:
        return str(
            self.directory / name.removeprefix(ocfl.object_path(self.inventory.id)).strip("/")
        )

    def required(self, holding: HoldingId) -> ocfl.Inventory:
        return self.inventory

    def read_inventory(self, name: str, version: str = "") -> tuple[ocfl.Inventory, bytes]:
        """The inventory of the object, or of its version `version`, and its bytes."""
        number = int(version.removeprefix("v")) if version else self.inventory.head
        document = self.document(number)
        try:
            return ocfl.parse_inventory(document), document
        except ValueError as error:
            raise _changed(self.directory) from error

    def document(self, number: int) -> bytes:
        """The bytes of the inventory of version `number`."""
        if self._documents:
            return self._documents[number - 1]
        return (self.directory / f"v{number}" / ocfl.INVENTORY).read_bytes()

    def blocks(
        self, name: str, path: str, *, first: int = 0, byte_count: int | None = None
    ) -> Iterator[bytes]:
        return files.blocks(
            self.directory / self.contents[path], first=first, byte_count=byte_count
        )


def translate(validated: Validated) -> Found:
    """The valid object `validated` in the form of our roots, where bytes stand in the version
    that uses them first. Raises Refused for what no inventory in that form can say.
    """
    if as_it_was := _as_it_was(validated):
        return as_it_was
    newest = validated.newest
    if newest is None:
        raise _changed(validated.directory)
    used = {path for state in newest.states.values() for paths in state.values() for path in paths}
    contents = _contents(newest, used, validated.sha512)
    blocks = [_block(newest, name, validated.sha512) for name in newest.versions]
    documents = []
    for head in range(1, len(blocks) + 1):
        document = _document(newest, blocks[:head], contents, validated.sha512)
        try:
            inventory = ocfl.parse_inventory(document)
        except ValueError:
            raise Refused(
                "cannot be said in the form of this archive's roots",
                where=str(validated.directory),
                remedy="make the object anew from its versions, and adopt that",
            ) from None
        documents.append(document)
    return Found(
        directory=validated.directory,
        inventory=inventory,
        as_it_was=False,
        contents=contents,
        left_over=tuple(sorted(newest.manifest.keys() - used)),
        _documents=tuple(documents),
    )


def _contents(newest: Checked, used: Iterable[str], sha512: Mapping[str, Sha512]) -> dict[str, str]:
    """Content paths of our form → those of the object. OCFL lets an object without older
    inventories keep bytes in another version's directory than the one that uses them first; in
    ours each version's inventory can speak of its own and earlier directories alone."""
    numbers = {name: number for number, name in enumerate(newest.versions, 1)}
    first: dict[str, int] = {}
    for number, name in enumerate(newest.versions, 1):
        for paths in newest.states[name].values():
            for path in paths:
                first.setdefault(sha512[path], number)
    # The earliest of several copies of the same bytes, by the number of its version.
    stands: dict[str, tuple[int, str]] = {}
    for path in used:
        place = numbers[path.partition("/")[0]], path
        stands[sha512[path]] = min(place, stands.get(sha512[path], place))
    contents: dict[str, str] = {}
    moved = []
    for path in sorted(used):
        version, _, rest = path.partition("/")
        number, wanted = numbers[version], first[sha512[path]]
        inside = rest.removeprefix(f"{newest.content_directory}/")
        if number < wanted or (number > wanted and stands[sha512[path]][1] == path):
            moved.append((wanted, f"{version}/{inside}", path))
        else:
            contents[f"v{number}/{ocfl.CONTENT}/{inside}"] = path
    stay = tuple(contents)
    for wanted, inside, path in moved:
        # Below a directory that nothing else of that version stands in.
        apart = f"v{wanted}/{ocfl.CONTENT}/moved"
        while any(one.startswith(apart) for one in stay):
            apart += "-"
        contents[f"{apart}/{inside}"] = path
    return contents


def _as_it_was(validated: Validated) -> Found | None:
    """The object, if it has our form already."""
    newest = validated.newest
    if newest is None or (validated.spec, newest.algorithm) != (ocfl.SPEC, "sha512"):
        return None
    try:
        document = (validated.directory / ocfl.INVENTORY).read_bytes()
        inventory = ocfl.parse_inventory(document)
        found = Found(
            directory=validated.directory,
            inventory=inventory,
            as_it_was=True,
            contents={path: path for path in inventory.content_paths()},
        )
        for number in range(1, inventory.head + 1):
            older, _ = found.read_inventory("", f"v{number}")
            if older.head != number or not inventory.continues(older):
                return None
    except (OSError, ValueError, Corrupt):
        return None
    return found


def _block(newest: Checked, version: str, sha512: Mapping[str, str]) -> dict[str, Any]:
    """What the version says of itself, its state by SHA-512."""
    state: dict[str, list[str]] = {}
    for logical, paths in sorted(newest.states[version].items()):
        state.setdefault(sha512[min(paths)], []).append(logical)
    return {**newest.blocks[version], "state": state}


def _document(
    newest: Checked,
    blocks: list[dict[str, Any]],
    contents: Mapping[str, str],
    sha512: Mapping[str, str],
) -> bytes:
    """The inventory of the version that `blocks` end with, as text that is always the same."""
    head = len(blocks)
    manifest: dict[str, list[str]] = {}
    fixity: dict[str, dict[str, list[str]]] = {}
    for content, path in contents.items():
        if int(content[1:].split("/", 1)[0]) > head:
            continue
        manifest.setdefault(sha512[path], []).append(content)
        known = {**newest.fixity.get(path, {}), newest.algorithm: newest.manifest[path]}
        for algorithm, digest in known.items():
            if algorithm in DIGEST_DIGITS and algorithm != "sha512":
                fixity.setdefault(algorithm, {}).setdefault(digest, []).append(content)
    document = {
        "id": newest.id,
        "type": ocfl.INVENTORY_TYPE,
        "digestAlgorithm": "sha512",
        "head": f"v{head}",
        "manifest": manifest,
        "versions": {f"v{number}": block for number, block in enumerate(blocks, 1)},
        **({"fixity": fixity} if fixity else {}),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True).encode()


def _changed(directory: Path) -> Corrupt:
    return Corrupt(
        "changed while it was read",
        where=str(directory),
        remedy="adopt it again once nothing writes to it",
    )
