"""Replicas: every holding in every root, each copy read back after it was written."""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import methodcaller
from typing import TypeVar

from sonotheque import config
from sonotheque.errors import Corrupt, SonothequeError
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.holdings import FixityEvent, Holding, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
from sonotheque.vault.objects import AGENT
from sonotheque.vault.roots import HEAL, ROOT_ID, Root

_IN_TURN_MAX, _READERS = 8, 4
"""Of so many copies, one is read back after the other; of more, so many at a time: most of what
it takes is waiting for the disk."""
T = TypeVar("T")


def replicate(primary: Root, replicas: Sequence[Root], *holdings: HoldingId) -> tuple[str, ...]:
    """Bring `holdings` in every replica up to the primary's version and read all copies back.

    The names of the roots that hold them. Raises EnvironmentFailure where a root is away and
    Corrupt where what was read back is not what was written.
    """
    require_present((primary, *replicas))
    for replica in replicas:
        replica.adopt(primary, *holdings)
    roots = (primary, *replicas)
    newest = [primary.newest(holding) for holding in holdings]
    copies = [(root, *one) for one in newest for root in roots]
    if len(copies) > _IN_TURN_MAX:
        with ThreadPoolExecutor(_READERS) as pool:
            for _ in pool.map(_read_back_one, copies):
                pass
    else:
        for copy in copies:
            _read_back_one(copy)
    return tuple(root.name for root in roots)


def _read_back_one(copy: tuple[Root, ocfl.Inventory, bytes]) -> None:
    read_back(*copy)


def catch_up(
    primary: Root, replicas: Sequence[Root], holding: HoldingId, *, acknowledged: int
) -> None:
    """Bring `holding` in the primary up to the newest version that any replica has.

    What is to be written next goes on from there: a primary that was made anew, or restored from
    an older backup, would otherwise begin a second history of it. Raises as `replicate` does, and
    Corrupt where no root has the version that was `acknowledged` (0 for none, or for one that an
    audit has told to be lost): what is left of it may be what healing needs.
    """
    require_present((primary, *replicas))
    name = ocfl.object_path(holding)
    for replica in replicas:
        if replica.has_object(name):
            with contextlib.suppress(Corrupt):
                # One that does not verify is for an audit to heal.
                replica.read_inventory(name)
                primary.adopt(replica, holding)
    here = primary.inventory(holding)
    if (here.head if here else 0) < acknowledged:
        raise Corrupt(
            f"was acknowledged in version {acknowledged}, which no root has whole now",
            where=holding,
            remedy=f"bring back a root that was away, and {HEAL}; where that tells that it is lost,"
            " deposit it again",
        )


def object_names(roots: Sequence[Root]) -> Iterator[str]:
    """Where any of `roots` has an object: paths relative to a root, each once, in order."""
    merged = heapq.merge(*(root.object_names() for root in roots))
    return (name for name, _ in itertools.groupby(merged))


def holdings(roots: Sequence[Root]) -> Iterator[Holding]:
    """Every holding, from the first root in which its inventory verifies.

    Raises Corrupt where it verifies in none.
    """
    for name in object_names(roots):
        if any(root.shows(name) for root in roots):
            yield _first(roots, methodcaller("holding_at", name))


def read_holding(roots: Sequence[Root], holding: HoldingId) -> Holding | None:
    """The newest version of `holding` in the first root in which its inventory verifies.

    None where every root answers and none has it; otherwise raises what the first one that
    failed said.
    """
    failed: SonothequeError | None = None
    for root in roots:
        try:
            if found := root.holding(holding):
                return found
        except SonothequeError as error:
            failed = failed or error
    if failed:
        raise failed
    return None


def read(roots: Sequence[Root], holding: HoldingId, logical_path: str) -> bytes:
    """The bytes behind a logical path, from the first root in which they verify."""
    return _first(roots, lambda root: root.read(holding, logical_path))


def _first(roots: Sequence[Root], get: Callable[[Root], T]) -> T:
    """What `get` answers for the first root for which it fails in no way."""
    for root in roots[:-1]:
        with contextlib.suppress(SonothequeError):
            return get(root)
    return get(roots[-1])


def require_present(roots: Sequence[Root]) -> None:
    """Raises EnvironmentFailure where a root is away: an unmounted disk is no empty root."""
    for root in roots:
        root.require_present()


def renew(root: Root) -> None:
    """Make `root`, whose copy was lost whole, a root again in an empty place, or one that lost no
    more than its marker; healing fills it. See `Root.create`."""
    if not root.present:
        root.create(objects_too=True)


