"""Linkage of a made-up catalogue: speed, memory, how right it is, and how it grows.

The truth is in the universe's own file, which linkage never sees. F1 is of pairs of rows: those in
one cluster against those that are one recording. Beside it stand what ISRCs alone would say, and a
bare pass of the engine over the same rows, in the same run: reading them, and counting them by
artist and title.

    python -m bench linkage                                   1 M rows
    python -m bench linkage --rows 1M,4M,16M                  how it grows
    python -m bench linkage --rows 32M --dir /mnt/large       what the bar of 256 M is reckoned from
    python -m bench linkage --without-isrc                    names, durations and albums alone
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.footprint import Cost, measured
from bench.table import Row, duration, size, sizes, tell
from sonotheque.catalogue.normalise import fold
from sonotheque.matching.linkage import link
from sonotheque.simulation.universe import write_universe
from sonotheque.store.engine import open_engine, quoted

FULL_ROWS = 256_000_000
JUDGED_ROWS = 32_000_000
"""The bars of 256 million rows are judged by the growth curve from here on."""
SECONDS_BAR, MEMORY_BAR, F1_BAR = 12 * 3_600, 16e9, 0.98
FILES_A_PIECE = 8
"""Two million rows, as a snapshot's files have at most."""
GROUPED_ROW_BYTES, GROUPED_PAIR_BYTES = 46, 36
"""Of memory, while groups are made: what the arrays of `matching.grouping` hold at their peak."""
_SEED = 23


