"""Assessments in words: every criterion and every piece of evidence has its text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sonotheque.access.assessments import counted, page, tell
from sonotheque.access.language import CODES, language
from sonotheque.assessment import ndsa2
from sonotheque.assessment.facts import Facts, FormatFacts, RootFacts
from sonotheque.assessment.ndsa2 import CRITERIA, Assessment, Standing, assess
from sonotheque.config import Attestation

NOW = "2026-11-20T10:00:00.000000Z"


def found() -> Assessment:
    root = RootFacts(
        name="<main>",
        location="<b>here</b>",
        threat="fire",
        medium="disk",
        present=True,
        device="8:1",
        filesystem="ext4",
        complete=1234,
        checked_since=NOW,
        owners=("archive",),
        open_count=1,
        open_to_others=("<script>",),
    )
    facts = Facts(
        at=NOW,
        roots=(root,),
        recordings=1234,
        unverified=0,
        audio_files=1234,
        byte_count=1,
        content_files=1234,
        versions=1234,
        anonymous_versions=0,
        unread_copies=0,
        written_checks=1,
        damaged_copies=1,
        healed_files=0,
        audits=(NOW,),
        audit_events=1,
        checked_now=1,
        failed_now=("x",),
        drill="broken",
        uncatalogued=0,
        undescribed=0,
        without_isrc=0,
        unidentified=0,
        undecoded=0,
        deliveries=1,
        bagged=0,
        formats=(FormatFacts(name="flac in flac", files=1234, problem=""),),
        ledger_entries=1,
        ledger_problem="",
        open_keys=(),
    )
    word = Attestation("control-1-agents", "Ada <i>", "2026-11-01", "A & B")
    return assess(facts, [word], NOW)


def test_every_criterion_has_its_texts_and_no_other() -> None:
    wanted = {criterion.id for criterion in CRITERIA}
    for kind in ("is", "do"):
        prefix = f"ndsa2.{kind}."
        texts = language("en").texts
        assert {key.removeprefix(prefix) for key in texts if key.startswith(prefix)} == wanted


def test_all_evidence_has_its_text_and_no_other() -> None:
    source = Path(ndsa2.__file__).read_text(encoding="utf-8")
    said = set(re.findall(r'Said\(\s*"([a-z-]+)"', source))
    said |= set(re.findall(r'key = "([a-z-]+)" if .* else "([a-z-]+)"', source)[0])
    prefix = "ndsa2.said."
    texts = language("en").texts
    assert {key.removeprefix(prefix) for key in texts if key.startswith(prefix)} == said


@pytest.mark.parametrize("code", CODES)
def test_every_verdict_can_be_told(code: str) -> None:
    """Blanks that nobody fills would raise KeyError."""
    spoken = language(code)
    for verdict in found().verdicts:
        told = tell(verdict, spoken)
        assert told.text
        assert told.evidence
        assert all(told.evidence)
        assert bool(told.remedy) == (told.standing is Standing.FAILED)


def test_numbers_and_times_are_written_as_the_language_does() -> None:
    english, french = (
        " ".join(s for v in found().verdicts for s in tell(v, language(code)).evidence)
        for code in CODES
    )
    assert "1,234 of 1,234" in english
    assert "1\u202f234" in french
    assert "20\u00a0novembre 2026" in french


def test_the_count() -> None:
    standings = [verdict.standing for verdict in found().verdicts]
    expected = ", ".join(f"{standings.count(one)} {one.value}" for one in Standing)
    assert counted(found(), language("en")) == expected
    assert "1 attestés" in counted(found(), language("fr"))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack[-1:] != ["style"]:
            self.text += data


@pytest.mark.parametrize("code", CODES)
def test_the_page_is_whole_and_needs_nothing_else(code: str) -> None:
    written = page("Radio <Ex>", found(), language(code))
    parser = _Page()
    parser.feed(written)
    assert parser.stack == []
    assert ("html", {"lang": code}) in parser.tags
    ids = {attributes.get("id") for _, attributes in parser.tags}
    assert {criterion.id for criterion in CRITERIA} <= ids
    assert {tag for tag, _ in parser.tags} & {"script", "link", "img", "i", "b"} == set()
    assert not any({"src", "href"} & attributes.keys() for _, attributes in parser.tags)
    assert not re.search(r"url\(|@import", written)
    for verdict in found().verdicts:
        assert tell(verdict, language(code)).text in parser.text
    assert "Radio <Ex>" in parser.text
    assert "Ada <i>" in parser.text
