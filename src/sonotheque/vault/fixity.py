"""Fixity: is one copy still what was deposited, and if not, is there one to heal it from?

What an object must hold is known from the newest inventory that verifies in any root, and from
the newest version that the log knows of, so that a copy that is stale, cut short, swapped or
whole but wrong is told from a sound one. Healing replaces only files that fail, and only with
bytes that verify.

A glance compares BLAKE3 digests, which were computed from the very bytes that had the right
SHA-512; whatever it doubts is examined by SHA-512.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from blake3 import blake3

from sonotheque.errors import Corrupt, EnvironmentFailure, SonothequeError, one_line
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.misplaced import bring_home
from sonotheque.vault.objects import AGENT, KnownFile
from sonotheque.vault.roots import Pace, Root

BLAKE3, SHA512 = "blake3", "sha512"
_SUM_BYTES = 32
_LOST = ""
"""In place of the digest of what no root has whole: no bytes have it."""
_NOWHERE = "no root has a copy that verifies"


@dataclass(frozen=True, slots=True)
class Known:
    """What the log knows of an object: the newest version that was acknowledged or seen, and the
    BLAKE3 digests of all its files, in the order of their paths, as of the inventory that has
    this SHA-512; both empty where no audit has learnt them."""

    holding: HoldingId
    version: int
    inventory: bytes = b""
    sums: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of checking the object `name` in one root: one PASS, or an event for each file
    that is not as it should be. `learnt` is what is known of the object from now on, if that is
    more than before."""

    name: str
    root: str
    events: tuple[FixityEvent, ...]
    learnt: Known | None
    by_sha512: bool
    byte_count: int = 0

    @property
    def passed(self) -> bool:
        return self.events[0].outcome is Outcome.PASS


@dataclass(frozen=True, slots=True)
class Expected:
    """What the object `name` must hold in every root: path → SHA-512, in the order of the paths.
    The sidecar of an older inventory that no root has whole is not in it.

    `copies` has, by the root's name, the inventory that each root has itself, where it verifies.
    """

    holding: HoldingId
    name: str
    version: int
    document: bytes
    digests: Mapping[str, str]
    copies: Mapping[str, tuple[ocfl.Inventory, bytes]]


@dataclass(frozen=True, slots=True)
class _Wrong:
    path: str
    outcome: Outcome
    detail: str = ""


@dataclass(slots=True)
class _Reading:
    """What is read of one object in one root, from the medium. Raises Corrupt where a file cannot
    be read, EnvironmentFailure only where the whole root is away."""

    root: Root
    name: str
    pace: Pace | None
    byte_count: int = 0

    def feed(self, path: str, *takers: Callable[[bytes], object]) -> None:
        """Give every block of one file to each of `takers`."""
        try:
            for block in self.root.fresh_blocks(self.name, path):
                for take in takers:
                    take(block)
                self.byte_count += len(block)
                if self.pace:
                    self.pace(len(block))
        except SonothequeError as error:
            if isinstance(error, EnvironmentFailure) and not self.root.present:
                raise
            raise Corrupt(f"cannot be read ({error.what})") from error

    def sums(self, path: str) -> tuple[str, bytes]:
        """SHA-512 and BLAKE3 of one file."""
        sha512, quick = hashlib.sha512(), blake3()
        self.feed(path, sha512.update, quick.update)
        return sha512.hexdigest(), quick.digest()

    def blake3(self, path: str) -> bytes:
        quick = blake3()
        self.feed(path, quick.update)
        return quick.digest()


def glance(root: Root, name: str, known: Known, now: str, pace: Pace | None) -> Checked | None:
    """PASS where the copy is, file by file, what the log knows by BLAKE3 of its newest version.

    None where anything is otherwise, for whatever reason: then it must be examined.
    """
    reading = _Reading(root, name, pace)
    with contextlib.suppress(Corrupt, ValueError):
        blocks: list[bytes] = []
        reading.feed(ocfl.INVENTORY, blocks.append)
        document = b"".join(blocks)
        if hashlib.sha512(document).digest() != known.inventory:
            return None
        paths = ocfl.file_paths(document)
        if len(known.sums) != _SUM_BYTES * len(paths) or any(root.strays(name, paths)):
            return None
        for start, path in zip(range(0, len(known.sums), _SUM_BYTES), paths, strict=True):
            # The inventory was compared by its SHA-512 just now.
            if path == ocfl.INVENTORY:
                continue
            if reading.blake3(path) != known.sums[start : start + _SUM_BYTES]:
                return None
        event = _event(known, root, now, _Wrong("", Outcome.PASS), BLAKE3)
        return _checked(name, root, [event], None, reading)
    return None