@dataclass(frozen=True, slots=True)
class Right:
    """How right groups are, by pairs of rows."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    def told(self) -> str:
        return f"F1 {self.f1:.5f} (precision {self.precision:.5f}, recall {self.recall:.5f})"


@dataclass(frozen=True, slots=True)
class _Measured:
    count: int
    pairs: int
    linking: Cost
    bare: Cost
    right: Right
    by_isrc: Right
    calibration: str


def run(words: list[str]) -> list[Row]:
    options = _options(words)
    rows: list[Row] = []
    seen: list[_Measured] = []
    for count in options.rows:
        with tempfile.TemporaryDirectory(prefix="bench-linkage-", dir=options.dir) as name:
            seen.append(_measure(Path(name), count, options))
        rows += _rows(seen[-1])
    return rows + _growth(seen)


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench linkage")
    parser.add_argument("--rows", type=sizes, default=(1_000_000,), metavar="N[,N…]")
    parser.add_argument("--dir", type=Path, default=Path(), help="where there is room on the disk")
    parser.add_argument("--memory", type=size, default=4_000_000_000, help="for the engine")
    parser.add_argument("--without-isrc", action="store_true", help="as if nobody gave any")
    return parser.parse_args(words)


def _measure(workspace: Path, count: int, options: argparse.Namespace) -> _Measured:
    universe, links = workspace / "universe", workspace / "links"
    tell(f"making {count:,} rows up")
    write_universe(universe, recordings=count, seed=_SEED)
    pieces = _pieces(universe, with_isrc=not options.without_isrc)
    tell("a bare pass over them")
    _, bare = measured(_bare_pass, pieces, workspace / "bare", options.memory)
    tell("linking them")
    pairs, linking = measured(_link, pieces, links, count, options.memory, below=workspace)
    tell("holding the links against the truth")
    right, by_isrc, calibration = _judge(universe, links, workspace / "judging")
    shutil.rmtree(links)
    return _Measured(count, pairs, linking, bare, right, by_isrc, calibration)


def _pieces(universe: Path, *, with_isrc: bool) -> list[str]:
    paths = sorted(universe.glob("rows-*.parquet"))
    isrc = "isrc" if with_isrc else "NULL::VARCHAR AS isrc"
    return [
        f"SELECT source, source_id, NULL::VARCHAR AS recording_id, {isrc}, '' AS other_isrcs,"
        " title, artist, album, year(release_date)::SMALLINT AS year, duration_ms"
        " FROM read_parquet(["
        + ", ".join(quoted(path) for path in paths[first : first + FILES_A_PIECE])
        + "])"
        for first in range(0, len(paths), FILES_A_PIECE)
    ]


def _link(pieces: list[str], links: Path, count: int, memory: int) -> int:
    """How many pairs linked."""
    return link(pieces, links, rows=count, fold=fold, memory_bytes_max=memory).pairs


def _bare_pass(pieces: list[str], directory: Path, memory: int) -> None:
    """Read every row and count the rows by artist and title: the least that any linkage does."""
    directory.mkdir()
    with open_engine(memory_bytes_max=memory, spill=directory / "spill") as engine:
        engine.sql(
            "SELECT count(*), sum(rows) FROM (SELECT hash(lower(artist), lower(title)) AS names,"
            f" count(*) AS rows FROM ({' UNION ALL '.join(pieces)}) GROUP BY names)"
        ).fetchall()


def _judge(universe: Path, links: Path, directory: Path) -> tuple[Right, Right, str]:
    directory.mkdir()
    with open_engine(memory_bytes_max=4_000_000_000, spill=directory / "spill") as engine:
        engine.execute(
            "CREATE TEMP TABLE judged AS SELECT row_key, cluster, recording,"
            " coalesce(made.isrc, source_id) AS isrc"
            f" FROM read_parquet({quoted(links / 'links-*.parquet')}) AS linked"
            f" JOIN read_parquet({quoted(universe / 'truth.parquet')}) AS truth USING (source_id)"
            f" JOIN read_parquet({quoted(universe / 'rows-*.parquet')}) AS made USING (source_id)"
        )
        return _right(engine, "cluster"), _right(engine, "isrc"), _calibration(engine, links)


def _right(engine: duckdb.DuckDBPyConnection, key: str) -> Right:
    def pairs(by: str) -> float:
        [(count,)] = engine.sql(
            "SELECT coalesce(sum(rows * (rows - 1) / 2), 0) FROM"
            f" (SELECT count(*) AS rows FROM judged GROUP BY {by})"
        ).fetchall()
        return float(count)

    both = pairs(f"{key}, recording")
    return Right(both / max(1, pairs(key)), both / max(1, pairs("recording")))


def _calibration(engine: duckdb.DuckDBPyConnection, links: Path) -> str:
    """Of pairs that are said to be so probable, how many are one recording."""
    found = engine.sql(
        "SELECT CASE WHEN probability < 0.7 THEN '0.5–0.7' WHEN probability < 0.9 THEN '0.7–0.9'"
        " WHEN probability < 0.99 THEN '0.9–0.99' ELSE '0.99–1' END AS said,"
        " avg(probability), avg((a.recording = b.recording)::INTEGER), count(*)"
        f" FROM read_parquet({quoted(links / 'pairs-*.parquet')})"
        " JOIN judged AS a ON row_a = a.row_key JOIN judged AS b ON row_b = b.row_key"
        " GROUP BY said ORDER BY said"
    ).fetchall()
    return "; ".join(
        f"{said}: {mean:.3f} said, {true:.3f} are ({count:,})" for said, mean, true, count in found
    )


def _rows(one: _Measured) -> list[Row]:
    linking, count = one.linking, one.count
    times = linking.wall / one.bare.wall
    return [
        Row(
            f"{count:,} rows linked",
            f"{duration(linking.wall)}, {count / linking.wall:,.0f} rows/s, processor time"
            f" {duration(linking.cpu)}; {times:.1f} times a bare pass ({duration(one.bare.wall)})",
        ),
        Row(
            "peak anonymous memory, and disk below its directory, the rows themselves included",
            f"{linking.peak.anonymous_bytes / 1e9:.2f} GB, {linking.peak.disk_bytes / 1e9:.2f} GB",
        ),
        Row(
            "pairs of rows that are one recording",
            one.right.told(),
            f"F1 ≥ {F1_BAR}",
            one.right.f1 >= F1_BAR,
        ),
        Row("… by the ISRC alone", one.by_isrc.told()),
        Row("calibration: probability of pairs, and how many are one recording", one.calibration),
    ]


def _growth(seen: list[_Measured]) -> list[Row]:
    """What 256 million rows would take, at the rate of the largest and, where there are several,
    growing further as it grew."""
    last = seen[-1]
    seconds = last.linking.wall * FULL_ROWS / last.count
    if len(seen) > 1:
        before = seen[-2]
        a_row = (last.linking.wall - before.linking.wall) / (last.count - before.count)
        seconds = last.linking.wall + a_row * (FULL_ROWS - last.count)
    # The engine's part is bounded and does not grow; that of the groups does, and comes after it.
    grouping = FULL_ROWS * (GROUPED_ROW_BYTES + GROUPED_PAIR_BYTES * last.pairs / last.count)
    memory = max(last.linking.peak.anonymous_bytes, grouping)
    is_judged = last.count >= JUDGED_ROWS
    return [
        Row(
            f"reckoned for {FULL_ROWS:,} rows, no measurement",
            f"{seconds / 3600:.1f} h, {memory / 1e9:.1f} GB",
            f"≤ {SECONDS_BAR // 3600} h, ≤ {MEMORY_BAR / 1e9:.0f} GB",
            seconds <= SECONDS_BAR and memory <= MEMORY_BAR if is_judged else None,
        )
    ]
