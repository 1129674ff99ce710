"""How long a catalogue takes to find something, and whether it is what was meant.

Everything is asked twice, in the same order, and the second time counts: the pages of the files
are in memory then, as far as they fit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench import queries
from bench.queries import Asked
from bench.table import Row, Seconds, duration, percentile, tell, timed
from sonotheque.catalogue.catalogue import Catalogue
from sonotheque.catalogue.isrc_index import KeyIndex, pack, pack_many
from sonotheque.catalogue.lookup import ISRC_INDEX_NAME, Snapshot, current_snapshot
from sonotheque.model.identifiers import Isrc
from sonotheque.store import db

ISRC_P50_BAR, ISRC_P99_BAR, INDEX_P99_BAR = 0.3e-3, 1e-3, 30e-6
SEARCH_P99_BARS = {"plain": 60e-3, "prefix": 60e-3, "typo": 150e-3}
RESULTS = 20
_QUERIES_MIN = 50
"""Asked however long they take."""
_SEED = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """An open catalogue and what it will be asked."""

    catalogue: Catalogue
    snapshot: Snapshot
    isrcs: list[Isrc]
    queries: dict[str, list[Asked]]


@dataclass(frozen=True, slots=True)
class Searched:
    """The queries that there was time for: seconds each, whether what was meant stood on the first
    page, whether anything did."""

    seconds: Seconds
    is_meant: list[bool]
    is_any: list[bool]
    asked: Sequence[Asked]

    def shares(self) -> str:
        halves = {
            name: [hit for hit, one in zip(self.is_meant, self.asked, strict=True) if which(one)]
            for name, which in (
                ("popular", lambda one: one.is_popular),
                ("any", lambda one: not one.is_popular),
            )
        }
        parts = ", ".join(f"{name} {_share(hits)}" for name, hits in halves.items())
        return f"{_share(self.is_meant)} ({parts}) / {_share(self.is_any)}"


def _share(hits: list[bool]) -> str:
    return f"{sum(hits) / len(hits):.0%}" if hits else "none asked"


def open_subject(directory: Path, workspace: Path, *, isrcs: int, per_kind: int) -> Subject:
    """The catalogue in `directory`, which is only read; `per_kind` queries of each kind, and so
    many of its `isrcs`, drawn evenly."""
    snapshot = current_snapshot(directory)
    if snapshot is None or not snapshot.summary.isrcs:
        raise SystemExit(f"bench: {directory} holds no catalogue that was built")
    tell(f"drawing queries from {snapshot.count():,} recordings")
    engine = db.open_database(workspace / "deposits.db")
    # The recordings without an ISRC are the last.
    numbers = np.random.default_rng(_SEED).integers(0, snapshot.summary.isrcs, isrcs)
    drawn = [snapshot.numbered(number).description.isrcs[0] for number in numbers.tolist()]
    asked = queries.draw(snapshot, per_kind, _SEED)
    return Subject(Catalogue(engine, workspace / "derived", directory), snapshot, drawn, asked)


def lookups(subject: Subject) -> tuple[list[Row], Seconds]:
    """Rows of the look-ups by key, and how long each ISRC took."""
    tell("looking up")
    snapshot, isrcs = subject.snapshot, subject.isrcs
    stored = [found for isrc in isrcs for found in snapshot.stored_by_isrc(isrc)[:1]]
    seconds = twice(snapshot.by_isrc, isrcs)
    p50, p99 = percentile(seconds, 50), percentile(seconds, 99)
    rows = [
        Row(
            f"ISRC to the full record, {len(isrcs):,} ISRCs, p50 / p99",
            f"{duration(p50)} / {duration(p99)}",
            f"≤ {duration(ISRC_P50_BAR)} / {duration(ISRC_P99_BAR)}",
            p50 <= ISRC_P50_BAR and p99 <= ISRC_P99_BAR,
        )
    ]
    rows += _index_alone(subject)
    upcs = [one.rows[0].upc for one in stored if one.rows[0].upc]
    sources = [(one.rows[0].source, one.rows[0].source_id.partition("#")[0]) for one in stored]
    for what, asked, call in (
        ("identifier to the full record", [one.id for one in stored], snapshot.by_id),
        ("UPC to every recording on the release", upcs, snapshot.by_upc),
        ("a source's own key to the record", sources, lambda key: snapshot.by_source(*key)),
    ):
        rows.append(_plain_row(what, twice(call, asked)))
    return rows, seconds


def _index_alone(subject: Subject) -> list[Row]:
    """The ISRC's rank, without the record: of ISRCs that are there, and of neighbours that are
    not (the same registrants, other designations)."""
    index = KeyIndex.open(subject.snapshot.directory / ISRC_INDEX_NAME)
    designations = np.random.default_rng(_SEED).integers(0, 10**7, len(subject.isrcs)).tolist()
    others = [
        Isrc(f"{isrc[:5]}{designation:07d}")
        for isrc, designation in zip(subject.isrcs, designations, strict=True)
    ]
    unknown = [isrc for isrc in others if index.rank(pack(isrc)) is None]
    rows = []
    for what, isrcs in (("ISRC", subject.isrcs), ("unknown ISRC", unknown)):
        seconds = twice(lambda isrc: index.rank(pack(isrc)), isrcs)
        p99 = percentile(seconds, 99)
        row = _plain_row(f"{what} to its rank, the index alone", seconds)
        rows.append(
            Row(row.what, row.measured, f"p99 ≤ {duration(INDEX_P99_BAR)}", p99 <= INDEX_P99_BAR)
        )
    keys = pack_many(pa.array(subject.isrcs, pa.string())).tolist()
    rows.append(_plain_row("the same without packing the text", twice(index.rank, keys)))
    return rows


def _plain_row(what: str, seconds: Seconds) -> Row:
    return Row(f"{what}, p50 / p99", _p50_p99(seconds))


def _p50_p99(seconds: Seconds) -> str:
    return f"{duration(percentile(seconds, 50))} / {duration(percentile(seconds, 99))}"


def searches(subject: Subject) -> tuple[list[Row], dict[str, Searched]]:
    """Rows of the searches, and what came of each kind of query."""
    rows, found = [], {}
    for kind, asked in subject.queries.items():
        tell(f"searching: {kind}")
        one = searched(asked, find_in(subject.catalogue), _named)
        found[kind] = one
        p99 = percentile(one.seconds, 99)
        bar = SEARCH_P99_BARS[kind]
        rows += [
            Row(
                f"search, {kind}, {len(asked):,} queries, p50 / p99",
                _p50_p99(one.seconds),
                f"p99 ≤ {duration(bar)}",
                p99 <= bar,
            ),
            Row("… what was meant is on the first page / anything is found", one.shares()),
        ]
    return rows, found


def find_in(catalogue: Catalogue) -> Callable[[Asked], Sequence[Any]]:
    """The first page of `catalogue` for a query."""
    return lambda asked: catalogue.find(asked.text, limit=RESULTS).recordings


def _named(recording: Any) -> tuple[str, str]:
    return recording.description.title, recording.description.artist


def searched(
    asked: Sequence[Asked],
    find: Callable[[Asked], Sequence[Any]],
    named: Callable[[Any], tuple[str, str]],
    *,
    seconds_max: float = inf,
) -> Searched:
    """Asks `find`, whose answers have title and artist by `named`; no more queries than it
    answers the first time in `seconds_max`."""
    is_meant: list[bool] = []
    is_any: list[bool] = []
    start = time.perf_counter()
    for one in asked:
        if len(is_any) >= _QUERIES_MIN and time.perf_counter() - start > seconds_max:
            break
        said = one.meant.description
        meant = queries.spelling(said.title, said.artist)
        answer = find(one)
        is_meant.append(any(queries.spelling(*named(found)) == meant for found in answer))
        is_any.append(bool(answer))
    some = asked[: len(is_any)]
    return Searched(timed(find, some), is_meant, is_any, some)


def twice(call: Callable[[Any], Any], asked: Sequence[Any]) -> Seconds:
    timed(call, asked)
    return timed(call, asked)
