"""The tables of docs/durability.md: what the page says is what the code gives."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

from sonotheque.errors import BadInput
from sonotheque.simulation import durability_tables
from sonotheque.simulation.durability import Assumptions
from sonotheque.simulation.durability_tables import filled, read_assumptions, tables

PAGE = Path(__file__).parents[2] / "docs" / "durability.md"


def test_the_page_says_what_the_code_gives() -> None:
    """`make durability` writes it again."""
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"<!-- table: (\w+) -->", page) == [t.name for t in tables(Assumptions())]
    assert filled(page, Assumptions()) == page


def test_every_table_is_as_wide_as_its_head() -> None:
    for table in tables(Assumptions()):
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.head)}
        assert all(cell for row in table.rows for cell in row)


def test_what_is_drawn_is_near_the_formula() -> None:
    for row in durability_tables.agreement(seed=3).rows:
        assert abs(float(row[-1].rstrip("%"))) < 4


def test_assumptions_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("data_tb = 12\nbeta = 0.5\n", encoding="utf-8")
    assert read_assumptions(path) == dataclasses.replace(Assumptions(), data_tb=12, beta=0.5)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("data_pb = 1", "data_pb is no assumption"),
        ("data_tb = 0", "data_tb is 0"),
        ("data_tb = -1", "data_tb is -1"),
        ("data_tb = true", "data_tb is True"),
        ("data_tb = nan", "data_tb is nan"),
        ('data_tb = "1"', "data_tb is '1'"),
        ("beta = 1.5", "beta is over 1"),
        ("data_tb =", "cannot be read as TOML"),
    ],
)
def test_what_is_no_assumption_is_refused(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=re.escape(what)):
        read_assumptions(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_assumptions(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0.4, "under 1 byte"),
        (7, "7 bytes"),
        (999_999, "1,000 kB"),
        (1_234_000, "1.2 MB"),
        (3.3e14, "330 TB"),
    ],
)
def test_amounts(count: float, text: str) -> None:
    assert durability_tables.amount(count) == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0, "none"), (0.5, "50 %"), (0.0123, "1.2 %"), (0.0001, "1 in 10,000"), (1, "100 %")],
)
def test_chances(probability: float, text: str) -> None:
    assert durability_tables.chance(probability) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(math.inf, "never"), (3.21, "3.2"), (1234, "1,200"), (4.56e7, "46 million")],
)
def test_years(number: float, text: str) -> None:
    assert durability_tables.years(number) == text
