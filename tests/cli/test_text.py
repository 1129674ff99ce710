"""Human answers are made for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sonotheque.cli import text
from sonotheque.errors import one_line

Run = Callable[..., tuple[int, str, str]]


@given(st.text(max_size=300), st.integers(0, 20))
def test_paragraphs_keep_every_word_within_the_columns(said: str, indent: int) -> None:
    lines = text.paragraph(said, indent=" " * indent).split("\n")
    assert all(cell_len(line) <= text.WIDTH for line in lines)
    assert all(line.startswith(" " * indent) for line in lines)
    kept = "".join("".join(lines).split())
    assert kept == "".join(one_line(said).split())


@given(st.text(max_size=100), st.integers(2, 80))
def test_cut_texts_are_one_line_of_a_width(said: str, width: int) -> None:
    cut = text.cut(said, width)
    assert cell_len(cut) <= width
    assert cut.isprintable()
    assert cut == said or cut.endswith("…") or not said.isprintable()


def test_human_answers_fit_80_columns(
    run: Run, identifier: Callable[[str], str], filled: Path, tmp_path: Path
) -> None:
    id_ = identifier("FRZ031400123")
    (tmp_path / ("y" * 240 + ".flac")).write_bytes(b"no music")
    songs = sorted((filled.parent / "delivery").iterdir())
    for arguments in (
        ("deposit", filled.parent / "delivery", tmp_path),
        ("find", "桜"),
        ("find", "name"),
        ("find", "nosuchword " * 20),
        ("show", id_),
        ("show", identifier("桜")),
        ("match", *songs),
        ("rights", "show"),
        ("rights", "decide", id_, "train-ai"),
        ("audit",),
    ):
        _, out, err = run(*arguments, "--archive", filled)
        assert out and err == ""
        assert [line for line in out.splitlines() if cell_len(line) > 80] == [], arguments[0]


def test_a_table_fits_the_terminal_and_keeps_every_word() -> None:
    head = ("Scheme", "What it takes", "Chance")
    rows = [("3 copies, 3 sites", "a place " * 30, "[1] in 6,100"), ("–", "", "none")]
    drawn = text.table(head, rows)
    lines = drawn.splitlines()
    assert all(len(line) <= text.WIDTH and line == line.rstrip() for line in lines)
    assert sorted(drawn.replace("─", "").split()) == sorted(
        " ".join(map(" ".join, [head, *rows])).split()
    )
