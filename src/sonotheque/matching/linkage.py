"""Linkage: which rows of a catalogue are one recording, by what they say.

The rules are in linkage.sql, the weights in `likelihood`, the groups in `grouping`. Rows are parted
into buckets of those that share an artist, a title or an ISRC; what is learnt comes of some blocks,
and every bucket is compared by itself, so that memory does not grow with the catalogue, but for 46
bytes a row and 36 a pair at the end. Every step is renamed when it is on the disk: what was killed
goes on where it stopped. Nothing in the catalogue is changed by it.

links-*.parquet    a line for each row: its source and identifier, `row_key`, `recording_id`,
                   `cluster` (the least row key in it) and `probability`
pairs-*.parquet    what made the groups: two row keys, the evidence, the probability
model.json         the weights
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.errors import Corrupt
from sonotheque.matching import names
from sonotheque.matching.grouping import UNSAID, Nodes, group, not_alone
from sonotheque.matching.likelihood import (
    COMPARISONS,
    Patterns,
    Route,
    Weights,
    evidence_sql,
    learn,
)
from sonotheque.model.folding import fold as fold_text
from sonotheque.store import files
from sonotheque.store.engine import Engine, open_engine, quoted, seal, write_parquet

Progress = Callable[[str, int, int], None]
Fold = Callable[[Any], Any]
"""Folds a column of texts as `model.folding.fold` folds one; null stays null."""

THRESHOLD = 0.9
SUMMARY_NAME = "summary.json"
MODEL_NAME = "model.json"
_LABELS: dict[str, pa.DataType] = {
    "row_a": pa.uint64(),
    "row_b": pa.uint64(),
    "same": pa.bool_(),
}
LABELS_SCHEMA = pa.schema(_LABELS)
_PLAN_NAME = "plan.json"
_KEPT = 0.5
_ROW_BYTES = 1_536
"""Memory the engine needs for a row of a bucket, with room to spare."""
_LEARNT_ROWS = 400_000
_FOLDED = ("called", "said", "whole", "artist", "album")


@dataclass(frozen=True, slots=True)
class _Way:
    """How pairs are come by: in a route's blocks, those of a `bracket` (SQL) that are `among`."""

    name: str
    route: Route
    bracket: str
    among: str
    window: int


