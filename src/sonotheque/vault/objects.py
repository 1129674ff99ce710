"""Objects in a storage root: written whole, durably, one version at a time.

A version is made in a staging directory that stands beside the root on its filesystem (an
OCFL root may hold no stray files), synced, and moved into place by rename. A new object is
visible by that one rename. A new version is visible when the object's inventory is replaced;
`settle` completes or clears what a process that died in between left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sonotheque import __version__
from sonotheque.errors import BadInput, Corrupt, NotFound
from sonotheque.model.holdings import Holding
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.store import files
from sonotheque.vault import ocfl

AGENT = f"sonotheque {__version__}"
_HEAL = "run `sonotheque audit --heal`"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file to be copied into the vault, and the digest that its bytes must have."""

    path: Path
    sha512: Sha512


@dataclass(frozen=True, slots=True)
class Vault:
    """An OCFL storage root at `path`. `name` is what reports call it."""

    name: str
    path: Path

    @property
    def staging(self) -> Path:
        return self.path.with_name(f"{self.path.name}.staging")

    def create(self) -> None:
        """Make an empty root; one that was begun before is completed.

        Raises BadInput where something else is there already.
        """
        extension = self.path / "extensions" / ocfl.LAYOUT_NAME
        leftovers = [*files.leftovers(self.path), *files.leftovers(extension)]
        own = {self.path / ocfl.ROOT_MARKER[0], self.path / "ocfl_layout.json", extension.parent}
        if self.path.exists() and not {*self.path.iterdir()} <= own.union(leftovers):
            raise BadInput(
                "is not empty",
                where=str(self.path),
                remedy="name an empty directory for this storage root",
            )
        if self.path.is_mount():
            raise BadInput(
                "is where a disk is mounted, and what is staged beside it is on another disk",
                where=str(self.path),
                remedy="name a directory on that disk for this storage root",
            )
        files.make_directory(extension)
        for leftover in leftovers:
            leftover.unlink()
        files.replace(extension / "config.json", _json(ocfl.LAYOUT_PARAMETERS))
        files.replace(self.path / "ocfl_layout.json", _json(ocfl.LAYOUT))
        # The marker comes last: a root that has one is whole.
        files.replace(self.path / ocfl.ROOT_MARKER[0], ocfl.ROOT_MARKER[1])

    @property
    def present(self) -> bool:
        return (self.path / ocfl.ROOT_MARKER[0]).is_file()

    def write_version(
        self,
        holding: HoldingId,
        additions: Mapping[str, KnownFile | bytes],
        *,
        message: str,
        now: str,
    ) -> Holding:
        """Lay `additions` (logical path → a file to copy, or bytes) over the object's newest
        version and make that a version; the object is made where it is missing.

        Everything is synced when this returns. A file whose bytes are not the known ones raises
        Corrupt, and nothing is left behind. Content that changes nothing makes no version.
        """
        previous = self.inventory(holding)
        digests = {path: _digest(source) for path, source in additions.items()}
        if previous and previous.state() | digests == previous.state():
            return self._holding(previous)
        inventory, writes = ocfl.next_version(
            previous, holding, digests, message=message, agent=AGENT, now=now
        )
        with self._stage(holding) as stage:
            for content, logical in writes.items():
                _put(stage / content, additions[logical])
            document = inventory.to_json()
            for directory in (stage / f"v{inventory.head}", stage):
                directory.mkdir(parents=True, exist_ok=True)
                files.create(directory / ocfl.INVENTORY, document)
                files.create(directory / ocfl.SIDECAR, ocfl.sidecar(document))
            self._install(stage, inventory, since=previous.head if previous else 0)
        return self._holding(inventory)

    def adopt(self, source: Vault, holding: HoldingId) -> None:
        """Copy from `source` the versions of the object that this root lacks, checking every
        digest. Raises Corrupt, having changed nothing here, where the source does not verify or
        where neither root's history of the object is the beginning of the other's.
        """
        inventory = source.required(holding)
        here = self.inventory(holding)
        if here and not (here.continues(inventory) or inventory.continues(here)):
            raise Corrupt(
                f"has another history in root {self.name} than in root {source.name}",
                where=holding,
                remedy="compare the two, and move the wrong one out of its root",
            )
        since = here.head if here else 0
        if since >= inventory.head:
            return
        origin = source.object_path(holding)
        with self._stage(holding) as stage:
            for content, digest in inventory.content_paths().items():
                if int(content[1:].split("/", 1)[0]) > since:
                    _put(stage / content, KnownFile(origin / content, digest))
            versions = [f"v{number}" for number in range(since + 1, inventory.head + 1)]
            for directory in (*versions, "."):
                (stage / directory).mkdir(exist_ok=True)
                document = _document(origin / directory)
                files.create(stage / directory / ocfl.INVENTORY, document)
                files.create(stage / directory / ocfl.SIDECAR, ocfl.sidecar(document))
            self._install(stage, inventory, since=since)

    def object_path(self, holding: HoldingId) -> Path:
        return self.path / ocfl.object_path(holding)

    def inventory(self, holding: HoldingId) -> ocfl.Inventory | None:
        """The object's inventory, checked against its digest; None where there is no object.

        Raises Corrupt where it does not verify or is another object's.
        """
        directory = self.object_path(holding)
        if not directory.exists():
            return None
        inventory = read_inventory(directory)
        if inventory.id != holding:
            raise Corrupt(f"holds {inventory.id}", where=str(directory), remedy=_HEAL)
        return inventory

    def required(self, holding: HoldingId) -> ocfl.Inventory:
        """As `inventory`, but raises NotFound where there is no object."""
        inventory = self.inventory(holding)
        if inventory is None:
            raise NotFound(
                "is not held",
                where=f"{holding} in root {self.name}",
                remedy="check the identifier with `sonotheque find`",
            )
        return inventory

    def holding(self, holding: HoldingId) -> Holding | None:
        """The newest version of `holding`; None where this root has none."""
        inventory = self.inventory(holding)
        return self._holding(inventory) if inventory else None

    def holdings(self) -> Iterator[Holding]:
        """Every holding of this root, in the order of the layout."""
        return map(self.holding_at, self.object_names())

    def holding_at(self, name: str) -> Holding:
        """The holding whose object stands at `name` (relative to the root). Raises Corrupt."""
        return self._holding(read_inventory(self.path / name))

    def object_names(self) -> Iterator[str]:
        """Every directory that stands where an object belongs, relative to the root, in order;
        in memory bounded by one directory."""
        return _walk(self.path, "", ocfl.LAYOUT_DEPTH)

    def path_of(self, holding: HoldingId, logical_path: str) -> Path:
        """The content file behind a logical path of the newest version; for reading only."""
        return self._content(holding, logical_path)[0]

    def read(self, holding: HoldingId, logical_path: str) -> bytes:
        """The bytes behind a logical path, checked against their digest."""
        path, digest = self._content(holding, logical_path)
        content = path.read_bytes()
        if ocfl.digest_of(content) != digest:
            raise Corrupt("does not match its digest", where=str(path), remedy=_HEAL)
        return content

    def restore_file(self, name: str, path: str, source: Path, digest: str) -> None:
        """Put a copy of `source`, once it verifies, in the place of one file of the object at
        `name` (relative to the root). Raises Corrupt, having changed nothing, where it does not.
        """
        target = self.path / name / path
        files.make_directory(self.staging)
        staged = self.staging / f"{secrets.token_hex(8)}.file"
        try:
            _put(staged, KnownFile(source, Sha512(digest)))
            files.make_directory(target.parent)
            staged.replace(target)
            files.sync_directory(target.parent)
        finally:
            staged.unlink(missing_ok=True)

    def settle(self) -> None:
        """Complete or clear what a process that died left behind.

        Only a writer that holds the archive's lock may call it.
        """
        if not self.staging.exists():
            return
        for stage in sorted(self.staging.iterdir()):
            if stage.is_file():
                stage.unlink()
                continue
            target = stage / "target"
            if target.exists():
                self._settle_object(HoldingId(target.read_text(encoding="utf-8")))
            files.remove_tree(stage)

    def _settle_object(self, holding: HoldingId) -> None:
        directory = self.object_path(holding)
        if not directory.exists():
            self._prune(directory.parent)
            return
        for leftover in files.leftovers(directory):
            leftover.unlink()
        # What does not verify was not left by a process that died; it is for the audit to find.
        with contextlib.suppress(Corrupt):
            head = read_inventory(directory).head
            while (directory / f"v{head + 1}").exists():
                head += 1
            # A version directory arrives whole, by one rename, with its own inventory.
            document = _document(directory / f"v{head}")
            if _pair(directory) != (document, ocfl.sidecar(document)):
                _replace_pair(directory, document)
        # What was renamed may not have been synced.
        while directory != self.path.parent:
            files.sync_directory(directory)
            directory = directory.parent

    def _prune(self, directory: Path) -> None:
        """Remove empty directories up from `directory`: an OCFL root may hold none."""
        while directory != self.path:
            try:
                directory.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            directory = directory.parent

    def _holding(self, inventory: ocfl.Inventory) -> Holding:
        directory = self.object_path(inventory.id)
        state = inventory.state()
        sizes = {
            digest: _size(directory / inventory.content_path(digest)) for digest in state.values()
        }
        return ocfl.holding_of(inventory, sizes)

    def _content(self, holding: HoldingId, logical_path: str) -> tuple[Path, Sha512]:
        inventory = self.required(holding)
        digest = inventory.state().get(logical_path)
        if digest is None:
            raise NotFound(
                f"has no file {logical_path}", where=holding, remedy="see `sonotheque show`"
            )
        return self.object_path(holding) / inventory.content_path(digest), digest

    @contextlib.contextmanager
    def _stage(self, holding: HoldingId) -> Iterator[Path]:
        """A directory to make an object in. It and what was half installed from it are cleared
        whatever happens; where the disk does not let us even do that, `settle` does it later.
        """
        directory = self.staging / secrets.token_hex(8)
        try:
            files.make_directory(directory)
            files.create(directory / "target", holding.encode())
            files.sync_directory(directory)
            stage = directory / "object"
            stage.mkdir()
            yield stage
        except BaseException:
            self._settle_object(holding)
            files.remove_tree(directory)
            raise
        files.remove_tree(directory)

    def _install(self, stage: Path, inventory: ocfl.Inventory, *, since: int) -> None:
        """Move what was staged into place: the whole object, or the versions after `since`."""
        files.create(stage / ocfl.OBJECT_MARKER[0], ocfl.OBJECT_MARKER[1])
        files.sync_tree(stage)
        directory = self.object_path(inventory.id)
        if since == 0:
            files.make_directory(directory.parent)
            files.move(stage, directory)
            return
        for number in range(since + 1, inventory.head + 1):
            files.move(stage / f"v{number}", directory / f"v{number}")
        _replace_pair(directory, (stage / ocfl.INVENTORY).read_bytes())


