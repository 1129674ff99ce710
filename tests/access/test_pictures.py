"""The numbers of the home page and the pictures that are drawn of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sonotheque.access.language import language
from sonotheque.access.overview import Counting, Overview, count
from sonotheque.access.pictures import drawn, pictures_of
from sonotheque.access.shelf import Shelf
from sonotheque.model.terms import Answer, Use
from sonotheque.store.clock import utc_now

OVERVIEW = Overview(
    listed_count=0,
    recording_count=9,
    holding_count=7,
    held_duration_ms=60_000,
    preserved_bytes=1_000,
    root_names=("main",),
    ledger_size=3,
    edition_count=0,
    last_audit_at=None,
    copies_checked=0,
    copies_damaged=0,
    answers={use: {Answer.ALLOWED: 4, Answer.REFUSED: 1, Answer.UNKNOWN: 2} for use in Use},
    years=((1998, 2), (2001, 4)),
    yearless_count=1,
)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("code", ["en", "fr"])
def test_pictures_are_svg_that_says_what_it_shows(code: str, theme: str, tmp_path: Path) -> None:
    for picture in pictures_of(OVERVIEW, language(code)):
        svg = ElementTree.fromstring(drawn(picture, theme, tmp_path))
        assert svg.tag == f"{SVG}svg"
        assert svg.get("role") == "img"
        assert svg.findtext(f"{SVG}title") == picture.title
        assert svg.findtext(f"{SVG}desc") == picture.description


def test_a_picture_is_drawn_once_and_again_when_its_figures_change(tmp_path: Path) -> None:
    first = pictures_of(OVERVIEW, language("en"))[1]
    drawn(first, "light", tmp_path)
    (kept,) = (tmp_path / "pictures").iterdir()
    kept.write_bytes(b"as it was left")
    assert drawn(first, "light", tmp_path) == b"as it was left"
    second = pictures_of(replace(OVERVIEW, years=((1998, 3),)), language("en"))[1]
    assert second.key != first.key
    assert drawn(second, "light", tmp_path).startswith(b"<svg")
    assert not kept.exists()


def test_the_table_beside_a_picture_has_its_figures() -> None:
    uses, years = pictures_of(OVERVIEW, language("en"))
    assert uses.rows[0] == ("Preserve", "4", "2", "1")
    assert len(uses.rows) == len(Use)
    assert years.rows == (("1998", "2"), ("2001", "4"))


def test_a_wide_span_of_years_is_told_by_decade() -> None:
    wide = replace(OVERVIEW, years=((1923, 1), (1929, 1), (2020, 5)))
    years = pictures_of(wide, language("en"))[1]
    assert years.header[0] == "Decade"
    assert years.rows == (("1920", "2"), ("2020", "5"))


def test_an_empty_archive_has_no_pictures() -> None:
    assert pictures_of(replace(OVERVIEW, holding_count=0, years=()), language("en")) == ()


def test_everything_is_counted(room: Any) -> None:
    overview = count(room.archive, 1, utc_now())
    held = list(room.archive.vault.holdings())
    assert overview.holding_count == overview.recording_count == len(room.recordings) == len(held)
    assert overview.preserved_bytes == sum(f.byte_count for h in held for f in h.files)
    assert overview.answers[Use.PRESERVE][Answer.ALLOWED] == len(room.recordings)
    assert overview.answers[Use.TRAIN_AI][Answer.ALLOWED] == 0
    assert sum(n for _, n in overview.years) + overview.yearless_count == len(room.recordings)
    assert overview.copies_checked == 2 * len(room.recordings)
    assert overview.copies_damaged == 0


def test_a_new_entry_is_counted_at_once(
    archive: Any, music: Any, deposit: Any, tmp_path: Path
) -> None:
    counting = Counting(archive, Shelf(archive.config))
    now = utc_now()
    assert counting.overview(now).recording_count == 0
    deposit(music.file(tmp_path / "a.flac", 62, seconds=6))
    after = counting.overview(now)
    assert (after.recording_count, after.holding_count, after.ledger_size) == (1, 1, 1)
