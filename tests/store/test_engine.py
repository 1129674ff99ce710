"""DuckDB within its bounds, and its refusals in our words."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sonotheque.errors import Corrupt, EnvironmentFailure, SonothequeError
from sonotheque.store.engine import open_engine, quoted, seal, write_parquet

MEMORY = 200_000_000


def test_spills_within_its_memory_and_clears_up(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    with open_engine(memory_bytes_max=MEMORY, spill=spill) as engine:
        # Some 640 MB to sort in 200 MB of memory.
        engine.execute(
            "CREATE TABLE big AS SELECT hash(i) AS a, i AS b FROM range(20_000_000) t(i)"
        )
        assert any(spill.iterdir())
        found = engine.execute("SELECT count(DISTINCT a % 1000) FROM big").fetchall()
        assert found == [(1000,)]
    assert not spill.exists()


def test_too_little_memory_is_the_environments_fault(tmp_path: Path) -> None:
    with (
        pytest.raises(EnvironmentFailure, match="run the same command again"),
        open_engine(memory_bytes_max=20_000_000, spill=tmp_path / "spill") as engine,
    ):
        engine.execute("SELECT list(hash(i)) FROM range(20_000_000) t(i)").fetchall()


@pytest.mark.parametrize("content", [b"", b"PAR1 cut short"])
def test_unreadable_file_is_reported(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with (
        pytest.raises(SonothequeError) as raised,
        open_engine(memory_bytes_max=MEMORY, spill=tmp_path / "spill") as engine,
    ):
        engine.execute(f"SELECT * FROM read_parquet({quoted(tmp_path / 'x.parquet')})").fetchall()
    assert isinstance(raised.value, Corrupt | EnvironmentFailure)
    assert "\n" not in raised.value.line()


def test_writes_in_order_and_in_small_groups(tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    with open_engine(memory_bytes_max=MEMORY, spill=tmp_path / "spill") as engine:
        query = "SELECT i FROM range(20_000) t(i) ORDER BY i DESC"
        write_parquet(engine, query, path, row_group_rows=4_096)
    seal(tmp_path)
    assert pq.read_table(path)["i"].to_pylist() == list(range(19_999, -1, -1))
    assert pq.read_metadata(path).num_row_groups == 5


def test_a_long_query_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open_engine(memory_bytes_max=100_000_000, spill=tmp_path / "spill") as engine:
        # A bar would appear at once, were one printed.
        engine.execute("SET progress_bar_time = 0; SELECT sum(i) FROM range(20000000) t(i)")
    assert capfd.readouterr() == ("", "")
