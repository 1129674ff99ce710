"""What is coming: the days on which a use becomes or ceases to be allowed, and what is to be done.

Pure, one recording at a time, so that a ledger of any size is read in a memory that does not grow;
`Earliest` keeps the first entries of them all. A change is found by asking `decide` before and on
each day on which something begins or ends: the calendar and the decisions cannot disagree.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.procedures import Procedure
from sonotheque.model.terms import Decision, Kind, Reason, Statement, Use
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.clocks import PROCEDURES, State, read
from sonotheque.rights.days import day_of
from sonotheque.rights.decision import decide, decide_all, standing
from sonotheque.rights.periods import NOT_YET, plain, progress_of


class Turn(StrEnum):
    """What an entry of the calendar announces."""

    OVERDUE = "overdue"
    """A day has gone by on which something was due."""
    STEP = "step"
    """Somebody has to act, by that day if there is one."""
    BECOMES_ALLOWED = "becomes-allowed"
    CEASES = "ceases"
    """From that day on it is not allowed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """One entry of the calendar. `on` is a day, empty where none is set. `territories` are those
    asked about, or those in which it is so; empty for everywhere."""

    on: str
    turn: Turn
    recording: RecordingId
    uses: tuple[Use, ...] = ()
    territories: tuple[Territory, ...] = ()
    procedure: Procedure | None = None
    state: State | None = None
    reasons: tuple[Reason, ...] = ()
    """Of a change: those of the decision from that day on."""
    why: str = ""
    """Of a procedure: what its clock says."""
    next_step: str = ""

    def order(self) -> tuple[bool, str, str, str]:
        """What is overdue first, then by the day; what has none, last."""
        return (self.turn is not Turn.OVERDUE, self.on or NOT_YET, self.recording, self.turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which days are asked about: after `now` (ISO 8601, UTC) up to the day `until`, and where:
    in `territory` alone, or in the institution's country `home` and everywhere that an entry
    speaks of."""

    now: str
    until: str
    home: Territory = EVERYWHERE
    territory: Territory = EVERYWHERE


class Earliest:
    """The first entries of any number, in their order, in a memory for `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[tuple[tuple[bool, str, str, str], int, Coming]] = []
        self.seen = 0

    def add(self, entries: Iterable[Coming]) -> None:
        for entry in entries:
            bisect.insort(self._kept, (entry.order(), self.seen, entry), key=lambda kept: kept[:2])
            self.seen += 1
            del self._kept[self._limit :]

    @property
    def entries(self) -> tuple[Coming, ...]:
        return tuple(entry for _, _, entry in self._kept)


def coming(statements: Sequence[Statement], question: Question) -> Iterator[Coming]:
    """What is coming for the one recording that `statements` are about, oldest entry first."""
    if not statements:
        return
    said = standing(statements, question.now)
    yield from _changes(statements, said, question)
    for procedure in Procedure:
        if any(s.procedure is procedure for s in said):
            yield from _to_do(statements[0].recording, said, procedure, question)


def _changes(
    statements: Sequence[Statement], said: Sequence[Statement], question: Question
) -> Iterator[Coming]:
    """Each change of what is allowed: one entry for all uses and countries that share it."""
    plainly = plain(said, question.now)
    days = _days(plainly, question)
    found: dict[tuple[str, Turn, tuple[Reason, ...], tuple[Use, ...]], list[Territory]] = {}
    for place in _places(plainly, question) if days else ():
        before = _decided(statements, question.now, place, question.home)
        for day in days:
            after = _decided(statements, f"{day}T00:00:00.000000Z", place, question.home)
            for turn, reasons, uses in _turns(before, after):
                found.setdefault((day, turn, reasons, uses), []).append(place)
            before = after
    clocked = {s.id: s.procedure for s in said if s.kind is Kind.GRANT}
    for (day, turn, reasons, uses), places in found.items():
        named = [clocked.get(reason.statement) for reason in reasons]
        procedure = next(filter(None, named), None)
        yield Coming(
            on=day,
            turn=turn,
            recording=statements[0].recording,
            uses=uses,
            territories=() if EVERYWHERE in places else tuple(places),
            procedure=procedure,
            reasons=reasons,
            next_step=_advice(turn, procedure),
        )


def _days(plainly: Iterable[Statement], question: Question) -> list[str]:
    """The days on which an entry begins or ends to hold."""
    today, moments = question.now[:10], {m for s in plainly for m in (s.begins_at, s.ends_at)}
    return sorted({day for m in moments if today < (day := m[:10]) <= question.until})


def _places(plainly: Iterable[Statement], question: Question) -> Iterator[Territory]:
    if question.territory != EVERYWHERE:
        yield question.territory
        return
    yield EVERYWHERE
    yield from sorted({t for s in plainly for t in (*s.territories, *s.territories_except)})


def _decided(
    statements: Sequence[Statement], now: str, place: Territory, home: Territory
) -> list[Decision]:
    """The decision for every use in `place`; where that is everywhere, as the archive asks."""
    recording = statements[0].recording
    if place == EVERYWHERE:
        return list(decide_all(statements, recording, now, home))
    return [decide(statements, recording, use, now, place) for use in Use]


def _turns(
    before: Iterable[Decision], after: Iterable[Decision]
) -> Iterator[tuple[Turn, tuple[Reason, ...], tuple[Use, ...]]]:
    turns: dict[tuple[Turn, tuple[Reason, ...]], list[Use]] = {}
    for old, new in zip(before, after, strict=True):
        if old.allowed != new.allowed:
            turn = Turn.BECOMES_ALLOWED if new.allowed else Turn.CEASES
            turns.setdefault((turn, new.reasons), []).append(new.use)
    for (turn, reasons), uses in turns.items():
        yield turn, reasons, tuple(uses)


def _advice(turn: Turn, procedure: Procedure | None) -> str:
    if turn is Turn.CEASES:
        return "renew the permission before; otherwise it leaves the site and the next edition"
    if procedure is not None:
        return "look before whether a rights holder has opted out"
    return ""


def _to_do(
    recording: RecordingId, said: Sequence[Statement], procedure: Procedure, question: Question
) -> Iterator[Coming]:
    """What a procedure that was begun needs next, if anything."""
    rules = PROCEDURES[procedure]
    if question.territory != EVERYWHERE and question.territory not in rules.territories:
        return
    today = day_of(question.now)
    reading = read(procedure, progress_of(said, procedure), today)
    granted = any(s.kind is Kind.GRANT and s.procedure is procedure for s in said)
    next_step, on = reading.next_step, reading.due_on or reading.changes_on
    if reading.state in (State.WAITING, State.OPEN) and rules.uses:
        if granted:
            return
        next_step = "enter the grant that rests on it"
    if not next_step or reading.state is State.OPTED_OUT or (on and str(on) > question.until):
        return
    yield Coming(
        on=str(on or ""),
        turn=Turn.OVERDUE if on and on < today else Turn.STEP,
        recording=recording,
        uses=rules.uses,
        procedure=procedure,
        state=reading.state,
        why=reading.reason,
        next_step=next_step,
    )
