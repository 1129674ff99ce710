"""From imported rows to a snapshot: sliced by key, bucketed by ISRC, one small step at a time.

Every step writes under another name and renames when it is whole and on the disk, so a build
that was killed goes on where it stopped; what it had decided (the inputs, the cuts) is in
`build/plan.json`. A snapshot is made of the one before it and the imports since; the rules are
in build.sql. Disk: at most some three times the rows besides the snapshot before.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.catalogue.isrc_index import pack_many, write_index
from sonotheque.catalogue.lookup import (
    CURRENT_NAME,
    ID_INDEX_NAME,
    ID_ROWS_NAME,
    ISRC_INDEX_NAME,
    SNAPSHOT_NAME,
    ImportAbout,
    SnapshotSummary,
    current_number,
    read_summary,
)
from sonotheque.catalogue.normalise import fold
from sonotheque.catalogue.sources import (
    IMPORT_NAME,
    IMPORTS_NAME,
    LOCK_NAME,
    ROWS_NAME,
    STAGED_SCHEMA,
    import_directories,
)
from sonotheque.errors import Corrupt, Refused
from sonotheque.store import files
from sonotheque.store.engine import Engine, add_function, open_engine, quoted, seal, write_parquet

Progress = Callable[[str, int, int], None]
Mint = Callable[[int], npt.NDArray[np.int64]]

WORKSPACE_NAME = "build"
_PLAN_NAME = "plan.json"
_ROW_BYTES = 2_048
"""Memory the engine needs for a row it ranks, with room to spare."""
_ROW_GROUP_ROWS = 4_096
"""Small, so that looking one recording up reads little."""
_SAMPLE_ROWS = 1_000_000
_COLUMNS = ", ".join(STAGED_SCHEMA.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a build is made of, decided once. `cuts` part the ISRCs, packed, into buckets; rows
    without one fall into `buckets_without_isrc` more, by their key."""

    number: int
    previous: int | None
    imports: tuple[int, ...]
    slices: int
    cuts: tuple[int, ...]
    buckets_without_isrc: int

    @property
    def buckets(self) -> int:
        return len(self.cuts) + 1 + self.buckets_without_isrc


def mint(count: int) -> npt.NDArray[np.int64]:
    """`count` new 63-bit recording identifiers, shape (count,)."""
    return (np.frombuffer(secrets.token_bytes(8 * count), np.uint64) >> np.uint64(1)).astype(
        np.int64
    )


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
    Memory: `memory_bytes_max` for the engine, and 24 bytes a recording for the indexes.
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
                build = _Build(engine, catalogue_directory, workspace, plan, progress, minting)
                replaced = build.settle()
                build.claim()
                build.rank()
            summary = build.publish(now, replaced)
            files.remove_tree(workspace)
            for number in plan.imports:
                rows = catalogue_directory / IMPORTS_NAME / str(number) / ROWS_NAME
                rows.unlink(missing_ok=True)
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
    folded = {about.number for about in _imports_of(catalogue, previous)}
    pending = tuple(
        int(directory.name)
        for directory in import_directories(catalogue)
        if int(directory.name) not in folded
    )
    if not pending:
        raise Refused(
            "nothing was imported since the last build" if previous else "nothing was imported",
            where=str(catalogue),
            remedy="run `sonotheque import` first",
        )
    plan = _plan_of(engine, catalogue, previous, pending, memory_bytes_max)
    files.replace(path, msgspec.json.encode(plan))
    return plan