_BY_NAME = "coalesce(a.isrc <> b.isrc, true)"
"""Pairs that share an ISRC are come by through it."""
_NEARBY = "b.duration_ms - a.duration_ms <= 2000"
_WAYS = (
    _Way("isrc", Route.ISRC, "block", "true", 64),
    _Way("names", Route.ARTIST, "CASE WHEN title <> '' THEN hash(block, title) END", _BY_NAME, 64),
    _Way(
        "artist",
        Route.ARTIST,
        "CASE WHEN duration_ms IS NOT NULL THEN block END",
        f"{_BY_NAME} AND {_NEARBY} AND a.title <> b.title AND is_near(a.title, b.title)",
        12,
    ),
    _Way(
        "title",
        Route.TITLE,
        "CASE WHEN duration_ms IS NOT NULL THEN block END",
        f"{_BY_NAME} AND {_NEARBY} AND a.artist_key <> b.artist_key",
        12,
    ),
)
_AMONG = {
    Route.ARTIST: "true",
    Route.TITLE: "a.artist_key <> b.artist_key",
    Route.ISRC: "true",
}
"""Which pairs of a block are of the population of its route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSummary:
    """What a linkage found: of `rows`, how many `clusters` (rows that are alone among them), and
    `linked` rows that are not alone; `pairs` were probable enough to link."""

    rows: int
    clusters: int
    linked: int
    pairs: int
    threshold: float
    learnt_from: dict[str, int]
    """Pairs, by route."""
    priors: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    pieces: tuple[str, ...]
    rows: int
    buckets: int
    threshold: float
    labels: int
    """A digest of what was judged: other labels, another linkage."""


def link(
    pieces: Sequence[str],
    target: Path,
    *,
    rows: int,
    fold: Fold,
    memory_bytes_max: int,
    threshold: float = THRESHOLD,
    labels: pa.Table | None = None,
    progress: Progress | None = None,
) -> LinkSummary:
    """Link the rows of `pieces`, `rows` of them in all, into the new directory `target`.

    A piece is a query of the engine, of some two million rows at most, with the columns source,
    source_id, recording_id, isrc, other_isrcs, title, artist, album, year, duration_ms. Rows are
    linked from `threshold` on, a probability. `labels` (LABELS_SCHEMA) are pairs that a person has
    judged: they teach the model. Whole or not at all; the same call goes on after a kill. Memory:
    `memory_bytes_max` for the engine, and after it is closed 46 bytes a row and 36 a pair. Raises
    EnvironmentFailure where disk or memory run out.
    """
    workspace = target.with_name(target.name + ".work")
    labels = LABELS_SCHEMA.empty_table() if labels is None else labels
    plan = _Plan(
        pieces=tuple(pieces),
        rows=rows,
        buckets=max(1, -(-rows * _ROW_BYTES // memory_bytes_max)),
        threshold=threshold,
        labels=hash(tuple(map(tuple, (row.values() for row in labels.to_pylist())))),
    )
    try:
        _begin(workspace, plan)
        with open_engine(memory_bytes_max=memory_bytes_max, spill=workspace / "spill") as engine:
            making = _Linking(engine, workspace, plan, labels, fold, progress)
            making.spread()
            models = making.learn()
            making.compare(models)
        _report(progress, "group", 0, 1)
        summary = _group(workspace, plan, models)
        _finish_result(workspace, target, summary)
        return summary
    except OSError as error:
        raise files.explain(error, workspace) from error


def read_model(directory: Path) -> dict[str, Weights]:
    """The weights of a linkage, by route."""
    return msgspec.json.decode((directory / MODEL_NAME).read_bytes(), type=dict[str, Weights])


def read_links_summary(directory: Path) -> LinkSummary:
    """What the linkage in `directory` found. Raises Corrupt."""
    try:
        return msgspec.json.decode((directory / SUMMARY_NAME).read_bytes(), type=LinkSummary)
    except msgspec.MsgspecError as error:
        raise Corrupt(
            f"does not say what was linked ({error})",
            where=str(directory / SUMMARY_NAME),
            remedy="delete that directory and run `sonotheque link` again",
        ) from error


def row_key(source: str, source_id: str) -> int:
    """What the row is called in a linkage: the macro of that name in linkage.sql, for one row."""
    digest = hashlib.md5(f"{source}\x1f{source_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little")


def prepare(engine: Engine) -> None:
    """Let queries call what linkage.sql calls: macros, and the words of `names`."""
    for macro in ("row_key", "release_of", "place_of", "plain", "is_near"):
        engine.execute(step_of(macro))
    bits, everything = [], []
    for place, words in enumerate(names.VERSIONS.values()):
        folded = "|".join(re.escape(fold_text(word)) for word in words.split("|"))
        everything.append(folded)
        bits.append(
            f"(CASE WHEN regexp_matches(said, {quoted(_bounded(folded))})"
            f" THEN {1 << place} ELSE 0 END)"
        )
    engine.execute(f"CREATE OR REPLACE TEMP MACRO versions_of(said) AS {' + '.join(bits)}")
    engine.execute(
        "CREATE OR REPLACE TEMP MACRO unmarked(said) AS regexp_replace(said,"
        f" {quoted(_bounded('|'.join(everything)))}, ' ', 'g')"
    )


def _bounded(words: str) -> str:
    """A pattern for any of `words`, whole; those of scripts without spaces, anywhere."""
    spaced = [word for word in words.split("|") if word.isascii()]
    others = [word for word in words.split("|") if not word.isascii()]
    parts = [rf"\b({'|'.join(spaced)})\b"] if spaced else []
    return "|".join([*parts, *others])


def describe(engine: Engine, query: str, fold: Fold) -> None:
    """Make the table `described` of the rows of `query` (see linkage.sql)."""
    engine.execute(f"CREATE OR REPLACE TEMP VIEW piece AS {query}")
    parts = engine.sql(step_of("part")).to_arrow_table()
    # Folded in one piece: inside a query it would be called for 2,048 rows at a time.
    for name in _FOLDED:
        place = parts.schema.get_field_index(name)
        parts = parts.set_column(place, name, fold(parts[name]))
    engine.register("folded", parts)
    engine.execute(f"CREATE OR REPLACE TEMP TABLE described AS {step_of('describe')}")
    engine.unregister("folded")


@dataclass(frozen=True, slots=True)
class _Linking:
    """One linkage, while the engine is open."""

    engine: Engine
    workspace: Path
    plan: _Plan
    labels: pa.Table
    fold: Fold
    progress: Progress | None

    def spread(self) -> None:
        """Describe every row, and part the rows into buckets, once for each route."""
        prepare(self.engine)
        self.engine.register("judged", self.labels)
        files.make_directory(self.workspace / "spread")
        for number, query in enumerate(self.plan.pieces):
            _report(self.progress, "spread", number, len(self.plan.pieces))
            for unfinished in _undone(self.workspace / "spread" / f"{number:05d}"):
                files.make_directory(unfinished)
                describe(self.engine, query, self.fold)
                self._write_piece(unfinished)

    def _write_piece(self, directory: Path) -> None:
        write_parquet(
            self.engine,
            "SELECT source, source_id, recording_id, row_key, duration_ms, naming FROM described"
            " ORDER BY row_key",
            directory / "rows.parquet",
        )
        write_parquet(
            self.engine,
            "SELECT * FROM described WHERE row_key IN (SELECT row_a FROM judged)"
            " OR row_key IN (SELECT row_b FROM judged) ORDER BY row_key",
            directory / "judged.parquet",
        )
        self.engine.execute(f"CREATE OR REPLACE TEMP VIEW spread AS {step_of('spread')}")
        for route in Route:
            write_parquet(
                self.engine,
                f"SELECT *, block % {self.plan.buckets} AS bucket FROM ({step_of(f'by_{route}')})",
                directory / route,
                compression_level=1,
                partition_by="bucket",
            )

    def learn(self) -> dict[str, Weights]:
        """The weights of each route, of a sample of its blocks and what was judged."""
        path = self.workspace / MODEL_NAME
        if not path.exists():
            models: dict[str, Weights] = {}
            for number, route in enumerate(Route):
                _report(self.progress, "learn", number, len(Route))
                models[route] = learn(route, self._seen(route))
            files.replace(path, msgspec.json.encode(models))
        return read_model(self.workspace)

    def _seen(self, route: Route) -> Patterns:
        self._crowd(route, 0)
        rows = max(1, self.plan.rows // self.plan.buckets)
        step = step_of("population").format(
            one_in=max(1, rows // _LEARNT_ROWS), among=_AMONG[route]
        )
        self.engine.execute(f"CREATE OR REPLACE TEMP VIEW candidates AS {step}")
        levels, pairs = self._patterns()
        self.engine.execute(
            "CREATE OR REPLACE TEMP VIEW judged_rows AS SELECT *, row_key AS block, 0 AS crowd,"
            " other_isrcs <> '' AS has_several_isrcs"
            f" FROM {self._files('*/judged.parquet')}"
        )
        judged = []
        for same in (True, False):
            self.engine.execute(
                "CREATE OR REPLACE TEMP VIEW candidates AS SELECT a, b FROM judged"
                " JOIN judged_rows AS a ON row_a = a.row_key"
                " JOIN judged_rows AS b ON row_b = b.row_key"
                f" WHERE same = {same} AND {ROUTE_OF} = '{route}'"
            )
            found, count = self._patterns()
            judged.append((np.repeat(found, count.astype(np.int64), axis=0), same))
        together = np.concatenate([found for found, _ in judged])
        is_one = np.concatenate([np.full(len(found), same) for found, same in judged])
        return Patterns(levels, pairs, (together, is_one))

    def _patterns(self) -> tuple[Any, Any]:
        self.engine.execute(f"CREATE OR REPLACE TEMP VIEW compared AS {step_of('compare')}")
        step = step_of("patterns").format(levels=", ".join(COMPARISONS))
        table = self.engine.sql(step).to_arrow_table()
        columns = [table[name].to_numpy().astype(np.int64) for name in COMPARISONS]
        return np.stack(columns, axis=-1), table["pairs"].to_numpy().astype(np.float64)

    def compare(self, models: dict[str, Weights]) -> None:
        """Score the pairs of every bucket, and keep those that are more probable than not."""
        files.make_directory(self.workspace / "pairs")
        done = 0
        for route in Route:
            scores = models[route].table()
            kept = np.flatnonzero(scores >= _KEPT)
            columns = {"evidence": kept.astype(np.int32), "probability": scores[kept]}
            self.engine.register("scores", pa.table(columns))
            for bucket in range(self.plan.buckets):
                _report(self.progress, "compare", done, len(Route) * self.plan.buckets)
                done += 1
                self._compare_bucket(route, bucket)

    def _compare_bucket(self, route: Route, bucket: int) -> None:
        for unfinished in _undone(self.workspace / "pairs" / f"{route}-{bucket:05d}"):
            files.make_directory(unfinished)
            self._crowd(route, bucket)
            for way in _WAYS:
                if way.route == route:
                    step = step_of("candidates").format(
                        bracket=way.bracket, among=way.among, window=way.window
                    )
                    self.engine.execute(f"CREATE OR REPLACE TEMP VIEW candidates AS {step}")
                    self.engine.execute(
                        f"CREATE OR REPLACE TEMP VIEW compared AS {step_of('compare')}"
                    )
                    step = step_of("score").format(
                        evidence=evidence_sql(), kept=_KEPT, route=route.value
                    )
                    write_parquet(self.engine, step, unfinished / f"{way.name}.parquet")

    def _crowd(self, route: Route, bucket: int) -> None:
        paths = f"*/{route}/bucket={bucket}/*.parquet"
        if not any((self.workspace / "spread").glob(paths)):
            # Of columns alone: nothing has that route here.
            self.engine.execute(
                "CREATE OR REPLACE TEMP VIEW block_rows AS SELECT *, row_key AS block,"
                " other_isrcs <> '' AS has_several_isrcs"
                f" FROM {self._files('*/judged.parquet')} WHERE false"
            )
        else:
            self.engine.execute(
                f"CREATE OR REPLACE TEMP VIEW block_rows AS SELECT * FROM {self._files(paths)}"
            )
        self.engine.execute(f"CREATE OR REPLACE TEMP TABLE crowded AS {step_of('crowd')}")

    def _files(self, pattern: str) -> str:
        paths = quoted(self.workspace / "spread" / pattern)
        return f"read_parquet({paths}, hive_partitioning = false)"


ROUTE_OF = (
    "CASE WHEN a.isrc = b.isrc THEN 'isrc' WHEN a.artist_key = b.artist_key THEN 'artist'"
    " ELSE 'title' END"
)


def _group(workspace: Path, plan: _Plan, models: dict[str, Weights]) -> LinkSummary:
    """Make the groups, and write a line for each row beside the pairs."""
    pieces = sorted((workspace / "spread").glob("*/rows.parquet"))
    # In one file a column may hold a null, in another none.
    about = pa.concat_tables(
        (pq.read_table(path, columns=["row_key", "duration_ms", "naming"]) for path in pieces),
        promote_options="default",
    )
    keys, places = np.unique(about["row_key"].to_numpy(), return_index=True)
    nodes = Nodes(
        about["duration_ms"].fill_null(pa.scalar(UNSAID, pa.int32())).to_numpy()[places],
        about["naming"].to_numpy()[places].astype(np.uint64),
    )
    del about, places
    first, second, probability = _edges(workspace, keys, plan.threshold)
    groups = group(nodes, first, second, probability)
    best = np.zeros(len(keys), np.float32)
    inside = groups[first] == groups[second]
    for ends in (first, second):
        np.maximum.at(best, ends[inside], probability[inside])
    has_others = not_alone(groups)
    result = workspace / "result"
    files.remove_tree(result)
    files.make_directory(result)
    linked = 0
    for number, path in enumerate(pieces):
        table = pq.read_table(path, columns=["source", "source_id", "recording_id", "row_key"])
        at = np.searchsorted(keys, table["row_key"].to_numpy())
        alone = ~has_others[at]
        linked += int((~alone).sum())
        table = table.append_column("cluster", pa.array(keys[groups[at]]))
        chance = pa.array(np.where(alone, 1, best[at]).astype(np.float32))
        table = table.append_column("probability", chance)
        pq.write_table(table, result / f"links-{number:05d}.parquet", compression="zstd")
    return LinkSummary(
        rows=plan.rows,
        clusters=int((groups == np.arange(len(groups))).sum()),
        linked=linked,
        pairs=len(first),
        threshold=plan.threshold,
        learnt_from={route: model.pairs for route, model in models.items()},
        priors={route: model.prior for route, model in models.items()},
    )


def _edges(workspace: Path, keys: Any, threshold: float) -> tuple[Any, Any, Any]:
    """The pairs that link: the places of their rows among `keys`, and their probability."""
    ends: list[tuple[Any, Any, Any]] = []
    for path in sorted((workspace / "pairs").glob("*/*.parquet")):
        table = pq.read_table(path, columns=["row_a", "row_b", "probability"])
        chance = table["probability"].to_numpy().astype(np.float32)
        linking = chance >= threshold
        a, b = (
            np.searchsorted(keys, table[name].to_numpy()[linking]).astype(np.int32)
            for name in ("row_a", "row_b")
        )
        ends.append((a, b, chance[linking]))
    none = np.zeros(0, np.int32)
    columns = list(zip(*ends, strict=True)) if ends else [(none,), (none,), (none,)]
    first, second, chances = (np.concatenate(one) for one in columns)
    return first, second, chances.astype(np.float32)


def _finish_result(workspace: Path, target: Path, summary: LinkSummary) -> None:
    result = workspace / "result"
    for path in sorted((workspace / "pairs").glob("*/*.parquet")):
        number = path.parent.name.partition("-")[2]
        # Another name, not a move: the workspace stays whole until the result is in its place.
        (result / f"pairs-{path.stem}-{number}.parquet").hardlink_to(path)
    (result / MODEL_NAME).hardlink_to(workspace / MODEL_NAME)
    (result / SUMMARY_NAME).write_bytes(msgspec.json.encode(summary))
    seal(result)
    files.remove_tree(target)
    files.move(result, target)
    files.remove_tree(workspace)


def _begin(workspace: Path, plan: _Plan) -> None:
    path = workspace / _PLAN_NAME
    content = msgspec.json.encode(plan)
    if path.exists() and path.read_bytes() != content:
        files.remove_tree(workspace)
    files.make_directory(workspace)
    files.replace(path, content)


def _undone(final: Path) -> Iterator[Path]:
    """Where to write what becomes `final`, once; nothing where that is there already."""
    if not final.exists():
        unfinished = final.with_name(final.name + ".tmp")
        files.remove_tree(unfinished)
        yield unfinished
        seal(unfinished)
        files.move(unfinished, final)


def _report(progress: Progress | None, step: str, done: int, of: int) -> None:
    if progress:
        progress(step, done, of)


def step_of(name: str) -> str:
    """The query of linkage.sql that is headed `-- step: name`."""
    text = resources.files(__package__).joinpath("linkage.sql").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"-- step: {name}\n")
    return rest.partition(";\n")[0]
