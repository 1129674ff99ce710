"""A storage root in a bucket: the same OCFL layout, written where nothing can be renamed.

A version becomes visible by the one PUT that comes last, that of the object's inventory; all it
speaks of is there by then. Whoever dies earlier leaves objects that no inventory names: nobody
reads them, the next run finds them in its way, checks them, and goes on. Nothing is ever deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from sonotheque.errors import BadInput, NotFound
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.store.objectstore import ObjectStore
from sonotheque.vault import ocfl
from sonotheque.vault.roots import Pace, Place, Root, verified


class BucketRoot(Root):
    """A storage root in the object store `store`."""

    def __init__(self, name: str, store: ObjectStore) -> None:
        self.name = name
        self._store = store

    @property
    def where(self) -> str:
        return self._store.where

    @property
    def present(self) -> bool:
        return self._store.size(ocfl.ROOT_MARKER[0]) is not None

    def create(self, *, objects_too: bool = False) -> None:
        """See Root. Raises Refused where the store is not one that can be relied on."""
        own = {path for path, _ in ocfl.ROOT_FILES}
        for key in self._store.list():
            if self._store.is_probe(key):
                self._store.delete(key)
            elif objects_too and ocfl.TUPLE.fullmatch(key.partition("/")[0]):
                continue
            elif key not in own:
                raise BadInput(
                    f"is not empty ({key})",
                    where=self.where,
                    remedy="name a prefix of the bucket that holds nothing",
                )
        self._store.probe()
        for path, content in ocfl.ROOT_FILES:
            self._store.write(path, [content], replace=True)

    def settle(self) -> None:
        """Nothing that a process left behind is visible, and `adopt` goes on from it."""

    def adopt(self, source: Root, *holdings: HoldingId) -> None:
        """See Root: content first, then each version's inventory, the object's own last."""
        for holding in holdings:
            self._adopt(source, holding)

    def _adopt(self, source: Root, holding: HoldingId) -> None:
        inventory, since = self._lacks(source, holding)
        if since == inventory.head:
            return
        name = ocfl.object_path(holding)
        for content, digest in inventory.content_paths().items():
            if int(content[1:].split("/", 1)[0]) > since:
                self._keep(Place(source, name, content, digest))
        for number in range(since + 1, inventory.head + 1):
            version = f"v{number}"
            self._write_pair(f"{name}/{version}", source.read_inventory(name, version)[1])
        marker, content_of_marker = ocfl.OBJECT_MARKER
        self._store.write(f"{name}/{marker}", [content_of_marker], replace=True)
        self._write_pair(name, source.read_inventory(name)[1])

    def _keep(self, place: Place) -> None:
        """Write the file at `place` to the same place here, unless it is there."""
        key = f"{place.name}/{place.path}"

        def write(*, replace: bool) -> bool:
            content = verified(place.blocks(), place.sha512, place.where)
            return self._store.write(key, content, replace=replace)

        # What is in the way belongs to no version that can be read here.
        if not write(replace=False) and self.digest(place.name, place.path) != place.sha512:
            write(replace=True)

    def _write_pair(self, place: str, document: bytes) -> None:
        self._store.write(f"{place}/{ocfl.SIDECAR}", [ocfl.sidecar(document)], replace=True)
        self._store.write(f"{place}/{ocfl.INVENTORY}", [document], replace=True)

    def object_names(self, *, after: str = "") -> Iterator[str]:
        """See Root; a page of keys at a time, and the objects of one directory of the layout."""
        here, names = "", set[str]()
        for key in self._store.list(after=after.rpartition("/")[0]):
            parts = key.split("/")
            if parts[0] == "extensions" or len(parts) <= ocfl.LAYOUT_DEPTH:
                continue
            directory = "/".join(parts[: ocfl.LAYOUT_DEPTH - 1])
            if directory != here:
                yield from sorted(name for name in names if name > after)
                here, names = directory, set()
            # As keys, `x-y/…` comes before `x/…`: the names of one directory are sorted here.
            names.add("/".join(parts[: ocfl.LAYOUT_DEPTH]))
        yield from sorted(name for name in names if name > after)

    def has_object(self, name: str) -> bool:
        return next(self._store.list(below=name), None) is not None

    def shows(self, name: str) -> bool:
        """See Root: the object's own inventory is what is written last."""
        return self._store.size(f"{name}/{ocfl.INVENTORY}") is not None

    def size(self, name: str, path: str) -> int | None:
        return self._store.size(_key(name, path))

    def blocks(
        self, name: str, path: str, *, first: int = 0, byte_count: int | None = None
    ) -> Iterator[bytes]:
        return self._store.blocks(_key(name, path), first=first, byte_count=byte_count)

    def fresh_blocks(self, name: str, path: str) -> Iterator[bytes]:
        return self._store.blocks(_key(name, path))

    def strays(self, name: str, paths: Sequence[str]) -> list[str]:
        keys = {key.removeprefix(f"{name}/") for key in self._store.list(below=name)}
        return sorted(
            key for key in keys.difference(paths) if not key.startswith(("logs/", "extensions/"))
        )

    def digest(self, name: str, path: str, pace: Pace | None = None) -> Sha512 | None:
        digest = hashlib.sha512()
        try:
            for block in self._store.blocks(_key(name, path)):
                digest.update(block)
                if pace:
                    pace(len(block))
        except NotFound:
            return None
        return Sha512(digest.hexdigest())

    def restore_file(self, name: str, path: str, content: Iterable[bytes], digest: str) -> str:
        """See Root: one PUT replaces it whole, and no key stands in the way of another."""
        key = _key(name, path)
        self._store.write(key, verified(content, digest, self.place_of(key)), replace=True)
        return ""

    def _small(self, name: str, path: str) -> bytes | None:
        return self._store.read(f"{name}/{path}")


def _key(name: str, path: str) -> str:
    return f"{name}/{path}" if name else path
