"""What a case has to say in the ledger, and what has to be entered for it. Pure.

An open case only restricts: a no is entered at once, a yes as a claim that opens nothing, and
nothing that restricts is taken back. A decision brings the ledger to what was decided in one go, so
that at no moment more is allowed than before or after.
"""

from __future__ import annotations

from collections.abc import Sequence

from sonotheque.desk.case import ASKED, Ask, Case, Stage
from sonotheque.model.identifiers import Sha512
from sonotheque.model.terms import Basis, Kind, Layer, Statement, Status, Use
from sonotheque.rights.decision import standing

_Key = tuple[Kind, tuple[Use, ...], tuple[Layer, ...], Status | None]
_RESTRICTING = (Kind.REFUSAL, Kind.TAKEDOWN)


def own(case: Case, statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Those of `statements` that the case made."""
    return tuple(s for s in statements if s.issuer == case.issuer)


def outstanding(
    case: Case, statements: Sequence[Statement], evidence_sha512: Sha512 | None, now: str
) -> tuple[Statement, ...]:
    """What has to be entered, so that `statements`, which the ledger has of the recording, come to
    what the case says now; nothing where they do."""
    stands = own(case, standing(statements, now))
    wanted = _wanted(case, now, evidence_sha512)
    keys = {_key(entry) for entry in wanted}
    have = {_key(entry) for entry in stands}
    leaving = [
        s
        for s in stands
        if case.stage is not Stage.OPEN or (s.kind is Kind.GRANT and s.status is Status.CLAIMED)
    ]
    entries = [entry for entry in wanted if _key(entry) not in have]
    entries += [
        _entry(case, Kind.REVOCATION, (), now, revokes=s.id) for s in leaving if _key(s) not in keys
    ]
    return tuple(entries)


def _wanted(case: Case, now: str, digest: Sha512 | None) -> list[Statement]:
    is_open = case.stage is Stage.OPEN
    terms = case.terms if is_open else case.upheld
    if terms is None:
        return []
    status = Status.CLAIMED if is_open else Status.VERIFIED
    said = []
    if case.holds_at_once or not is_open:
        said.append((Kind.TAKEDOWN, ASKED if terms.ask is Ask.TAKEDOWN else ()))
        said.append((Kind.REFUSAL, terms.refused))
    said.append((Kind.GRANT, terms.allowed))
    return [
        _entry(case, kind, uses, now, status=status, digest=digest) for kind, uses in said if uses
    ]


def _entry(
    case: Case,
    kind: Kind,
    uses: tuple[Use, ...],
    now: str,
    *,
    status: Status = Status.VERIFIED,
    digest: Sha512 | None = None,
    revokes: int = 0,
) -> Statement:
    decided = case.stage is not Stage.OPEN and case.decided_by
    by = f", decided by {case.decided_by}" if decided else ""
    return Statement(
        recording=case.recording,
        kind=kind,
        uses=uses,
        status=status,
        issuer=case.issuer,
        evidence=f"case {case.id} of the desk{by}",
        at=now,
        basis=Basis.OWN_CONSENT if kind is Kind.GRANT else None,
        layers=case.layers if kind is not Kind.REVOCATION else (),
        evidence_sha512=digest,
        revokes=revokes,
    )


def _key(entry: Statement) -> _Key:
    """What an entry says; that a restriction was verified makes it no other."""
    status = None if entry.kind in _RESTRICTING else entry.status
    return entry.kind, entry.uses, entry.layers, status
