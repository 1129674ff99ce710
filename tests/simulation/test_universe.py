"""The made-up catalogue: the same bytes for a seed, and the published proportions."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from sonotheque.errors import BadInput
from sonotheque.simulation import universe
from sonotheque.simulation.universe import write_universe

ROWS = 250_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("universe") / "made"
    write_universe(directory, recordings=ROWS, seed=7)
    return directory


def ask(directory: Path, query: str) -> tuple[float, ...]:
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE VIEW listed AS SELECT * FROM read_parquet('{directory}/rows-*.parquet')"
        )
        connection.execute(
            f"CREATE VIEW truth AS SELECT * FROM read_parquet('{directory}/truth.parquet')"
        )
        answer: tuple[float, ...] = connection.execute(query).fetchall()[0]
        return answer


def digest(directory: Path) -> str:
    paths = sorted(directory.iterdir())
    content = b"".join(path.name.encode() + path.read_bytes() for path in paths)
    return hashlib.sha256(content).hexdigest()


def test_same_seed_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(universe, "BLOCK_ROWS", 1_000)
    for name, seed, processes in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        write_universe(tmp_path / name, recordings=2_500, seed=seed, processes=processes)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")


def test_blocks_share_nothing_but_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(universe, "BLOCK_ROWS", 5_000)
    write_universe(tmp_path / "made", recordings=22_000, seed=1)
    assert len(list((tmp_path / "made").glob("rows-*.parquet"))) == 5
    query = (
        "SELECT count(*), count(DISTINCT source_id), count(*) / count(DISTINCT isrc) FROM listed"
    )
    rows, ids, per_isrc = ask(tmp_path / "made", query)
    assert (rows, ids) == (22_000, 22_000)
    # Were two blocks to give out the same ISRCs, there would be more rows to each.
    assert per_isrc == pytest.approx(1.38, abs=0.02)


def test_rows_per_isrc_artist_and_album(directory: Path) -> None:
    per_isrc, per_artist, per_album = ask(
        directory,
        "SELECT count(*) / count(DISTINCT isrc), count(*) / count(DISTINCT artist),"
        " count(*) / count(DISTINCT upc) FROM listed",
    )
    assert per_isrc == pytest.approx(1.38, abs=0.02)
    assert per_artist == pytest.approx(256 / 15.43, rel=0.05)
    assert per_album == pytest.approx(256 / 58.6, rel=0.02)


def test_streams_follow_the_published_buckets(directory: Path) -> None:
    shares = ask(
        directory,
        "SELECT count_if(s = 0) / count(*), count_if(s BETWEEN 1 AND 10) / count(*),"
        " count_if(s BETWEEN 11 AND 100) / count(*), count_if(s BETWEEN 101 AND 1000) / count(*),"
        " count_if(s > 1000) / count(*)"
        " FROM (SELECT max(streams) AS s FROM listed JOIN truth USING (source_id)"
        " GROUP BY recording)",
    )
    published = [55.3, 65.2, 62.6, 40.7, 29.2]
    assert shares == pytest.approx([count / 253 for count in published], abs=0.01)


def test_streams_gather_on_few(directory: Path) -> None:
    top, third = ask(
        directory,
        "SELECT sum(s) FILTER (place <= 0.541 / 253) / sum(s),"
        " sum(s) FILTER (place <= 0.336) / sum(s) FROM (SELECT s, row_number() OVER"
        " (ORDER BY s DESC) / count(*) OVER () AS place FROM"
        " (SELECT max(streams) AS s FROM listed JOIN truth USING (source_id)"
        " GROUP BY recording))",
    )
    assert top == pytest.approx(0.494, abs=0.01)
    assert third == pytest.approx(0.996, abs=0.006)


def test_popularity(directory: Path) -> None:
    popular, unheard, low, high = ask(
        directory,
        "SELECT count_if(popularity >= 50) / count(*), count_if(streams < 1000) / count(*),"
        " min(popularity), max(popularity) FROM listed",
    )
    assert popular == pytest.approx(0.21 / 256, rel=0.15)
    assert unheard >= 0.7
    assert low == 0
    assert 60 <= high <= 100


def test_values_are_well_formed(directory: Path) -> None:
    bad_isrcs, bad_upcs, empty, first, last = ask(
        directory,
        r"SELECT count_if(NOT regexp_full_match(isrc, '[A-Z]{2}[A-Z0-9]{3}\d{7}')),"
        r" count_if(NOT regexp_full_match(upc, '\d{12}')),"
        " count_if(title = '' OR artist = '' OR album = '' OR label = ''),"
        " min(year(release_date)), max(year(release_date)) FROM listed",
    )
    assert (bad_isrcs, bad_upcs, empty) == (0, 0, 0)
    assert (first, last) >= (1990, 2025)
    assert last == 2025


def test_scripts_versions_and_typos(directory: Path) -> None:
    counts = ask(
        directory,
        r"SELECT count_if(regexp_matches(title, '\p{Cyrillic}')),"
        r" count_if(regexp_matches(title, '\p{Han}')),"
        r" count_if(regexp_matches(title, '\p{Arabic}')),"
        r" count_if(regexp_matches(title, '\p{Hangul}')),"
        r" count_if(regexp_matches(title, '\p{Thai}')),"
        " count_if(title LIKE '%(Live)'), count_if(title LIKE '% - Remastered 20__'),"
        " count_if(isrc IS NULL) FROM listed",
    )
    assert min(counts) > 100


def test_truth_says_which_rows_are_one_recording(directory: Path) -> None:
    rows, recordings, same_isrc, several_titles = ask(
        directory,
        "SELECT sum(n), count(*), avg(CAST(isrcs = 1 AS INTEGER)), count_if(titles > 1) FROM"
        " (SELECT count(*) AS n, count(DISTINCT isrc) AS isrcs, count(DISTINCT title) AS titles"
        " FROM listed JOIN truth USING (source_id) GROUP BY recording)",
    )
    assert rows == ROWS
    assert recordings < ROWS / 1.3
    assert 0.97 < same_isrc < 1
    assert several_titles > 500


def test_impossible_sizes_and_used_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        write_universe(tmp_path / "none", recordings=0, seed=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput):
        write_universe(tmp_path, recordings=10, seed=1)


@pytest.mark.parametrize("rows", [1, 2, 3, 17])
def test_tiny_universes(rows: int, tmp_path: Path) -> None:
    write_universe(tmp_path / "made", recordings=rows, seed=1)
    assert ask(tmp_path / "made", "SELECT count(*) FROM listed") == (rows,)
