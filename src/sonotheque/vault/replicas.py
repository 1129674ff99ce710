"""Replicas: every holding in every root, each copy read back after it was written."""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from operator import methodcaller
from typing import TypeVar

from sonotheque.errors import Corrupt, EnvironmentFailure, SonothequeError
from sonotheque.model.holdings import Holding
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
from sonotheque.vault.roots import HEAL, Root

T = TypeVar("T")


def replicate(primary: Root, replicas: Sequence[Root], holding: HoldingId) -> tuple[str, ...]:
    """Bring `holding` in every replica up to the primary's version and read all copies back.

    The names of the roots that hold it. Raises EnvironmentFailure where a root is away and
    Corrupt where what was read back is not what was written.
    """
    require_present((primary, *replicas))
    for replica in replicas:
        replica.adopt(primary, holding)
    for root in (primary, *replicas):
        read_back(root, holding)
    return tuple(root.name for root in (primary, *replicas))


def object_names(roots: Sequence[Root]) -> Iterator[str]:
    """Where any of `roots` has an object: paths relative to a root, each once, in order."""
    merged = heapq.merge(*(root.object_names() for root in roots))
    return (name for name, _ in itertools.groupby(merged))


def holdings(roots: Sequence[Root]) -> Iterator[Holding]:
    """Every holding, from the first root in which its inventory verifies.

    Raises Corrupt where it verifies in none.
    """
    for name in object_names(roots):
        yield _first(roots, methodcaller("holding_at", name))


def read_holding(roots: Sequence[Root], holding: HoldingId) -> Holding | None:
    """The newest version of `holding` in the first root in which its inventory verifies.

    None where no root has it. Raises Corrupt where it verifies in none.
    """
    having = [root for root in roots if root.has_object(ocfl.object_path(holding))]
    return _first(having, lambda root: root.holding(holding)) if having else None


def read(roots: Sequence[Root], holding: HoldingId, logical_path: str) -> bytes:
    """The bytes behind a logical path, from the first root in which they verify."""
    return _first(roots, lambda root: root.read(holding, logical_path))


def _first(roots: Sequence[Root], get: Callable[[Root], T]) -> T:
    """What `get` answers for the first root for which it raises no error of ours or the system's.

    A sector that cannot be read, or a root that is away, is no reason not to ask the next one.
    """
    for root in roots[:-1]:
        with contextlib.suppress(SonothequeError, OSError):
            return get(root)
    return get(roots[-1])


def require_present(roots: Sequence[Root]) -> None:
    """Raises EnvironmentFailure where a root is away: an unmounted disk is no empty root."""
    for root in roots:
        if not root.present:
            raise EnvironmentFailure(
                f"storage root {root.name} is away",
                where=root.where,
                remedy="bring it back, or take it out of archive.toml",
            )


def read_back(root: Root, holding: HoldingId) -> None:
    """Check every content file of the newest version against its digest, from the medium."""
    inventory = root.required(holding)
    name = ocfl.object_path(holding)
    for digest in set(inventory.state().values()):
        path = inventory.content_path(digest)
        if root.digest(name, path) != digest:
            raise Corrupt(
                "reads back different from what was written",
                where=root.place_of(f"{name}/{path}"),
                remedy=f"check what it is stored on; then {HEAL}",
            )
