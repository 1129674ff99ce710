"""The commands `rights desk`: the cases that people opened, and what is decided about them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sonotheque import archive as archives
from sonotheque.cli import text
from sonotheque.cli.answer import Answer
from sonotheque.cli.rights import one
from sonotheque.desk.case import Ask, Case, Event, Outcome, Party, Side
from sonotheque.desk.handling import Desk, Request
from sonotheque.desk.watches import Watches
from sonotheque.errors import NotFound
from sonotheque.model.findings import Finding
from sonotheque.model.terms import Layer, Use
from sonotheque.store import files
from sonotheque.store.clock import utc_now


def listing(arguments: Namespace) -> Answer:
    now = utc_now()
    with _desk(arguments.archive) as desk:
        cases = [case for case in desk.cases.each() if arguments.all or case.awaits_decision]
        cases.sort(key=lambda case: (case.due_on or "9", case.id))
        found = [(case, desk.findings(case, now)) for case in cases]
        waiting = len(desk.outbox.waiting())
    lines = [line for case, findings in found for line in _short(case, findings)]
    if waiting:
        lines.append(f"{waiting} notices wait: `sonotheque rights desk notify` hands them over")
    document = {
        "cases": [{"case": _public(case), "findings": findings} for case, findings in found],
        "notices_waiting": waiting,
    }
    return Answer(document, "\n".join(lines) or "Nobody waits for a decision.")


def show(arguments: Namespace) -> Answer:
    now = utc_now()
    with _desk(arguments.archive) as desk:
        return _answer(desk, desk.cases.get(arguments.case), now)


def open_case(arguments: Namespace) -> Answer:
    now = utc_now()
    with _desk(arguments.archive) as desk:
        request = Request(
            recording=one(desk.archive, arguments.which),
            ask=Ask(arguments.ask),
            name=arguments.by,
            contact=arguments.contact,
            said=arguments.said,
            allowed=tuple(map(Use, arguments.allowed)),
            refused=tuple(map(Use, arguments.refused)),
            layers=tuple(map(Layer, arguments.layers)) or (Layer.RECORDING,),
            documents=tuple((path.name, _read(path)) for path in arguments.documents),
            is_public=arguments.public,
        )
        case, secret = desk.open(request, now)
        return _answer(desk, desk.cases.get(case.id), now, secret)


def invite(arguments: Namespace) -> Answer:
    now = utc_now()
    with _desk(arguments.archive) as desk:
        case, secret = desk.invite(arguments.case, arguments.name, arguments.contact, now)
        return _answer(desk, case, now, secret)


def answer(arguments: Namespace) -> Answer:
    now = utc_now()
    with _desk(arguments.archive) as desk:
        party = _party(desk.cases.get(arguments.case), arguments.side)
        handed = [(path.name, _read(path)) for path in arguments.documents]
        case = desk.answer(arguments.case, party, arguments.said, handed, now)
        return _answer(desk, case, now)


def appeal(arguments: Namespace) -> Answer:
    now = utc_now()
    with _desk(arguments.archive) as desk:
        party = _party(desk.cases.get(arguments.case), arguments.side)
        case = desk.appeal(arguments.case, party, arguments.because, now)
        return _answer(desk, case, now)


def decide(arguments: Namespace) -> Answer:
    now = utc_now()
    outcome = Outcome.UPHELD if arguments.uphold else Outcome.REJECTED
    with _desk(arguments.archive) as desk:
        case = desk.decide(arguments.case, arguments.by, outcome, arguments.because, now)
        return _answer(desk, case, now)


def notify(arguments: Namespace) -> Answer:
    with _desk(arguments.archive) as desk:
        Watches(desk.archive).tell()
        problem = desk.tell(utc_now())
        waiting = len(desk.outbox.waiting())
    said = f"{waiting} notices wait." if waiting else "No notice waits."
    code = 3 if problem else 0
    return Answer({"notices_waiting": waiting, "problem": problem}, f"{said} {problem}", code)


@contextmanager
def _desk(directory: Path) -> Iterator[Desk]:
    """The desk, after what a process that died left undone is done."""
    with archives.open_archive(directory) as archive:
        desk = Desk(archive)
        desk.settle(utc_now())
        yield desk


def _answer(desk: Desk, case: Case, now: str, secret: str = "") -> Answer:
    problem = desk.tell(now)
    findings = desk.findings(case, now)
    lines = [*_short(case, findings), *_long(case)]
    if secret:
        lines.append(f"The link, told this once: /cases/{case.id}/{secret}")
    if problem:
        text.tell(f"It holds, but not everybody knows yet: {problem}")
    document = {"case": _public(case), "findings": findings}
    return Answer(document | ({"secret": secret} if secret else {}), "\n".join(lines))


def _short(case: Case, findings: Iterable[Finding]) -> Iterator[str]:
    due = f"due {case.due_on}" if case.due_on else case.outcome or ""
    yield text.paragraph(
        f"{case.terms.ask} by {case.claimant.name}, {case.stage}, {due}",
        indent=" " * 4,
        first=f"{case.id}  ",
    )
    yield f"    recording {case.recording}"
    for finding in findings:
        yield text.paragraph(f"{finding.message} [{finding.code}]", indent=" " * 6, first="    ! ")


def _long(case: Case) -> Iterator[str]:
    for word, uses in (("yes", case.terms.allowed), ("no", case.terms.refused)):
        if uses:
            yield text.paragraph(f"{word}: {', '.join(uses)}", indent=" " * 6, first="    ")
    for party in case.parties:
        yield text.paragraph(f"{party.side}: {party.name}, {party.contact}", indent="    ")
    for document in case.documents:
        yield text.paragraph(
            f"document of the {document.side}: {document.name}, {text.size(document.byte_count)}",
            indent="    ",
        )
    for event in case.events:
        yield text.paragraph(_told(event), indent=" " * 16, first=f"    {event.at[:10]}  ")
    if case.appeal_until:
        yield f"    can be appealed until {case.appeal_until}"


def _told(event: Event) -> str:
    outcome = f" {event.outcome}" if event.outcome else ""
    said = f": {event.text}" if event.text else ""
    return f"{event.step}{outcome}, {event.by}{said}"


def _public(case: Case) -> dict[str, object]:
    """The case for programs: without the digests of its secrets."""
    fields = {name: getattr(case, name) for name in Case.__dataclass_fields__ if name != "parties"}
    parties = [{"side": p.side, "name": p.name, "contact": p.contact} for p in case.parties]
    return fields | {"parties": parties}


def _party(case: Case, side: str) -> Party:
    for party in case.parties:
        if party.side is Side(side):
            return party
    raise NotFound(
        f"has nobody on the side {side}",
        where=f"case {case.id}",
        remedy="`sonotheque rights desk invite` gives the other side a link",
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise files.explain(error, path) from error