def check_root_files(roots: Sequence[Root], now: str, *, heal: bool) -> Iterator[FixityEvent]:
    """One event for each file that makes a place a root and is not as it must be, which is the
    same in every root; with `heal`, it is written anew."""
    for root in roots:
        for path, content in ocfl.ROOT_FILES:
            digest = ocfl.digest_of(content)
            found = root.digest("", path)
            if found == digest:
                continue
            outcome = Outcome.MISSING if found is None else Outcome.CORRUPT
            detail = "a file of the storage root itself"
            if heal:
                if aside := root.restore_file("", path, [content], digest):
                    detail += f"; what stood in its place is now {aside}"
                outcome = Outcome.HEALED if root.digest("", path) == digest else Outcome.LOST
            yield FixityEvent(
                holding=ROOT_ID,
                root=root.name,
                outcome=outcome,
                at=now,
                agent=AGENT,
                path=path,
                detail=detail,
                method="sha512",
            )


def read_back(root: Root, newest: ocfl.Inventory, document: bytes) -> None:
    """Check each file of an object's newest version, its inventories among them, against its
    digest, from the medium. `document` is the inventory `newest`, from which `root` may have
    gone on."""
    name = ocfl.object_path(newest.id)
    if root.digest(name, ocfl.INVENTORY) != ocfl.digest_of(document):
        newest, document = _further(root, newest)
    for path, digest in ocfl.files_beside_inventory(newest, document).items():
        if root.digest(name, path) != digest:
            raise _different(root, f"{name}/{path}")


def _further(root: Root, newest: ocfl.Inventory) -> tuple[ocfl.Inventory, bytes]:
    """The inventory of `root`, which goes on from `newest`. Raises Corrupt where it does not."""
    name = ocfl.object_path(newest.id)
    further, document = root.newest(newest.id)
    if not further.continues(newest):
        raise Corrupt(
            f"reads back as it was before version {newest.head} was written",
            where=root.place_of(name),
            remedy=f"check what it is stored on; then {HEAL}",
        )
    if root.digest(name, ocfl.INVENTORY) != ocfl.digest_of(document):
        raise _different(root, f"{name}/{ocfl.INVENTORY}")
    return further, document


def _different(root: Root, name: str) -> Corrupt:
    return Corrupt(
        "reads back different from what was written",
        where=root.place_of(name),
        remedy=f"check what it is stored on; then {HEAL}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far apart the copies stand, by what archive.toml says of its roots.

    `locations`, `threats` and `media` count what differs among what is said; `findings` tell
    what the copies have in common, and what nobody has said.
    """

    copies: int
    locations: int
    threats: int
    media: int
    findings: tuple[Finding, ...]


COPIES_MIN = 3
"""NDSA Levels of Digital Preservation 2.0, storage, level 2: three complete copies."""
_SAID = ("location", "threat", "medium")


def spread(roots: Sequence[config.Root]) -> Spread:
    """Whether one event could take every copy. A `threat` is a list of them, parted by commas."""
    locations = [_words(root.location) for root in roots]
    threats = [_words(root.threat) for root in roots]
    media = [_words(root.medium) for root in roots]
    return Spread(
        copies=len(roots),
        locations=len({*locations} - {frozenset()}),
        threats=len({*threats} - {frozenset()}),
        media=len({*media} - {frozenset()}),
        findings=tuple(_spread_findings(roots)),
    )


def _spread_findings(roots: Sequence[config.Root]) -> Iterator[Finding]:
    if len(roots) < COPIES_MIN:
        yield _finding(
            "roots.few",
            f"there are {len(roots)} copies, and {COPIES_MIN} is the least that is advised",
            "add a [[root]] in another place",
        )
    for root in roots:
        if unsaid := [name for name in _SAID if not _words(getattr(root, name))]:
            yield _finding(
                "roots.unsaid",
                f"archive.toml does not say its {' and its '.join(unsaid)}",
                "say it, so that the copies can be told apart",
                where=root.name,
            )
    for code, name, told in (
        ("roots.same-location", "location", "stand in"),
        ("roots.same-medium", "medium", "are kept on"),
    ):
        said: dict[frozenset[str], list[config.Root]] = {}
        for root in roots:
            said.setdefault(_words(getattr(root, name)), []).append(root)
        for words, sharing in said.items():
            # A second copy on a known medium is no fault; that there is no other medium is one.
            if words and len(sharing) > 1 and (name == "location" or len(sharing) == len(roots)):
                yield _finding(
                    code,
                    f"{_names(sharing)} {told} one {name}: {getattr(sharing[0], name).strip()}",
                    f"move one of them to another {name}",
                )
    everywhere = frozenset.intersection(*(_words(root.threat) for root in roots))
    if everywhere and len(roots) > 1:
        yield _finding(
            "roots.same-threat",
            f"every copy could be taken by {', '.join(sorted(everywhere))}",
            "put one of them where that does not reach",
        )


def _words(said: str) -> frozenset[str]:
    return frozenset(
        word for part in said.split(",") if (word := " ".join(part.casefold().split()))
    )


def _names(roots: Sequence[config.Root]) -> str:
    *others, last = [root.name for root in roots]
    return f"{', '.join(others)} and {last}"


def _finding(code: str, message: str, remedy: str, where: str = "") -> Finding:
    severity = Severity.INFO if code == "roots.unsaid" else Severity.WARNING
    return Finding(code=code, severity=severity, message=message, remedy=remedy, where=where)
