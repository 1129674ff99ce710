"""Storage roots, and the independent validator that must call each of them valid."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ocfl
import pytest

from sonotheque.store import db
from sonotheque.vault.audit import Audit
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import KnownFile, Vault
from sonotheque.vault.roots import Root


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power is not cut while these tests run; `disk.Disk` counts what would be synced."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def main(tmp_path: Path) -> Vault:
    vault = Vault("main", tmp_path / "main")
    vault.create()
    return vault


@pytest.fixture
def copy(tmp_path: Path) -> Vault:
    vault = Vault("copy", tmp_path / "copy")
    vault.create()
    return vault


def _validate(vault: Vault) -> None:
    """ocfl-py finds no error in the root or in any object, reading every byte."""
    root = ocfl.StorageRoot(root=str(vault.path))
    root.open_root_fs()
    root.check_root_structure()
    number, good, errors = root.validate_hierarchy(validate_objects=True, check_digests=True)
    assert errors == []
    assert number == good == len(list(vault.object_names()))
    assert root.num_traversal_errors == 0
    for path in vault.path.rglob("*"):
        assert not path.name.endswith(".tmp"), path
        assert not path.is_dir() or any(path.iterdir()), f"{path} is empty"
    assert not vault.staging.exists() or list(vault.staging.iterdir()) == []


@pytest.fixture
def validate() -> Callable[[Vault], None]:
    logging.getLogger().setLevel(logging.CRITICAL)
    return _validate


@pytest.fixture
def known(tmp_path: Path) -> Callable[[str, bytes], KnownFile]:
    """Makes a file outside the vault, to be copied into it."""

    def make(name: str, content: bytes) -> KnownFile:
        path = tmp_path / "outside" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return KnownFile(path, hashlib.sha512(content).hexdigest())  # type: ignore[arg-type]

    return make


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FixityLog]:
    engine = db.open_database(tmp_path / "fixity.db")
    yield FixityLog(engine)
    engine.dispose()


@pytest.fixture
def audit(log: FixityLog) -> Callable[..., Audit]:
    """Makes audits with one log and one lock; each moment is later than the one before."""
    lock = threading.Lock()
    moments = itertools.count(1)

    @contextmanager
    def locked(_stopped: Callable[[], bool]) -> Iterator[None]:
        with lock:
            yield

    def now() -> str:
        return f"2026-11-21T10:00:00.{next(moments):06}Z"

    def make(roots: Sequence[Root], *, heal: bool = False) -> Audit:
        return Audit(roots, log, locked=locked, now=now, heal=heal)

    return make
