"""A deposit that is killed and run again: everything once, and everything whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import ocfl
import pytest

from sonotheque.archive import Archive
from sonotheque.deposit.receipts import Receipts
from sonotheque.model.holdings import Receipt
from sonotheque.model.terms import Use
from sonotheque.store.clock import utc_now

# argv: archive, delivery, module, name of a function or method in it, the call it dies at.
DYING_DEPOSIT = """
import importlib, os, signal, sys
from pathlib import Path
from sonotheque import archive
from sonotheque.deposit import accession

directory, delivery, module, name, at = sys.argv[1:]
owner = importlib.import_module(module)
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
names = last.split("|")
calls = 0

def dying(function):
    def run(*arguments, **keywords):
        global calls
        calls += 1
        if calls == int(at):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **keywords)
    return run

for one in names:
    setattr(owner, one, dying(getattr(owner, one)))
with archive.open_archive(Path(directory)) as opened:
    accession.deposit(opened, [Path(delivery)], "2026-11-20T09:00:00.000000Z")
"""
WRITES = "create|replace|copy|rename|supersede|make_directories|sync_together"


class Music(Protocol):
    def file(self, path: Path, seed: int, *, seconds: float = ..., **tags: Any) -> Path: ...


@pytest.fixture(scope="module")
def delivery(music: Music, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("delivery")
    licence = "https://creativecommons.org/licenses/by/4.0/"
    for name in ("a.mp3", "b.ogg"):
        music.file(directory / name, 1, seconds=8, title="One", artist="A", license=licence)
    music.file(directory / "c.mp3", 2, seconds=8, title="Two", artist="A", license=licence)
    return directory


@pytest.mark.parametrize(
    ("module", "name", "at"),
    [
        ("sonotheque.store.files", WRITES, 30),
        ("sonotheque.store.files", WRITES, 80),
        ("sonotheque.deposit.receipts", "Receipts.intend", 1),
        ("sonotheque.catalogue.search", "SearchIndex.put", 1),
        ("sonotheque.matching.index", "FingerprintIndex.add", 4),
        ("sonotheque.deposit.receipts", "Receipts.add", 1),
    ],
)
def test_a_killed_deposit_converges_when_it_is_run_again(
    *,
    archive: Archive,
    deposit: Callable[..., Receipt],
    delivery: Path,
    module: str,
    name: str,
    at: int,
) -> None:
    died = subprocess.run(
        [
            *(sys.executable, "-c", DYING_DEPOSIT),
            *(str(archive.config.directory), str(delivery), module, name, str(at)),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    receipt = deposit(delivery)
    assert receipt.accepted
    one, same, two = (item.recording for item in receipt.items)
    assert one == same != two
    for item in receipt.items:
        assert item.roots == ("main", "copy-1")
        assert next(d for d in item.decisions if d.use is Use.STREAM).allowed
        assert item.recording is not None
        acknowledged = [it.sha512 for _, _, it in Receipts(archive.database).about(item.recording)]
        assert acknowledged.count(item.sha512) == 1
    for root in archive.roots:
        held = [file.sha512 for holding in root.holdings() for file in holding.audio]
        assert sorted(held) == sorted(str(item.sha512) for item in receipt.items)
        assert ocfl.StorageRoot(root=root.where).validate(check_digests=True)
    assert all(check.passed for check in archive.audit(utc_now).run())
    assert archive.catalogue.find("one").total == archive.catalogue.find("two").total == 1
    assert archive.catalogue.count() == len(archive.fingerprints) == 2
    said = [(statement.recording, statement.evidence) for statement in archive.ledger.statements()]
    assert len(said) == len(set(said)) == 3
