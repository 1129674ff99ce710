"""Texts that both languages have, and how each writes numbers, sizes, dates and durations."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from sonotheque.access import explanations
from sonotheque.access.language import CODES, choose, iso_duration, language
from sonotheque.model.holdings import Outcome
from sonotheque.model.procedures import Procedure, Step
from sonotheque.model.terms import Answer, Basis, Kind, Status, Use
from sonotheque.publication import edition
from sonotheque.rights import decision

EN, FR = language("en"), language("fr")


def test_every_text_is_in_every_language_with_the_same_blanks() -> None:
    assert EN.texts.keys() == FR.texts.keys()
    for key in EN.texts:
        blanks = [set(re.findall(r"\{(\w+)\}", texts[key])) for texts in (EN.texts, FR.texts)]
        assert blanks[0] == blanks[1], key


def test_every_word_of_the_model_has_its_text() -> None:
    words = chain(
        (f"{room}.{use}" for use in Use for room in ("use", "question")),
        (f"{room}.{answer}" for answer in Answer for room in ("answer", "short")),
        (f"kind.{kind}" for kind in Kind),
        (f"status.{status}" for status in Status),
        (f"procedure.{procedure}" for procedure in Procedure),
        (f"step.{step}" for step in Step),
        (f"basis.{basis}" for basis in Basis),
        (f"outcome.{outcome}" for outcome in Outcome),
    )
    assert [word for word in words if not EN.known(word)] == []


def test_every_reason_that_is_ever_given_has_its_text() -> None:
    sources = "".join(Path(str(m.__file__)).read_text() for m in (decision, edition))
    codes = set(re.findall(r'code="([\w-]+)"', sources))
    assert {"granted", "takedown", "not-held"} <= codes
    assert [code for code in sorted(codes) if not EN.known(f"reason.{code}")] == []


def test_every_text_that_a_template_names_exists() -> None:
    folder = Path(explanations.__file__).parent / "templates"
    named = set()
    for template in folder.iterdir():
        named |= set(re.findall(r"""\bt\(["']([\w.-]+)["'][,)]""", template.read_text()))
    assert len(named) > 50
    assert [key for key in sorted(named) if not EN.known(key)] == []


def test_french_puts_no_breaking_space_before_its_high_signs() -> None:
    bad = [key for key, text in FR.texts.items() if re.search(r" [;:!?»]|« ", text)]
    assert bad == []


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [
        ("", "", "", "en"),
        ("", "", "fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("", "", "de, en;q=0.2, fr;q=0.7", "fr"),
        ("", "", "fr;q=0, en", "en"),
        ("", "en", "fr", "en"),
        ("fr", "en", "en", "fr"),
        ("xx", "fr", "en", "fr"),
        ("../../etc", "", "fr;q=x, \x00", "en"),
    ],
)
def test_the_language_asked_for_then_remembered_then_accepted(
    asked: str, remembered: str, accepted: str, expected: str
) -> None:
    assert choose(asked, remembered, accepted).code == expected


def test_numbers_and_sizes() -> None:
    assert EN.number(1234567.8, 1) == "1,234,567.8"
    assert FR.number(1234567.8, 1) == "1\u202f234\u202f567,8"
    assert EN.size(999) == "999\u00a0bytes"
    assert EN.size(74_800_000) == "74.8\u00a0MB"
    assert FR.size(199_900_000_000) == "200\u00a0Go"


def test_dates_and_times() -> None:
    assert EN.date("2026-11-23T21:36:33.668029Z") == "23\u00a0November 2026"
    assert FR.date("2026-05-01T00:00:00Z") == "1er\u00a0mai 2026"
    assert EN.time("2026-11-23T21:06:33Z") == "23\u00a0November 2026, 21:06 UTC"
    assert FR.time("2026-11-23T21:06:33Z") == "23\u00a0novembre 2026 à 21\u00a0h\u00a006 UTC"


def test_durations() -> None:
    assert EN.duration(245_400) == "4:05"
    assert EN.duration(3_723_000) == "1:02:03"
    assert iso_duration(245_400) == "PT4M5S"
    assert EN.hours(4 * 3_600_000 + 60_000) == "4 hours 1 minute"
    assert FR.hours(0) == "0 minute"
    assert EN.hours(0) == "0 minutes"


def test_french_counts_nought_with_one() -> None:
    assert FR.count("search.found", 0) == "0 enregistrement"
    assert EN.count("search.found", 0) == "0 recordings"
    assert CODES == ("en", "fr")
