"""The ledger: entries a second that last, and how long a whole log takes to verify.

Appending is measured in batches, as deposits make them, and one by one, as takedowns do; every
one is synced, in the tiles and under a signed checkpoint when it counts. Verifying reads a log
from its published files, in a process of its own, whose memory is watched.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bench.footprint import measured
from bench.table import Row, Watch, tell
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Basis, Kind, Statement, Status, Use
from sonotheque.rights import proof
from sonotheque.rights.entries import encode_entry
from sonotheque.rights.ledger import Ledger
from sonotheque.rights.verification import Examination
from sonotheque.store import db, signing

APPEND_BAR, VERIFY_BAR_SECONDS, VERIFY_BAR_ENTRIES = 2_000.0, 120.0, 10_000_000
BATCH, SINGLE = 500, 50


def run(words: list[str]) -> list[Row]:
    parser = argparse.ArgumentParser(prog="python -m bench ledger", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the log to verify")
    parser.add_argument("--batches", type=int, default=40, help=f"of {BATCH} entries, to append")
    parser.add_argument("--disk", type=Path, default=None, help="where both are")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="sonotheque-", dir=options.disk) as directory:
        rows = _appending(Path(directory) / "appended", options.batches)
        return [*rows, *_verifying(Path(directory) / "log", options.entries)]


def _appending(base: Path, batches: int) -> list[Row]:
    (base / "ledger").mkdir(parents=True)
    signer = signing.create_key(base / "keys", "bench")
    engine = db.open_database(base / "sonotheque.db")
    ledger = Ledger(engine, base / "ledger", signer, newest=base / "keys" / "newest-checkpoint")
    statements = _statements()
    tell(f"appending {batches} batches of {BATCH}")
    watch = Watch()
    for _ in range(batches):
        ledger.append(list(islice(statements, BATCH)))
    wall, cpu = watch.read()
    rate = batches * BATCH / wall
    began = time.perf_counter()
    for _ in range(SINGLE):
        ledger.append(list(islice(statements, 1)))
    single = SINGLE / (time.perf_counter() - began)
    engine.dispose()
    return [
        Row(
            f"Durable appends a second, in batches of {BATCH}",
            f"{rate:,.0f} ({1e6 * cpu / (batches * BATCH):.0f} µs of processor each)",
            f"≥ {APPEND_BAR:,.0f}",
            rate >= APPEND_BAR,
        ),
        Row("One by one", f"{single:,.0f} a second"),
    ]


def _verifying(directory: Path, entries: int) -> list[Row]:
    tell(f"writing a log of {entries:,} entries")
    signer = signing.create_key(directory / "keys", "bench")
    byte_count = _write(directory, entries, signer)
    tell("verifying it")
    found, cost = measured(_verify, directory, signer.verifier)
    bar = VERIFY_BAR_SECONDS * entries / VERIFY_BAR_ENTRIES
    return [
        Row(
            f"Verifying {found:,} entries ({byte_count / 1e9:.1f} GB) from their tiles",
            f"{cost.wall:.1f} s ({cost.cpu:.1f} s of processor)",
            f"≤ {bar:.0f} s",
            found == entries and cost.wall <= bar,
        ),
        Row("Memory of it, at its peak", f"{cost.peak.anonymous_bytes / 1e6:.0f} MB"),
    ]


def _verify(directory: Path, verifier: signing.Verifier) -> int:
    """How many entries verify; none where anything does not."""
    examination = Examination(directory, verifier)
    count = sum(1 for _ in examination.entries())
    return 0 if examination.findings else count


def _write(directory: Path, entries: int, signer: signing.Signer) -> int:
    """A log of that many entries, its files not synced; the bytes of the bundles."""
    head, _, tail = encode_entry(next(_statements())).partition(b"Label 0")
    hashes: list[bytes] = []
    byte_count = 0
    for start in range(0, entries, proof.TILE_WIDTH):
        width = min(proof.TILE_WIDTH, entries - start)
        some = [head + b"Label %d" % n + tail for n in range(start, start + width)]
        bundle = proof.bundle(some)
        byte_count += len(bundle)
        _put(directory, "entries", start // proof.TILE_WIDTH, width, bundle)
        leaves = [proof.leaf_hash(entry) for entry in some]
        _put(directory, 0, start // proof.TILE_WIDTH, width, b"".join(leaves))
        hashes.append(proof.subtree_root(leaves))
    root = proof.subtree_root(hashes)
    hashes, level = hashes[: entries // proof.TILE_WIDTH], 1
    while hashes:
        tiles = [hashes[at : at + proof.TILE_WIDTH] for at in range(0, len(hashes), 256)]
        for index, tile in enumerate(tiles):
            _put(directory, level, index, len(tile), b"".join(tile))
        hashes = [proof.subtree_root(tile) for tile in tiles if len(tile) == proof.TILE_WIDTH]
        level += 1
    note = signer.sign(proof.checkpoint_text(signer.verifier.name, entries, root))
    (directory / "checkpoint").write_text(note, encoding="utf-8")
    return byte_count


def _put(directory: Path, level: int | str, index: int, width: int, content: bytes) -> None:
    path = directory / proof.tile_path(level, index, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _statements() -> Iterator[Statement]:
    number = 0
    while True:
        yield Statement(
            recording=RecordingId(f"{number:013d}"),
            kind=Kind.GRANT,
            uses=(Use.PRESERVE, Use.STREAM, Use.DOWNLOAD, Use.TORRENT),
            status=Status.VERIFIED,
            issuer=f"Label {number}",
            evidence="licence in the tags; taken as the holder's word by the archive's policy",
            at="2026-11-23T21:41:28.000000Z",
            basis=Basis.LICENCE,
            licence="https://creativecommons.org/licenses/by-sa/3.0/",
        )
        number += 1