def read_inventory(directory: Path) -> ocfl.Inventory:
    """The inventory of the object in `directory`, checked against its digest. Raises Corrupt.

    Between the two renames that show a new version, the object's own sidecar is still that of
    the version before; then the copy of it in the version's directory speaks for the inventory.
    """
    try:
        document = (directory / ocfl.INVENTORY).read_bytes()
        inventory = ocfl.parse_inventory(document)
    except (OSError, ValueError) as error:
        raise Corrupt(
            f"the inventory cannot be read ({error})", where=str(directory), remedy=_HEAL
        ) from error
    for place in (directory, directory / f"v{inventory.head}"):
        with contextlib.suppress(OSError):
            if (place / ocfl.SIDECAR).read_bytes() == ocfl.sidecar(document):
                return inventory
    raise Corrupt("the inventory does not match its digest", where=str(directory), remedy=_HEAL)


def _document(directory: Path) -> bytes:
    """The bytes of the inventory in an object or version directory, once they verify."""
    read_inventory(directory)
    return (directory / ocfl.INVENTORY).read_bytes()


def _pair(directory: Path) -> tuple[bytes, bytes]:
    return (directory / ocfl.INVENTORY).read_bytes(), (directory / ocfl.SIDECAR).read_bytes()


def _replace_pair(directory: Path, document: bytes) -> None:
    files.replace(directory / ocfl.INVENTORY, document)
    files.replace(directory / ocfl.SIDECAR, ocfl.sidecar(document))


def _put(target: Path, source: KnownFile | bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        files.create(target, source)
    elif files.copy(source.path, target) != source.sha512:
        raise Corrupt(
            "does not match its digest, or changed while it was read",
            where=str(source.path),
            remedy=f"deposit it again once nothing writes to it; for a vault's own file, {_HEAL}",
        )


def _digest(source: KnownFile | bytes) -> Sha512:
    return ocfl.digest_of(source) if isinstance(source, bytes) else source.sha512


def _walk(root: Path, prefix: str, depth: int) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(root / prefix) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in names:
            if not prefix and name == "extensions":
                continue
            if depth == 1:
                yield f"{prefix}{name}"
            else:
                yield from _walk(root, f"{prefix}{name}/", depth - 1)


def _size(path: Path) -> int:
    """Bytes of a content file; 0 where it is missing, which the audit reports."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _json(document: object) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"
