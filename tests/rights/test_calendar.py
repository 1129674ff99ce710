"""The calendar says what the decisions will say, on the day on which they change."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from clocked import ID, at, eu_exception, grant, notice, refusal
from histories import history
from sonotheque.model.procedures import Procedure, Step, TermFacts
from sonotheque.model.terms import Kind, Statement, Use
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.calendar import Coming, Earliest, Question, Turn, coming
from sonotheque.rights.clocks import State
from sonotheque.rights.decision import decide, place_of
from sonotheque.rights.protection import EUROPEAN_UNION

DE, US = Territory("DE"), Territory("US")
NOW = at("2026-11-28")


def _coming(
    *said: Statement, until: str = "2027-11-28", now: str = NOW, territory: Territory = EVERYWHERE
) -> list[Coming]:
    return list(coming(said, Question(now=now, until=until, territory=territory)))


def _licence(number: int, ends_at: str) -> Statement:
    return replace(grant(number, procedure=None), ends_at=ends_at)


def test_a_licence_that_ends_is_named_with_its_remedy() -> None:
    (entry,) = _coming(_licence(1, "2027-03-03"))
    assert (entry.on, entry.turn, entry.recording) == ("2027-03-03", Turn.CEASES, ID)
    assert Use.STREAM in entry.uses
    assert entry.territories == ()
    assert [reason.code for reason in entry.reasons] == ["expired"]
    assert "renew" in entry.next_step


def test_an_embargo_is_named_with_the_day_of_its_end() -> None:
    embargoed = replace(grant(1, procedure=None), begins_at="2027-01-15")
    (entry,) = _coming(embargoed)
    assert (entry.on, entry.turn, entry.next_step) == ("2027-01-15", Turn.BECOMES_ALLOWED, "")


def test_a_licence_that_another_one_follows_changes_nothing() -> None:
    (entry,) = _coming(_licence(1, "2027-03-03"), _licence(2, "2027-06-03"))
    assert entry.on == "2027-06-03"


def test_what_is_refused_does_not_become_allowed() -> None:
    embargoed = replace(grant(1, procedure=None, uses=(Use.STREAM,)), begins_at="2027-01-15")
    assert _coming(embargoed, refusal(2, "2026-10-01", Kind.TAKEDOWN)) == []


def test_what_ends_after_the_day_asked_about_is_not_named() -> None:
    assert _coming(_licence(1, "2027-03-03"), until="2027-03-02") == []
    assert len(_coming(_licence(1, "2027-03-03"), until="2027-03-03")) == 1
    assert _coming(_licence(1, "2026-11-28")) == []  # it ended when this day began


def test_an_exception_that_waits_is_named_once_for_all_its_countries() -> None:
    (entry,) = _coming(*eu_exception("2026-08-31"))
    assert (entry.on, entry.turn) == ("2027-03-01", Turn.BECOMES_ALLOWED)
    assert set(entry.territories) == EUROPEAN_UNION
    assert entry.procedure is Procedure.EU_EXCEPTION
    assert "opted out" in entry.next_step


def test_a_territory_is_asked_about_alone() -> None:
    (entry,) = _coming(*eu_exception("2026-08-31"), territory=DE)
    assert entry.territories == (DE,)
    assert _coming(*eu_exception("2026-08-31"), territory=US) == []


def test_terms_that_end_are_named_country_by_country() -> None:
    facts = TermFacts(published="1957", authors=1, died=(1956,), work_published="1930")
    entries = _coming(grant(1, procedure=None, facts=facts), until="2027-01-01")
    assert {(entry.on, entry.turn) for entry in entries} == {("2027-01-01", Turn.BECOMES_ALLOWED)}
    places = {place for entry in entries for place in entry.territories}
    # Spain has 80 years, France and Italy years of war, the United States another form of term.
    assert places == {*EUROPEAN_UNION, "CH", "GB"} - {"ES", "FR", "IT", "US"}


def test_the_next_step_of_a_procedure_is_named() -> None:
    (entry,) = _coming(grant(1), notice(2, Step.HELD, "2026-01-02"))
    assert (entry.on, entry.turn, entry.state) == ("", Turn.STEP, State.INCOMPLETE)
    assert "'searched'" in entry.why


def _us(*steps: tuple[Step, str]) -> list[Statement]:
    return [
        notice(n, step, day, procedure=Procedure.US_PRE_1972, facts=TermFacts(fixed="1950"))
        for n, (step, day) in enumerate(steps, 1)
    ]


def test_a_search_that_goes_stale_is_due_and_then_overdue() -> None:
    (due,) = _coming(*_us((Step.SEARCHED, "2026-09-01")))
    assert (due.on, due.turn) == ("2026-11-30", Turn.STEP)
    (overdue,) = _coming(*_us((Step.SEARCHED, "2026-08-01")))
    assert (overdue.on, overdue.turn) == ("2026-10-30", Turn.OVERDUE)
    assert "over 90 days old" in overdue.why


def test_a_procedure_that_nobody_made_a_grant_of_asks_for_one() -> None:
    steps = _us((Step.SEARCHED, "2026-09-01"), (Step.FILED, "2026-09-02"))
    indexed = (*steps, *_us((Step.INDEXED, "2026-09-10")))
    (waiting,) = _coming(*indexed)
    assert (waiting.on, waiting.state) == ("2026-12-10", State.WAITING)
    (is_open,) = _coming(*indexed, now=at("2027-01-01"))
    assert (is_open.on, is_open.state) == ("", State.OPEN)
    assert "enter the grant" in is_open.next_step


def test_an_opt_out_leaves_nothing_to_do() -> None:
    assert _coming(*eu_exception(), refusal(6, "2026-10-01")) == []


def test_a_performer_who_may_give_notice_is_named() -> None:
    said = notice(
        1,
        Step.NOTIFIED,
        "2026-11-01",
        procedure=Procedure.EU_TERMINATION,
        facts=TermFacts(published="1970"),
    )
    assert _coming(said) == []  # the producer's year is running; nobody has to do anything
    (entry,) = _coming(said, now=at("2027-11-02"))
    assert (entry.turn, entry.uses) == (Turn.STEP, ())
    assert "may end the contract" in entry.why


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32).map(Random), st.sampled_from([EVERYWHERE, DE]), st.booleans())
def test_it_names_every_change_and_no_other(
    random: Random, territory: Territory, clocked: bool
) -> None:
    """Day by day, by the decisions themselves."""
    now, until = "2026-02-15T08:00:00.000000Z", "2026-07-08"
    said = tuple(s for s in history(random, (ID,), first=10) if s.at <= now)
    if clocked:
        said = (*eu_exception("2026-01-05"), *said)
    named = {
        (entry.on, use): entry.turn is Turn.BECOMES_ALLOWED
        for entry in coming(said, Question(now=now, until=until, territory=territory))
        for use in entry.uses
        if entry.turn in (Turn.BECOMES_ALLOWED, Turn.CEASES)
        and (not entry.territories or territory in entry.territories)
    }
    # Terms of those histories begin and end with months; the notice is old enough on 6 July.
    days = [f"2026-{month:02}-{day:02}" for month in range(3, 8) for day in (1, 2, 5, 6, 7)]
    assert {day for day, _ in named} <= {*days}
    for use in Use:
        place = territory or place_of(use, EVERYWHERE)
        before = decide(said, ID, use, now, place).allowed
        for day in days:
            after = decide(said, ID, use, f"{day}T00:00:00.000000Z", place).allowed
            assert named.get((day, use), before) == after
            before = after


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 10))
def test_the_first_entries_are_kept_and_the_others_counted(days: list[int], limit: int) -> None:
    entries = [
        Coming(on=f"2026-12-{day:02}" if day else "", turn=Turn.STEP, recording=ID) for day in days
    ]
    earliest = Earliest(limit)
    earliest.add(entries)
    assert earliest.seen == len(entries)
    assert list(earliest.entries) == sorted(entries, key=Coming.order)[:limit]


def test_what_is_overdue_stands_first_and_what_has_no_day_last() -> None:
    def entry(on: str, turn: Turn) -> Coming:
        return Coming(on=on, turn=turn, recording=ID)

    ordered = [
        entry("2026-10-30", Turn.OVERDUE),
        entry("2026-10-01", Turn.STEP),
        entry("2027-01-01", Turn.CEASES),
        entry("", Turn.STEP),
    ]
    earliest = Earliest(10)
    earliest.add(reversed(ordered))
    assert list(earliest.entries) == ordered
