"""Replicas: every holding in every root, each copy read back after it was written."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from operator import methodcaller
from pathlib import Path
from typing import TypeVar

from sonotheque.errors import Corrupt, EnvironmentFailure, Refused
from sonotheque.model.holdings import Holding
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import files
from sonotheque.vault.objects import Vault

T = TypeVar("T")


def replicate(primary: Vault, replicas: Sequence[Vault], holding: HoldingId) -> tuple[str, ...]:
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


def object_names(roots: Sequence[Vault]) -> Iterator[str]:
    """Where any of `roots` has an object: paths relative to a root, each once, in order."""
    merged = heapq.merge(*(root.object_names() for root in roots))
    return (name for name, _ in itertools.groupby(merged))


def holdings(roots: Sequence[Vault]) -> Iterator[Holding]:
    """Every holding, from the first root in which its inventory verifies.

    Raises Corrupt where it verifies in none.
    """
    for name in object_names(roots):
        yield _first(roots, methodcaller("holding_at", name))


def read_holding(roots: Sequence[Vault], holding: HoldingId) -> Holding | None:
    """The newest version of `holding` in the first root in which its inventory verifies.

    None where no root has it. Raises Corrupt where it verifies in none.
    """
    having = [root for root in roots if root.object_path(holding).exists()]
    return _first(having, lambda root: root.holding(holding)) if having else None


def read(roots: Sequence[Vault], holding: HoldingId, logical_path: str) -> bytes:
    """The bytes behind a logical path, from the first root in which they verify."""
    return _first(roots, lambda root: root.read(holding, logical_path))


def _first(roots: Sequence[Vault], get: Callable[[Vault], T]) -> T:
    """What `get` answers for the first root for which it raises neither Refused nor OSError."""
    for root in roots[:-1]:
        with contextlib.suppress(Refused, OSError):
            return get(root)
    return get(roots[-1])


def require_present(roots: Sequence[Vault]) -> None:
    """Raises EnvironmentFailure where a root is away: an unmounted disk is no empty root."""
    for root in roots:
        if not root.present:
            raise EnvironmentFailure(
                f"storage root {root.name} is away",
                where=str(root.path),
                remedy="bring it back, or take it out of archive.toml",
            )


def read_back(root: Vault, holding: HoldingId) -> None:
    """Check every content file of the newest version against its digest, from the disk."""
    inventory = root.required(holding)
    directory = root.object_path(holding)
    for digest in set(inventory.state().values()):
        path = directory / inventory.content_path(digest)
        _forget(path)
        if files.sha512_of(path) != digest:
            raise Corrupt(
                "reads back different from what was written",
                where=str(path),
                remedy="check this disk; then run `sonotheque audit --heal`",
            )


def _forget(path: Path) -> None:
    """Drop the file from the page cache, so that reading it back asks the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
