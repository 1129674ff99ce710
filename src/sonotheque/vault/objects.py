"""Objects in a storage root on a disk: written whole, durably, one version at a time.

A version is made in a staging directory that stands beside the root on its filesystem (an
OCFL root may hold no stray files), synced, and moved into place by rename. A new object is
visible by that one rename. A new version is visible when the object's inventory is replaced;
`settle` completes or clears what a process that died in between left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sonotheque import __version__
from sonotheque.errors import BadInput, Corrupt, SonothequeError
from sonotheque.model.holdings import Holding
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.roots import Pace, Place, Root, Source, changed

AGENT = f"sonotheque {__version__}"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file to be copied into the vault, and the digest that its bytes must have."""

    path: Path
    sha512: Sha512


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
        """Lay `additions` (logical path → a file to copy, or bytes) over the object's newest
        version and make that a version; the object is made where it is missing.

        Everything is synced when this returns. A file whose bytes are not the known ones raises
        Corrupt, and nothing is left behind. Content that changes nothing makes no version.
        Raises EnvironmentFailure where the root is away: below a mount point that nothing is
        mounted on, everything could be written, to the wrong disk.
        """
        self.require_present()
        previous = self.inventory(holding)
        digests = {path: _digest(source) for path, source in additions.items()}
        if previous and previous.state() | digests == previous.state():
            return self._described(previous)
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
        return self._described(inventory)

    def adopt(self, source: Source, holding: HoldingId) -> None:
        """See Root: what is missing arrives whole, by rename, one version after the other."""
        inventory, since = self._lacks(source, holding)
        if since == inventory.head:
            return
        name = ocfl.object_path(holding)
        with self._stage(holding) as stage:
            for content, digest in inventory.content_paths().items():
                if int(content[1:].split("/", 1)[0]) > since:
                    _put(stage / content, Place(source, name, content, digest))
            versions = [f"v{number}" for number in range(since + 1, inventory.head + 1)]
            for directory in (*versions, ""):
                (stage / directory).mkdir(exist_ok=True)
                _, document = source.read_inventory(name, directory)
                files.create(stage / directory / ocfl.INVENTORY, document)
                files.create(stage / directory / ocfl.SIDECAR, ocfl.sidecar(document))
            self._install(stage, inventory, since=since)

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
            name = ocfl.object_path(holding)
            head = self.read_inventory(name)[0].head
            while (directory / f"v{head + 1}").exists():
                head += 1
            # A version directory arrives whole, by one rename, with its own inventory.
            _, document = self.read_inventory(name, f"v{head}")
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


def _pair(directory: Path) -> tuple[bytes, bytes]:
    return (directory / ocfl.INVENTORY).read_bytes(), (directory / ocfl.SIDECAR).read_bytes()


def _replace_pair(directory: Path, document: bytes) -> None:
    files.replace(directory / ocfl.INVENTORY, document)
    files.replace(directory / ocfl.SIDECAR, ocfl.sidecar(document))


def _put(target: Path, source: KnownFile | Place | bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    match source:
        case bytes():
            files.create(target, source)
        case KnownFile():
            if files.copy(source.path, target) != source.sha512:
                raise changed(str(source.path))
        case Place():
            if files.write(target, source.blocks()) != source.sha512:
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
