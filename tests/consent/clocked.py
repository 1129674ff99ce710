"""Entries of a ledger that wait for clocks: what several tests are made of."""

from __future__ import annotations

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.procedures import Procedure, Step, TermFacts
from sonotheque.model.terms import Basis, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import Territory

ID = RecordingId("0000000000001")
EU_STEPS = (Step.HELD, Step.SEARCHED, Step.UNREPRESENTED, Step.PUBLISHED)


def at(day: str) -> str:
    return f"{day}T10:00:00.000000Z"


def notice(
    number: int,
    step: Step,
    day: str,
    *,
    procedure: Procedure = Procedure.EU_EXCEPTION,
    facts: TermFacts | None = None,
) -> Statement:
    return Statement(
        id=number,
        recording=ID,
        kind=Kind.NOTICE,
        uses=(),
        status=Status.VERIFIED,
        issuer="the archive",
        evidence="e",
        at=at(day),
        begins_at=day,
        procedure=procedure,
        step=step,
        facts=facts,
    )


def grant(
    number: int,
    *,
    procedure: Procedure | None = Procedure.EU_EXCEPTION,
    facts: TermFacts | None = None,
    uses: tuple[Use, ...] = (Use.PRESERVE, Use.STREAM),
    layers: tuple[Layer, ...] = (),
    territories: tuple[Territory, ...] = (),
    day: str = "2026-01-01",
    ends_at: str = "",
) -> Statement:
    return Statement(
        id=number,
        recording=ID,
        kind=Kind.GRANT,
        uses=uses,
        status=Status.VERIFIED,
        issuer="the archive",
        evidence="e",
        at=at(day),
        ends_at=ends_at,
        basis=Basis.STATUTORY_EXCEPTION if procedure else Basis.PUBLIC_DOMAIN,
        article="Directive (EU) 2019/790, art. 8(2)" if procedure else "",
        procedure=procedure,
        facts=facts,
        layers=layers,
        territories=territories,
    )


def refusal(number: int, day: str, kind: Kind = Kind.REFUSAL) -> Statement:
    return Statement(
        id=number,
        recording=ID,
        kind=kind,
        uses=(Use.STREAM, Use.DOWNLOAD),
        status=Status.VERIFIED,
        issuer="the label",
        evidence="e",
        at=at(day),
    )


def revocation(number: int, of: int, day: str, issuer: str = "the archive") -> Statement:
    return Statement(
        id=number,
        recording=ID,
        kind=Kind.REVOCATION,
        uses=(),
        status=Status.VERIFIED,
        issuer=issuer,
        evidence="e",
        at=at(day),
        revokes=of,
    )


def eu_exception(published: str = "2026-08-31") -> tuple[Statement, ...]:
    """A grant by the exception, and every step that it needs."""
    days = ("2026-01-02", "2026-01-03", "2026-01-04", published)
    steps = zip(EU_STEPS, days, strict=True)
    return (grant(1), *(notice(n, step, day) for n, (step, day) in enumerate(steps, 2)))
