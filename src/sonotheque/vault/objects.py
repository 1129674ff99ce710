"""Objects in a storage root on a disk: written whole, durably, a batch of versions at a time.

A batch is made in a staging directory that stands beside the root on its filesystem (an
OCFL root may hold no stray files), synced together, and moved into place by rename. A new object
is visible by that one rename. A new version is visible when the object's inventory is replaced;
`settle` completes or clears what a process that died in between left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from sonotheque import __version__
from sonotheque.errors import BadInput, Corrupt, SonothequeError
from sonotheque.model.holdings import Holding
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.roots import Pace, Place, Root, Source, changed

AGENT = f"sonotheque {__version__}"
_TARGETS = "targets"
"""What a staging directory calls the list of the objects that are made in it."""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file to be copied into the vault, and the digest that its bytes must have."""

    path: Path
    sha512: Sha512


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What is to be laid over the newest version of `holding`: logical path → a file to copy, or
    bytes."""

    holding: HoldingId
    additions: Mapping[str, KnownFile | bytes]
    message: str
    now: str


@dataclass(frozen=True, slots=True)
class _Change:
    """How an object is going to be, and what it lacks since its version `since` (0: everything):
    `content` by content path, and the inventories, by the directory each stands in."""

    inventory: ocfl.Inventory
    since: int
    content: Mapping[str, KnownFile | Place | bytes]
    documents: Iterable[tuple[str, bytes]]

    @property
    def name(self) -> str:
        return ocfl.object_path(self.inventory.id)


@dataclass(frozen=True, slots=True)
class Vault(Root):
    """A storage root in the directory `path`; the primary is one."""

    name: str
    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def staging(self) -> Path:
        return self.path.with_name(f"{self.path.name}.staging")

    def create(self, *, objects_too: bool = False) -> None:
        """See Root."""
        extension = self.path / "extensions" / ocfl.LAYOUT_NAME
        leftovers = [*files.leftovers(self.path), *files.leftovers(extension)]
        own = {self.path / ocfl.ROOT_MARKER[0], self.path / "ocfl_layout.json", extension.parent}
        there = {*self.path.iterdir()} if self.path.exists() else set()
        if objects_too:
            there = {path for path in there if not ocfl.TUPLE.fullmatch(path.name)}
        if not there <= own.union(leftovers):
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
        for path, content in ocfl.ROOT_FILES:
            files.replace(self.path / path, content)

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
        """As `write_versions`, of one."""
        version = Version(holding=holding, additions=additions, message=message, now=now)
        return self.write_versions([version])[0]

    def write_versions(self, versions: Sequence[Version]) -> list[Holding]:
        """Make each of `versions`, which are of different holdings, a version of its object; the
        object is made where it is missing.

        Everything is synced when this returns. A file whose bytes are not the known ones raises
        Corrupt, and nothing of the batch is left behind. Content that changes nothing makes no
        version. Raises EnvironmentFailure where the root is away: below a mount point that
        nothing is mounted on, everything could be written, to the wrong disk.
        """
        self.require_present()
        newest, changes = [], []
        for version in versions:
            inventory, change = self._change(version)
            newest.append(inventory)
            if change:
                changes.append(change)
        self._write(changes)
        return [self._described(inventory) for inventory in newest]

    def _change(self, version: Version) -> tuple[ocfl.Inventory, _Change | None]:
        """The object's newest inventory after `version`, and what must be written for it."""
        previous = self.inventory(version.holding)
        digests = {path: _digest(source) for path, source in version.additions.items()}
        if previous and previous.state() | digests == previous.state():
            return previous, None
        inventory, writes = ocfl.next_version(
            previous,
            version.holding,
            digests,
            message=version.message,
            agent=AGENT,
            now=version.now,
        )
        content = {path: version.additions[logical] for path, logical in writes.items()}
        document = inventory.to_json()
        documents = [(f"v{inventory.head}", document), ("", document)]
        since = previous.head if previous else 0
        return inventory, _Change(inventory, since, content, documents)

    def adopt(self, source: Source, *holdings: HoldingId) -> None:
        """See Root: what is missing arrives whole, by rename, one version after the other."""
        changes = []
        for holding in holdings:
            inventory, since = self._lacks(source, holding)
            if since < inventory.head:
                changes.append(_adoption(source, inventory, since))
        self._write(changes)

    def object_path(self, holding: HoldingId) -> Path:
        return self.path / ocfl.object_path(holding)

    def object_names(self, *, after: str = "") -> Iterator[str]:
        """See Root; the memory is bounded by the largest directory."""
        return _walk(str(self.path), "", ocfl.LAYOUT_DEPTH, after)

    def has_object(self, name: str) -> bool:
        return (self.path / name).is_dir()

    def shows(self, name: str) -> bool:
        """See Root: a file where an object belongs is told of by whoever reads it."""
        return (self.path / name).exists()

    def size(self, name: str, path: str) -> int | None:
        try:
            return (self.path / name / path).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def blocks(
        self, name: str, path: str, *, first: int = 0, byte_count: int | None = None
    ) -> Iterator[bytes]:
        return files.blocks(self.path / name / path, first=first, byte_count=byte_count)

    def fresh_blocks(self, name: str, path: str) -> Iterator[bytes]:
        return files.fresh_blocks(f"{self.path}/{name}/{path}")

    def strays(self, name: str, paths: Sequence[str]) -> list[str]:
        """See Root; only directories that should be there are looked into."""
        found: list[str] = []
        for directory, expected in ocfl.directories(paths).items():
            prefix = f"{directory}/" if directory else ""
            known = expected if directory else expected | {"logs", "extensions"}
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(f"{self.path}/{name}/{directory}") as entries,
            ):
                found += [
                    f"{prefix}{entry.name}{'/' if entry.is_dir(follow_symlinks=False) else ''}"
                    for entry in entries
                    if entry.name not in known
                ]
        return sorted(found)

    def digest(self, name: str, path: str, pace: Pace | None = None) -> Sha512 | None:
        try:
            digest = hashlib.sha512()
            for block in self.fresh_blocks(name, path):
                digest.update(block)
                if pace:
                    pace(len(block))
            return Sha512(digest.hexdigest())
        except SonothequeError:
            return None

    def path_of(self, holding: HoldingId, logical_path: str) -> Path:
        """The content file behind a logical path of the newest version; for reading only."""
        return self.object_path(holding) / self.place(holding, logical_path).path

    def restore_file(self, name: str, path: str, content: Iterable[bytes], digest: str) -> str:
        """See Root: it arrives by rename."""
        target = self.path / name / path
        files.make_directory(self.staging)
        staged = self.staging / f"{secrets.token_hex(8)}.file"
        try:
            if files.write(staged, content) != digest:
                raise changed(self.place_of(f"{name}/{path}"))
            aside = self.make_way(name, path)
            files.make_directory(target.parent)
            staged.replace(target)
            files.sync_directory(target.parent)
            return aside
        finally:
            staged.unlink(missing_ok=True)

    def make_way(self, name: str, path: str = "") -> str:
        """See Root: it is moved to a directory beside the root, on the same disk."""
        target = self.path / name / path
        places = [target, *target.parents]
        for place in reversed(places[: places.index(self.path)]):
            if path and place == target:
                belongs = place.is_file() and not place.is_symlink()
            else:
                belongs = place.is_dir()
            if os.path.lexists(place) and not belongs:
                aside = self.path.with_name(f"{self.path.name}.aside") / secrets.token_hex(8)
                files.make_directory(aside)
                files.move(place, aside / place.name)
                return f"{aside.parent.name}/{aside.name}/{place.name}"
        return ""

    def _small(self, name: str, path: str) -> bytes | None:
        place = self.path / name / path
        try:
            # A pipe in the place of a file would be waited for.
            return place.read_bytes() if place.is_file() else None
        except OSError:
            return None

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
            targets = stage / _TARGETS
            if targets.exists():
                self._settle_objects(targets.read_text(encoding="utf-8").splitlines())
            files.remove_tree(stage)

    def _settle_objects(self, names: Iterable[str]) -> None:
        unsynced: dict[Path, None] = {}
        for name in names:
            directory = self.path / name
            if not directory.exists():
                self._prune(directory.parent)
                continue
            self._complete(name)
            unsynced |= dict.fromkeys(_upwards(directory, self.path.parent))
        # What was renamed may not have been synced.
        if unsynced:
            files.sync_together(unsynced)

    def _complete(self, name: str) -> None:
        """Show the newest version that the directory of the object has."""
        directory = self.path / name
        for leftover in files.leftovers(directory):
            leftover.unlink()
        # What does not verify was not left by a process that died; it is for the audit to find.
        with contextlib.suppress(Corrupt):
            head = self.read_inventory(name)[0].head
            while (directory / f"v{head + 1}").exists():
                head += 1
            # A version directory arrives whole, by one rename, with its own inventory.
            _, document = self.read_inventory(name, f"v{head}")
            if _pair(directory) != (document, ocfl.sidecar(document)):
                # An inventory may speak only of what is on the disk.
                files.sync_directory(directory)
                files.replace(directory / ocfl.INVENTORY, document)
                files.replace(directory / ocfl.SIDECAR, ocfl.sidecar(document))

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

    def _write(self, changes: Sequence[_Change]) -> None:
        """Stage all of `changes`, sync that, and move it into place."""
        if not changes:
            return
        with self._stage(changes) as stage:
            staged = [(stage / str(number), change) for number, change in enumerate(changes)]
            for directory, change in staged:
                _fill(directory, change)
            files.sync_together(chain([self.staging], files.tree(stage)))
            self._install(staged)

    @contextlib.contextmanager
    def _stage(self, changes: Sequence[_Change]) -> Iterator[Path]:
        """A directory to make objects in. It and what was half installed from it are cleared
        whatever happens; where the disk does not let us even do that, `settle` does it later.
        """
        stage = self.staging / secrets.token_hex(8)
        names = [change.name for change in changes]
        try:
            files.make_directory(self.staging)
            files.make_directories(stage)
            files.create(stage / _TARGETS, "\n".join(names).encode(), synced=False)
            yield stage
        except BaseException:
            self._settle_objects(names)
            files.remove_tree(stage)
            raise
        files.remove_tree(stage)

    def _install(self, staged: Sequence[tuple[Path, _Change]]) -> None:
        """Move what was staged into place: whole objects, or the versions that they lack."""
        named: set[Path] = set()
        shown: set[Path] = set()
        for stage, change in staged:
            directory = self.path / change.name
            if change.since == 0:
                named |= {*files.make_directories(directory.parent), directory.parent}
                files.rename(stage, directory)
                continue
            for number in range(change.since + 1, change.inventory.head + 1):
                files.rename(stage / f"v{number}", directory / f"v{number}")
            named.add(directory)
            shown.add(directory)
        files.sync_together(named)
        # An inventory may speak only of what is on the disk.
        for stage, change in staged:
            if change.since:
                for name in (ocfl.INVENTORY, ocfl.SIDECAR):
                    files.supersede(stage / name, self.path / change.name / name)
        if shown:
            files.sync_together(shown)


