"""`rights clear`: the table says of each recording what `rights decide` says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from sonotheque.archive import open_archive
from sonotheque.model.terms import Use

Run = Callable[..., tuple[int, str, str]]


def test_it_answers_for_all_that_is_held(run: Run, filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "clearance.parquet"
    code, told, err = run("rights", "clear", "--out", out, "--json", "--archive", filled)
    assert (code, err) == (0, "")
    document = json.loads(told)
    rows = {row["recording"]: row for row in pq.read_table(out).to_pylist()}
    assert document["recordings"] == len(rows) > 0
    with open_archive(filled) as archive:
        for recording, row in rows.items():
            decided = {d.use: d.answer for d in archive.decisions(recording, document["at"])}
            assert {use: row[use] for use in Use} == decided
    assert list(tmp_path.iterdir()) == [out]


def test_a_place_that_is_none(run: Run, filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "clearance.parquet"
    code, told, err = run("rights", "clear", "--out", out, "--archive", filled)
    assert (code, told) == (2, "")
    assert "is no directory" in err and "make it first" in err
