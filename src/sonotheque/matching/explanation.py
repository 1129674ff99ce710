"""Why two rows are one recording, or not; and which rows are one with a row, by a linkage made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sonotheque.matching.likelihood import COMPARISONS, Route, Weights, levels_of, logit2
from sonotheque.matching.linkage import (
    ROUTE_OF,
    Fold,
    describe,
    prepare,
    read_links_summary,
    read_model,
    row_key,
    step_of,
)
from sonotheque.store.engine import Engine, open_engine, quoted

_MEMORY_BYTES = 500_000_000
_REASONS = {
    "versions": "one is another version (live, remix, edit …) and the other is not",
    "naming": "they are different versions of a kind: two remixes, two concerts",
    "duration": "their durations are too far apart",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a source says of a recording. Empty text and None: it does not say."""

    source: str
    source_id: str
    title: str
    artist: str
    album: str = ""
    isrc: str | None = None
    other_isrcs: str = ""
    year: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """What one comparison weighs: its level in words, and bits for (or, below 0, against)."""

    comparison: str
    level: str
    bits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why two rows are one recording or not: `probability` is of the pair, from the `prior` of its
    `route` and the `weights`; 0 where there are `conflicts`. `linked` says whether the linkage put
    them together, which it may by way of other rows."""

    linked: bool
    probability: float
    threshold: float
    route: str
    prior: float
    weights: tuple[Weight, ...]
    conflicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """A row that is one recording with the one that was asked about."""

    source: str
    source_id: str
    recording_id: str
    probability: float
    """Of its likeliest pair in the group."""


def explain(one: Row, other: Row, directory: Path, fold: Fold) -> Explanation:
    """Why `one` and `other` are one recording or not, by the linkage in `directory`.

    A pair that made a group is explained as it was scored. Of another pair nobody counted how many
    rows share its artist, title or ISRC: that weighs nothing. Raises Corrupt.
    """
    models = read_model(directory)
    with _engine() as engine:
        prepare(engine)
        columns = pa.Table.from_pylist([asdict(one), asdict(other)], schema=_SCHEMA)
        engine.register("rows_to_explain", columns)
        describe(engine, "SELECT *, NULL::VARCHAR AS recording_id FROM rows_to_explain", fold)
        keys = [row_key(row.source, row.source_id) for row in (one, other)]
        linked = len(_clusters(engine, directory, keys)) == 1
        conflicts = _conflicts(engine, keys)
        route, levels = _compared(engine)
        found = _scored(engine, directory, keys)
        if found:
            route, levels = found
    weights, prior = _weights(models[route], levels, is_counted=bool(found))
    bits = logit2(prior) + sum(weight.bits for weight in weights)
    return Explanation(
        linked=linked,
        probability=0.0 if conflicts else float(1 / (1 + np.exp2(-np.clip(bits, -60, 60)))),
        threshold=read_links_summary(directory).threshold,
        route=route,
        prior=prior,
        weights=weights,
        conflicts=conflicts,
    )


def linked_with(directory: Path, rows: Sequence[tuple[str, str]]) -> tuple[Linked, ...]:
    """The rows that are one recording with any of `rows` (source, source_id), without these, the
    most probable first."""
    with _engine() as engine:
        keys = [row_key(*row) for row in rows]
        clusters = _clusters(engine, directory, keys)
        found = engine.execute(
            "SELECT source, source_id, coalesce(recording_id, ''), probability"
            f" FROM {_links(directory)}"
            " WHERE list_contains(?::UBIGINT[], cluster)"
            " AND NOT list_contains(?::UBIGINT[], row_key)"
            " ORDER BY probability DESC, source, source_id",
            [clusters, keys],
        ).fetchall()
    return tuple(Linked(*row) for row in found)


_COLUMNS: dict[str, pa.DataType] = {
    "source": pa.string(),
    "source_id": pa.string(),
    "title": pa.string(),
    "artist": pa.string(),
    "album": pa.string(),
    "isrc": pa.string(),
    "other_isrcs": pa.string(),
    "year": pa.int16(),
    "duration_ms": pa.int32(),
}
_SCHEMA = pa.schema(_COLUMNS)


@contextmanager
def _engine() -> Iterator[Engine]:
    with (
        tempfile.TemporaryDirectory(prefix="sonotheque-links-") as name,
        open_engine(memory_bytes_max=_MEMORY_BYTES, spill=Path(name) / "spill") as engine,
    ):
        yield engine


def _links(directory: Path) -> str:
    return f"read_parquet({quoted(directory / 'links-*.parquet')})"


def _clusters(engine: Engine, directory: Path, keys: list[int]) -> list[int]:
    found = engine.execute(
        f"SELECT DISTINCT cluster FROM {_links(directory)}"
        " WHERE list_contains(?::UBIGINT[], row_key) ORDER BY cluster",
        [keys],
    ).fetchall()
    return [cluster for (cluster,) in found]


def _conflicts(engine: Engine, keys: list[int]) -> tuple[str, ...]:
    """What forbids the pair, in words; leaves it as `candidates`."""
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE explained AS SELECT *, row_key AS block, 0 AS crowd"
        f" FROM ({step_of('spread')})"
    )
    one, other = keys
    engine.execute(
        "CREATE OR REPLACE TEMP VIEW candidates AS SELECT a, b FROM explained AS a, explained AS b"
        f" WHERE a.row_key = {one} AND b.row_key = {other}"
    )
    found = engine.sql(step_of("conflicts")).fetchall()[0]
    return tuple(reason for reason, holds in zip(_REASONS.values(), found, strict=True) if holds)


def _compared(engine: Engine) -> tuple[Route, list[int]]:
    """The route of the pair, and its levels whatever forbids it."""
    [(route,)] = engine.sql(f"SELECT {ROUTE_OF} FROM candidates").fetchall()
    comparing = step_of("compare").partition("WHERE a.row_key")[0]
    [levels] = engine.sql(f"SELECT {', '.join(COMPARISONS)} FROM ({comparing})").fetchall()
    return Route(route), list(levels)


def _scored(engine: Engine, directory: Path, keys: list[int]) -> tuple[Route, list[int]] | None:
    """How the pair was scored, where it is among those that were kept."""
    if not any(directory.glob("pairs-*.parquet")):
        return None
    found = engine.execute(
        f"SELECT way, evidence FROM read_parquet({quoted(directory / 'pairs-*.parquet')})"
        " WHERE row_a = ? AND row_b = ? ORDER BY probability DESC, way LIMIT 1",
        [min(keys), max(keys)],
    ).fetchall()
    if not found:
        return None
    [(route, evidence)] = found
    return Route(route), levels_of(np.array([evidence]))[0].tolist()


def _weights(
    model: Weights, levels: list[int], *, is_counted: bool
) -> tuple[tuple[Weight, ...], float]:
    weights = tuple(
        Weight(name, COMPARISONS[name][level], model.bits[name][level])
        for name, level in zip(COMPARISONS, levels, strict=True)
        if is_counted or name != "crowd"
    )
    return weights, model.prior