def _adoption(source: Source, inventory: ocfl.Inventory, since: int) -> _Change:
    """That the versions of `source` after `since` are copied."""
    name = ocfl.object_path(inventory.id)
    content = {
        path: Place(source, name, path, digest)
        for path, digest in inventory.content_paths().items()
        if ocfl.version_of(path) > since
    }
    versions = [f"v{number}" for number in range(since + 1, inventory.head + 1)]
    # One at a time: together, those of an object of many versions may be large.
    documents = ((place, source.read_inventory(name, place)[1]) for place in (*versions, ""))
    return _Change(inventory, since, content, documents)


def _fill(directory: Path, change: _Change) -> None:
    """Write what `change` needs below the new `directory`. Nothing is synced yet."""
    for path, source in change.content.items():
        _put(directory / path, source)
    for place, document in change.documents:
        files.make_directories(directory / place)
        files.create(directory / place / ocfl.INVENTORY, document, synced=False)
        files.create(directory / place / ocfl.SIDECAR, ocfl.sidecar(document), synced=False)
    if change.since == 0:
        marker, content = ocfl.OBJECT_MARKER
        files.create(directory / marker, content, synced=False)


def _upwards(directory: Path, top: Path) -> Iterator[Path]:
    """`directory` and what it stands in, below `top`."""
    while directory != top:
        yield directory
        directory = directory.parent


def _pair(directory: Path) -> tuple[bytes, bytes]:
    return (directory / ocfl.INVENTORY).read_bytes(), (directory / ocfl.SIDECAR).read_bytes()


def _put(target: Path, source: KnownFile | Place | bytes) -> None:
    files.make_directories(target.parent)
    match source:
        case bytes():
            files.create(target, source, synced=False)
        case KnownFile():
            if files.copy(source.path, target, synced=False) != source.sha512:
                raise changed(str(source.path))
        case Place():
            if files.write(target, source.blocks(), synced=False) != source.sha512:
                raise changed(source.where)


def _digest(source: KnownFile | bytes) -> Sha512:
    return ocfl.digest_of(source) if isinstance(source, bytes) else source.sha512


def _walk(root: str, prefix: str, depth: int, after: str) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(f"{root}/{prefix}") as entries:
        found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    # Above the objects a name is compared with its stroke, as it stands in the whole text.
    for name in sorted(f"{prefix}{name}{'/' if depth > 1 else ''}" for name in found):
        if depth == 1:
            if name > after:
                yield name
        elif name != "extensions/" and name >= after[: len(name)]:
            yield from _walk(root, name, depth - 1, after)