def expect(roots: Sequence[Root], name: str) -> Expected:
    """What the newest inventory that verifies in any root asks for.

    Where an object has lost its own inventory, the one in its newest version's directory, which
    has the same bytes, speaks for it. Raises Corrupt where none verifies, or where two contradict
    each other: which of them is right is for a person to say.
    """
    copies = {
        root.name: (inventory, document)
        for root, inventory, document in _inventories(roots, name)
        if ocfl.object_path(inventory.id) == name
    }
    found = list(copies.values())
    for root in roots:
        if root.name not in copies:
            found += _witness(root, name)
    if not found:
        raise Corrupt("no root has an inventory that verifies", where=name)
    inventory, document = max(found, key=lambda copy: copy[0].head)
    if not all(inventory.continues(other) for other, _ in found):
        raise Corrupt("the roots hold different histories of it", where=name)
    digests: dict[str, str] = dict(inventory.content_paths())
    for place in ("", f"v{inventory.head}/"):
        digests |= _pair_digests(place, document)
    for number in range(1, inventory.head):
        version = f"v{number}"
        for _, older, its_document in _inventories(roots, name, version):
            if older.head == number and inventory.continues(older):
                digests |= _pair_digests(f"{version}/", its_document)
                break
        else:
            digests[f"{version}/{ocfl.INVENTORY}"] = _LOST
    digests[ocfl.OBJECT_MARKER[0]] = ocfl.digest_of(ocfl.OBJECT_MARKER[1])
    return Expected(
        holding=inventory.id,
        name=name,
        version=inventory.head,
        document=document,
        digests={path: digests[path] for path in ocfl.file_paths(document) if path in digests},
        copies=copies,
    )


def _inventories(
    roots: Sequence[Root], name: str, version: str = ""
) -> Iterator[tuple[Root, ocfl.Inventory, bytes]]:
    """Every inventory of the object, or of its directory `version`, that verifies: first those
    that do so in their own root, then those whose sidecar is whole in another."""
    doubtful = []
    for root in roots:
        try:
            inventory, document = root.read_inventory(name, version)
        except Corrupt:
            doubtful.append(root)
        else:
            yield root, inventory, document
    for root in doubtful:
        with contextlib.suppress(Corrupt):
            inventory, document = root.read_inventory(name, version, witnesses=roots)
            yield root, inventory, document


def _witness(root: Root, name: str) -> list[tuple[ocfl.Inventory, bytes]]:
    """The inventory in the newest version's directory that has one which verifies."""
    witness: list[tuple[ocfl.Inventory, bytes]] = []
    for number in itertools.count(1):
        version = f"v{number}"
        with contextlib.suppress(Corrupt):
            inventory, document = root.read_inventory(name, version)
            if ocfl.object_path(inventory.id) == name and inventory.head == number:
                witness = [(inventory, document)]
                continue
        if root.size(name, f"{version}/{ocfl.INVENTORY}") is None:
            return witness
    return witness


def examine(
    expected: Expected,
    root: Root,
    now: str,
    *,
    known: Known | None = None,
    pace: Pace | None = None,
) -> Checked:
    """Compare every file of the copy in `root` by SHA-512, and learn its BLAKE3."""
    reading = _Reading(root, expected.name, pace)
    wrong, sums = _compare(expected, reading)
    told = _condensed(expected, root, wrong) + _forgotten(expected, known, Outcome.STALE)
    return _answer(expected, reading, told, sums, now)


def heal(
    roots: Sequence[Root], expected: Expected, root: Root, now: str, *, known: Known | None = None
) -> Checked:
    """As `examine`, but what is wrong is replaced from wherever it verifies and read back
    (HEALED); what verifies nowhere is LOST. The caller holds the archive's lock."""
    reading = _Reading(root, expected.name, None)
    wrong, sums = _compare(expected, reading)
    healed: dict[str, str] = {}
    if _condensed(expected, root, wrong) != wrong or not root.has_object(expected.name):
        healed = _adopt(roots, expected, root)
    if not healed:
        healed = _restore(roots, expected, root, wrong)
    if healed:
        wrong, sums = _compare(expected, reading)
    left = {one.path for one in wrong if one.outcome is not Outcome.STRAY}
    told = [
        _Wrong(path, Outcome.HEALED, detail)
        for path, detail in healed.items()
        if path not in left and (path or not left)
    ]
    told += [one if one.outcome is Outcome.STRAY else _left(roots, expected, one) for one in wrong]
    told += _forgotten(expected, known, Outcome.LOST)
    return _answer(expected, reading, told, sums, now)


