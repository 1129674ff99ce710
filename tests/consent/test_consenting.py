"""The short form of the campaign of histories, and that it notices what it is for."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import consenting
from sonotheque import archive as archives
from sonotheque.model.terms import Answer, Decision, Kind, Layer, Statement
from sonotheque.rights.decision import decide, decide_all

HISTORIES = range(1, 1_501)
DEEP = (1, 2, 5, 7)
"""Allowed in part, unknown, allowed, refused."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("consent")
    consenting.make_archive(directory)
    return directory / "archive"


def test_no_history_is_answered_against_its_rules() -> None:
    assert [line for number in HISTORIES for line in consenting.ask(number)] == []


def test_no_history_with_clocks_is_answered_beyond_its_bounds() -> None:
    counts: Counter[str] = Counter()
    assert [line for number in HISTORIES for line in consenting.ask_clocks(number, counts)] == []
    assert 0 < counts["of which the bounds are sure"] < counts["answers with clocks"]


def _no_procedures(said: Sequence[Statement]) -> list[Statement]:
    return [replace(s, procedure=None, facts=None) for s in said]


def _no_grants(said: Sequence[Statement]) -> list[Statement]:
    return [s for s in said if s.kind is not Kind.GRANT]


@pytest.mark.parametrize("spoil", [_no_procedures, _no_grants])
def test_it_notices_a_clock_that_is_broken(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> None:
    monkeypatch.setattr(consenting, "decide", lambda said, *rest: decide(spoil(said), *rest))
    assert any(line for number in HISTORIES for line in consenting.ask_clocks(number, Counter()))


@pytest.mark.parametrize("number", DEEP)
def test_not_one_byte_is_served_or_published_against_a_history(
    number: int, template: Path, tmp_path: Path
) -> None:
    shutil.copytree(template, tmp_path / "archive")
    with archives.open_archive(tmp_path / "archive") as archive:
        assert [*consenting.ask_an_archive(number, archive)] == []


def _without_refusals_of_works(said: Sequence[Statement]) -> list[Statement]:
    return [s for s in said if s.kind is not Kind.REFUSAL or s.layers != (Layer.WORK,)]


def _without_ends(said: Sequence[Statement]) -> list[Statement]:
    return [replace(s, ends_at="") if s.kind is Kind.GRANT else s for s in said]


def _without_beginnings(said: Sequence[Statement]) -> list[Statement]:
    return [
        replace(s, begins_at="9") if s.kind is Kind.TAKEDOWN and s.begins_at else s for s in said
    ]


def _without_appeals(said: Sequence[Statement]) -> list[Statement]:
    """A revocation of a revocation counts for nothing."""
    revocations = {s.id for s in said if s.kind is Kind.REVOCATION}
    return [s for s in said if s.revokes not in revocations]


@pytest.mark.parametrize(
    "spoil", [_without_refusals_of_works, _without_ends, _without_beginnings, _without_appeals]
)
def test_it_notices_a_rule_that_is_broken(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> None:
    def broken(said: Sequence[Statement], *rest: Any) -> tuple[Decision, ...]:
        return decide_all(spoil(said), *rest)

    monkeypatch.setattr(consenting, "decide_all", broken)
    assert any(line for number in HISTORIES for line in consenting.ask(number))


def test_it_notices_a_site_that_asks_nobody(
    monkeypatch: pytest.MonkeyPatch, template: Path, tmp_path: Path
) -> None:
    shutil.copytree(template, tmp_path / "archive")
    with archives.open_archive(tmp_path / "archive") as archive:
        really = archive.decide

        def lax(*words: Any, **named: Any) -> Decision:
            return replace(really(*words, **named), answer=Answer.ALLOWED)

        monkeypatch.setattr(archive, "decide", lax)
        assert [*consenting.ask_an_archive(DEEP[0], archive)]


def test_it_notices_a_site_that_serves_nobody(
    monkeypatch: pytest.MonkeyPatch, template: Path, tmp_path: Path
) -> None:
    found: list[str] = []
    for number in DEEP:
        shutil.copytree(template, tmp_path / f"{number}")
        with archives.open_archive(tmp_path / f"{number}") as archive:
            really = archive.decide

            def shut(*words: Any, really: Any = really, **named: Any) -> Decision:
                decision: Decision = replace(really(*words, **named), answer=Answer.REFUSED)
                return decision

            monkeypatch.setattr(archive, "decide", shut)
            found += consenting.ask_an_archive(number, archive)
    assert found
