"""What a storage root is to everything that uses one: names, bytes and digests, never a path.

An object stands at a name below the root (`ocfl.object_path`), a file of it at a path below the
object. How bytes are written is the business of each kind of root; how an inventory is read,
and when it may be believed, is the same in all of them and stands here.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sonotheque.errors import Corrupt, EnvironmentFailure, NotFound, SonothequeError
from sonotheque.model.holdings import Holding
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.vault import ocfl

HEAL = "run `sonotheque audit --heal`"
ROOT_ID = HoldingId("urn:sonotheque:root")
"""In the place of a holding, where an event is about a storage root itself."""

Pace = Callable[[int], None]
"""Told the number of bytes of each block that was read; it may wait, to bound the rate."""


class Source(Protocol):
    """Where an object can be copied from: a root, or one found elsewhere (`translation`)."""

    @property
    def name(self) -> str: ...
    @property
    def present(self) -> bool: ...
    def place_of(self, name: str) -> str: ...
    def required(self, holding: HoldingId) -> ocfl.Inventory: ...
    def read_inventory(self, name: str, version: str = "") -> tuple[ocfl.Inventory, bytes]: ...
    def blocks(
        self, name: str, path: str, *, first: int = 0, byte_count: int | None = None
    ) -> Iterator[bytes]: ...


class Root(ABC):
    """An OCFL storage root. `name` is what reports call it. The files that make it a root are
    those of the object called "".

    Whatever asks the medium raises EnvironmentFailure where the whole root is away.
    """

    name: str

    @property
    @abstractmethod
    def where(self) -> str:
        """The directory or the address, for messages."""

    @property
    @abstractmethod
    def present(self) -> bool:
        """Whether a root is there: an unmounted disk or an empty bucket is none."""

    def require_present(self) -> None:
        """Raises EnvironmentFailure where it is away: an unmounted disk is no empty root."""
        if not self.present:
            raise EnvironmentFailure(
                f"storage root {self.name} is away",
                where=self.where,
                remedy="bring it back, or take it out of archive.toml; if it is lost for good, give"
                f" it an empty place and run `sonotheque audit --heal --renew {self.name}`",
            )

    @abstractmethod
    def create(self, *, objects_too: bool = False) -> None:
        """Make an empty root; one that was begun before is completed. With `objects_too`, what
        stands where objects belong may be there, as where a root has lost its marker.

        Raises BadInput where something else is there already, Refused or EnvironmentFailure
        where the place cannot do what a root needs.
        """

    @abstractmethod
    def settle(self) -> None:
        """Complete or clear what a process that died left behind.

        Only a writer that holds the archive's lock may call it.
        """

    @abstractmethod
    def object_names(self, *, after: str = "") -> Iterator[str]:
        """Every name below which something stands where an object belongs, if it sorts behind
        `after`; in the order of the texts, in bounded memory."""

    @abstractmethod
    def has_object(self, name: str) -> bool:
        """Whether anything of the object `name` is there, as `object_names` would tell."""

    def shows(self, name: str) -> bool:
        """Whether readers are to find the object `name`: what a writer that died left of a new
        one is not shown."""
        return self.has_object(name)

    @abstractmethod
    def size(self, name: str, path: str) -> int | None:
        """Bytes of one file of the object `name`; None where it is missing."""

    @abstractmethod
    def blocks(
        self, name: str, path: str, *, first: int = 0, byte_count: int | None = None
    ) -> Iterator[bytes]:
        """The bytes of one file, from byte `first` on, in blocks of bounded size, unchecked.

        Raises a SonothequeError where it is missing or cannot be read.
        """

    @abstractmethod
    def fresh_blocks(self, name: str, path: str) -> Iterator[bytes]:
        """As `blocks`, the whole file, from the medium and from no cache."""

    @abstractmethod
    def strays(self, name: str, paths: Sequence[str]) -> list[str]:
        """What stands below the object `name` beside its files `paths`: other files, and
        directories that hold none of them, which end in a stroke. OCFL allows neither, except
        for the directories `logs` and `extensions`."""

    @abstractmethod
    def digest(self, name: str, path: str, pace: Pace | None = None) -> Sha512 | None:
        """SHA-512 of one file, read from the medium and from no cache; None where it is missing
        or cannot be read."""

    @abstractmethod
    def restore_file(self, name: str, path: str, content: Iterable[bytes], digest: str) -> str:
        """Put `content`, once it has that digest, in the place of one file of the object `name`;
        where what stood in the way is now, as `make_way` tells.

        Raises Corrupt, having changed nothing, where it has not.
        """

    def make_way(self, name: str, path: str = "") -> str:
        """Move out of the root what stands in the place of the object `name`, or of one file of
        it, and is no directory or no file; where it is now, "" where nothing stood in the way.
        Nothing of it is destroyed."""
        return ""

    @abstractmethod
    def adopt(self, source: Root, *holdings: HoldingId) -> None:
        """Copy from `source` the versions of the objects that this root lacks, checking every
        digest. Raises Corrupt, what is read here being as it was, where the source does not
        verify or where neither root's history of an object is the beginning of the other's.
        """

    def place_of(self, name: str) -> str:
        """Where the object `name` stands, for messages."""
        return f"{self.where}/{name}"

    def read_inventory(
        self, name: str, version: str = "", *, witnesses: Sequence[Root] = ()
    ) -> tuple[ocfl.Inventory, bytes]:
        """The inventory of the object `name`, or the copy that its directory `version` ("v2")
        has, and its bytes; checked against its digest, as its own sidecar or that of one of
        `witnesses` has it. Raises Corrupt.

        Between the two writes that show a new version, the object's own sidecar is that of the
        other version; then the sidecar in the version's directory speaks for the inventory.
        """
        prefix = f"{version}/" if version else ""
        where = self.place_of(f"{name}/{version}" if version else name)
        document = self._small(name, f"{prefix}{ocfl.INVENTORY}")
        try:
            if document is None:
                raise ValueError("it is missing")
            inventory = ocfl.parse_inventory(document)
        except ValueError as error:
            raise Corrupt(
                f"the inventory cannot be read ({error})", where=where, remedy=HEAL
            ) from error
        sidecar = ocfl.sidecar(document)
        any_read = False
        for root in (self, *witnesses):
            for place in (prefix, f"{prefix}v{inventory.head}/"):
                found = root._small(name, f"{place}{ocfl.SIDECAR}")
                if found == sidecar:
                    return inventory, document
                any_read |= found is not None
        how = "does not match its digest" if any_read else "has a digest that cannot be read"
        raise Corrupt(f"the inventory {how}", where=where, remedy=HEAL)

    @abstractmethod
    def _small(self, name: str, path: str) -> bytes | None:
        """The bytes of an inventory or a sidecar; None where it is missing or unreadable."""

    def inventory(self, holding: HoldingId) -> ocfl.Inventory | None:
        """The object's inventory, checked against its digest; None where no object is shown.

        Raises Corrupt where it does not verify or is another object's.
        """
        found = self._newest(holding)
        return found[0] if found else None

    def required(self, holding: HoldingId) -> ocfl.Inventory:
        """As `inventory`, but raises NotFound where there is no object."""
        return self.newest(holding)[0]

    def newest(self, holding: HoldingId) -> tuple[ocfl.Inventory, bytes]:
        """As `required`, and the inventory's bytes."""
        found = self._newest(holding)
        if found is None:
            raise NotFound(
                "is not held",
                where=f"{holding} in root {self.name}",
                remedy="check the identifier with `sonotheque find`",
            )
        return found

    def _newest(self, holding: HoldingId) -> tuple[ocfl.Inventory, bytes] | None:
        name = ocfl.object_path(holding)
        if not self.shows(name):
            return None
        inventory, document = self.read_inventory(name)
        if inventory.id != holding:
            raise Corrupt(f"holds {inventory.id}", where=self.place_of(name), remedy=HEAL)
        return inventory, document

    def _lacks(self, source: Source, holding: HoldingId) -> tuple[ocfl.Inventory, int]:
        """The inventory of `source`, and the version of it that this root is at: 0 where it has
        none, the last one where it lacks nothing. Raises Corrupt where the histories part."""
        theirs, here = source.required(holding), self.inventory(holding)
        if here is None or theirs.continues(here):
            return theirs, here.head if here else 0
        if here.continues(theirs):
            return theirs, theirs.head
        raise Corrupt(
            f"has another history in root {self.name} than in root {source.name}",
            where=holding,
            remedy="compare the two, and move the wrong one out of its root",
        )

    def holding(self, holding: HoldingId) -> Holding | None:
        """The newest version of `holding`; None where this root has none."""
        inventory = self.inventory(holding)
        return self._described(inventory) if inventory else None

    def holdings(self) -> Iterator[Holding]:
        """Every holding of this root, in the order of the layout."""
        return map(self.holding_at, self.object_names())

    def holding_at(self, name: str) -> Holding:
        """The holding whose object is called `name`. Raises Corrupt."""
        return self._described(self.read_inventory(name)[0])

    def place(self, holding: HoldingId, logical_path: str) -> Place:
        """The content file behind a logical path of the newest version."""
        inventory = self.required(holding)
        digest = inventory.state().get(logical_path)
        if digest is None:
            raise NotFound(
                f"has no file {logical_path}", where=holding, remedy="see `sonotheque show`"
            )
        name = ocfl.object_path(holding)
        return Place(self, name, inventory.content_path(digest), digest)

    def read(self, holding: HoldingId, logical_path: str) -> bytes:
        """The bytes behind a logical path, checked against their digest."""
        place = self.place(holding, logical_path)
        content = b"".join(place.blocks())
        if ocfl.digest_of(content) != place.sha512:
            raise Corrupt("does not match its digest", where=place.where, remedy=HEAL)
        return content

    def _described(self, inventory: ocfl.Inventory) -> Holding:
        """As a value; a file that is missing has no bytes, which the audit reports."""
        name = ocfl.object_path(inventory.id)
        sizes = {
            digest: self.size(name, inventory.content_path(digest)) or 0
            for digest in inventory.state().values()
        }
        return ocfl.holding_of(inventory, sizes)


