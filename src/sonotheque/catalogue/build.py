"""From imported rows to a snapshot: spread over buckets of ISRCs, ranked, and indexed.

Every step writes under another name and renames when it is whole and on the disk, so a build
that was killed goes on where it stopped; what it had decided (the inputs, the cuts) is in
`build/plan.json`. A snapshot is made of the one before it and the imports since; the rules are
in build.sql, the making of the indexes in `indexing` and `shards`. Disk: the staged rows once
more, and the new snapshot, besides the one before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.catalogue import indexing, shards
from sonotheque.catalogue.inputs import Inputs, pieces_of, view_inputs, view_piece
from sonotheque.catalogue.isrc_index import pack_many
from sonotheque.catalogue.lookup import SnapshotSummary, current_number, read_summary
from sonotheque.catalogue.minting import Mint, mint
from sonotheque.catalogue.normalise import fold
from sonotheque.catalogue.plan import Plan
from sonotheque.catalogue.sources import (
    IMPORTS_NAME,
    LOCK_NAME,
    ROWS_NAME,
    additions_path,
    import_directories,
)
from sonotheque.errors import Refused
from sonotheque.store import files
from sonotheque.store.engine import Engine, add_function, open_engine, quoted, seal, write_parquet

Progress = Callable[[str, int, int], None]

WORKSPACE_NAME = "build"
_PLAN_NAME = "plan.json"
_STAYED_NAME = "stayed.parquet"
_RANKED_NAME = "ranked.done"
_ROW_BYTES = 2_048
"""Memory the engine needs for a row it ranks, with room to spare."""
_PIECE_ROW_BYTES = 512
"""Memory the engine needs for a row it parts."""
_SAMPLE_ROWS = 1_000_000
_REPEATED_AT_ONCE = 8_000_000


def build_snapshot(
    catalogue_directory: Path,
    now: str,
    *,
    memory_bytes_max: int,
    progress: Progress | None = None,
    minting: Mint = mint,
) -> SnapshotSummary:
    """Fold what was imported since the last snapshot into a new one, and switch to it.

    After a kill the same call goes on where it stopped. Readers keep the snapshot they opened.
    Memory: `memory_bytes_max` for the engine, and 24 bytes a row for the indexes.
    `progress(step, done, of)` is told of each step; `minting` is for tests. Raises Refused where
    there is nothing to build from, EnvironmentFailure where disk or memory run out.
    """
    workspace = catalogue_directory / WORKSPACE_NAME
    files.make_directory(workspace)
    try:
        with files.exclusive(catalogue_directory / LOCK_NAME):
            with open_engine(
                memory_bytes_max=memory_bytes_max, spill=workspace / "spill"
            ) as engine:
                plan = _plan(engine, catalogue_directory, workspace, memory_bytes_max)
                inputs = _inputs(catalogue_directory, plan.previous, plan.imports)
                make_buckets(engine, workspace, inputs, plan, progress=progress, minting=minting)
            summary = indexing.index(catalogue_directory, workspace, now, plan, progress=progress)
            indexing.switch(catalogue_directory, workspace, plan.number)
            files.remove_tree(workspace)
            for number in plan.imports:
                directory = catalogue_directory / IMPORTS_NAME / str(number)
                (directory / ROWS_NAME).unlink(missing_ok=True)
                files.remove_tree(additions_path(catalogue_directory, number))
            if plan.previous:
                indexing.retire(catalogue_directory / str(plan.previous))
            return summary
    except OSError as error:
        raise files.explain(error, workspace) from error


def _plan(engine: Engine, catalogue: Path, workspace: Path, memory_bytes_max: int) -> Plan:
    path = workspace / _PLAN_NAME
    previous = current_number(catalogue)
    if path.exists():
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
        if plan.previous == previous:
            return plan
        # That build was switched to, and killed before it had cleared up.
        files.remove_tree(workspace)
        files.make_directory(workspace)
    pending = pending_imports(catalogue)
    if not pending:
        raise Refused(
            "nothing was imported since the last build" if previous else "nothing was imported",
            where=str(catalogue),
            remedy="run `sonotheque import` first",
        )
    plan = _plan_of(engine, catalogue, previous, pending, memory_bytes_max)
    files.replace(path, msgspec.json.encode(plan))
    return plan


def pending_imports(catalogue: Path) -> tuple[int, ...]:
    """The imports that no snapshot holds yet, oldest first."""
    current = current_number(catalogue)
    folded = (
        {about.number for about in read_summary(catalogue / str(current)).imports}
        if current
        else set()
    )
    numbers = (int(directory.name) for directory in import_directories(catalogue))
    return tuple(number for number in numbers if number not in folded)


def _plan_of(
    engine: Engine,
    catalogue: Path,
    previous: int | None,
    pending: tuple[int, ...],
    memory_bytes_max: int,
) -> Plan:
    inputs = _inputs(catalogue, previous, pending)
    rows = sum(pq.read_metadata(path).num_rows for path in inputs.new)
    rows += sum(read_summary(directory).rows for directory in inputs.known)
    view_inputs(engine, inputs)
    one_in = max(1, rows // _SAMPLE_ROWS)
    sample = engine.sql(
        "SELECT isrc, coalesce(popularity, 0) AS popularity, coalesce(streams, 0) AS streams"
        f" FROM inputs WHERE hash(source_id) % {one_in} = 0"
    ).to_arrow_table()
    isrcs = np.sort(pack_many(sample["isrc"].combine_chunks().drop_null()))
    without = sample["isrc"].null_count * one_in
    pieces = max(1, math.ceil(rows * _ROW_BYTES / memory_bytes_max))
    places = [len(isrcs) * piece // pieces for piece in range(1, pieces)] if len(isrcs) else []
    taken = [int(path.name) for path in catalogue.glob("*") if path.name.isdecimal()]
    return Plan(
        number=1 + max(taken, default=0),
        previous=previous,
        imports=pending,
        rows=rows,
        cuts=tuple(sorted({int(isrcs[place]) for place in places})),
        piece_rows=max(1, memory_bytes_max // _PIECE_ROW_BYTES),
        buckets_without_isrc=max(1, math.ceil(without * _ROW_BYTES / memory_bytes_max)),
        shards=shards.cuts(
            shards.weights(sample["popularity"].to_numpy(), sample["streams"].to_numpy()), rows
        ),
    )


def _inputs(catalogue: Path, previous: int | None, pending: tuple[int, ...]) -> Inputs:
    directories = [catalogue / IMPORTS_NAME / str(number) for number in pending]
    known = [catalogue / str(previous)] if previous else []
    # What was added in between stands in the staged rows too, but without its identifiers.
    added = (additions_path(catalogue, number) for number in pending)
    known += [path for path in added if path.exists()]
    return Inputs(tuple(directory / ROWS_NAME for directory in directories), tuple(known))


def make_buckets(
    engine: Engine,
    workspace: Path,
    inputs: Inputs,
    plan: Plan,
    *,
    progress: Progress | None = None,
    minting: Mint = mint,
) -> None:
    """Spread `inputs` over the buckets of `plan` and rank each, below `workspace`, for
    `indexing.index`."""
    buckets = _Buckets(engine, workspace, inputs, plan, progress, minting)
    if not (workspace / _RANKED_NAME).exists():
        buckets.spread()
        buckets.rank()
        files.replace(workspace / _RANKED_NAME, b"")
    for name in ("spread", "twice"):
        files.remove_tree(workspace / name)


@dataclass(frozen=True, slots=True)
class _Buckets:
    """The buckets of one build, in the making."""

    engine: Engine
    workspace: Path
    inputs: Inputs
    plan: Plan
    progress: Progress | None
    minting: Mint

    def spread(self) -> None:
        """Spread the rows over the buckets, a piece at a time: what the engine parts, it holds in
        memory. Then find the keys that come again."""
        view_inputs(self.engine, self.inputs)
        self._view_spread()
        pieces = pieces_of(self.inputs, self.plan.piece_rows)
        files.make_directory(self.workspace / "spread")
        for number, piece in enumerate(pieces):
            self._report("spread", number, len(pieces))
            for unfinished in _undone(self.workspace / "spread" / f"{number:05d}"):
                view_piece(self.engine, piece)
                write_parquet(
                    self.engine,
                    "SELECT * FROM spread",
                    unfinished,
                    compression_level=1,
                    partition_by="bucket",
                )
                # Nothing is written where there are no rows.
                files.make_directory(unfinished)
                _finish(self.workspace / "spread" / f"{number:05d}")
        view_inputs(self.engine, self.inputs)
        twice = self.workspace / "twice"
        for unfinished in _undone(twice):
            self._report("compare", 0, 1)
            files.make_directory(unfinished)
            self._write_twice(unfinished)
            query = "SELECT '' AS claimant, '' AS recording_id, '' AS former_ids, 0 AS first_import"
            if repeated := sorted(unfinished.glob("*/*/*.parquet")):
                self._view("twice", repeated)
                query = _step("stay")
            else:
                query += " WHERE false"
            write_parquet(self.engine, query, unfinished / _STAYED_NAME)
            _finish(twice)

    def _view_spread(self) -> None:
        aliases = self.engine.sql(
            "SELECT DISTINCT concat(isrc, ' ', other_isrcs) AS isrcs FROM inputs"
            " WHERE other_isrcs <> ''"
        ).to_arrow_table()
        meant = _first_of_each(aliases["isrcs"].to_pylist())
        table = pa.table(
            {"isrc": pa.array(list(meant), pa.string()), "meant": pa.array(list(meant.values()))},
            schema=pa.schema({"isrc": pa.string(), "meant": pa.string()}),
        )
        self.engine.register("aliases", table)
        cuts = np.array(self.plan.cuts, np.uint64)

        def bucket_of(isrcs: pa.Array[Any]) -> pa.Array[Any]:
            places = np.searchsorted(cuts, pack_many(isrcs), side="right")
            return pa.array(places.astype(np.int32))

        add_function(self.engine, "bucket_of", bucket_of, takes="VARCHAR", gives="INTEGER")
        self.engine.execute(
            "CREATE OR REPLACE TEMP VIEW spread AS SELECT *,"
            " CASE WHEN isrc IS NOT NULL THEN bucket_of(claimant) ELSE"
            f" {len(self.plan.cuts) + 1} + CAST(hash(claimant) % {self.plan.buckets_without_isrc}"
            f" AS INTEGER) END AS bucket FROM ({_step('spread')})"
        )

    def _write_twice(self, directory: Path) -> None:
        hashes = np.empty(self.plan.rows, np.uint64)
        filled = 0
        reader = self.engine.sql("SELECT hash(source, source_id) AS hashed FROM inputs")
        for batch in reader.to_arrow_reader(1 << 20):
            hashes[filled : filled + len(batch)] = batch.column(0).to_numpy()
            filled += len(batch)
        hashes.sort()
        repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        del hashes
        for number, first in enumerate(range(0, len(repeated), _REPEATED_AT_ONCE)):
            some = pa.table({"hashed": repeated[first : first + _REPEATED_AT_ONCE]})
            self.engine.register("repeated", some)
            write_parquet(
                self.engine, _step("twice"), directory / str(number), partition_by="bucket"
            )

    def rank(self) -> None:
        """Make each bucket's recordings; again where two drew the same identifier."""
        add_function(
            self.engine,
            "mint",
            lambda claimants: self.minting(len(claimants)),
            takes="VARCHAR",
            gives="VARCHAR",
            side_effects=True,
        )
        self._view("stayed", [self.workspace / "twice" / _STAYED_NAME])
        files.make_directory(self.workspace / "ranked")
        while True:
            # A bucket is written while the engine ranks the next one: two are in memory.
            with ThreadPoolExecutor(1) as thread:
                writing: Future[None] | None = None
                for number in range(self.plan.buckets):
                    self._report("rank", number, self.plan.buckets)
                    next_writing = self._rank_bucket(number, thread)
                    if writing:
                        writing.result()
                    writing = next_writing
                if writing:
                    writing.result()
            # One chance in 280 at 256 million rows; what was carried is drawn the same again.
            doubled = indexing.doubled_buckets(self.workspace / "ranked")
            if not doubled:
                return
            for directory in doubled:
                files.remove_tree(directory)

    def _rank_bucket(self, number: int, thread: Executor) -> Future[None] | None:
        """Rank a bucket, and have `thread` write it; None where that was done before."""
        ranked = self.workspace / "ranked" / f"{number:05d}"
        paths = sorted(self.workspace.glob(f"spread/*/bucket={number}/*.parquet"))
        if not paths or ranked.exists():
            return None
        kept = self._kept(number, paths)
        rows_in = sum(pq.read_metadata(path).num_rows for path in paths)

        def write() -> None:
            for unfinished in _undone(ranked):
                files.make_directory(unfinished)
                indexing.write_bucket(
                    unfinished,
                    kept,
                    rows_in=rows_in,
                    new_from=self.plan.imports[0] if self.plan.previous else 0,
                    with_isrc=number <= len(self.plan.cuts),
                    shard_cuts=self.plan.shards,
                )
                _finish(ranked)

        return thread.submit(write)

    def _kept(self, number: int, paths: list[Path]) -> pa.Table:
        """The rows of a bucket as they are kept, which are in `paths`."""
        self._view("bucket_rows", paths)
        repeated = sorted(self.workspace.glob(f"twice/*/bucket={number}/*.parquet"))
        settle = "SELECT *, false AS differs, false AS moved FROM bucket_rows"
        if repeated:
            self._view("twice", repeated)
            settle = _step("settle")
        self._table("settled", settle)
        self._table("gathered", _step("gather"))
        self._table("merged", _step("merge"))
        # Folded in one piece: a function inside a query is called for 2,048 rows at a time,
        # and compiles its patterns anew at each call.
        varied = self.engine.sql(_step("vary")).to_arrow_table()
        readings = varied.set_column(1, "reading", fold(varied["reading"]))
        self.engine.register("readings", readings)
        self._table("places", _step("place"))
        self.engine.execute(f"CREATE OR REPLACE TEMP VIEW recordings AS {_step('recordings')}")
        kept: pa.Table = self.engine.sql(_step("kept")).to_arrow_table()
        return kept

    def _table(self, name: str, query: str) -> None:
        self.engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def _view(self, name: str, paths: list[Path]) -> None:
        listed = ", ".join(quoted(path) for path in paths)
        self.engine.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS"
            f" SELECT * FROM read_parquet([{listed}], hive_partitioning = false)"
        )

    def _report(self, step: str, done: int, of: int) -> None:
        if self.progress:
            self.progress(step, done, of)


def _first_of_each(lists: list[str]) -> dict[str, str]:
    """ISRC: the first (as text) of all those that are said to be one recording's, over any number
    of sayings; those that are first themselves are left out."""
    parents: dict[str, str] = {}

    def first(isrc: str) -> str:
        while (parent := parents.setdefault(isrc, isrc)) != isrc:
            parents[isrc] = parents[parent]
            isrc = parent
        return isrc

    for isrcs in lists:
        one, *others = isrcs.split()
        for other in others:
            low, high = sorted((first(one), first(other)))
            parents[high] = low
    return {isrc: first(isrc) for isrc in parents if first(isrc) != isrc}


def _undone(final: Path) -> Iterator[Path]:
    """Where to write what becomes `final`, once; nothing where that is there already."""
    if not final.exists():
        unfinished = final.with_name(final.name + ".tmp")
        files.remove_tree(unfinished)
        yield unfinished


def _finish(final: Path) -> None:
    unfinished = final.with_name(final.name + ".tmp")
    seal(unfinished)
    files.move(unfinished, final)


def _step(name: str) -> str:
    """The query of build.sql that is headed `-- step: name`."""
    text = resources.files(__package__).joinpath("build.sql").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"-- step: {name}\n")
    return rest.partition(";\n")[0]
