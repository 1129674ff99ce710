"""What happens at the desk: cases are opened, answered, decided, appealed and changed.

Each step is one small transaction under the desk's lock: the case is saved first, then the ledger
is brought to what it says, then those who must know are told. A process that dies between leaves a
case that says what is outstanding; `settle` does it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from sonotheque.archive import Archive
from sonotheque.desk import case as cases
from sonotheque.desk.case import Ask, Case, Event, Outcome, Party, Policy, Side, Step, Terms
from sonotheque.desk.cases import Cases, check_documents, evidence_of
from sonotheque.desk.entries import outstanding
from sonotheque.desk.notices import Outbox, check_target, notices_of
from sonotheque.errors import BadInput, NotFound, SonothequeError
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import RecordingId, Sha512, mint_deposit_id
from sonotheque.model.terms import Layer, Use
from sonotheque.publication.tombstones import publish_tombstones
from sonotheque.quantities import parse_span
from sonotheque.rights.validity import checked
from sonotheque.store import files

_log = logging.getLogger(__name__)
_LOCK_SECONDS_MAX = 30.0
_DAY_SECONDS = 86_400
_SECRET_BYTES = 24
Handed = tuple[str, bytes]
"""A document as it is handed in: its name, its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for."""

    recording: RecordingId
    ask: Ask
    name: str
    contact: str
    said: str = ""
    allowed: tuple[Use, ...] = ()
    refused: tuple[Use, ...] = ()
    layers: tuple[Layer, ...] = (Layer.RECORDING,)
    documents: tuple[Handed, ...] = ()
    is_public: bool = False
    """Whether the name may stand in the ledger, which cannot forget it."""


class Desk:
    """The desk of one archive."""

    def __init__(self, archive: Archive) -> None:
        config = archive.config
        check_target(config.desk.notify)
        self.archive = archive
        self.cases = Cases(config.desk_directory)
        self.outbox = Outbox(config.desk_directory / "outbox", config.directory, config.desk.notify)
        self.policy = Policy(
            decide_days=parse_span(config.desk.decide_within) // _DAY_SECONDS,
            appeal_days=parse_span(config.desk.appeal_within) // _DAY_SECONDS,
        )

    def open(self, request: Request, now: str) -> tuple[Case, str]:
        """Open a case; with it, the secret of the claimant's link, which is known to nobody else
        and told this once. What restricts holds when this returns.

        Raises NotFound where the archive has no such recording, BadInput for what is no request.
        """
        recording = request.recording
        if self.archive.catalogue.get(recording) is None:
            raise NotFound(
                "is neither held nor listed here, so there is nothing to claim or take down",
                where=recording,
                remedy="look with `sonotheque find`; what was found elsewhere is asked for there",
            )
        party, secret = _party(Side.CLAIMANT, request.name, request.contact)
        allowed, refused = cases.choices(request.allowed, request.refused)
        if request.ask is Ask.TAKEDOWN:
            allowed, refused = (), ()
        elif not allowed and not refused:
            raise BadInput("says nothing", where="the claim", remedy="answer for some use")
        if not request.layers:
            raise BadInput("says not what is yours", where="the claim", remedy="name a layer")
        said = cases.text_of(request.said, "the statement", required=True)
        event = Event(at=now, step=Step.OPENED, side=Side.CLAIMANT, by=party.name, text=said)
        with self._locked():
            others = self.cases.about(recording)
            case = Case(
                id=mint_deposit_id(),
                recording=recording,
                terms=Terms(ask=request.ask, allowed=allowed, refused=refused),
                layers=tuple(layer for layer in Layer if layer in request.layers),
                opened_at=now,
                due_on=cases.after(now, self.policy.decide_days),
                holds_at_once=not cases.was_rejected(party.name, others),
                parties=(party,),
                events=(event,),
            )
            if not request.is_public:
                case = replace(case, known_as=self.archive.commitments.known_as(case.name))
            case = self._with_documents(case, request.documents, Side.CLAIMANT, now)
            self._enter(case, now)
            for other in cases.conflicts(case, others):
                self._note_conflict(other, case, now)
        return case, secret

    def party(self, number: str, secret: str) -> tuple[Case, Party]:
        """The case and the one whose link it is. Raises NotFound, and says not which is wrong."""
        case = self.cases.get(number)
        digest = _digest(secret)
        for party in case.parties:
            if hmac.compare_digest(party.secret_sha512, digest):
                return case, party
        raise NotFound("there is no such case", where=number[:40], remedy="check the address")

    def answer(
        self, number: str, party: Party, said: str, documents: Iterable[Handed], now: str
    ) -> Case:
        """What a party says to a case that is not decided yet, and its documents."""

        def step(case: Case) -> Case:
            answered = cases.answered(case, party=party, said=said, now=now)
            return self._with_documents(answered, documents, party.side, now)

        return self._step(number, step, now)

    def change(self, number: str, allowed: Iterable[Use], refused: Iterable[Use], now: str) -> Case:
        """The claimant asks for something else: a no holds at once, a yes waits."""

        def step(case: Case) -> Case:
            return cases.changed(
                case, allowed=allowed, refused=refused, now=now, policy=self.policy
            )

        return self._step(number, step, now)

    def take_back(self, number: str, now: str) -> Case:
        """The claimant takes back what nobody has decided."""
        return self._step(number, lambda case: cases.taken_back(case, now), now)

    def decide(self, number: str, by: str, outcome: Outcome, because: str, now: str) -> Case:
        """A person of the archive decides a case, or the appeal against a decision."""

        def step(case: Case) -> Case:
            return cases.decided(
                case, by=by, outcome=outcome, because=because, now=now, policy=self.policy
            )

        return self._step(number, step, now)

    def appeal(self, number: str, party: Party, because: str, now: str) -> Case:
        def step(case: Case) -> Case:
            return cases.appealed(case, party=party, because=because, now=now, policy=self.policy)

        return self._step(number, step, now)

    def invite(self, number: str, name: str, contact: str, now: str) -> tuple[Case, str]:
        """Give the other side a link of its own; its secret, which is told this once."""
        party, secret = _party(Side.OTHER, name, contact)
        event = Event(at=now, step=Step.INVITED, side=Side.ARCHIVE, by=party.name)

        def step(case: Case) -> Case:
            return replace(case, parties=(*case.parties, party), events=(*case.events, event))

        return self._step(number, step, now), secret

    def conflicts(self, case: Case) -> tuple[Case, ...]:
        """The cases in which somebody else says to have the same rights."""
        return cases.conflicts(case, self.cases.about(case.recording))

    def findings(self, case: Case, now: str) -> tuple[Finding, ...]:
        """What a person has to look at."""
        found = []
        for other in self.conflicts(case):
            found.append(
                Finding(
                    code="rights.conflict",
                    severity=Severity.WARNING,
                    message=f"{other.claimant.name} claims the same in case {other.id};"
                    " what either refuses is refused meanwhile",
                    remedy="read both sides' documents, and decide both cases",
                    where=f"case {case.id}",
                )
            )
        if case.is_overdue(now):
            found.append(
                Finding(
                    code="rights.overdue",
                    severity=Severity.WARNING,
                    message=f"was to be decided by {case.due_on}",
                    remedy="decide it; what it restricts stays restricted until then",
                    where=f"case {case.id}",
                )
            )
        return tuple(found)

    def settle(self, now: str) -> None:
        """Do what a process that died left outstanding."""
        with self._locked():
            for case in self.cases.each():
                self._append(case, now)
                self._note(case)

    def tell(self, now: str) -> str:
        """Bring the list for mirrors up to date and hand over what waits; what went wrong with
        that, in one line, empty where nothing did. Whatever was decided holds in any case."""
        problems = []
        for action in (lambda: publish_tombstones(self.archive, now), self.outbox.deliver):
            try:
                action()
            except SonothequeError as error:
                problems.append(error.line())
                _log.warning("the desk: %s", error)
        return " ".join(problems)

    def _step(self, number: str, step: Callable[[Case], Case], now: str) -> Case:
        with self._locked():
            case = step(self.cases.get(number))
            self._enter(case, now)
        return case

    def _enter(self, case: Case, now: str) -> None:
        self.cases.save(case)
        self._append(case, now)
        self._note(case)

    def _append(self, case: Case, now: str) -> None:
        said = self.archive.ledger.statements_about(case.recording)
        entries = outstanding(case, said, evidence_of(case), now)
        if entries:
            entries = tuple(checked(entry, f"case {case.id}") for entry in entries)
            if case.known_as:
                entries = tuple(map(self.archive.commitments.in_private, entries))
            self.archive.ledger.append(entries)

    def _note(self, case: Case) -> None:
        """Make the notices of what the parties were not told yet."""
        if case.told < len(case.events):
            self.outbox.put(notices_of(case))
            self.cases.save(replace(case, told=len(case.events)))

    def _note_conflict(self, other: Case, case: Case, now: str) -> None:
        """Tell the parties of `other`, and those of `case`, that they claim the same."""
        for one, name in ((other, case.claimant.name), (case, other.claimant.name)):
            known = self.cases.get(one.id)
            event = Event(at=now, step=Step.CONFLICT, side=Side.ARCHIVE, by=name)
            self._enter(replace(known, events=(*known.events, event)), now)

    def _with_documents(
        self, case: Case, documents: Iterable[Handed], side: Side, now: str
    ) -> Case:
        handed = tuple(documents)
        check_documents(case, handed)
        for name, content in handed:
            document = self.cases.keep(case, name, content, side, now)
            case = replace(case, documents=(*case.documents, document))
        return case

    def _locked(self) -> AbstractContextManager[None]:
        return files.exclusive(
            self.archive.config.desk_lock,
            wait_seconds=_LOCK_SECONDS_MAX,
            busy="somebody else is at the desk",
        )


def _party(side: Side, name: str, contact: str) -> tuple[Party, str]:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    party = Party(
        side=side,
        name=cases.one_line_of(name, "the name", cases.NAME_CHARACTERS_MAX),
        contact=cases.one_line_of(contact, "the contact", cases.CONTACT_CHARACTERS_MAX),
        secret_sha512=_digest(secret),
    )
    return party, secret


def _digest(secret: str) -> Sha512:
    return Sha512(hashlib.sha512(secret.encode(errors="replace")).hexdigest())