@dataclass(frozen=True, slots=True)
class Place:
    """One file of the object `name` in one root, and the digest that it must have."""

    root: Source
    name: str
    path: str
    sha512: Sha512

    @property
    def where(self) -> str:
        return self.root.place_of(f"{self.name}/{self.path}")

    def blocks(self, *, first: int = 0, byte_count: int | None = None) -> Iterator[bytes]:
        """Its bytes, unchecked. Raises Corrupt where it is missing or cannot be read,
        EnvironmentFailure only where the whole root is away."""
        try:
            yield from self.root.blocks(self.name, self.path, first=first, byte_count=byte_count)
        except SonothequeError as error:
            if isinstance(error, EnvironmentFailure) and not self.root.present:
                raise
            raise Corrupt(
                f"cannot be read ({error.what})", where=self.where, remedy=HEAL
            ) from error


def verified(content: Iterable[bytes], sha512: str, where: str) -> Iterator[bytes]:
    """`content`, block by block, and instead of its end Corrupt where it has another digest."""
    digest = hashlib.sha512()
    for block in content:
        digest.update(block)
        yield block
    if digest.hexdigest() != sha512:
        raise changed(where)


def changed(where: str) -> Corrupt:
    """The error of a file that is to be copied and does not have its digest."""
    return Corrupt(
        "does not match its digest, or changed while it was read",
        where=where,
        remedy=f"deposit it again once nothing writes to it; for a vault's own file, {HEAL}",
    )
