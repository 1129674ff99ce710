"""A case: who asks what about a recording, what was said and decided, and until when. Pure.

What restricts holds from the moment a case is opened; what opens waits for a person of the
archive. A case is open until it is decided, can be appealed once, and the appeal is decided by
somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from sonotheque.errors import BadInput, Refused
from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.model.terms import KEEPING, REFUSED_WITH, Layer, Use

ASKED = tuple(use for use in Use if use not in KEEPING)
"""The uses that a rights holder is asked about. Keeping is not among them: no case destroys."""
TEXT_CHARACTERS_MAX = 4_000
NAME_CHARACTERS_MAX = 120
CONTACT_CHARACTERS_MAX = 200


class Ask(StrEnum):
    CLAIM = "claim"
    """It is mine, and this is what may be done with it."""
    TAKEDOWN = "takedown"
    """Nothing may be done with it."""


class Stage(StrEnum):
    OPEN = "open"
    DECIDED = "decided"
    APPEALED = "appealed"
    CLOSED = "closed"
    """The appeal is decided; that is final, until the claimant asks for something else."""
    WITHDRAWN = "withdrawn"
    """The claimant took it back before it was decided."""


class Outcome(StrEnum):
    UPHELD = "upheld"
    REJECTED = "rejected"


class Side(StrEnum):
    CLAIMANT = "claimant"
    OTHER = "other"
    """Who answers: somebody whose permission the case contradicts."""
    ARCHIVE = "archive"


class Step(StrEnum):
    """What happened to a case."""

    OPENED = "opened"
    INVITED = "invited"
    ANSWERED = "answered"
    CHANGED = "changed"
    DECIDED = "decided"
    APPEALED = "appealed"
    TAKEN_BACK = "taken-back"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Somebody who has a link to the case, of which only the digest of its secret is known."""

    side: Side
    name: str
    contact: str
    secret_sha512: Sha512


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file that a party handed in; it is shown to nobody but the archive."""

    name: str
    sha512: Sha512
    byte_count: int
    side: Side
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step of the case: `text` is what was said with it."""

    at: str
    step: Step
    side: Side
    by: str
    text: str = ""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long a decision may take and how long it can be appealed, in days."""

    decide_days: int
    appeal_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a claimant asks for."""

    ask: Ask
    allowed: tuple[Use, ...]
    refused: tuple[Use, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case. Days are ISO 8601 dates, times ISO 8601 in UTC."""

    id: str
    recording: RecordingId
    terms: Terms
    layers: tuple[Layer, ...]
    opened_at: str
    due_on: str
    """When the archive's next decision is due; empty where none is."""
    appeal_until: str = ""
    stage: Stage = Stage.OPEN
    outcome: Outcome | None = None
    decided_by: str = ""
    before: Terms | None = None
    """What was upheld before the claimant asked for something else; it stands where that is
    rejected."""
    holds_at_once: bool = True
    """False for one who was refused the same before: it holds when it is upheld."""
    known_as: str = ""
    """The commitment by which the ledger knows the claimant; empty where the name is public."""
    told: int = 0
    """For how many of the events the parties' notices have been made."""
    parties: tuple[Party, ...] = ()
    documents: tuple[Document, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def claimant(self) -> Party:
        return next(party for party in self.parties if party.side is Side.CLAIMANT)

    @property
    def name(self) -> str:
        """The claimant's name with the case: nobody else's is exactly that, so that one who says to
        be another can take nothing of that other back."""
        return f"{self.claimant.name} (case {self.id})"

    @property
    def issuer(self) -> str:
        """Who the case's entries in the ledger are by."""
        return self.known_as or self.name

    @property
    def upheld(self) -> Terms | None:
        """What was decided to hold; an appeal does not suspend it. None where nothing was."""
        if self.stage is Stage.WITHDRAWN:
            return None
        return self.terms if self.outcome is Outcome.UPHELD else self.before

    @property
    def is_live(self) -> bool:
        """Whether it asks for something still, or was upheld."""
        return self.stage is Stage.OPEN or self.upheld is not None

    @property
    def awaits_decision(self) -> bool:
        return self.stage in (Stage.OPEN, Stage.APPEALED)

    def is_overdue(self, now: str) -> bool:
        return self.awaits_decision and now[:10] > self.due_on

    def can_appeal(self, now: str) -> bool:
        return self.stage is Stage.DECIDED and now[:10] <= self.appeal_until

    @property
    def can_take_back(self) -> bool:
        return self.stage is Stage.OPEN and all(e.step is not Step.DECIDED for e in self.events)

    @property
    def can_change(self) -> bool:
        """A claimant who was not believed changes nothing; one who appeals waits for the answer."""
        return self.stage is Stage.OPEN or (
            self.stage in (Stage.DECIDED, Stage.CLOSED) and self.upheld is not None
        )


def choices(
    allowed: Iterable[Use], refused: Iterable[Use]
) -> tuple[tuple[Use, ...], tuple[Use, ...]]:
    """What is allowed and what is refused, in the order of Use, where no outweighs yes: on the same
    use, and of a use that the other cannot be without."""
    no = {use for use in refused if use in ASKED}
    yes = {use for use in allowed if use in ASKED and use not in no}
    yes = {use for use in yes if no.isdisjoint(REFUSED_WITH.get(use, ()))}
    return tuple(u for u in ASKED if u in yes), tuple(u for u in ASKED if u in no)


def decided(
    case: Case, *, by: str, outcome: Outcome, because: str, now: str, policy: Policy
) -> Case:
    """`case` after a person of the archive decided it, or its appeal. Raises Refused where there is
    nothing to decide, or where the same person would decide both."""
    if not case.awaits_decision:
        raise Refused(
            f"is {case.stage}: there is nothing to decide",
            where=f"case {case.id}",
            remedy="a party can appeal or change its mind",
        )
    by = one_line_of(by, "the name of who decides", NAME_CHARACTERS_MAX)
    because = text_of(because, "the reason", required=True)
    appealed = case.stage is Stage.APPEALED
    if appealed and folded(by) == folded(case.decided_by):
        raise Refused(
            f"was decided by {case.decided_by} before, and an appeal is decided by somebody else",
            where=f"case {case.id}",
            remedy="let another person of the archive decide it",
        )
    event = Event(
        at=now, step=Step.DECIDED, side=Side.ARCHIVE, by=by, text=because, outcome=outcome
    )
    return replace(
        case,
        stage=Stage.CLOSED if appealed else Stage.DECIDED,
        outcome=outcome,
        decided_by=by,
        due_on="",
        appeal_until="" if appealed else after(now, policy.appeal_days),
        events=(*case.events, event),
    )


def appealed(case: Case, *, party: Party, because: str, now: str, policy: Policy) -> Case:
    """`case` with an appeal by `party`. The decision stands meanwhile. Raises Refused where it
    cannot be appealed (any more)."""
    if not case.can_appeal(now):
        over = case.stage is Stage.DECIDED
        raise Refused(
            f"could be appealed until {case.appeal_until}" if over else "cannot be appealed",
            where=f"case {case.id}",
            remedy="a decision can be appealed once, in time; write to the archive",
        )
    event = Event(
        at=now,
        step=Step.APPEALED,
        side=party.side,
        by=party.name,
        text=text_of(because, "the reason", required=True),
    )
    return replace(
        case,
        stage=Stage.APPEALED,
        due_on=after(now, policy.decide_days),
        events=(*case.events, event),
    )


def answered(case: Case, *, party: Party, said: str, now: str) -> Case:
    """`case` with what `party` says to it. Raises Refused once it is decided."""
    if not case.awaits_decision:
        raise Refused(
            f"is {case.stage}", where=f"case {case.id}", remedy="appeal against the decision"
        )
    text = text_of(said, "the statement", required=True)
    event = Event(at=now, step=Step.ANSWERED, side=party.side, by=party.name, text=text)
    return replace(case, events=(*case.events, event))


def changed(
    case: Case,
    *,
    allowed: Iterable[Use],
    refused: Iterable[Use],
    now: str,
    policy: Policy,
) -> Case:
    """`case` after its claimant asks for something else. Raises Refused where it cannot be."""
    if not case.can_change:
        raise Refused(
            "cannot be changed: it was rejected, taken back, or is being appealed",
            where=f"case {case.id}",
            remedy="appeal, wait for the decision, or open another case",
        )
    yes, no = choices(allowed, refused)
    if not yes and not no:
        raise BadInput("says nothing", where=f"case {case.id}", remedy="answer for some use")
    event = Event(at=now, step=Step.CHANGED, side=Side.CLAIMANT, by=case.claimant.name)
    return replace(
        case,
        terms=Terms(ask=Ask.CLAIM, allowed=yes, refused=no),
        before=case.upheld,
        stage=Stage.OPEN,
        outcome=None,
        due_on=after(now, policy.decide_days),
        appeal_until="",
        holds_at_once=case.holds_at_once or case.upheld is not None,
        events=(*case.events, event),
    )


def taken_back(case: Case, now: str) -> Case:
    """`case`, which nobody has decided, taken back by its claimant. Raises Refused otherwise: what
    a decided case holds shut opens by a decision alone."""
    if not case.can_take_back:
        raise Refused(
            "was decided, and is not simply taken back",
            where=f"case {case.id}",
            remedy="change what may be done with the recording; the archive checks it",
        )
    event = Event(at=now, step=Step.TAKEN_BACK, side=Side.CLAIMANT, by=case.claimant.name)
    return replace(case, stage=Stage.WITHDRAWN, due_on="", events=(*case.events, event))


def conflicts(case: Case, others: Iterable[Case]) -> tuple[Case, ...]:
    """Those of `others` in which somebody else says to have the same rights in the recording."""
    if not case.is_live:
        return ()
    return tuple(
        other
        for other in others
        if other.recording == case.recording
        and other.is_live
        and _who(other) != _who(case)
        and not set(other.layers).isdisjoint(case.layers)
    )


def _who(case: Case) -> tuple[str, str]:
    """Whom two cases have in common if they are one person's: a name alone can be another's."""
    return folded(case.claimant.name), folded(case.claimant.contact)


def was_rejected(name: str, others: Iterable[Case]) -> bool:
    """Was somebody of that `name` not believed in one of `others`, cases about one recording?"""
    return any(
        other.outcome is Outcome.REJECTED
        and not other.is_live
        and folded(other.claimant.name) == folded(name)
        for other in others
    )


def after(now: str, days: int) -> str:
    """The day that comes `days` after the one of `now`."""
    return (date.fromisoformat(now[:10]) + timedelta(days=days)).isoformat()


def folded(name: str) -> str:
    """`name` as it is compared."""
    return " ".join(name.casefold().split())


def one_line_of(text: str, what: str, characters_max: int) -> str:
    """`text` as a name or an address: printable, on one line. Raises BadInput."""
    found = " ".join(text.split())
    if not found or len(found) > characters_max or not found.isprintable():
        raise BadInput(
            "is empty, too long, or no plain text",
            where=what,
            remedy=f"give it on one line, in {characters_max} characters at most",
        )
    return found


def text_of(text: str, what: str, *, required: bool = False) -> str:
    """What somebody wrote, its lines kept. Raises BadInput where it is too long, or missing."""
    found = "\n".join(
        "".join(c if c.isprintable() else " " for c in line).rstrip() for line in text.splitlines()
    ).strip()
    if len(found) > TEXT_CHARACTERS_MAX or (required and not found):
        raise BadInput(
            "is missing" if not found else "is too long",
            where=what,
            remedy=f"write it in {TEXT_CHARACTERS_MAX} characters at most",
        )
    return found
