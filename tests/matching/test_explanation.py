"""Explanations: the same from both sides, the sum of their weights, and who is linked with whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonotheque.catalogue.normalise import fold
from sonotheque.matching.explanation import Explanation, Row, explain, linked_with
from sonotheque.matching.linkage import link

MOON = Row(source="p", source_id="1", title="Moon", artist="Adam", duration_ms=201_000, year=1999)
SAME = Row(source="q", source_id="2", title="MOON", artist="Adam", duration_ms=201_400, year=1999)
LIVE = Row(source="q", source_id="3", title="Moon (Live)", artist="Adam", duration_ms=290_000)
OTHER = Row(source="q", source_id="4", title="Stone", artist="Eve", duration_ms=120_000)
LOU = Row(source="q", source_id="5", title="Moon (Lou Remix)", artist="Adam", duration_ms=222_000)
KIM = Row(source="q", source_id="6", title="Moon (Kim Remix)", artist="Adam", duration_ms=222_000)


@pytest.fixture(scope="session")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("explained")
    rows = [MOON, SAME, LIVE, OTHER, LOU, KIM]
    rows += [
        Row(
            source="p", source_id=f"n{number}", title=f"{chr(97 + number) * 5} night", artist="Adam"
        )
        for number in range(9)
    ]
    table = pa.Table.from_pylist(
        [{**asdict(row), "recording_id": f"R{row.source_id}"} for row in rows]
    )
    pq.write_table(table, directory / "rows.parquet")
    query = (
        "SELECT * REPLACE (isrc::VARCHAR AS isrc, year::SMALLINT AS year,"
        f" duration_ms::INTEGER AS duration_ms) FROM read_parquet('{directory}/rows.parquet')"
    )
    link(
        [query],
        directory / "links",
        rows=len(rows),
        fold=fold,
        memory_bytes_max=300_000_000,
        threshold=0.5,
    )
    return directory / "links"


@pytest.fixture
def why(links: Path) -> Callable[[Row, Row], Explanation]:
    return lambda one, other: explain(one, other, links, fold)


@pytest.mark.parametrize("other", [SAME, LIVE, OTHER, LOU])
def test_it_is_the_same_from_both_sides(why: Any, other: Row) -> None:
    assert why(MOON, other) == why(other, MOON)


def test_a_pair_is_explained_as_it_was_scored(why: Any, links: Path) -> None:
    found = why(MOON, SAME)
    assert found.linked
    assert found.conflicts == ()
    assert "crowd" in {weight.comparison for weight in found.weights}
    odds = np.log2(found.prior / (1 - found.prior)) + sum(one.bits for one in found.weights)
    assert found.probability == pytest.approx(1 / (1 + 2**-odds))
    scored = pq.read_table(sorted(links.glob("pairs-names-*.parquet"))).to_pylist()
    assert found.probability == pytest.approx(max(pair["probability"] for pair in scored))


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (MOON, LIVE, "another version"),
        (MOON, LIVE, "too far apart"),
        (LOU, KIM, "two remixes"),
    ],
)
def test_hard_conflicts_are_named(why: Any, one: Row, other: Row, reason: str) -> None:
    found = why(one, other)
    assert not found.linked
    assert found.probability == 0
    assert any(reason in said for said in found.conflicts)


def test_what_has_nothing_in_common_is_improbable(why: Any) -> None:
    found = why(MOON, OTHER)
    assert not found.linked
    assert found.probability < 0.01
    assert "crowd" not in {weight.comparison for weight in found.weights}


def test_who_is_linked_with_whom(links: Path) -> None:
    [found] = linked_with(links, [("p", "1")])
    assert (found.source, found.source_id, found.recording_id) == ("q", "2", "R2")
    assert 0.5 <= found.probability <= 1
    assert linked_with(links, [("p", "1"), ("q", "2")]) == ()
    assert linked_with(links, [("q", "4")]) == ()
    assert linked_with(links, [("nobody", "0")]) == ()
