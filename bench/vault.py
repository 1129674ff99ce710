"""The vault beside the least that could be done: audits, and writing that lasts.

Audits: every file of a store in memory, so that no disk hides what an audit costs, by a bare loop
of BLAKE3, by us, by `bagit.py --validate` over the same files as a bag, and by ocfl-py. Writing:
small holdings a second as the store grows, and large files beside `cp`, `sha512sum` and `sync`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import logging
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from unittest import mock

import ocfl
from blake3 import blake3

from bench.table import Row, duration, tell
from sonotheque.deposit.storing import BATCH_ITEMS_MAX
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.store import db
from sonotheque.store.clock import utc_now
from sonotheque.vault.audit import Audit
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import KnownFile, Vault, Version
from sonotheque.vault.ocfl import INVENTORY
from sonotheque.vault.replicas import replicate

BARE_BAR, PEER_BAR, OVERHEAD_BAR_US, MEMORY_BAR_MB = 0.9, 4.0, 20.0, 256
SMALL_BAR, FLAT_BAR, LARGE_BAR = 100.0, 0.8, 0.8
SMALL_BYTES = 64 << 10
ROUNDS = 3
BLOCK_BYTES = 1 << 20


def run(words: list[str]) -> list[Row]:
    parser = argparse.ArgumentParser(prog="python -m bench vault", description=__doc__)
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a disk of memory")
    parser.add_argument("--disk", type=Path, default=None, help="where writing is measured")
    parser.add_argument("--holdings", type=int, default=2_000, help="of small files, to audit")
    parser.add_argument("--files", type=int, default=8, help="large ones, to audit and to write")
    parser.add_argument("--file-mb", type=int, default=64, help="megabytes of each")
    parser.add_argument("--sizes", default="0,1000", help="holdings in the store already")
    parser.add_argument("--deposits", type=int, default=320, help="small holdings at each size")
    parser.add_argument("--only", choices=["audit", "writing", "memory"])
    options = parser.parse_args(words)
    logging.disable()
    rows = []
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.only == "memory":
        return _audit_memory(options.memory, sizes)
    if options.only != "writing":
        rows += _audits(options.memory, options.holdings, "small", _small_files)
        large = options.files, options.file_mb
        rows += _audits(options.memory, options.files, "large", lambda n: _large_file(n, large[1]))
    if options.only != "audit":
        rows += _small_writing(options.disk, sizes, options.deposits)
        rows += _large_writing(options.disk, options.files, options.file_mb)
    return rows


def _audits(
    memory: Path, count: int, kind: str, content: Callable[[int], dict[str, bytes]]
) -> list[Row]:
    """The audit of `count` holdings of one kind beside its peers."""
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        vault = Vault("main", Path(directory) / "vault")
        vault.create()
        tell(f"making {count} holdings of {kind} files")
        with _without_sync():
            for number in range(count):
                vault.write_version(_holding(number), content(number), message="", now=utc_now())
        paths = [path for path in vault.path.rglob("*") if path.is_file()]
        database = Path(directory) / "fixity.db"
        size = sum(path.stat().st_size for path in paths)
        first = _timed(lambda: _audit(vault, database))
        pairs = [
            (_timed(lambda: _bare(paths)), _timed(lambda: _audit(vault, database)))
            for _ in range(ROUNDS)
        ]
        bare, ours = sorted(pairs, key=lambda pair: pair[0] / pair[1])[ROUNDS // 2]
        tell("the peers")
        peers = {"ocfl-py": _timed(lambda: _ocfl_py(vault)), "bagit.py": 0.0}
        if _bagit().exists():
            bag = _bag(paths, Path(directory) / "bag")
            peers["bagit.py"] = _timed(lambda: _call(sys.executable, _bagit(), "--validate", bag))
        memory_mb = _peak_memory_mb(vault, database)
    what = f"audit of {count:,} holdings, {len(paths):,} files, {size / 1e6:,.0f} MB"
    if kind == "large":
        speed = f"{bare / ours:.2f} of a bare BLAKE3 loop ({size / ours / 1e9:.2f} GB/s)"
        main = Row(what, speed, f"≥ {BARE_BAR}", bare / ours >= BARE_BAR)
    else:
        over_us = (ours - bare) / len(paths) * 1e6
        speed = f"{over_us:.1f} µs a file over a bare BLAKE3 loop ({duration(ours)})"
        main = Row(what, speed, f"≤ {OVERHEAD_BAR_US:.0f} µs", over_us <= OVERHEAD_BAR_US)
    return [
        main,
        Row("the same, the first time, by SHA-512 too", f"{first / ours:.1f} × as long"),
        *(
            _peer_row(name, seconds, ours, barred=kind == "large")
            for name, seconds in peers.items()
        ),
        Row(
            "the same, memory at its peak",
            f"{memory_mb:.0f} MB",
            f"≤ {MEMORY_BAR_MB} MB",
            memory_mb <= MEMORY_BAR_MB,
        ),
    ]


def _peer_row(name: str, seconds: float, ours: float, *, barred: bool) -> Row:
    if not seconds:
        return Row(f"the same, beside {name}", "it is not installed", "", False)
    ratio = seconds / ours
    measured = f"{ratio:.1f} × as fast"
    if not barred:
        return Row(f"the same, beside {name}", measured)
    return Row(f"the same, beside {name}", measured, f"≥ {PEER_BAR:.0f} ×", ratio >= PEER_BAR)


def _small_files(number: int, byte_count: int = 8_000) -> dict[str, bytes]:
    """What a deposit writes, with an audio file of `byte_count`."""
    name = f"{number}.flac"
    return {
        f"audio/{name}": number.to_bytes(8) * (byte_count // 8),
        "recording.json": b'{"title": "%d"}\n' % number * 20,
        "statements.json": b'[{"issuer": "%d"}]\n' % number * 30,
        f"deposits/D{number}/{name}.json": b'{"item": "%d"}\n' % number * 50,
        "fingerprint.bin": number.to_bytes(4) * 180,
    }


def _large_file(number: int, megabytes: int) -> dict[str, bytes]:
    return {"audio/a.wav": number.to_bytes(8) * (megabytes * 125_000)}


def _audit(vault: Vault, database: Path) -> None:
    engine = db.open_database(database)
    audit = Audit([vault], FixityLog(engine), locked=_unlocked, now=utc_now)
    if not all(check.passed for check in audit.run()):
        raise SystemExit("bench: the audit found something")
    engine.dispose()


@contextlib.contextmanager
def _unlocked(_stopped: Callable[[], bool]) -> Iterator[None]:
    yield


def _bare(paths: list[Path]) -> None:
    for path in paths:
        digest = blake3()
        with path.open("rb", buffering=0) as reader:
            while block := reader.read(BLOCK_BYTES):
                digest.update(block)
        digest.digest()


def _ocfl_py(vault: Vault) -> None:
    root = ocfl.StorageRoot(root=str(vault.path))
    root.open_root_fs()
    root.check_root_structure()
    number, good, errors = root.validate_hierarchy(validate_objects=True, check_digests=True)
    if errors or number != good:
        raise SystemExit("bench: ocfl-py does not call the store valid")


def _bag(paths: list[Path], place: Path) -> Path:
    """A bag of the same files."""
    place.mkdir()
    for number, path in enumerate(paths):
        directory = place / f"{number // 1000:04}"
        directory.mkdir(exist_ok=True)
        (directory / str(number)).hardlink_to(path)
    _call(sys.executable, _bagit(), "--sha512", place)
    return place


def _bagit() -> Path:
    return Path(sys.executable).with_name("bagit.py")


def _peak_memory_mb(vault: Vault, database: Path) -> float:
    """Of a process of its own that audits once more."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_audit_and_weigh, (vault.path, database))


