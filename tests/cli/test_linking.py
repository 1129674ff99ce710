"""Linking a catalogue by commands alone, and asking why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
Fails = Callable[..., str]
ROWS = (
    "1,FRZ031400001,Rain,Band,201000",
    "2,,RAIN,Band,201300",
    "3,,Rain (Live),Band,260000",
    *(
        f"{number},,{chr(90 - number) * 4} song,Band,{90000 + number * 9000}"
        for number in range(4, 12)
    ),
)


@pytest.fixture
def radio(run: Run, tmp_path: Path) -> Path:
    directory = tmp_path / "radio"
    assert run("init", directory, "--name", "Radio", "--mandate", "Act")[0] == 0
    path = tmp_path / "table.csv"
    path.write_text("source_id,isrc,title,artist,duration_ms\n" + "\n".join(ROWS) + "\n")
    said = ("--origin", "shop", "--licence", "CC0-1.0", "--archive", directory)
    assert run("import", "table", path, *said)[0] == 0
    return directory


def test_from_a_build_to_an_explanation(run: Run, fails: Fails, radio: Path) -> None:
    assert "catalogue build" in fails(1, "link", "--archive", radio)
    assert run("catalogue", "build", "--archive", radio)[0] == 0
    assert "sonotheque link" in fails(
        1, "link", "--explain", "shop:1", "shop:2", "--archive", radio
    )
    code, out, _ = run("link", "--threshold", "0.5", "--archive", radio)
    assert code == 0
    assert "11 rows of snapshot 1: 10 recordings" in out
    code, out, _ = run("link", "--explain", "shop:1", "shop:2", "--archive", radio)
    assert code == 0
    assert "One recording, by what is said of them" in out
    assert "title: same" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    code, out, _ = run("link", "--explain", "FRZ031400001", "shop:3", "--archive", radio)
    assert code == 1
    assert "never, because one is another version" in out
    code, out, _ = run("show", "shop:2", "--archive", radio)
    assert code == 0
    assert "The same recording, by what is said of them" in out
    code, out, _ = run("show", "FRZ031400001", "--json", "--archive", radio)
    [shown] = json.loads(out)
    [linked] = shown["linked"]
    assert (linked["source"], linked["source_id"]) == ("shop", "2")
    assert run("show", linked["recording_id"], "--archive", radio)[0] == 0


def test_json(run: Run, radio: Path) -> None:
    run("catalogue", "build", "--archive", radio)
    code, out, _ = run("link", "--json", "--archive", radio)
    document = json.loads(out)
    assert code == 0
    assert (document["rows"], document["snapshot"], document["threshold"]) == (11, 1, 0.9)
    assert Path(document["links"]).is_dir()
    code, out, _ = run("link", "--explain", "shop:1", "shop:3", "--json", "--archive", radio)
    document = json.loads(out)
    assert code == 1
    assert document["explanation"]["probability"] == 0
    assert [row["source_id"] for row in document["rows"]] == ["1", "3"]


def test_labels(run: Run, fails: Fails, radio: Path, tmp_path: Path) -> None:
    run("catalogue", "build", "--archive", radio)
    labels = tmp_path / "labels.csv"
    labels.write_text("a,b,same\nshop:1,shop:2,yes\nshop:4,shop:5,no\n")
    assert run("link", "--labels", labels, "--archive", radio)[0] == 0
    labels.write_text("a,b,same\nshop:1,shop:2,perhaps\n")
    assert "line 2" in fails(2, "link", "--labels", labels, "--archive", radio)
    labels.write_text("a,b\n")
    assert "a, b and same" in fails(2, "link", "--labels", labels, "--archive", radio)
    labels.write_bytes(b"a,b,same\n\xff\n")
    assert "is no CSV" in fails(2, "link", "--labels", labels, "--archive", radio)
    labels.write_text("a,b,same\n")
    asked = ("link", "--labels", labels, "--explain", "shop:1", "shop:2", "--archive", radio)
    assert "--explain" in fails(2, *asked)
    assert "does not exist" in fails(2, "link", "--labels", tmp_path / "no", "--archive", radio)


@pytest.mark.parametrize("threshold", ["0.2", "1", "x"])
def test_a_threshold_is_a_probability(fails: Fails, radio: Path, threshold: str) -> None:
    assert "is not a probability" in fails(2, "link", "--threshold", threshold, "--archive", radio)


def test_what_is_not_there_cannot_be_explained(run: Run, fails: Fails, radio: Path) -> None:
    run("catalogue", "build", "--archive", radio)
    run("link", "--archive", radio)
    assert "not in the catalogue" in fails(
        1, "link", "--explain", "shop:99", "shop:1", "--archive", radio
    )
