"""Codes and dates that cannot be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.matching.codes import code_findings, date_findings
from sonotheque.model.identifiers import Isrc, look_alike

NOW = "2026-11-20T10:00:00.000000Z"


def codes(isrc: str) -> list[str]:
    return [finding.code for finding in code_findings(Isrc(isrc), NOW)]


@pytest.mark.parametrize(
    ("isrc", "expected"),
    [
        ("FRZ031400123", []),
        ("USRC17607839", ["isrc.year"]),  # 2076
        ("USRC18607839", []),  # 1986, the first
        ("QZABC2600001", []),
        ("FRZ032700123", ["isrc.year"]),
        ("XXZ031400123", ["isrc.unallocated"]),
        ("JMK401400212", ["isrc.example"]),
        ("FRZ031412345", ["isrc.sequence"]),
        ("XXZ035000000", ["isrc.unallocated", "isrc.year", "isrc.sequence"]),
    ],
)
def test_codes(isrc: str, expected: list[str]) -> None:
    assert codes(isrc) == expected


@pytest.mark.parametrize(
    ("text", "is_possible"),
    [
        ("2019", True),
        ("2019-02-28", True),
        ("2019-02-29", False),
        ("2019-13", False),
        ("2019-00-00", True),
        ("2027-01-01", True),
        ("2028", False),
        ("1856", False),
        ("1857-01-01T00:00:00Z", True),
        ("0000", True),
        ("3021-01", False),
        ("spring of 2031", True),
        ("20190228", True),
        ("", True),
    ],
)
def test_dates(text: str, is_possible: bool) -> None:
    assert (date_findings([text, text], NOW) == ()) == is_possible
    assert len(date_findings([text, text], NOW)) <= 1


@given(st.text(max_size=40))
def test_any_text_may_be_asked_about(text: str) -> None:
    for finding in date_findings([text], NOW):
        assert finding.code == "date.impossible"


@given(st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True))
def test_what_is_an_isrc_looks_like_no_other_but_by_its_letters(isrc: str) -> None:
    assert look_alike(isrc) == ""
    mistyped = isrc[:5] + isrc[5:].replace("0", "O").replace("1", "I")
    assert look_alike(mistyped) == (isrc if mistyped != isrc else "")
