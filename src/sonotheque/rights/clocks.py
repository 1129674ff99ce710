"""How far has a procedure come, and what changes on which day? Pure: state machines over dates.

Every clock is read at a day and says the state, why, and the next day on which that state changes
if nobody does anything. Doubt is resolved towards no: a step dated in the future has not been
taken, and an opt-out counts whenever it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from sonotheque.model.procedures import NEVER, Procedure, Step, TermFacts
from sonotheque.model.terms import Use
from sonotheque.model.territories import Territory
from sonotheque.rights.days import after_days, after_months, new_year_after, year_of
from sonotheque.rights.protection import EUROPEAN_UNION, UNITED_STATES
from sonotheque.rights.term import fixed_before_1972

SEARCH_IS_FRESH_DAYS = 90
"""A notice to the Copyright Office rests on a search of the 90 days before: 37 CFR 201.37(c)."""


class State(StrEnum):
    """Where a procedure stands."""

    INCOMPLETE = "incomplete"
    """A step is missing; the reading says which."""
    WAITING = "waiting"
    """Everything was done, and the time in which others may object is running."""
    OPEN = "open"
    """The law allows the uses of this procedure from now on."""
    OPTED_OUT = "opted-out"
    """A rights holder has said no; that ends it."""
    OUT_OF_SCOPE = "out-of-scope"
    """The law is not about this recording, or nothing says that it is."""
    ENDED = "ended"
    """What the procedure was for has happened, or cannot happen any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a procedure asks for: its steps in order, and the uses that it opens, where.

    Keeping a recording is not among the uses: no law here makes it wait for a notice.
    """

    source: str
    steps: tuple[Step, ...]
    uses: tuple[Use, ...]
    territories: frozenset[Territory]
    others: tuple[Step, ...] = ()
    """Steps of somebody else, which may happen or not."""

    @property
    def possible(self) -> tuple[Step, ...]:
        return (*self.steps, *self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What was done in one procedure for one recording. A step may have been taken repeatedly."""

    steps: Mapping[Step, Sequence[date]]
    opted_out_on: date | None = None
    facts: TermFacts = field(default_factory=TermFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A clock, read. `changes_on` is the next day on which the state changes by itself, and
    `due_on` the last day on which `next_step` can be done before something has to be done again;
    None for neither."""

    procedure: Procedure
    state: State
    reason: str
    next_step: str = ""
    changes_on: date | None = None
    due_on: date | None = None


PROCEDURES: dict[Procedure, Rules] = {
    # The institution's licence covers the Member States that it names (article 9(1)); which they
    # are is said in the grant. Others who copy an edition are no heritage institution.
    Procedure.EU_LICENCE: Rules(
        source="Directive (EU) 2019/790, art. 8(1), 8(4), 8(5), 9, 10(1)",
        steps=(Step.HELD, Step.SEARCHED, Step.LICENSED, Step.PUBLISHED),
        uses=(Use.STREAM, Use.DOWNLOAD),
        territories=EUROPEAN_UNION,
    ),
    # Making available on non-commercial websites, and no more: article 8(2)(b).
    Procedure.EU_EXCEPTION: Rules(
        source="Directive (EU) 2019/790, art. 8(2) to 8(5), 9(2), 10(1)",
        steps=(Step.HELD, Step.SEARCHED, Step.UNREPRESENTED, Step.PUBLISHED),
        uses=(Use.STREAM,),
        territories=EUROPEAN_UNION,
    ),
    Procedure.US_PRE_1972: Rules(
        source="17 USC 1401(c); 37 CFR 201.37",
        steps=(Step.SEARCHED, Step.FILED, Step.INDEXED),
        uses=(Use.STREAM, Use.DOWNLOAD),
        territories=frozenset((UNITED_STATES,)),
    ),
    # It frees nobody from asking: the producer's right ends, the performers' remain.
    Procedure.EU_TERMINATION: Rules(
        source="Directive 2006/116/EC as amended by 2011/77/EU, art. 3(2a)",
        steps=(Step.NOTIFIED, Step.TERMINATED),
        others=(Step.EXPLOITED,),
        uses=(),
        territories=EUROPEAN_UNION,
    ),
}

_TO_DO = {
    Step.HELD: "enter that it is permanently in the collection",
    Step.SEARCHED: "search whether it is in commerce, and enter the search",
    Step.UNREPRESENTED: "find out whether a representative collective management organisation"
    " exists, and enter it if none does",
    Step.LICENSED: "ask the collective management organisation for a licence",
    Step.PUBLISHED: "announce it on the EUIPO's portal for out-of-commerce works",
    Step.FILED: "file a notice of non-commercial use with the Copyright Office",
    Step.INDEXED: "look whether the Copyright Office has indexed the notice",
}


def read(procedure: Procedure, progress: Progress, at: date) -> Reading:
    """Where `procedure` stands at the day `at`."""
    if progress.opted_out_on is not None:
        # Of whatever date: an objection that a wrong clock dated in the future is one.
        return Reading(
            procedure=procedure,
            state=State.OPTED_OUT,
            reason="the rights holder has opted out",
            next_step="do not make it available; ask the rights holder for a licence",
        )
    return _MACHINES[procedure](procedure, _taken(progress, at), progress, at)


def opening(procedure: Procedure, progress: Progress, at: date) -> date | None:
    """The first day on which an out-of-commerce or pre-1972 procedure is open, by the steps that
    were taken up to the day `at`; None while one is missing."""
    return _opening(procedure, _taken(progress, at))


_Taken = Mapping[Step, Sequence[date]]


def _taken(progress: Progress, at: date) -> _Taken:
    taken = {step: sorted(d for d in days if d <= at) for step, days in progress.steps.items()}
    return {step: days for step, days in taken.items() if days}


def _out_of_commerce(procedure: Procedure, taken: _Taken, progress: Progress, at: date) -> Reading:
    if missing := [step for step in PROCEDURES[procedure].steps if step not in taken]:
        return _incomplete(procedure, missing[0])
    return _waiting_or_open(procedure, _opening(procedure, taken), at)


def _pre_1972(procedure: Procedure, taken: _Taken, progress: Progress, at: date) -> Reading:
    earlier = fixed_before_1972(progress.facts)
    if not earlier:
        return Reading(
            procedure=procedure,
            state=State.OUT_OF_SCOPE,
            reason="it was not fixed before 15 February 1972"
            if earlier is False
            else "nothing says that it was fixed before 15 February 1972",
            next_step="" if earlier is False else "enter when it was fixed",
        )
    opening = _opening(procedure, taken)
    if opening is not None:
        return _waiting_or_open(procedure, opening, at)
    if _notices(taken):
        return _incomplete(procedure, Step.INDEXED)
    searches = taken.get(Step.SEARCHED, ())
    if not searches:
        return _incomplete(procedure, Step.SEARCHED)
    stale_on = after_days(searches[-1], SEARCH_IS_FRESH_DAYS)
    if at < stale_on:
        due_on = stale_on - timedelta(days=1)
        return _incomplete(procedure, Step.FILED, changes_on=stale_on, due_on=due_on)
    return Reading(
        procedure=procedure,
        state=State.INCOMPLETE,
        reason=f"the search of {searches[-1]} is over {SEARCH_IS_FRESH_DAYS} days old, and no"
        " notice was filed on it",
        next_step=_TO_DO[Step.SEARCHED],
        due_on=stale_on - timedelta(days=1),
    )


def _termination(procedure: Procedure, taken: _Taken, progress: Progress, at: date) -> Reading:
    """Fifty years after publication, or else communication, the performer may give notice; a year
    after the notice the contract may be ended, if the producer still does not exploit it."""
    year = year_of(progress.facts.published)
    if progress.facts.published == NEVER:
        year = year_of(progress.facts.communicated)
    if year is None:
        return Reading(
            procedure=procedure,
            state=State.OUT_OF_SCOPE,
            reason="nothing says when it was published or communicated to the public",
            next_step="enter when it was published",
        )
    possible_on = new_year_after(year, 50)
    notices = [day for day in taken.get(Step.NOTIFIED, ()) if day >= possible_on]
    if not notices:
        return Reading(
            procedure=procedure,
            state=State.INCOMPLETE,
            reason=f"the performer may give the producer notice since {possible_on}"
            if at >= possible_on
            else f"the performer may not give the producer notice before {possible_on}",
            next_step="tell the performers, if the producer does not sell it and offer it online",
            changes_on=possible_on if at < possible_on else None,
        )
    may_end_on = after_months(notices[0], 12)
    exploited = [day for day in taken.get(Step.EXPLOITED, ()) if day < may_end_on]
    ended = [day for day in taken.get(Step.TERMINATED, ()) if day >= may_end_on]
    if exploited:
        reason = "the producer sells it and offers it online: the contract stands"
        return Reading(procedure=procedure, state=State.ENDED, reason=reason)
    if ended:
        return Reading(
            procedure=procedure,
            state=State.ENDED,
            reason=f"the performer ended the contract on {ended[0]}: the producer's right in the"
            " recording has expired, the performers' remain",
            next_step="ask the performers for their permission",
        )
    if at < may_end_on:
        return Reading(
            procedure=procedure,
            state=State.WAITING,
            reason=f"the producer has until {may_end_on - timedelta(days=1)} to sell it and to"
            " offer it online",
            changes_on=may_end_on,
        )
    return Reading(
        procedure=procedure,
        state=State.INCOMPLETE,
        reason=f"the performer may end the contract with the producer since {may_end_on}",
        next_step="tell the performers",
    )


def _opening(procedure: Procedure, taken: _Taken) -> date | None:
    """The first day on which a procedure with these steps is open; None while one is missing."""
    if procedure is Procedure.US_PRE_1972:
        # Notices that were indexed: the 90 days begin when that is (17 USC 1401(c)(1)(C)). The
        # Copyright Office takes objections "within 90 days of" it: the longer reading holds.
        days = [
            after_days(indexed, 90)
            for filed in _notices(taken)
            for indexed in taken.get(Step.INDEXED, ())
            if indexed >= filed
        ]
        return min(days, default=None)
    steps = PROCEDURES[procedure].steps
    if Step.PUBLISHED not in steps or any(not taken.get(step) for step in steps):
        return None
    # "At least six months before" it is made available: article 10(1).
    waited = after_months(taken[Step.PUBLISHED][0], 6)
    return max(waited, *(taken[step][0] for step in steps))


def _notices(taken: _Taken) -> list[date]:
    """The days on which a notice was filed that rests on a fresh search."""
    return [
        filed
        for filed in taken.get(Step.FILED, ())
        if any(
            searched <= filed < after_days(searched, SEARCH_IS_FRESH_DAYS)
            for searched in taken.get(Step.SEARCHED, ())
        )
    ]


def _waiting_or_open(procedure: Procedure, opening: date | None, at: date) -> Reading:
    if opening is not None and opening <= at:
        return Reading(
            procedure=procedure,
            state=State.OPEN,
            reason=f"the time to object was over on {opening}, and nobody did",
        )
    return Reading(
        procedure=procedure,
        state=State.WAITING,
        reason=f"rights holders may object, and the use may begin on {opening}",
        next_step="look whether a rights holder has opted out before it begins",
        changes_on=opening,
    )


def _incomplete(
    procedure: Procedure, step: Step, *, changes_on: date | None = None, due_on: date | None = None
) -> Reading:
    return Reading(
        procedure=procedure,
        state=State.INCOMPLETE,
        reason=f"the step {step.value!r} is missing",
        next_step=_TO_DO[step],
        changes_on=changes_on,
        due_on=due_on,
    )


_MACHINES: dict[Procedure, Callable[[Procedure, _Taken, Progress, date], Reading]] = {
    Procedure.EU_LICENCE: _out_of_commerce,
    Procedure.EU_EXCEPTION: _out_of_commerce,
    Procedure.US_PRE_1972: _pre_1972,
    Procedure.EU_TERMINATION: _termination,
}
