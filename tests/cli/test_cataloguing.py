"""Importing, building and asking what changed, by commands alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonotheque.catalogue import additions

Run = Callable[..., tuple[int, str, str]]
Fails = Callable[..., str]


@pytest.fixture
def radio(run: Run, tmp_path: Path) -> Path:
    code, _, _ = run("init", tmp_path / "radio", "--name", "Radio", "--mandate", "Act")
    assert code == 0
    return tmp_path / "radio"


@pytest.fixture
def bring(run: Run, radio: Path, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Import lines of a table."""

    def brought(*lines: str, json_too: bool = False) -> tuple[int, str, str]:
        path = tmp_path / "table.csv"
        path.write_text("source_id,isrc,title,artist,upc\n" + "\n".join(lines) + "\n")
        options = ["--json"] if json_too else []
        said = ("--origin", "The shop", "--licence", "CC0-1.0", "--archive", radio)
        return run("import", "table", path, *said, *options)

    return brought


def narrow(text: str) -> bool:
    return all(len(line) <= 80 for line in text.splitlines())


def test_from_an_import_to_its_changes(bring: Run, run: Run, radio: Path) -> None:
    code, out, _ = bring("1,FRZ031400001,Rain,Band,602517754621", "2,,Sun,Band,")
    assert code == 0
    assert "2 new recordings can be found now" in out
    assert run("find", "rian", "--archive", radio)[0] == 0
    code, out, _ = run("catalogue", "--archive", radio)
    assert "No snapshot has been built" in out
    assert "1 import waits" in out
    code, out, _ = run("catalogue", "build", "--archive", radio)
    assert code == 0
    assert narrow(out)
    assert "2 recordings added" in out
    bring("1,FRZ031400001,Rain falls,Band,602517754621", "3,,Snow,Band,")
    assert run("catalogue", "build", "--archive", radio)[0] == 0
    code, out, _ = run("catalogue", "changes", "--archive", radio)
    assert sorted(line.split()[0] for line in out.splitlines()) == ["added", "changed"]
    code, out, _ = run("catalogue", "changes", "--since", "2", "--archive", radio)
    assert out == "Nothing has changed since snapshot 2.\n"
    code, out, _ = run("catalogue", "--json", "--archive", radio)
    document: dict[str, Any] = json.loads(out)
    assert document["snapshot"]["recordings"] == 3
    assert [about["number"] for about in document["snapshot"]["before"]] == [1]
    assert document["waiting"] == []


@pytest.mark.parametrize(
    "which", ["FR-Z03-14-00001", "602517754621", "0602517754621", "The shop:1", "the id"]
)
def test_show_takes_any_key(bring: Run, run: Run, radio: Path, which: str) -> None:
    bring("1,FRZ031400001,Rain,Band,602517754621", "2,FRZ031400001,RAIN,Band,")
    if which == "the id":
        _, out, _ = run("find", "rain", "--json", "--archive", radio)
        which = json.loads(out)["recordings"][0]["id"]
    code, out, _ = run("show", which, "--archive", radio)
    assert code == 0
    assert narrow(out)
    for line in (
        "  [1]         The shop, 1",
        "  title       Rain [1]",
        "RAIN [2]",
        "602517754621 [1]",
    ):
        assert line in out
    code, out, _ = run("show", which, "--json", "--archive", radio)
    [document] = json.loads(out)
    assert document["listed"]["fields"][0] == {"field": "title", "value": "Rain", "rows": [1]}


def test_a_large_import_waits_for_a_build(
    bring: Run, run: Run, radio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "ROWS_MAX", 1)
    code, out, _ = bring("1,,Rain,Band,", "2,,Sun,Band,", json_too=True)
    assert code == 0
    document = json.loads(out)
    assert (document["snapshot"], document["waiting"]) == (None, [1])
    assert run("find", "rain", "--archive", radio)[0] == 1
    run("catalogue", "build", "--archive", radio)
    assert run("find", "rain", "--archive", radio)[0] == 0


def test_what_makes_no_sense_is_told_on_one_line(fails: Fails, radio: Path) -> None:
    assert "no snapshot yet" in fails(1, "catalogue", "changes", "--archive", radio)
    assert "nothing was imported" in fails(1, "catalogue", "build", "--archive", radio)
    assert "--since" in fails(2, "catalogue", "--since", "1", "--archive", radio)
    assert "catalogue" in fails(2, "catalogue", "explode", "--archive", radio)
    assert "not in the catalogue" in fails(1, "show", "The shop:9", "--archive", radio)
    assert "not in the catalogue" in fails(1, "show", "12345678", "--archive", radio)
    assert "identifier" in fails(2, "show", "nonsense", "--archive", radio)
