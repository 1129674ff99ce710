"""May this recording be put to this use, now? Pure; default deny; reasons always.

The rules, in order:

1. A takedown suspends every use but PRESERVE.
2. Any refusal in force wins over any grant.
3. A verified grant in force allows the uses that it names.
4. A claim (a depositor's unverified word) allows PRESERVE and nothing else.
5. Everything else is unknown, and unknown is not allowed.

Doubt is resolved towards no: an entry dated in the future (a clock that ran wrong) counts if
it restricts and does not if it allows; a revocation of a refusal, a takedown or a revocation
counts only from the one who issued it, a revocation of a grant from anybody.
"""

from __future__ import annotations

from collections.abc import Sequence

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Answer, Decision, Kind, Reason, Statement, Status, Use
from sonotheque.rights.licences import name_of

_RESTRICTING = (Kind.REFUSAL, Kind.TAKEDOWN)


def decide(statements: Sequence[Statement], recording: RecordingId, use: Use, now: str) -> Decision:
    """The answer for `recording` and `use` at `now` (ISO 8601, UTC), with what it rests on.

    `statements` are the ledger's entries in their order; those about other recordings and other
    uses do not count.
    """
    said = standing([s for s in statements if s.recording == recording], now)
    relevant = [s for s in said if use in s.uses]
    if use is not Use.PRESERVE:
        takedowns = [s for s in said if s.kind is Kind.TAKEDOWN and _in_force(s, now)]
        if takedowns:
            return _answer(recording, use, now, Answer.REFUSED, [_taken_down(s) for s in takedowns])
    refusals = [s for s in relevant if s.kind is Kind.REFUSAL and _in_force(s, now)]
    if refusals:
        return _answer(recording, use, now, Answer.REFUSED, [_refused(s) for s in refusals])
    grants = [s for s in relevant if s.kind is Kind.GRANT]
    current = [s for s in grants if _in_force(s, now)]
    verified = [s for s in current if s.status is Status.VERIFIED]
    if verified:
        return _answer(recording, use, now, Answer.ALLOWED, [_granted(s) for s in verified])
    if current and use is Use.PRESERVE:
        return _answer(recording, use, now, Answer.ALLOWED, [_claimed(s, use) for s in current])
    reasons = [_claimed(s, use) for s in current]
    reasons += [_out_of_term(s, now) for s in grants if s not in current]
    return _answer(recording, use, now, Answer.UNKNOWN, reasons or [_nobody_said(use)])


def decide_all(
    statements: Sequence[Statement], recording: RecordingId, now: str
) -> tuple[Decision, ...]:
    """The decision for every Use, in the order of the enumeration."""
    return tuple(decide(statements, recording, use, now) for use in Use)


def standing(statements: Sequence[Statement], now: str) -> list[Statement]:
    """`statements` without what was revoked, without revocations, and without what, by its
    date, has not been said yet (but restrictions count whatever their date)."""
    by_id = {statement.id: statement for statement in statements}
    revoked = set()
    for statement in reversed(statements):  # newest first: what took it back may be taken back
        target = by_id.get(statement.revokes)
        if statement.kind is not Kind.REVOCATION or statement.id in revoked:
            continue
        if target is None or target.id >= statement.id:
            continue
        if target.kind is Kind.GRANT or (target.issuer == statement.issuer and statement.at <= now):
            revoked.add(target.id)
    return [
        statement
        for statement in statements
        if statement.kind is not Kind.REVOCATION
        and not (statement.id and statement.id in revoked)
        and (statement.kind in _RESTRICTING or statement.at <= now)
    ]


def _in_force(statement: Statement, now: str) -> bool:
    if statement.ends_at and statement.ends_at <= now:
        return False
    return not statement.begins_at or statement.begins_at <= now


def _answer(
    recording: RecordingId, use: Use, now: str, answer: Answer, reasons: list[Reason]
) -> Decision:
    return Decision(recording=recording, use=use, answer=answer, reasons=tuple(reasons), at=now)


def _taken_down(statement: Statement) -> Reason:
    return Reason(
        code="takedown",
        message=f"{statement.issuer} asked for it to be taken down on {statement.at[:10]}",
        statement=statement.id,
    )


def _refused(statement: Statement) -> Reason:
    return Reason(
        code="refused",
        message=f"{statement.issuer} refused this use on {statement.at[:10]}",
        statement=statement.id,
    )


def _granted(statement: Statement) -> Reason:
    by = name_of(statement.licence) if statement.licence else statement.basis or "their word"
    return Reason(
        code="granted",
        message=f"{statement.issuer} allows it by {by}",
        statement=statement.id,
    )


def _claimed(statement: Statement, use: Use) -> Reason:
    if use is Use.PRESERVE:
        return Reason(
            code="claimed-preserve",
            message=f"kept on the word of {statement.issuer}, which nobody has verified yet",
            statement=statement.id,
        )
    return Reason(
        code="claimed",
        message=f"allowed only on the word of {statement.issuer}, which nobody has verified yet",
        statement=statement.id,
    )


def _out_of_term(statement: Statement, now: str) -> Reason:
    if statement.begins_at and statement.begins_at > now:
        return Reason(
            code="not-begun",
            message=f"the permission of {statement.issuer} begins on {statement.begins_at[:10]}",
            statement=statement.id,
        )
    return Reason(
        code="expired",
        message=f"the permission of {statement.issuer} ended on {statement.ends_at[:10]}",
        statement=statement.id,
    )


def _nobody_said(use: Use) -> Reason:
    if use is Use.TRAIN_AI:
        return Reason(
            code="training-not-asked",
            message="nobody has consented to training; a public licence is not that consent",
        )
    return Reason(code="nobody-said", message="nobody with a say has allowed it")