def _plan_of(
    engine: Engine,
    catalogue: Path,
    previous: int | None,
    pending: tuple[int, ...],
    memory_bytes_max: int,
) -> Plan:
    paths = _inputs(catalogue, previous, pending)
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    pieces = max(1, math.ceil(rows * _ROW_BYTES / memory_bytes_max))
    sample, without = _sample_isrcs(engine, paths, max(1, rows // _SAMPLE_ROWS))
    places = [len(sample) * piece // pieces for piece in range(1, pieces)] if len(sample) else []
    return Plan(
        number=1 + max((int(p.name) for p in catalogue.glob("*") if p.name.isdecimal()), default=0),
        previous=previous,
        imports=pending,
        slices=pieces,
        cuts=tuple(sorted({int(sample[place]) for place in places})),
        buckets_without_isrc=max(1, math.ceil(without * _ROW_BYTES / memory_bytes_max)),
    )


def _sample_isrcs(
    engine: Engine, paths: list[Path], one_in: int
) -> tuple[npt.NDArray[np.uint64], int]:
    """(one ISRC in `one_in`, packed, ascending; about how many rows have none)."""
    source = f"read_parquet([{', '.join(quoted(path) for path in paths)}])"
    sampled = f"FROM {source} WHERE hash(source_id) % {one_in} = 0"
    found = engine.sql(f"SELECT isrc {sampled} AND isrc IS NOT NULL").to_arrow_table()
    without = engine.execute(f"SELECT count(*) {sampled} AND isrc IS NULL").fetchall()[0][0]
    return np.sort(pack_many(found["isrc"].combine_chunks())), int(without) * one_in


def _inputs(catalogue: Path, previous: int | None, pending: tuple[int, ...]) -> list[Path]:
    before = sorted((catalogue / str(previous)).glob("*.parquet")) if previous else []
    return before + [catalogue / IMPORTS_NAME / str(number) / ROWS_NAME for number in pending]


def _imports_of(catalogue: Path, number: int | None) -> tuple[ImportAbout, ...]:
    return read_summary(catalogue / str(number)).imports if number else ()


@dataclass(frozen=True, slots=True)
class _Build:
    """One build under way."""

    engine: Engine
    catalogue: Path
    workspace: Path
    plan: Plan
    progress: Progress | None
    minting: Mint

    def settle(self) -> int:
        """Slice by key, settle each slice, spread it over the buckets; how many rows were
        replaced by newer ones."""
        slices = self.workspace / "slices"
        for _ in _undone(slices):
            self._report("slice", 0, 1)
            write_parquet(
                self.engine,
                self._all_rows(),
                slices.with_suffix(".tmp"),
                compression_level=1,
                partition_by="slice",
            )
            _finish(slices)
        cuts = np.array(self.plan.cuts, np.uint64)

        def bucket_of(isrcs: pa.Array[Any]) -> pa.Array[Any]:
            places = np.searchsorted(cuts, pack_many(isrcs), side="right")
            return pa.array(places.astype(np.int32))

        add_function(self.engine, "bucket_of", bucket_of, takes="VARCHAR", gives="INTEGER")
        files.make_directory(self.workspace / "settled")
        for number in range(self.plan.slices):
            self._report("settle", number, self.plan.slices)
            self._settle_slice(number)
        before, after = self._count("slices/*/*"), self._count("settled/*/*/*")
        return before - after

    def claim(self) -> None:
        """Find where identifiers go whose recording changed its ISRC."""
        claims = self.workspace / "claims"
        for unfinished in _undone(claims):
            self._report("claim", 0, 1)
            files.make_directory(unfinished)
            query = "SELECT '' AS claimant, CAST(0 AS BIGINT) AS claimed_id WHERE false"
            # Before there was a snapshot, no row had an identifier to bring along.
            if self.plan.previous:
                self._view("settled_rows", self.workspace.glob("settled/*/*/*.parquet"))
                query = _step("claim")
            write_parquet(self.engine, query, unfinished / "claims.parquet")
            _finish(claims)

    def rank(self) -> None:
        """Make each bucket's recordings; again where two drew the same identifier."""
        add_function(self.engine, "fold", fold, takes="VARCHAR", gives="VARCHAR")
        add_function(
            self.engine,
            "mint",
            lambda claimants: pa.array(self.minting(len(claimants))),
            takes="VARCHAR",
            gives="BIGINT",
            side_effects=True,
        )
        self._view("claims", [self.workspace / "claims" / "claims.parquet"])
        files.make_directory(self.workspace / "ranked")
        while True:
            for number in range(self.plan.buckets):
                self._report("rank", number, self.plan.buckets)
                self._rank_bucket(number)
            # One chance in 280 at 256 million rows; what was carried is drawn the same again.
            doubled = self._doubled_buckets()
            if not doubled:
                return
            for directory in doubled:
                files.remove_tree(directory)

    def publish(self, now: str, rows_replaced: int) -> SnapshotSummary:
        """Gather the buckets, index them, check the sums, and switch to the new snapshot."""
        self._report("index", 0, 1)
        rows_settled = self._count("settled/*/*/*")
        snapshot = self.workspace / "snapshot"
        files.remove_tree(snapshot)
        files.make_directory(snapshot)
        for kind in ("recordings", "provenance"):
            for path in sorted(self.workspace.glob(f"ranked/*/{kind}.parquet")):
                # A second name, not a move: until the switch, every step can be run again.
                (snapshot / f"{kind}-{path.parent.name}.parquet").hardlink_to(path)
        isrcs, bits = _write_isrc_index(snapshot)
        recordings = _write_id_index(snapshot)
        rows = sum(pq.read_metadata(path).num_rows for path in snapshot.glob("*.parquet"))
        if rows != rows_settled:
            raise Corrupt(
                f"{rows_settled} rows went in and {rows} came out",
                where=str(self.workspace),
                remedy="remove that directory and build again",
            )
        summary = SnapshotSummary(
            number=self.plan.number,
            built_at=now,
            recordings=recordings,
            isrcs=isrcs,
            rows=rows,
            rows_replaced=rows_replaced,
            isrc_index_bits_per_key=round(bits, 2),
            imports=_imports_of(self.catalogue, self.plan.previous)
            + tuple(_import_about(self.catalogue, number) for number in self.plan.imports),
            files={path.name: path.stat().st_size for path in sorted(snapshot.iterdir())},
        )
        files.create(snapshot / SNAPSHOT_NAME, msgspec.json.encode(summary))
        seal(snapshot)
        final = self.catalogue / str(self.plan.number)
        # There only where this build was killed between here and the switch.
        files.remove_tree(final)
        files.move(snapshot, final)
        files.replace(self.catalogue / CURRENT_NAME, f"{self.plan.number}\n".encode())
        return summary

    def _all_rows(self) -> str:
        """Every row of the snapshot before and of the imports since, with its slice."""
        inputs = _inputs(self.catalogue, self.plan.previous, self.plan.imports)
        pending = len(self.plan.imports)
        known, new = inputs[:-pending], inputs[-pending:]
        parts = [f"SELECT {_COLUMNS}, CAST(NULL AS BIGINT) AS recording_id FROM {_read(new)}"]
        if known:
            parts.append(f"SELECT {_COLUMNS}, recording_id FROM {_read(known)}")
        return (
            f"SELECT *, hash(source, source_id) % {self.plan.slices} AS slice "
            f"FROM ({' UNION ALL '.join(parts)})"
        )

    def _settle_slice(self, number: int) -> None:
        paths = sorted(self.workspace.glob(f"slices/slice={number}/*.parquet"))
        settled = self.workspace / "settled" / str(number)
        for unfinished in _undone(settled):
            if not paths:
                continue
            self._view("slice_rows", paths)
            with_isrc = len(self.plan.cuts) + 1
            query = (
                "SELECT *, CASE WHEN isrc IS NOT NULL THEN bucket_of(isrc) ELSE "
                f"{with_isrc} + CAST(hash(source, source_id) % {self.plan.buckets_without_isrc} "
                f"AS INTEGER) END AS bucket FROM ({_step('settle')})"
            )
            write_parquet(
                self.engine, query, unfinished, compression_level=1, partition_by="bucket"
            )
            _finish(settled)

    def _rank_bucket(self, number: int) -> None:
        paths = sorted(self.workspace.glob(f"settled/*/bucket={number}/*.parquet"))
        ranked = self.workspace / "ranked" / f"{number:05d}"
        for unfinished in _undone(ranked):
            if not paths:
                continue
            files.make_directory(unfinished)
            self._view("bucket_rows", paths)
            self.engine.execute(f"CREATE OR REPLACE TEMP TABLE ranked AS {_step('rank')}")
            self.engine.execute(
                "CREATE OR REPLACE TEMP TABLE identity AS SELECT claimant, "
                "CASE WHEN carried_id IS NULL THEN mint(claimant) ELSE carried_id END "
                "AS recording_id FROM ranked WHERE place = 1"
            )
            for kind, which in (("recordings", "place = 1"), ("provenance", "place > 1")):
                write_parquet(
                    self.engine,
                    f"SELECT identity.recording_id, {_COLUMNS} FROM ranked JOIN identity "
                    f"ON ranked.claimant = identity.claimant WHERE {which} "
                    "ORDER BY isrc NULLS LAST, source, source_id",
                    unfinished / f"{kind}.parquet",
                    row_group_rows=_ROW_GROUP_ROWS,
                )
            _finish(ranked)

    def _doubled_buckets(self) -> list[Path]:
        """The buckets that hold an identifier that another recording has too."""
        parts = sorted(self.workspace.glob("ranked/*/recordings.parquet"))
        ids = _ids_of(parts)
        ids.sort()
        doubled = ids[1:][ids[1:] == ids[:-1]]
        if not len(doubled):
            return []
        return [path.parent for path in parts if np.isin(_ids_of([path]), doubled).any()]

    def _view(self, name: str, paths: Iterator[Path] | list[Path]) -> None:
        self.engine.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {_read(paths)}")

    def _count(self, pattern: str) -> int:
        paths = self.workspace.glob(f"{pattern}.parquet")
        return sum(pq.read_metadata(path).num_rows for path in paths)

    def _report(self, step: str, done: int, of: int) -> None:
        if self.progress:
            self.progress(step, done, of)


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


def _read(paths: Iterator[Path] | list[Path]) -> str:
    listed = ", ".join(quoted(path) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = false)"


def _step(name: str) -> str:
    """The query of build.sql that is headed `-- step: name`."""
    text = resources.files(__package__).joinpath("build.sql").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"-- step: {name}\n")
    return rest.partition(";\n")[0]


def _ids_of(paths: list[Path]) -> npt.NDArray[np.int64]:
    ids = [pq.read_table(path, columns=["recording_id"])[0].to_numpy() for path in paths]
    return np.concatenate([np.empty(0, np.int64), *ids])


def _import_about(catalogue: Path, number: int) -> ImportAbout:
    about = json.loads((catalogue / IMPORTS_NAME / str(number) / IMPORT_NAME).read_bytes())
    return ImportAbout(number, about["origin"], about["licence"], about["at"])


def _write_isrc_index(snapshot: Path) -> tuple[int, float]:
    """(keys, bits a key). Raises Corrupt where the rows do not stand in the order of the keys."""
    keys = np.concatenate(
        [
            np.empty(0, np.uint64),
            *(
                pack_many(pq.read_table(path, columns=["isrc"])[0].combine_chunks().drop_null())
                for path in sorted(snapshot.glob("recordings-*.parquet"))
            ),
        ]
    )
    if (keys[1:] <= keys[:-1]).any():
        raise Corrupt(
            "the recordings are not in the order of their ISRCs",
            where=str(snapshot),
            remedy="remove the directory above it and build again",
        )
    return len(keys), write_index(snapshot / ISRC_INDEX_NAME, keys)


def _write_id_index(snapshot: Path) -> int:
    """How many recordings there are."""
    ids = _ids_of(sorted(snapshot.glob("recordings-*.parquet")))
    order = np.argsort(ids)
    write_index(snapshot / ID_INDEX_NAME, ids[order].astype(np.uint64))
    order.astype(np.uint32).tofile(snapshot / ID_ROWS_NAME)
    return len(ids)