def _left(roots: Sequence[Root], expected: Expected, wrong: _Wrong) -> _Wrong:
    """What healing has left: lost, but for what some copy has and this root did not take."""
    paths = [wrong.path] if wrong.path else list(expected.digests)
    if any(any(_sources(roots, expected, expected.digests[path])) for path in paths):
        return _Wrong(wrong.path, wrong.outcome, "what was written does not read back")
    return _Wrong(wrong.path, Outcome.LOST, _NOWHERE)


def despair(
    root: Root, name: str, error: Corrupt, now: str, *, known: Known | None, healing: bool
) -> Checked | None:
    """What to say of the copy in `root` of an object that nobody can say the content of, because
    of `error`. None where it is neither there nor known to have been."""
    there = root.has_object(name)
    if not there and known is None:
        return None
    outcome = Outcome.CORRUPT if there else Outcome.MISSING
    wrong = _Wrong(
        ocfl.INVENTORY if there else "", Outcome.LOST if healing else outcome, error.what
    )
    about = known or Known(HoldingId(one_line(name)), 0)
    return _checked(name, root, [_event(about, root, now, wrong)], None, _Reading(root, name, None))


def heal_from(
    roots: Sequence[Root], holding: HoldingId, file: KnownFile, now: str
) -> Iterator[FixityEvent]:
    """Put `file` in the place of every copy of those bytes in `holding` that is missing or wrong.

    What no root has any more, somebody who still has it brings back. A root that is behind gets
    no file of a version that it lacks: versions arrive whole (`Root.adopt`). Raises Corrupt
    where no inventory says that the holding has these bytes at all.
    """
    expected = expect(roots, ocfl.object_path(holding))
    about = Known(holding, expected.version)
    paths = [path for path, digest in expected.digests.items() if digest == file.sha512]
    for root in roots:
        for path in paths:
            if _is_behind(root, holding, path):
                continue
            if root.digest(expected.name, path) != file.sha512:
                content = files.blocks(file.path)
                aside = root.restore_file(expected.name, path, content, file.sha512)
                detail = _from("a deposit of the same bytes", aside)
                healed = _Wrong(path, Outcome.HEALED, detail)
                yield _event(about, root, now, healed)


def _is_behind(root: Root, holding: HoldingId, path: str) -> bool:
    """Whether the object in `root` verifies and knows nothing of `path`."""
    try:
        inventory = root.inventory(holding)
    except Corrupt:
        return False
    return inventory is None or path not in inventory.content_paths()


def _pair_digests(place: str, document: bytes) -> dict[str, str]:
    return {
        f"{place}{ocfl.INVENTORY}": ocfl.digest_of(document),
        f"{place}{ocfl.SIDECAR}": ocfl.digest_of(ocfl.sidecar(document)),
    }


def _compare(expected: Expected, reading: _Reading) -> tuple[list[_Wrong], bytes]:
    """What is wrong with the copy, and where nothing is, the BLAKE3 of all its files."""
    root, name = reading.root, expected.name
    if not root.has_object(name):
        return [_Wrong("", Outcome.MISSING)], b""
    wrong, sums = [], []
    for path, digest in expected.digests.items():
        try:
            sha512, quick = reading.sums(path)
        except Corrupt as error:
            if root.size(name, path) is None:
                wrong.append(_Wrong(path, Outcome.MISSING))
            else:
                wrong.append(_Wrong(path, Outcome.CORRUPT, error.what))
            continue
        sums.append(quick)
        if sha512 != digest:
            wrong.append(_Wrong(path, Outcome.CORRUPT, _instead(expected, root, path, sha512)))
    wrong += [
        _Wrong(one_line(path), Outcome.STRAY, "no inventory knows it")
        for path in root.strays(name, ocfl.file_paths(expected.document))
    ]
    return wrong, b"" if wrong else b"".join(sums)


def _instead(expected: Expected, root: Root, path: str, sha512: str) -> str:
    """What stands in the place of a file, where that can be told."""
    others = [other for other, digest in expected.digests.items() if digest == sha512]
    if others:
        return f"has the bytes of {others[0]}"
    if path == ocfl.INVENTORY:
        with contextlib.suppress(Corrupt):
            inventory, _ = root.read_inventory(expected.name)
            if inventory.id != expected.holding:
                return f"is the inventory of {inventory.id}"
            return f"is the inventory of version {inventory.head}"
    return ""


