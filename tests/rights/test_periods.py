"""Grants that wait for clocks: decided as plain grants that begin on the day the clock names."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocked import EU_STEPS, ID, eu_exception, grant, notice, refusal, revocation
from histories import history
from sonotheque.model.procedures import NEVER, Procedure, Step, TermFacts
from sonotheque.model.terms import Answer, Decision, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.decision import decide, without_clocks
from sonotheque.rights.periods import NOT_YET, plain, progress_of
from sonotheque.rights.protection import EUROPEAN_UNION, PROTECTION, UNITED_STATES
from sonotheque.rights.term import term_of

DE, FR, US, BR = map(Territory, ("DE", "FR", "US", "BR"))
FREE = TermFacts(
    fixed="1955", published="1955", authors=2, died=(1930, 1950), work_published="1928"
)
"""In Germany free since 2006 as a recording and 2021 as a work; in the United States the work
since 2024, the recording from 2066 on; in France the years of war are in question."""


def _decide(
    said: tuple[Statement, ...],
    day: str,
    place: Territory = DE,
    use: Use = Use.STREAM,
) -> Decision:
    return decide(said, ID, use, f"{day}T00:00:00.000000Z", place)


def test_an_exception_begins_six_months_after_its_notice() -> None:
    said = eu_exception("2026-08-31")
    before = _decide(said, "2027-02-28")
    assert before.answer is Answer.UNKNOWN
    (reason,) = before.reasons
    assert (reason.code, reason.statement, reason.day) == ("not-begun", 1, "2027-03-01")
    assert "2027-03-01" in reason.message
    after = _decide(said, "2027-03-01")
    assert after.allowed
    assert [reason.code for reason in after.reasons] == ["granted"]


def test_keeping_waits_for_no_notice() -> None:
    assert _decide(eu_exception(), "2026-01-05", use=Use.PRESERVE).allowed


def test_an_exception_of_the_union_holds_in_the_union() -> None:
    assert _decide(eu_exception(), "2030-01-01", FR).allowed
    for place in (US, EVERYWHERE):
        decision = _decide(eu_exception(), "2030-01-01", place)
        assert [reason.code for reason in decision.reasons] == ["elsewhere"]


@pytest.mark.parametrize("step", EU_STEPS)
def test_without_any_one_step_it_never_begins(step: Step) -> None:
    said = tuple(s for s in eu_exception() if s.step is not step)
    decision = _decide(said, "2099-01-01")
    assert decision.answer is Answer.UNKNOWN
    (reason,) = decision.reasons
    assert (reason.code, reason.day) == ("not-begun", "")
    assert "not finished" in reason.message


@pytest.mark.parametrize("kind", [Kind.REFUSAL, Kind.TAKEDOWN])
@pytest.mark.parametrize("day", ["2026-09-01", "2027-06-01"])
def test_an_opt_out_counts_before_and_after_it_has_begun(kind: Kind, day: str) -> None:
    said = (*eu_exception(), refusal(6, day, kind))
    assert _decide(said, "2028-01-01").answer is Answer.REFUSED
    taken_back = (*said, revocation(7, 6, "2028-01-02", "the label"))
    assert _decide(taken_back, "2028-02-01").allowed


def test_a_notice_that_was_taken_back_by_anybody_counts_no_more() -> None:
    said = (*eu_exception(), revocation(6, 5, "2026-09-01", "somebody"))
    assert not _decide(said, "2028-01-01").allowed


def test_a_procedure_opens_no_use_that_its_law_does_not() -> None:
    (first, *rest) = eu_exception()
    said = (replace(first, uses=(Use.STREAM, Use.TORRENT, Use.DOWNLOAD)), *rest)
    assert _decide(said, "2030-01-01").allowed
    for use in (Use.TORRENT, Use.DOWNLOAD, Use.TRAIN_AI):
        assert not _decide(said, "2030-01-01", use=use).allowed


def test_the_steps_of_one_procedure_are_not_those_of_another() -> None:
    (first, *rest) = eu_exception()
    said = (replace(first, procedure=Procedure.EU_LICENCE), *rest)
    assert not _decide(said, "2030-01-01").allowed


def test_a_recording_from_before_1972_ninety_days_after_the_notice_is_indexed() -> None:
    def us(number: int, step: Step, day: str, facts: TermFacts | None = None) -> Statement:
        return notice(number, step, day, procedure=Procedure.US_PRE_1972, facts=facts)

    said = (
        us(1, Step.SEARCHED, "2026-01-01", TermFacts(fixed="1950")),
        us(2, Step.FILED, "2026-01-10"),
        us(3, Step.INDEXED, "2026-02-01"),
        grant(4, procedure=Procedure.US_PRE_1972, layers=(Layer.RECORDING,), day="2026-02-01"),
    )
    for day, codes in (
        ("2026-05-02", ["not-begun"]),
        ("2026-05-03", ["granted-recording", "work-missing"]),
    ):
        assert [reason.code for reason in _decide(said, day, US).reasons] == codes


def test_the_public_domain_begins_country_by_country_on_both_layers() -> None:
    said = (grant(1, procedure=None, facts=FREE),)
    assert _decide(said, "2026-01-02", DE).allowed
    assert _decide(said, "2190-12-31", DE).allowed
    codes = [reason.code for reason in _decide(said, "2065-12-31", US).reasons]
    assert codes == ["granted-work", "recording-missing", "not-begun"]
    assert _decide(said, "2066-01-01", US).allowed


def test_what_nobody_knows_never_begins() -> None:
    said = (grant(1, procedure=None, facts=FREE),)
    for place in (BR, FR):
        decision = _decide(said, "2190-01-01", place)
        assert decision.answer is Answer.UNKNOWN
        assert "not-begun" in {reason.code for reason in decision.reasons}


def test_everywhere_is_more_than_any_table_knows() -> None:
    said = (grant(1, procedure=None, facts=FREE),)
    decision = _decide(said, "2190-01-01", EVERYWHERE)
    assert [reason.code for reason in decision.reasons] == ["elsewhere", "elsewhere"]
    early = _decide(said, "1999-01-01", EVERYWHERE)  # entered in 2026, so it was not said yet
    assert [reason.code for reason in early.reasons] == ["nobody-said"]


def test_a_missing_fact_is_never_guessed() -> None:
    for facts in (TermFacts(fixed="1900"), TermFacts(published=NEVER), TermFacts(authors=1)):
        said = (grant(1, procedure=None, facts=facts, layers=(Layer.RECORDING,)),)
        for place in (DE, FR):
            (reason,) = _decide(said, "2190-01-01", place).reasons
            assert (reason.code, reason.day) == ("not-begun", "")


def test_a_grant_holds_only_where_it_says_even_if_terms_are_over_elsewhere() -> None:
    said = (grant(1, procedure=None, facts=FREE, territories=(US,)),)
    assert not _decide(said, "2190-01-01", DE).allowed
    assert _decide(said, "2190-01-01", US).allowed


SEEDS = st.integers(0, 2**32).map(Random)
DAYS = st.dates(date(2026, 1, 1), date(2031, 1, 1))
COUNTRIES = st.sampled_from([*PROTECTION, UNITED_STATES, BR])


@settings(deadline=None)
@given(SEEDS)
def test_what_waits_for_nothing_is_left_as_it_is(random: Random) -> None:
    said = [s for s in history(random) if s.kind is not Kind.NOTICE]
    assert plain(said, "2026-04-01T00:00:00.000000Z") == said


@settings(deadline=None)
@given(SEEDS, st.dates(date(2026, 1, 1), date(2027, 1, 1)), DAYS, st.sampled_from(Use), COUNTRIES)
def test_clocks_only_ever_take_away(
    random: Random, published: date, day: date, use: Use, place: Territory
) -> None:
    """Whatever else was said: what is allowed with a clock is allowed without it."""
    others = history(random, (ID,), first=10)
    (first, *notices) = eu_exception(published.isoformat())
    with_clock = (first, *notices, *others)
    without = (replace(first, procedure=None), *notices, *others)
    if _decide(with_clock, day.isoformat(), place, use).allowed:
        assert _decide(without, day.isoformat(), place, use).allowed


@settings(deadline=None)
@given(SEEDS, st.dates(date(2026, 1, 1), date(2027, 1, 1)), DAYS, st.sampled_from(Use))
def test_entries_without_their_clocks_mean_the_same(
    random: Random, published: date, day: date, use: Use
) -> None:
    others = history(random, (ID,), first=10)
    said = (*eu_exception(published.isoformat()), *others, grant(30, procedure=None, facts=FREE))
    now = f"{day}T00:00:00.000000Z"
    simple = without_clocks(said, now)
    assert not any(s.kind is Kind.NOTICE or s.procedure or s.facts for s in simple)
    for place in (EVERYWHERE, DE, FR, US, BR):
        assert (
            decide(simple, ID, use, now, place).answer == decide(said, ID, use, now, place).answer
        )


@settings(deadline=None)
@given(st.dates(date(2026, 1, 5), date(2030, 1, 1)), DAYS, COUNTRIES)
def test_never_within_six_months(published: date, day: date, place: Territory) -> None:
    if _decide(eu_exception(published.isoformat()), day.isoformat(), place).allowed:
        assert day - published > timedelta(days=180)
        assert place in EUROPEAN_UNION


@settings(deadline=None)
@given(DAYS, COUNTRIES, st.sampled_from([1955, 1963, 1970, 1990]))
def test_the_public_domain_is_what_the_terms_say(day: date, place: Territory, year: int) -> None:
    facts = replace(FREE, published=str(year))
    said = (grant(1, procedure=None, facts=facts, layers=(Layer.RECORDING,)),)
    decision = _decide(said, day.isoformat(), place)
    is_free = term_of(Layer.RECORDING, place, facts).is_free(day)
    assert ("granted-recording" in {reason.code for reason in decision.reasons}) == (
        is_free and day > date(2026, 1, 1)
    )


def test_what_is_said_of_a_procedure() -> None:
    said = (*eu_exception(), refusal(6, "2026-10-01"))
    progress = progress_of(said, Procedure.EU_EXCEPTION)
    assert set(progress.steps) == {*EU_STEPS}
    assert progress.opted_out_on == date(2026, 10, 1)
    assert progress_of(said, Procedure.US_PRE_1972).steps == {}
    # Who refuses that it is described refuses that it is streamed.
    lesser = (*eu_exception(), replace(refusal(6, "2026-10-01"), uses=(Use.DESCRIBE,)))
    assert progress_of(lesser, Procedure.EU_EXCEPTION).opted_out_on == date(2026, 10, 1)
    brief = (*eu_exception(), replace(refusal(6, "2026-10-01"), ends_at="2026-12-01"))
    assert progress_of(brief, Procedure.EU_EXCEPTION).opted_out_on is None


def test_a_step_that_nobody_verified_was_not_taken() -> None:
    said = tuple(
        replace(s, status=Status.CLAIMED) if s.step is Step.PUBLISHED else s for s in eu_exception()
    )
    assert Step.PUBLISHED not in progress_of(said, Procedure.EU_EXCEPTION).steps
    assert not _decide(said, "2030-01-01").allowed


def test_of_each_fact_the_newest_counts() -> None:
    said = [
        notice(n, Step.SEARCHED, "2026-01-01", procedure=Procedure.US_PRE_1972, facts=facts)
        for n, facts in enumerate(
            (
                TermFacts(fixed="1950", authors=1),
                TermFacts(published="1951", for_hire=False),
                TermFacts(fixed="1949"),
            ),
            1,
        )
    ]
    facts = progress_of(said, Procedure.US_PRE_1972).facts
    assert facts == TermFacts(fixed="1949", published="1951", authors=1, for_hire=False)


def test_not_yet_is_after_every_day() -> None:
    assert date.max.isoformat() < NOT_YET
