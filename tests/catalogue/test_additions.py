"""What an import adds is found at once, and keeps its identifier when a build folds it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonotheque.catalogue import additions
from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.catalogue import Catalogue
from sonotheque.model.identifiers import Isrc
from sonotheque.store import db

NOW = "2026-11-23T12:00:00.000000Z"
LATER = "2026-11-24T12:00:00.000000Z"
A, B, C, D = (Isrc(f"FRZ03140000{n}") for n in range(1, 5))
TakeRows = Callable[..., Any]


@pytest.fixture
def catalogue(tmp_path: Path, snapshots: Path) -> Catalogue:
    return Catalogue(db.open_database(tmp_path / "x.db"), tmp_path / "derived", snapshots)


def build(snapshots: Path, now: str = LATER) -> None:
    build_snapshot(snapshots, now, memory_bytes_max=200_000_000)


def titles(catalogue: Catalogue, query: str) -> list[str]:
    return [one.description.title for one in catalogue.find(query).recordings]


def test_additions_are_found_and_folded_in(
    take_rows: TakeRows, snapshots: Path, catalogue: Catalogue
) -> None:
    take_rows({"source_id": 1, "isrc": A, "title": "Morning"})
    build(snapshots, NOW)
    imported = take_rows(
        {"source_id": 2, "isrc": B, "title": "Evening song", "upc": "0123456789012"},
        {"source_id": 3, "title": "Night song"},
        {"source_id": 4, "isrc": A, "title": "Mourning"},
        {"source_id": 1, "isrc": C, "title": "Morning"},
        now=LATER,
    )
    added = additions.add(snapshots, imported.number, LATER, catalogue.snapshots())
    # 4 is a word about a recording that is known, 1 a correction: both wait for the build.
    assert added.recordings == 2
    assert sorted(titles(catalogue, "song")) == ["Evening song", "Night song"]
    assert titles(catalogue, "evenimg") == ["Evening song"]
    [evening] = catalogue.by_isrc(B)
    assert evening.added_at == LATER
    assert catalogue.by_upc("123456789012") == (evening,)
    [night] = catalogue.by_source("s", "3")
    assert catalogue.get(night.id) == night
    assert catalogue.count_imported() == 3
    build(snapshots)
    assert len(catalogue.snapshots()) == 1
    assert catalogue.by_isrc(B) == (evening,)
    assert catalogue.by_source("s", "3") == (night,)
    summary = catalogue.snapshots()[0].summary
    # B and 3, which were found before, and C, which 1 was corrected to.
    assert (summary.rows, summary.changes["added"]) == (4, 3)
    assert not list(snapshots.glob("imports/*/additions"))


def test_additions_know_those_before_them(
    take_rows: TakeRows, snapshots: Path, catalogue: Catalogue
) -> None:
    for number, rows in enumerate(
        ([{"source_id": 1, "isrc": A}], [{"source_id": 2, "isrc": A}, {"source_id": 3, "isrc": B}]),
        1,
    ):
        imported = take_rows(*rows)
        added = additions.add(snapshots, imported.number, NOW, catalogue.snapshots())
        assert added.recordings == 1, number
    [first], [second] = catalogue.by_isrc(A), catalogue.by_isrc(B)
    build(snapshots)
    [one], [two] = catalogue.by_isrc(A), catalogue.by_isrc(B)
    assert (one.id, two.id) == (first.id, second.id)
    assert catalogue.snapshots()[0].summary.rows == 3


def test_additions_to_nothing_can_be_made_again(
    take_rows: TakeRows, snapshots: Path, catalogue: Catalogue
) -> None:
    imported = take_rows({"source_id": 1, "isrc": A, "title": "Alone"})
    left = snapshots / "imports" / "1" / ".additions.tmp"
    left.mkdir()
    (left / "of a killed run").write_text("")
    additions.add(snapshots, imported.number, NOW, ())
    assert titles(catalogue, "alone") == ["Alone"]
    assert not left.exists()
