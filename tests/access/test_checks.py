"""A report as a page and as a table: whole, in both languages, and harmless."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from sonotheque.access.checks import COLUMNS, page, table
from sonotheque.access.language import language
from sonotheque.deposit.checking import Checked, Report
from sonotheque.matching.picture import lay
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, RecordingId
from sonotheque.model.music import Description, Fingerprints, Match, MatchKind, Recording

FINDING = Finding(
    code="clone.modified",
    severity=Severity.ERROR,
    message="says <script>alert(1)</script>",
    remedy="ask",
    where="a.mp3",
)
REPORT = Report(
    source="out",
    at="2026-11-20T10:00:00.000000Z",
    items=(
        Checked(
            name="a.mp3",
            description=Description(
                title='=HYPERLINK("x")', artist="A, \n B", isrcs=(Isrc("FRZ031400123"),)
            ),
            findings=(FINDING,),
        ),
        Checked(name="-b.mp3", description=Description(title="B")),
    ),
    findings=(Finding(code="release.padded", severity=Severity.WARNING, message="m", remedy="r"),),
)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("en", ("Check of a delivery", "Somebody has to look at this.", "2 files and tracks")),
        ("fr", ("Contrôle d’une livraison", "Quelqu’un doit y regarder.", "2 fichiers et pistes")),
    ],
)
def test_the_page_needs_nothing_else_and_runs_nothing(code: str, words: tuple[str, ...]) -> None:
    html = page("Archive & Co", REPORT, language(code), {})
    assert html.startswith("<!doctype html>")
    assert f'<html lang="{code}">' in html
    for word in (*words, "clone.modified", "release.padded", "FR-Z03-14-00123", "Archive &amp; Co"):
        assert word in html
    for outside in ("<script", "<link", "src=", "@import", "http://"):
        assert outside not in html


def test_a_report_with_nothing_in_it_says_so() -> None:
    nothing = Report(source="out", at=REPORT.at, items=REPORT.items[1:], findings=())
    assert "Nothing has to be looked at." in page("A", nothing, language("en"), {})


def test_what_matches_is_drawn_beside_what_is_found() -> None:
    held = Recording(
        id=RecordingId("0000000000001"),
        description=Description(title="<b>Nebula"),
        duration_ms=60_000,
        added_at=REPORT.at,
    )
    match = Match(
        recording=held.id,
        kind=MatchKind.EXCERPT,
        similarity=0.9,
        offset_ms=0,
        overlap_ms=9_000,
    )
    item = replace(REPORT.items[0], matches=(match,), matched=(held,))
    # Files of one name, from two places.
    other = replace(item)
    silent = Fingerprints(chromaprint=b"", duration_ms=60_000)
    laid = {place: lay(silent, silent, match) for place in (0, 1)}
    report = replace(REPORT, items=(item, other, REPORT.items[1]))
    html = page("A", report, language("en"), laid)
    assert html.count("<svg") == html.count('role="img"') == 2
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert "A part of the recording" in html
    for outside in ("<script", "src=", "http://", "<b>Nebula"):
        assert outside not in html
    assert "<svg" not in page("A", report, language("en"), {})


def test_the_table_has_a_row_a_finding_and_no_formulas() -> None:
    rows = list(csv.reader(io.StringIO(table(REPORT))))
    assert tuple(rows[0]) == COLUMNS
    whole, first, second = rows[1:]
    assert whole[4:6] == ["warning", "release.padded"]
    assert first[:6] == [
        *("a.mp3", '\'=HYPERLINK("x")', "A, \n B", "FR-Z03-14-00123"),
        *("error", "clone.modified"),
    ]
    assert second[:2] == ["'-b.mp3", "B"]