def _condensed(expected: Expected, root: Root, wrong: list[_Wrong]) -> list[_Wrong]:
    """`wrong` itself, or where the copy is only older than it should be, just that it is."""
    if root.name not in expected.copies:
        return wrong
    own = expected.copies[root.name][0].head
    newer = {ocfl.INVENTORY, ocfl.SIDECAR}
    strays = [one for one in wrong if one.outcome is Outcome.STRAY]
    missing = {one.path for one in wrong if one.outcome is Outcome.MISSING}
    if own == expected.version or any(
        one.path not in newer and ocfl.version_of(one.path) <= own
        for one in wrong
        if one.outcome is not Outcome.STRAY
    ):
        return wrong
    # An inventory that went back by itself leaves the newer version's files where they were, and
    # no version can be moved to where anything else stands.
    if any(path not in missing for path in expected.digests if ocfl.version_of(path) > own) or any(
        root.size(expected.name, f"v{number}") is not None
        for number in range(own + 1, expected.version + 1)
    ):
        return wrong
    return [_Wrong("", Outcome.STALE, f"version {own} of {expected.version}"), *strays]


def _adopt(roots: Sequence[Root], expected: Expected, root: Root) -> dict[str, str]:
    """Bring the versions that `root` lacks from a root that has them all, each whole or not at
    all: path ("") → from where, or nothing where no root has them all."""
    aside = ""
    for source in roots:
        inventory, _ = expected.copies.get(source.name, (None, b""))
        if source is not root and inventory and inventory.head == expected.version:
            with contextlib.suppress(Corrupt):
                aside = root.make_way(expected.name) or aside
                root.adopt(source, expected.holding)
                return {"": _from(f"root {source.name}", aside)}
    return {}


def _restore(
    roots: Sequence[Root], expected: Expected, root: Root, wrong: list[_Wrong]
) -> dict[str, str]:
    """Replace each wrong file for which any root has the bytes: path → from where."""
    if wrong == [_Wrong("", Outcome.MISSING)]:
        paths = list(expected.digests)
    else:
        paths = [one.path for one in wrong if one.outcome is not Outcome.STRAY]
    wanted = {expected.digests[path] for path in paths} - {_LOST}
    first = {digest: next(_sources(roots, expected, digest), None) for digest in wanted}
    if homeless := {digest for digest, source in first.items() if source is None}:
        bring_home(roots, expected.name, expected.digests, homeless)
    # What leads to the content comes after the content.
    paths.sort(key=lambda path: (path == ocfl.SIDECAR, path == ocfl.INVENTORY))
    healed = {}
    for path in paths:
        digest = expected.digests[path]
        seen = [one] if (one := first.get(digest)) else []
        # What was found already is not read again to look for it.
        for source, name in itertools.chain(seen, _sources(roots, expected, digest)):
            with contextlib.suppress(Corrupt):
                content = source.blocks(expected.name, name)
                aside = root.restore_file(expected.name, path, content, digest)
                # By the root's name: no path of this machine belongs into what is preserved.
                healed[path] = _from(f"root {source.name}: {name}", aside)
                break
    return healed


def _from(source: str, aside: str) -> str:
    return f"from {source}" + (f"; what stood in its place is now {aside}" if aside else "")


def _sources(roots: Sequence[Root], expected: Expected, digest: str) -> Iterator[tuple[Root, str]]:
    """Roots and files of their copies, under any name, that have those bytes now."""
    for path, known in expected.digests.items():
        for root in roots:
            if known == digest and root.digest(expected.name, path) == digest:
                yield root, path


def _forgotten(expected: Expected, known: Known | None, outcome: Outcome) -> list[_Wrong]:
    """Where every root has gone back to an older version than was acknowledged: that."""
    if known is None or known.version <= expected.version:
        return []
    detail = f"version {expected.version}, and version {known.version} was acknowledged"
    return [_Wrong("", outcome, detail)]


def _answer(
    expected: Expected, reading: _Reading, wrong: list[_Wrong], sums: bytes, now: str
) -> Checked:
    inventory = hashlib.sha512(expected.document).digest() if sums else b""
    known = Known(expected.holding, expected.version, inventory, sums)
    told = wrong or [_Wrong("", Outcome.PASS)]
    events = [_event(known, reading.root, now, one, SHA512) for one in told]
    return _checked(expected.name, reading.root, events, known, reading, by_sha512=True)


def _checked(
    name: str,
    root: Root,
    events: list[FixityEvent],
    learnt: Known | None,
    reading: _Reading,
    *,
    by_sha512: bool = False,
) -> Checked:
    return Checked(
        name=name,
        root=root.name,
        events=tuple(events),
        learnt=learnt,
        by_sha512=by_sha512,
        byte_count=reading.byte_count,
    )


def _event(about: Known, root: Root, now: str, wrong: _Wrong, method: str = SHA512) -> FixityEvent:
    return FixityEvent(
        holding=about.holding,
        root=root.name,
        outcome=wrong.outcome,
        at=now,
        agent=AGENT,
        path=wrong.path,
        detail=wrong.detail,
        version=about.version,
        method=method,
    )