def _audit_and_weigh(path: Path, database: Path) -> float:
    _audit(Vault("main", path), database)
    # Not what getrusage says: a new process begins with the peak of the one that made it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _audit_memory(memory: Path, sizes: list[int]) -> list[Row]:
    """What an audit takes as the store grows by holdings of one small file."""
    rows = []
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        vault = Vault("main", Path(directory) / "vault")
        vault.create()
        there = 0
        for size in sizes:
            tell(f"making {size:,} holdings")
            with _without_sync():
                for number in range(there, size):
                    content = {"audio/a.flac": number.to_bytes(8)}
                    vault.write_version(_holding(number), content, message="", now=utc_now())
            there = size
            peak = _peak_memory_mb(vault, Path(directory) / "fixity.db")
            rows.append(
                Row(
                    f"memory of an audit of {size:,} holdings at its peak",
                    f"{peak:.0f} MB",
                    f"≤ {MEMORY_BAR_MB} MB",
                    peak <= MEMORY_BAR_MB,
                )
            )
    return rows


def _small_writing(disk: Path | None, sizes: list[int], count: int) -> list[Row]:
    """Holdings of 64 KB a second, written, replicated and read back, as the store grows."""
    rates: list[float] = []
    rows = []
    with tempfile.TemporaryDirectory(dir=disk) as directory:
        roots = [Vault(name, Path(directory) / name) for name in ("main", "copy")]
        for root in roots:
            root.create()
        there = 0
        for size in sizes:
            tell(f"filling the store to {size:,} holdings")
            for number in range(there, size):
                for root in roots:
                    _occupy(root, number)
            os.sync()
            there = max(there, size) + count
            versions = [_version(number) for number in range(there - count, there)]
            tell(f"depositing {count:,} more")
            seconds = _timed(partial(_deposit_all, roots, versions))
            rates.append(count / seconds)
            # Removing a million holdings takes much longer than making them.
            tell(f"{rates[-1]:.0f} a second")
            rows.append(
                Row(
                    f"durable holdings of 64 KB in two roots, {size:,} in the store already",
                    f"{rates[-1]:.0f}/s",
                    f"≥ {SMALL_BAR:.0f}/s",
                    rates[-1] >= SMALL_BAR,
                )
            )
    flat = rates[-1] / rates[0]
    return [
        *rows,
        Row("the last rate beside the first", f"{flat:.2f}", f"≥ {FLAT_BAR}", flat >= FLAT_BAR),
    ]


