"""Counts of listens as a source: how often what is listened to, for the order of rescue.

A table (CSV, Parquet or SQLite) with the columns `isrc` and `streams`; `listens` and `count` are
taken for `streams` where there is none. The mapping is the one of tables:

    [columns]
    isrc = "ISRC code"
    streams = "plays"

A row of counts has no title: it describes nothing, and a build folds it into the recording that
has its ISRC. Its key is the ISRC; its source is `<the mapping's source or the origin> (listens)`,
so that it never replaces a description by the same source under the same key.

`popularity` puts the counts on a scale of 0 to 100: 100 * ln(1 + n) / ln(1 + m), rounded, where m
is the largest count of this import. It is found in a pass of its own, before any row is given.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from sonotheque.catalogue.sources import ROW_SCHEMA, Piece
from sonotheque.catalogue.sources.table import Mapping, read_table

# The stubs cannot follow columns whose type is known only when the program runs.
pc: Any = pyarrow.compute


def read_listens(path: Path, mapping: Mapping, *, origin: str, year_max: int) -> Iterator[Piece]:
    """The counts of the table at `path`. Reads it twice. Raises BadInput."""
    source = f"{mapping.source or origin} (listens)"
    # The table's own column would do as a key of the same source's descriptions.
    how = dataclasses.replace(mapping, source=source)
    largest = 0
    for piece in read_table(path, how, source=source, year_max=year_max, listens=True):
        largest = max(largest, pc.max(piece.rows["streams"]).as_py() or 0)
    for piece in read_table(path, how, source=source, year_max=year_max, listens=True):
        popularity = _popularity(piece.rows["streams"], largest)
        place = ROW_SCHEMA.get_field_index("popularity")
        columns = [*piece.rows.columns]
        columns[place] = popularity
        yield Piece(pa.record_batch(columns, schema=ROW_SCHEMA), piece.faults)


def _popularity(streams: Any, largest: int) -> Any:
    counts = streams.to_numpy(zero_copy_only=False).astype(np.float64)
    scale = 100 / np.log1p(largest) if largest else 0.0
    # A file that grew between the passes must not pass the scale.
    return pa.array(np.minimum(np.rint(np.log1p(counts) * scale), 100).astype(np.int8))
