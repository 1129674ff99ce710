"""What an import adds, findable at once: a snapshot of its new recordings beside the one in use.

It is made as every snapshot is, of the rows that are of no recording there is yet; so it is
searched and looked up in the same way, and its recordings have identifiers that the next build
keeps. What an import says of recordings that are known waits for that build.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.catalogue import indexing, shards
from sonotheque.catalogue.build import make_buckets
from sonotheque.catalogue.inputs import Inputs
from sonotheque.catalogue.isrc_index import pack_many
from sonotheque.catalogue.lookup import Snapshot, SnapshotSummary
from sonotheque.catalogue.plan import Plan
from sonotheque.catalogue.sources import IMPORTS_NAME, LOCK_NAME, ROWS_NAME, additions_path
from sonotheque.store import files
from sonotheque.store.engine import open_engine

ROWS_MAX = 1_000_000
"""More take longer than somebody waits for an import: they are folded in by a build."""


def add(
    catalogue_directory: Path, number: int, now: str, known: Sequence[Snapshot]
) -> SnapshotSummary:
    """Make what import `number` adds to the snapshots `known` findable. Memory: some 4 GB.

    Idempotent; what a killed run left is made again.
    """
    directory = catalogue_directory / IMPORTS_NAME / str(number)
    workspace = directory / ".additions.tmp"
    final = additions_path(catalogue_directory, number)
    with files.exclusive(catalogue_directory / LOCK_NAME):
        files.remove_tree(workspace)
        files.make_directory(workspace)
        rows = pq.read_table(directory / ROWS_NAME)
        fresh = rows.filter(pa.array(_is_fresh(rows, known)))
        pq.write_table(fresh, workspace / ROWS_NAME)
        plan = _plan_of(fresh, number, known)
        inputs = Inputs((workspace / ROWS_NAME,))
        with open_engine(memory_bytes_max=2_000_000_000, spill=workspace / "spill") as engine:
            make_buckets(engine, workspace, inputs, plan)
        summary = indexing.index(catalogue_directory, workspace, now, plan)
        files.make_directory(final.parent)
        files.move(workspace / indexing.SNAPSHOT_DIRECTORY_NAME, final)
        files.remove_tree(workspace)
    return summary


def _plan_of(fresh: pa.Table, number: int, known: Sequence[Snapshot]) -> Plan:
    """One bucket of ISRCs, one without, and the shards of the snapshot in use."""
    if known:
        cuts = known[0].summary.shards
    else:
        listened = (
            np.nan_to_num(fresh[name].cast(pa.float64()).to_numpy()).astype(np.int64)
            for name in ("popularity", "streams")
        )
        cuts = shards.cuts(shards.weights(*listened), len(fresh))
    return Plan(
        number=0,
        previous=None,
        imports=(number,),
        rows=len(fresh),
        piece_rows=ROWS_MAX,
        cuts=(),
        buckets_without_isrc=1,
        shards=cuts,
    )


def _is_fresh(rows: pa.Table, known: Sequence[Snapshot]) -> Any:
    """Which of `rows` are of no recording in `known`, shape (rows,), bool."""
    fresh = np.ones(len(rows), bool)
    isrcs = rows["isrc"].combine_chunks()
    has_isrc = isrcs.is_valid().to_numpy(zero_copy_only=False)
    packed = iter(pack_many(isrcs.drop_null()).tolist())
    keys = zip(rows["source"].to_pylist(), rows["source_id"].to_pylist(), strict=True)
    for place, (source, source_id) in enumerate(keys):
        isrc = next(packed) if has_isrc[place] else None
        recording = str(source_id).partition("#")[0]
        fresh[place] = not any(
            (isrc is not None and snapshot.has_isrc(isrc))
            or snapshot.has_source(str(source), recording)
            for snapshot in known
        )
    return fresh
