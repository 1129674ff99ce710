"""Counts of listens become popularity on a log scale, under the ISRC."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.errors import BadInput


def isrc(number: int) -> str:
    return f"FRZ03{number:07}"


@pytest.mark.parametrize("name", ["streams", "listens", "count"])
def test_counts(name: str, take: Any, tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(
        f"{name},isrc,title,source\n1000,fr-z03-00-00001,Song,x\n0,{isrc(2)},,\n10,{isrc(3)},,\n"
        f",{isrc(4)},,\n5,,,\n-1,{isrc(5)},,\n1e3,{isrc(6)},,\n7,FRZ03OOOOOO7,,\n"
    )
    found = take("listens", path)
    assert [(r["isrc"], r["streams"], r["popularity"]) for r in found.rows] == [
        (isrc(1), 1000, 100),
        (isrc(2), 0, 0),
        (isrc(3), 10, round(100 * math.log(11) / math.log(1001))),
    ]
    assert found.codes == [
        (5, "streams.missing"),
        (6, "isrc.missing"),
        (7, "streams.impossible"),
        (8, "number.scientific"),
        (9, "isrc.look-alike"),
    ]
    for row in found.rows:
        assert (row["source"], row["source_id"]) == ("the test (listens)", row["isrc"])
        assert (row["title"], row["duration_ms"]) == ("", None)


def test_parquet_with_a_mapping(take: Any, tmp_path: Path) -> None:
    table = pa.table({"code": [isrc(1), isrc(2)], "plays": pa.array([3, 300], pa.uint64())})
    pq.write_table(table, tmp_path / "counts.parquet")
    mapping = 'source = "radio"\n[columns]\nisrc = "code"\nstreams = "plays"\n'
    found = take("listens", tmp_path / "counts.parquet", mapping)
    assert [(row["streams"], row["popularity"]) for row in found.rows] == [(3, 24), (300, 100)]
    assert {row["source"] for row in found.rows} == {"radio (listens)"}
    with pytest.raises(BadInput, match="no column 'isrc'"):
        take("listens", tmp_path / "counts.parquet")
    with pytest.raises(BadInput, match="no column 'listened'"):
        take("listens", tmp_path / "counts.parquet", '[columns]\nstreams = "listened"\nisrc="code"')


def test_nobody_listened(take: Any, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(f"isrc,listens\n{isrc(1)},0\n")
    assert [row["popularity"] for row in take("listens", tmp_path / "c.csv").rows] == [0]
    (tmp_path / "c.csv").write_text("isrc,listens\n")
    assert take("listens", tmp_path / "c.csv").summary.rows_read == 0


@given(counts=st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=20))
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_more_listens_are_never_less_popular(counts: list[int], take: Any, tmp_path: Path) -> None:
    path = tmp_path / "any.csv"
    path.write_text("isrc,listens\n" + "".join(f"{isrc(n)},{c}\n" for n, c in enumerate(counts)))
    rows = sorted(take("listens", path).rows, key=lambda row: int(row["streams"]))
    found = [row["popularity"] for row in rows]
    assert found == sorted(found)
    assert all(0 <= popularity <= 100 for popularity in found)
    assert found[-1] == (100 if max(counts) else 0)
