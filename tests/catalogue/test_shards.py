"""Shards: the most listened-to first, each of the size that was planned, every recording in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.catalogue import shards
from sonotheque.catalogue.query import FIELDS
from sonotheque.catalogue.shards import cuts, documents_path, weights, write_documents


def recordings(popularity: list[int]) -> pa.Table:
    count = len(popularity)
    columns = {field: pa.array([f"{field} {n}" for n in range(count)]) for field in FIELDS}
    return pa.table(
        {
            "popularity_best": pa.array(popularity, pa.int8()),
            "streams_best": pa.array([0] * count, pa.int64()),
            "year": pa.array([None] * count, pa.int16()),
            **columns,
        }
    )


def sizes(directory: Path, table: pa.Table, found: tuple[int, ...]) -> list[int]:
    write_documents(directory, table, found)
    paths = [documents_path(directory, shard) for shard in range(len(found) + 1)]
    return [pq.read_metadata(path).num_rows if path.exists() else 0 for path in paths]


@pytest.mark.parametrize("popularity", ["spread", "none"])
def test_shards_are_as_large_as_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, popularity: str
) -> None:
    monkeypatch.setattr(shards, "SMALLEST_SHARD", 100)
    monkeypatch.setattr(shards, "LARGEST_SHARD", 400)
    # Where nobody says how much a recording is listened to, chance places it.
    said = [number % 101 if popularity == "spread" else 0 for number in range(2_000)]
    table = recordings(said)
    listened = weights(table["popularity_best"].to_numpy(), table["streams_best"].to_numpy())
    found = cuts(listened, len(said))
    made = sizes(tmp_path, table, found)
    assert sum(made) == 2_000
    assert np.abs(np.array(made[:3]) - [100, 400, 400]).max() < 60
    assert max(made) < 480
    if popularity == "spread":
        first, last = (
            pq.read_table(documents_path(tmp_path, shard))["popularity"].to_numpy()
            for shard in (0, len(found))
        )
        assert first.min() >= last.max()


@given(
    sample=st.lists(st.integers(0, (1 << 63) - 1), max_size=50), count=st.integers(0, 300_000_000)
)
def test_cuts_descend(sample: list[int], count: int) -> None:
    found = cuts(np.array(sample, np.uint64), count)
    assert list(found) == sorted(found, reverse=True)
    assert len(found) < 24
