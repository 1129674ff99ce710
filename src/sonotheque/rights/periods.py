"""When, and where, does a grant hold that waits for a clock? Pure.

A grant may rest on a procedure that has to be gone through first, or on terms of protection that
have to be over. For a decision it is what a plain grant with a beginning and with territories is,
so `plain` replaces it by such grants; rules for decisions know nothing of clocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from datetime import date

from sonotheque.model.procedures import Procedure, Step, TermFacts
from sonotheque.model.terms import KEEPING, REFUSED_WITH, Kind, Layer, Statement, Status
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.clocks import PROCEDURES, Progress, State, opening, read
from sonotheque.rights.days import day_of
from sonotheque.rights.protection import PROTECTION, UNITED_STATES
from sonotheque.rights.term import term_of

NOT_YET = "never"
"""When a grant begins of which nothing says that it will: sorts after every day."""


def plain(
    statements: Sequence[Statement], now: str, territory: Territory | None = None
) -> Sequence[Statement]:
    """`statements`, of which none is revoked, without notices, and with plain grants, of the same
    number, for each grant that waits for a clock. It is read at `now` (ISO 8601, UTC); where a
    `territory` is asked about, of what is elsewhere no more is left than a reason needs.

    Keeping waits for nothing: no law makes preservation wait for a notice.
    """
    if not has_clocks(statements):
        return statements
    found: list[Statement] = []
    for statement in statements:
        if statement.kind is Kind.NOTICE:
            continue
        if statement.kind is Kind.GRANT and (statement.procedure or statement.facts):
            found += _plain(statement, statements, now, territory)
        else:
            found.append(statement)
    return found


def has_clocks(statements: Sequence[Statement]) -> bool:
    """Whether any of `statements` waits for a clock or sets one."""
    for statement in statements:  # asked for every decision: a loop is quicker than `any`
        if statement.kind is Kind.NOTICE or statement.procedure or statement.facts:
            return True
    return False


def progress_of(statements: Sequence[Statement], procedure: Procedure) -> Progress:
    """What `statements`, of which none is revoked, say of `procedure` for their recording.

    A refusal or a takedown of a use that the procedure would open, or of one that it cannot be
    without, is an opt-out. Steps and facts
    count where they are verified; of each fact, the newest.
    """
    against = {
        named for use in PROCEDURES[procedure].uses for named in (use, *REFUSED_WITH.get(use, ()))
    }
    steps: dict[Step, list[date]] = {}
    facts = TermFacts()
    no: date | None = None
    for statement in statements:
        if statement.kind in (Kind.REFUSAL, Kind.TAKEDOWN):
            if against.intersection(statement.uses) and not statement.ends_at:
                no = no or day_of(statement.at)
        elif statement.status is Status.VERIFIED and statement.procedure in (procedure, None):
            if statement.facts:
                facts = _newer(facts, statement.facts)
            mine = statement.kind is Kind.NOTICE and statement.procedure is procedure
            if mine and statement.step and statement.begins_at:
                steps.setdefault(statement.step, []).append(day_of(statement.begins_at))
    return Progress(steps=steps, opted_out_on=no, facts=facts)


def _newer(old: TermFacts, new: TermFacts) -> TermFacts:
    """What `new` says, and `old` where it says nothing."""
    unsaid = TermFacts()
    said = {f.name: getattr(new, f.name) for f in fields(TermFacts)}
    return replace(old, **{n: v for n, v in said.items() if v != getattr(unsaid, n)})


def _plain(
    grant: Statement, statements: Sequence[Statement], now: str, territory: Territory | None
) -> Iterator[Statement]:
    keeping = tuple(use for use in grant.uses if use in KEEPING)
    others = tuple(use for use in grant.uses if use not in KEEPING)
    if keeping:
        yield replace(grant, uses=keeping, procedure=None, facts=None)
    if not others:
        return
    waiting = replace(grant, uses=others)
    if grant.procedure is not None:
        yield from _after_procedure(waiting, grant.procedure, statements, now)
    elif grant.facts is not None:
        for layer in grant.layers or tuple(Layer):
            one = replace(waiting, layers=(layer,))
            yield from _there(list(_after_term(one, layer, grant.facts)), now, territory)


def _after_procedure(
    grant: Statement, procedure: Procedure, statements: Sequence[Statement], now: str
) -> Iterator[Statement]:
    rules = PROCEDURES[procedure]
    progress = progress_of(statements, procedure)
    reading = read(procedure, progress, day_of(now))
    begins = None
    if reading.state is State.WAITING:
        begins = reading.changes_on
    elif reading.state is State.OPEN:
        begins = opening(procedure, progress, day_of(now))
    covered = tuple(use for use in grant.uses if use in rules.uses)
    places = _places(grant, sorted(rules.territories))
    if begins is None or not covered or not places:
        yield replace(grant, begins_at=NOT_YET)
        return
    yield _from(replace(grant, uses=covered, territories=places, territories_except=()), begins)
    if rest := tuple(use for use in grant.uses if use not in rules.uses):
        yield replace(grant, uses=rest, begins_at=NOT_YET)


def _after_term(grant: Statement, layer: Layer, facts: TermFacts) -> Iterator[Statement]:
    """A grant for each day on which terms end, in the countries where they end on that day; the
    earliest first. One that has not begun, where no end is known."""
    ends: dict[date, list[Territory]] = {}
    for territory in _places(grant, sorted((*PROTECTION, UNITED_STATES))):
        term = term_of(layer, territory, facts)
        if term.free_on is not None:
            ends.setdefault(term.free_on, []).append(territory)
    for day in sorted(ends):
        yield _from(replace(grant, territories=tuple(ends[day]), territories_except=()), day)
    if not ends:
        yield replace(grant, begins_at=NOT_YET)


def _there(
    grants: Sequence[Statement], now: str, territory: Territory | None
) -> Sequence[Statement]:
    """Of `grants`, which are one but for their countries and beginnings, those that say what holds
    in `territory`: the one of that country, or for all countries what has begun in some."""
    if territory is None:
        return grants
    if territory != EVERYWHERE:
        here = [grant for grant in grants if territory in grant.territories]
        return here or [replace(grants[0], territories=(), begins_at=NOT_YET)]
    begun = [grant for grant in grants if grant.begins_at <= now]
    if not begun:
        return grants[:1]
    places = sorted(place for grant in begun for place in grant.territories)
    return [replace(begun[0], territories=tuple(places))]


def _places(grant: Statement, known: Sequence[Territory]) -> tuple[Territory, ...]:
    """Those of the `known` territories in which `grant` is to hold."""
    return tuple(
        territory
        for territory in known
        if (not grant.territories or territory in grant.territories)
        and territory not in grant.territories_except
    )


def _from(grant: Statement, day: date) -> Statement:
    return replace(grant, begins_at=max(grant.begins_at, day.isoformat()))
