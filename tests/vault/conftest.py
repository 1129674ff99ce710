"""Storage roots, and the independent validator that must call each of them valid."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ocfl
import pytest
from obstore.store import MemoryStore
from sqlalchemy import event

from sonotheque.store import db, files
from sonotheque.store.objectstore import ObjectStore, open_bucket
from sonotheque.vault.audit import Audit
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import KnownFile, Vault
from sonotheque.vault.roots import Root


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power is not cut while these tests run; `disk.Disk` counts what would be synced."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(files, "syncfs", lambda _descriptor: None)


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


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """Room for a root on an S3 server, and in a store in memory that answers as one does."""
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3")
        return open_bucket(f"s3://tests/{secrets.token_hex(8)}", endpoint)
    memory = MemoryStore()
    return ObjectStore("memory", lambda: memory)


@pytest.fixture
def remote(store: ObjectStore) -> BucketRoot:
    root = BucketRoot("remote", store)
    root.create()
    return root


def _fetched(store: ObjectStore, directory: Path) -> Vault:
    shutil.rmtree(directory, ignore_errors=True)
    for key in store.list():
        path = directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(store.blocks(key)))
    return Vault("fetched", directory)


@pytest.fixture
def fetched(tmp_path: Path) -> Callable[[ObjectStore], Vault]:
    """Downloads everything in a store, as a root in a directory."""
    return lambda store: _fetched(store, tmp_path / "fetched")


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

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        # As `_no_waiting` does for files.
        connection.execute("PRAGMA synchronous = OFF")

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
