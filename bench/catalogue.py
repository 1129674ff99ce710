"""The catalogue at the size of the real one, and beside what others would use for it.

A made-up catalogue with the real one's proportions is written, imported, built into a snapshot
and asked by ISRC, by other keys and by words; then the same rows and the same questions go to
SQLite (FTS5) and PostgreSQL (tsvector). The bars are those of 256 million rows. What grows with
the catalogue is judged at that size alone; what it takes to find something, at every size.

    python -m bench catalogue                                1 M rows and the peers
    python -m bench catalogue --rows 10M                     the comparison
    python -m bench catalogue --rows 256M --peers none       the bars
    python -m bench catalogue --rows 1M,4M,16M               how it grows
    python -m bench catalogue --catalogue DIR                one that was built earlier
"""

from __future__ import annotations

import argparse
import math
import shutil
import signal
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import beside, finding
from bench.footprint import Cost, measured
from bench.table import Row, duration, percentile, size, sizes, tell
from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.isrc_index import write_index
from sonotheque.catalogue.lookup import SnapshotSummary, current_snapshot
from sonotheque.catalogue.sources.registry import import_source
from sonotheque.simulation.universe import write_universe
from sonotheque.store.clock import utc_now

FULL_ROWS = 256_000_000
JUDGED_ROWS = 10_000_000
"""Of fewer, starting the processes takes a good part of the time."""
UNIVERSE_ROWS_A_SECOND_BAR = 600_000
SERVED_BAR, DISK_BAR, MEMORY_BAR = 30e9, 60e9, 8e9
BUILD_SECONDS_BAR = 90 * 60
ENGINE_BYTES = 4_000_000_000
"""What `sonotheque import` gives the build."""
BITS_BAR, UNIFORM_BITS_BAR = 6.0, 23.0
REAL_ISRCS = 186_000_000
ALL_ISRCS = 26**2 * 36**3 * 10**7
_SEED = 19


@dataclass(frozen=True, slots=True)
class Built:
    """A catalogue that was made here, and what each step cost."""

    count: int
    """Rows that were made up."""
    universe: Path
    directory: Path
    summary: SnapshotSummary
    generated: Cost
    imported: Cost
    built: Cost


def run(words: list[str]) -> list[Row]:
    options = _options(words)
    # So that what is on the disk goes away, whoever ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="bench-catalogue-", dir=options.dir) as name:
        workspace = Path(name).resolve()
        # PostgreSQL runs as another user, and must reach its own directory in here.
        workspace.chmod(0o711)
        if options.catalogue:
            return _earlier(options, workspace)
        if len(options.rows) > 1:
            return [_growth(options, rows, workspace) for rows in options.rows]
        return _whole(options, options.rows[0], workspace)


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench catalogue")
    parser.add_argument("--rows", type=sizes, default=(1_000_000,), metavar="N[,N…]")
    parser.add_argument("--catalogue", type=Path, help="one that was built earlier; is only read")
    parser.add_argument("--dir", type=Path, default=Path(), help="where there is room on the disk")
    parser.add_argument("--peers", choices=("all", "none"), default="all")
    parser.add_argument("--peer-seconds", type=float, default=60, help="for each kind of query")
    parser.add_argument("--queries", type=size, default=2_000, help="of each kind")
    parser.add_argument("--isrcs", type=size, default=20_000)
    parser.add_argument("--keys", type=size, default=10_000_000, help="uniform random keys")
    return parser.parse_args(words)


def _earlier(options: argparse.Namespace, workspace: Path) -> list[Row]:
    subject = _subject(options, options.catalogue, workspace)
    summary = subject.snapshot.summary
    rows = [*_served(summary), _universe_bits(summary)]
    return [*rows, *finding.lookups(subject)[0], *finding.searches(subject)[0]]


def _whole(options: argparse.Namespace, count: int, workspace: Path) -> list[Row]:
    made = _made(count, workspace)
    rows = [*_making(made), *_served(made.summary), *_bits(made.summary, options.keys, workspace)]
    subject = _subject(options, made.directory, workspace)
    looked_up, _ = finding.lookups(subject)
    found, searches = finding.searches(subject)
    rows += looked_up + found
    if options.peers == "all":
        ours = beside.Ours(
            made.summary.rows,
            sum(made.summary.files.values()),
            made.imported.wall + made.built.wall,
            searches,
        )
        rows += beside.compare(
            ours, subject, made.universe, workspace, seconds_max=options.peer_seconds
        )
    return rows


def _growth(options: argparse.Namespace, count: int, workspace: Path) -> Row:
    made = _made(count, workspace)
    shutil.rmtree(made.universe)
    subject = _subject(options, made.directory, workspace)
    _, isrcs = finding.lookups(subject)
    _, searches = finding.searches(subject)
    a_row = sum(made.summary.files.values()) / made.summary.rows
    p99s = (f"{kind} {duration(percentile(one.seconds, 99))}" for kind, one in searches.items())
    shutil.rmtree(made.directory)
    return Row(
        f"{count:,} rows",
        f"built in {duration(made.built.wall)}, {a_row:.0f} bytes a row; p99: ISRC"
        f" {duration(percentile(isrcs, 99))}, {', '.join(p99s)}",
    )


def _subject(options: argparse.Namespace, directory: Path, workspace: Path) -> finding.Subject:
    return finding.open_subject(directory, workspace, isrcs=options.isrcs, per_kind=options.queries)


