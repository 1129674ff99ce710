"""Procedures: never open before the law's day, closed by any opt-out, steady until they say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.model.procedures import NEVER, Procedure, Step, TermFacts
from sonotheque.model.terms import Use
from sonotheque.rights.clocks import PROCEDURES, Progress, Reading, State, read

EU = (Procedure.EU_LICENCE, Procedure.EU_EXCEPTION)
OLD = TermFacts(fixed="1950", published="1951")


def _progress(
    facts: TermFacts = OLD, opted_out: str = "", **steps: str | tuple[str, ...]
) -> Progress:
    taken = {
        Step(name): [
            date.fromisoformat(day) for day in ((days,) if isinstance(days, str) else days)
        ]
        for name, days in steps.items()
    }
    no = date.fromisoformat(opted_out) if opted_out else None
    return Progress(steps=taken, opted_out_on=no, facts=facts)


def _read(procedure: Procedure, progress: Progress, at: str) -> Reading:
    return read(procedure, progress, date.fromisoformat(at))


def _eu(published: str = "2026-08-31") -> Progress:
    return _progress(
        held="2026-01-01",
        searched="2026-02-01",
        unrepresented="2026-02-02",
        licensed="2026-02-02",
        published=published,
    )


@pytest.mark.parametrize("procedure", EU)
def test_six_months_after_the_announcement_and_no_earlier(procedure: Procedure) -> None:
    waiting = _read(procedure, _eu(), "2027-02-28")
    assert (waiting.state, waiting.changes_on) == (State.WAITING, date(2027, 3, 1))
    assert _read(procedure, _eu(), "2027-03-01").state is State.OPEN


@pytest.mark.parametrize("procedure", EU)
def test_each_step_is_asked_for_in_its_order(procedure: Procedure) -> None:
    taken: dict[Step, list[date]] = {}
    for step in PROCEDURES[procedure].steps:
        reading = read(procedure, Progress(steps=taken), date(2030, 1, 1))
        assert reading.state is State.INCOMPLETE
        assert step.value in reading.reason
        assert reading.next_step
        taken[step] = [date(2026, 1, 1)]
    assert read(procedure, Progress(steps=taken), date(2030, 1, 1)).state is State.OPEN


def test_the_licence_and_the_exception_ask_for_different_things() -> None:
    licensed = _progress(
        held="2026-01-01", searched="2026-01-01", licensed="2026-01-01", published="2026-01-01"
    )
    assert _read(Procedure.EU_LICENCE, licensed, "2027-01-01").state is State.OPEN
    assert _read(Procedure.EU_EXCEPTION, licensed, "2027-01-01").state is State.INCOMPLETE


def test_the_exception_opens_the_site_and_no_more() -> None:
    assert PROCEDURES[Procedure.EU_EXCEPTION].uses == (Use.STREAM,)
    assert Use.TORRENT not in {use for rules in PROCEDURES.values() for use in rules.uses}


def _us(**steps: str | tuple[str, ...]) -> Progress:
    return _progress(TermFacts(fixed="1950"), "", **steps)


def test_ninety_days_after_the_notice_is_indexed() -> None:
    progress = _us(searched="2026-01-01", filed="2026-01-10", indexed="2026-02-01")
    waiting = _read(Procedure.US_PRE_1972, progress, "2026-05-02")
    assert (waiting.state, waiting.changes_on) == (State.WAITING, date(2026, 5, 3))
    assert _read(Procedure.US_PRE_1972, progress, "2026-05-03").state is State.OPEN


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        ({}, "searched"),
        ({"filed": "2026-01-10", "indexed": "2026-02-01"}, "searched"),
        ({"searched": "2026-03-01"}, "filed"),
        ({"searched": "2026-03-01", "filed": "2026-01-10", "indexed": "2026-02-01"}, "filed"),
        ({"searched": "2026-03-01", "filed": "2026-03-10"}, "indexed"),
        ({"searched": "2026-03-01", "filed": "2026-03-10", "indexed": "2026-03-09"}, "indexed"),
    ],
)
def test_what_a_notice_in_the_united_states_still_needs(
    steps: Mapping[str, str], missing: str
) -> None:
    reading = _read(Procedure.US_PRE_1972, _us(**steps), "2026-04-01")
    assert reading.state is State.INCOMPLETE
    assert repr(missing) in reading.reason


def test_a_search_is_fresh_for_ninety_days() -> None:
    searched = _us(searched="2026-01-01")
    fresh = _read(Procedure.US_PRE_1972, searched, "2026-04-01")
    assert (fresh.due_on, fresh.changes_on) == (date(2026, 4, 1), date(2026, 4, 2))
    stale = _read(Procedure.US_PRE_1972, searched, "2026-04-02")
    assert (stale.due_on, stale.changes_on) == (date(2026, 4, 1), None)
    assert "search" in stale.next_step
    for filed, state in (("2026-04-01", State.OPEN), ("2026-04-02", State.INCOMPLETE)):
        progress = _us(searched="2026-01-01", filed=filed, indexed="2026-04-10")
        assert _read(Procedure.US_PRE_1972, progress, "2026-09-01").state is state


def test_a_later_search_does_not_close_what_is_open() -> None:
    progress = _us(searched=("2026-01-01", "2027-01-01"), filed="2026-01-10", indexed="2026-02-01")
    assert _read(Procedure.US_PRE_1972, progress, "2027-06-01").state is State.OPEN


@pytest.mark.parametrize("fixed", ["1972", "1972-02-15", "1980", ""])
def test_section_1401_is_about_recordings_from_before_15_february_1972(fixed: str) -> None:
    progress = Progress(
        steps={step: [date(2026, 1, 1)] for step in PROCEDURES[Procedure.US_PRE_1972].steps},
        facts=TermFacts(fixed=fixed),
    )
    assert _read(Procedure.US_PRE_1972, progress, "2030-01-01").state is State.OUT_OF_SCOPE


def _termination(facts: TermFacts = OLD, **steps: str) -> Progress:
    return _progress(facts, "", **steps)


@pytest.mark.parametrize(
    ("progress", "at", "state", "changes_on", "word"),
    [
        (_termination(), "2001-12-31", State.INCOMPLETE, "2002-01-01", "not give"),
        (_termination(), "2002-01-01", State.INCOMPLETE, "", "may give"),
        (_termination(notified="2001-12-31"), "2010-01-01", State.INCOMPLETE, "", "may give"),
        (_termination(notified="2026-03-31"), "2027-03-31", State.WAITING, "2027-04-01", "until"),
        (_termination(notified="2026-03-31"), "2027-04-01", State.INCOMPLETE, "", "may end"),
        (
            _termination(notified="2026-03-31", exploited="2027-03-31"),
            *("2030-01-01", State.ENDED, "", "stands"),
        ),
        (
            _termination(notified="2026-03-31", terminated="2027-03-31"),
            *("2030-01-01", State.INCOMPLETE, "", "may end"),
        ),
        (
            _termination(notified="2026-03-31", terminated="2027-04-01"),
            *("2030-01-01", State.ENDED, "", "performers' remain"),
        ),
        (_termination(TermFacts()), "2030-01-01", State.OUT_OF_SCOPE, "", "nothing says"),
        (
            _termination(TermFacts(published=NEVER, communicated="1970")),
            *("2020-12-31", State.INCOMPLETE, "2021-01-01", "not give"),
        ),
        (_termination(TermFacts(communicated="1970")), "2030-01-01", State.OUT_OF_SCOPE, "", ""),
    ],
)
def test_use_it_or_lose_it(
    progress: Progress, at: str, state: State, changes_on: str, word: str
) -> None:
    reading = _read(Procedure.EU_TERMINATION, progress, at)
    assert reading.state is state
    assert (reading.changes_on.isoformat() if reading.changes_on else "") == changes_on
    assert word in reading.reason


def test_that_a_performer_ends_a_contract_opens_nothing() -> None:
    assert PROCEDURES[Procedure.EU_TERMINATION].uses == ()


DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


@st.composite
def _any(draw: st.DrawFn) -> tuple[Procedure, Progress]:
    procedure = draw(st.sampled_from(Procedure))
    steps = draw(
        st.dictionaries(st.sampled_from(Step), st.lists(DAYS, min_size=1, max_size=3), min_size=3)
    )
    if draw(st.booleans()):  # most histories are of somebody who does the steps
        for step in PROCEDURES[procedure].steps:
            steps.setdefault(step, [draw(DAYS)])
    year = draw(st.sampled_from(["", "1950", "1972", "1973"]))
    return procedure, Progress(steps=steps, facts=TermFacts(fixed=year, published=year))


@settings(deadline=None)
@given(_any(), DAYS, DAYS)
def test_an_opt_out_always_wins(history: tuple[Procedure, Progress], no: date, at: date) -> None:
    procedure, progress = history
    refused = Progress(steps=progress.steps, opted_out_on=no, facts=progress.facts)
    assert read(procedure, refused, at).state is State.OPTED_OUT


@settings(deadline=None)
@given(_any(), DAYS)
def test_nothing_opens_before_its_notice_is_old_enough(
    history: tuple[Procedure, Progress], at: date
) -> None:
    procedure, progress = history
    if read(procedure, progress, at).state is State.OPEN:
        announced, least = (Step.PUBLISHED, 181) if procedure in EU else (Step.INDEXED, 90)
        first = min(progress.steps[announced])
        assert at - first > timedelta(days=least)


@settings(deadline=None)
@given(_any(), DAYS, st.integers(0, 800))
def test_what_is_open_stays_open(history: tuple[Procedure, Progress], at: date, later: int) -> None:
    procedure, progress = history
    if read(procedure, progress, at).state is State.OPEN:
        assert read(procedure, progress, at + timedelta(days=later)).state is State.OPEN


@settings(deadline=None)
@given(_any(), DAYS, st.integers(0, 800))
def test_a_reading_holds_until_the_day_that_it_names(
    history: tuple[Procedure, Progress], at: date, later: int
) -> None:
    """Where nobody does anything in the meantime: later steps are left out."""
    procedure, progress = history
    steps = {step: [day for day in days if day <= at] for step, days in progress.steps.items()}
    still = Progress(steps=steps, facts=progress.facts)
    now, then = read(procedure, still, at), at + timedelta(days=later)
    if now.changes_on is None or then < now.changes_on:
        assert read(procedure, still, then) == now
    if now.changes_on is not None:
        assert now.changes_on > at
        assert read(procedure, still, now.changes_on) != now


@settings(deadline=None)
@given(_any(), DAYS)
def test_steps_of_the_future_have_not_been_taken(
    history: tuple[Procedure, Progress], at: date
) -> None:
    procedure, progress = history
    steps = {step: [day for day in days if day <= at] for step, days in progress.steps.items()}
    assert read(procedure, progress, at) == read(
        procedure, Progress(steps=steps, facts=progress.facts), at
    )


@settings(deadline=None)
@given(_any(), DAYS)
def test_whoever_has_to_do_something_is_told_what(
    history: tuple[Procedure, Progress], at: date
) -> None:
    reading = read(*history, at)
    assert reading.reason
    if reading.state is State.INCOMPLETE:
        assert reading.next_step