def _occupy(root: Vault, number: int) -> None:
    """Stand in for a holding: directories as it has them in the layout, and its inventory."""
    directory = root.object_path(_holding(number))
    directory.mkdir(parents=True)
    (directory / INVENTORY).write_bytes(b" " * 1_000)


def _version(number: int) -> Version:
    additions = _small_files(number, SMALL_BYTES)
    return Version(holding=_holding(number), additions=additions, message="bench", now=utc_now())


def _deposit_all(roots: list[Vault], versions: list[Version]) -> None:
    """In batches, as a deposit of many files stores them."""
    for first in range(0, len(versions), BATCH_ITEMS_MAX):
        batch = versions[first : first + BATCH_ITEMS_MAX]
        roots[0].write_versions(batch)
        replicate(roots[0], roots[1:], *(version.holding for version in batch))


def _large_writing(disk: Path | None, count: int, megabytes: int) -> list[Row]:
    """Large files into one root, beside `cp`, `sha512sum` and `sync` on the same disk."""
    ratios, speeds = [], []
    with tempfile.TemporaryDirectory(dir=disk) as directory:
        place = Path(directory)
        known = []
        for number in range(count):
            path = place / f"{number}.wav"
            content = os.urandom(megabytes * 1_000_000)
            path.write_bytes(content)
            known.append(KnownFile(path, Sha512(hashlib.sha512(content).hexdigest())))
        os.sync()
        for turn in range(ROUNDS):
            tell(f"large files, round {turn + 1} of {ROUNDS}")
            peer = _timed(lambda: _copy([file.path for file in known], place / "peer"))
            vault = Vault("main", place / "main")
            vault.create()
            ours = _timed(partial(_keep, vault, known))
            for made in (place / "peer", vault.path, vault.staging):
                shutil.rmtree(made)
            ratios.append(peer / ours)
            speeds.append(count * megabytes / ours)
    ratio = statistics.median(ratios)
    return [
        Row(
            f"{count} files of {megabytes} MB into one root, median of {ROUNDS}",
            f"{ratio:.2f} of cp + sha512sum + sync ({statistics.median(speeds):.0f} MB/s)",
            f"≥ {LARGE_BAR}",
            ratio >= LARGE_BAR,
        )
    ]


def _keep(vault: Vault, known: list[KnownFile]) -> None:
    for number, file in enumerate(known):
        vault.write_version(_holding(number), {"audio/a.wav": file}, message="bench", now=utc_now())


def _copy(paths: list[Path], target: Path) -> None:
    """Each file as a deposit takes it: copied, hashed, and on the disk before the next."""
    target.mkdir()
    for path in paths:
        copy = target / path.name
        _call("cp", "--", path, copy)
        _call("sha512sum", "--", copy)
        _call("sync", "--", copy, target)


def _call(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _holding(number: int) -> HoldingId:
    return HoldingId(f"urn:sonotheque:holding:{number:013}")


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _without_sync() -> AbstractContextManager[object]:
    """While a store is filled for an audit, which is what is measured."""
    # A mock would remember every call.
    return mock.patch("os.fsync", lambda _descriptor: None)