def _made(count: int, workspace: Path) -> Built:
    universe, directory = workspace / "universe", workspace / "catalogue"
    tell(f"making {count:,} rows up")
    _, generated = measured(write_universe, universe, recordings=count, seed=_SEED)
    tell("importing them")
    _, imported = measured(
        import_source,
        "table",
        directory,
        universe,
        origin="made up",
        licence="CC0-1.0",
        now=utc_now(),
    )
    tell("building the snapshot")
    _, built = measured(
        build_snapshot, directory, utc_now(), memory_bytes_max=ENGINE_BYTES, below=directory
    )
    snapshot = current_snapshot(directory)
    if snapshot is None:
        raise SystemExit("bench: nothing was built")
    return Built(count, universe, directory, snapshot.summary, generated, imported, built)


def _making(made: Built) -> list[Row]:
    count = made.count
    is_full = count >= FULL_ROWS
    made_up = count / made.generated.wall
    built, peak = made.built, made.built.peak
    return [
        Row(
            f"{count:,} rows made up, with the real catalogue's proportions",
            f"{made_up:,.0f} rows/s",
            f"≥ {UNIVERSE_ROWS_A_SECOND_BAR:,} rows/s",
            made_up >= UNIVERSE_ROWS_A_SECOND_BAR if count >= JUDGED_ROWS else None,
        ),
        Row("rows imported from Parquet", f"{count / made.imported.wall:,.0f} rows/s"),
        Row(
            f"snapshot built of them, all indexes ({made.summary.recordings:,} recordings)",
            f"{duration(built.wall)}, processor time {duration(built.cpu)}",
            f"≤ {BUILD_SECONDS_BAR // 60} min",
            built.wall <= BUILD_SECONDS_BAR if is_full else None,
        ),
        Row(
            "rows the snapshot holds",
            f"{made.summary.rows:,}",
            "all of them",
            made.summary.rows == count,
        ),
        Row(
            "peak anonymous memory of the build and its processes together",
            f"{_bytes(peak.anonymous_bytes)} (the largest process, with mapped files:"
            f" {_bytes(peak.process_bytes)})",
            f"≤ {_bytes(MEMORY_BAR)}",
            peak.anonymous_bytes <= MEMORY_BAR if is_full else None,
        ),
        Row(
            "peak disk below the catalogue's directory during the build",
            _bytes(peak.disk_bytes),
            f"≤ {_bytes(DISK_BAR)}",
            peak.disk_bytes <= DISK_BAR if is_full else None,
        ),
    ]


def _served(summary: SnapshotSummary) -> list[Row]:
    kinds: Counter[str] = Counter()
    for name, byte_count in summary.files.items():
        top = name.partition("/")[0]
        is_rows = top.endswith((".tsv.zst", ".frames")) and not top.startswith("changes")
        kinds["rows" if is_rows else top] += byte_count
    parts = ", ".join(f"{kind} {count / summary.rows:.1f}" for kind, count in kinds.most_common())
    return [
        Row(
            f"served on disk, {summary.rows:,} rows",
            f"{_bytes(kinds.total())}, {kinds.total() / summary.rows:.1f} bytes a row",
            f"≤ {_bytes(SERVED_BAR)}",
            kinds.total() <= SERVED_BAR if summary.rows >= FULL_ROWS else None,
        ),
        Row("… of these, bytes a row", parts),
    ]


def _bits(summary: SnapshotSummary, count: int, workspace: Path) -> list[Row]:
    """The index of this catalogue's ISRCs, and of random ones: as far apart as the real ones would
    be if they did not cluster, and over all that could be given out."""
    tell(f"indexing {count:,} random keys")
    dense = min(ALL_ISRCS, ALL_ISRCS * count // REAL_ISRCS)
    bits, least = _uniform_bits(dense, count, workspace / "uniform.index")
    rows = [
        _universe_bits(summary),
        Row(
            f"ISRC index, {count:,} uniform random keys as dense as {REAL_ISRCS:,} ISRCs",
            f"{bits:.2f} bits a key (the bound is {least:.2f})",
            f"≤ {UNIFORM_BITS_BAR:.0f} bits",
            bits <= UNIFORM_BITS_BAR,
        ),
    ]
    if dense < ALL_ISRCS:
        bits, least = _uniform_bits(ALL_ISRCS, count, workspace / "uniform.index")
        rows.append(
            Row(
                "… the same over all ISRCs there can be",
                f"{bits:.2f} bits a key (the bound is {least:.2f})",
            )
        )
    return rows


def _universe_bits(summary: SnapshotSummary) -> Row:
    bits = summary.isrc_index_bits_per_key
    return Row(
        f"ISRC index, {summary.isrcs:,} ISRCs of the catalogue",
        f"{bits:.2f} bits a key",
        f"≤ {BITS_BAR:.0f} bits",
        bits <= BITS_BAR,
    )


def _uniform_bits(space: int, count: int, path: Path) -> tuple[float, float]:
    """(bits a key, the least that any index of so many keys takes: log2 of C(space, count))."""
    keys = np.unique(np.random.default_rng(_SEED).integers(0, space, count, np.uint64))
    bits = write_index(path, keys)
    path.unlink()
    return bits, math.log2(space / len(keys)) + math.log2(math.e)


def _bytes(count: float) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
