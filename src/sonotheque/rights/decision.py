"""May this recording be put to this use, there and then? Pure; default deny; reasons always.

The rules, in order:

1. A takedown in force suspends every use but keeping (to preserve, and to describe and identify
   unless it names them).
2. Any refusal in force wins over any grant, on whichever layer it is.
3. Keeping is allowed by any grant in force, verified or claimed, on either layer.
4. Any other use is allowed by verified grants in force that together cover both layers, the
   recording and the work.
5. Everything else is unknown, and unknown is not allowed.

A grant that waits for a procedure or for the end of a term of protection is in force from the
day that its clock names (`periods`), and where nothing names it, never.

A grant of a use allows the lesser use too, and a refusal refuses the greater ones (`model.terms`
has the tables). Doubt is resolved towards no: an entry dated in the future (a clock that ran
wrong) counts if it restricts and does not if it allows; so does one that holds in some countries
only, where the question is about all of them; a revocation of a refusal, a takedown or a
revocation counts only from the one who issued it, one of a grant or a notice from anybody.

`clearance` says the same in SQL; its tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import (
    ALLOWED_WITH,
    KEEPING,
    ON_PREMISES,
    REFUSED_WITH,
    SUSPENDED_WITH,
    TRAINING,
    Answer,
    Basis,
    Decision,
    Kind,
    Layer,
    Reason,
    Statement,
    Status,
    Use,
)
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.licences import name_of
from sonotheque.rights.periods import NOT_YET, has_clocks, plain

_ALLOWING = {use: frozenset({use, *ALLOWED_WITH.get(use, ())}) for use in Use}
_REFUSING = {use: frozenset({use, *REFUSED_WITH.get(use, ())}) for use in Use}
_SUSPENDING = {use: frozenset(SUSPENDED_WITH.get(use, ())) for use in KEEPING}
_RESTRICTING = (Kind.REFUSAL, Kind.TAKEDOWN)
TAKEN_BACK_BY_ANYBODY = (Kind.GRANT, Kind.NOTICE)
_BOTH = tuple(Layer)
_name_of = lru_cache(maxsize=4_096)(name_of)


def decide(
    statements: Sequence[Statement],
    recording: RecordingId,
    use: Use,
    now: str,
    territory: Territory = EVERYWHERE,
) -> Decision:
    """The answer for `recording` and `use` at `now` (ISO 8601, UTC) in `territory`, with what it
    rests on.

    `statements` are the ledger's entries in their order; those about other recordings and other
    uses do not count.
    """
    said = standing([s for s in statements if s.recording == recording], now)
    answer, reasons = _weigh(plain(said, now, territory), use, now, territory)
    return Decision(
        recording=recording, use=use, answer=answer, reasons=reasons, at=now, territory=territory
    )


def decide_all(
    statements: Sequence[Statement],
    recording: RecordingId,
    now: str,
    home: Territory = EVERYWHERE,
) -> tuple[Decision, ...]:
    """The decision for every Use, in the order of the enumeration; in `home` for those that
    happen there, everywhere for the others."""
    said = standing([s for s in statements if s.recording == recording], now)
    there = {place: plain(said, now, place) for place in {home, EVERYWHERE}}
    return tuple(
        Decision(
            recording=recording,
            use=use,
            answer=answer,
            reasons=reasons,
            at=now,
            territory=territory,
        )
        for use in Use
        for territory in (place_of(use, home),)
        for answer, reasons in (_weigh(there[territory], use, now, territory),)
    )


def place_of(use: Use, home: Territory) -> Territory:
    """Where `use` is to be allowed, for an institution in `home`."""
    return home if use in ON_PREMISES else EVERYWHERE


def standing(statements: Sequence[Statement], now: str) -> list[Statement]:
    """`statements` without what was revoked, without revocations, and without what, by its
    date, has not been said yet (but restrictions count whatever their date)."""
    revoked = _revoked(statements, now)
    return [
        statement
        for statement in statements
        if statement.kind is not Kind.REVOCATION
        and not (statement.id and statement.id in revoked)
        and (statement.at <= now or statement.kind in _RESTRICTING)
    ]


def without_clocks(statements: Sequence[Statement], now: str) -> Sequence[Statement]:
    """Entries about one recording of which `decide` answers at `now`, in any territory, what it
    answers of `statements`, and none of which waits for a clock."""
    if not has_clocks(statements):
        return statements
    return [replace(s, procedure=None, facts=None) for s in plain(standing(statements, now), now)]


def layers_of(grant: Statement, use: Use) -> tuple[Layer, ...]:
    """The layers on which `grant` counts for `use`."""
    return grant.layers or ((Layer.RECORDING,) if use in TRAINING else _BOTH)


def _revoked(statements: Sequence[Statement], now: str) -> set[int]:
    revocations = [s for s in statements if s.kind is Kind.REVOCATION]
    if not revocations:
        return set()
    by_id = {statement.id: statement for statement in statements}
    revoked: set[int] = set()
    for statement in reversed(revocations):  # newest first: what took it back may be taken back
        target = by_id.get(statement.revokes)
        if statement.id in revoked or target is None or target.id >= statement.id:
            continue
        entitled = target.issuer == statement.issuer and statement.at <= now
        if entitled or target.kind in TAKEN_BACK_BY_ANYBODY:
            revoked.add(target.id)
    return revoked


def _weigh(
    said: Sequence[Statement], use: Use, now: str, territory: Territory
) -> tuple[Answer, tuple[Reason, ...]]:
    refusing, allowing = _REFUSING[use], _ALLOWING[use]
    restrictions, grants = [], []
    for statement in said:
        kind, uses = statement.kind, statement.uses
        if kind is Kind.GRANT:
            if not allowing.isdisjoint(uses):
                grants.append(statement)
        elif (
            (use not in KEEPING or not _SUSPENDING[use].isdisjoint(uses))
            if kind is Kind.TAKEDOWN
            else not refusing.isdisjoint(uses)
        ) and not _absence(statement, now, territory, unsure=False):
            restrictions.append(statement)
    if restrictions:
        return Answer.REFUSED, tuple([_restricted(s) for s in restrictions])
    absent = [_absence(statement, now, territory, unsure=True) for statement in grants]
    current = [grant for grant, why in zip(grants, absent, strict=True) if not why]
    verified = [grant for grant in current if grant.status is Status.VERIFIED]
    if use in KEEPING and current:
        reasons = [_granted(s, layers_of(s, use)) for s in verified]
        return Answer.ALLOWED, tuple(reasons or [_claimed(s, use) for s in current])
    reasons = [_granted(s, layers_of(s, use)) for s in verified]
    if verified:
        covered = {layer for statement in verified for layer in layers_of(statement, use)}
        if len(covered) == len(_BOTH):
            return Answer.ALLOWED, tuple(reasons)
        reasons += [_layer_missing(layer, use) for layer in _BOTH if layer not in covered]
    reasons += [_claimed(s, use) for s in current if s.status is Status.CLAIMED]
    reasons += [_absent(s, why) for s, why in zip(grants, absent, strict=True) if why]
    return Answer.UNKNOWN, tuple(reasons) or (_nobody_said(use),)


def _absence(statement: Statement, now: str, territory: Territory, *, unsure: bool) -> str:
    """Why `statement` does not hold at `now` in `territory`: a code, or nothing where it does.

    `unsure` says whether it is absent where it holds in some countries only and `territory` is
    all of them.
    """
    if statement.ends_at and statement.ends_at <= now:
        return "expired"
    if statement.begins_at and statement.begins_at > now:
        return "not-begun"
    places, but = statement.territories, statement.territories_except
    if not places and not but:
        return ""
    if territory == EVERYWHERE:
        return "elsewhere" if unsure else ""
    holds = (not places or territory in places) and territory not in but
    return "" if holds else "elsewhere"


def _restricted(statement: Statement) -> Reason:
    day = statement.at[:10]
    if statement.kind is Kind.TAKEDOWN:
        return Reason(
            code="takedown",
            message=f"{statement.issuer} asked for it to be taken down on {day}",
            statement=statement.id,
        )
    return Reason(
        code="refused",
        message=f"{statement.issuer} refused this use on {day}",
        statement=statement.id,
    )


def _granted(statement: Statement, layers: tuple[Layer, ...]) -> Reason:
    by = _ground(statement)
    if len(layers) == len(_BOTH):
        return Reason(
            code="granted",
            message=f"{statement.issuer} allows it by {by}",
            statement=statement.id,
        )
    if layers[0] is Layer.RECORDING:
        return Reason(
            code="granted-recording",
            message=f"{statement.issuer} allows it for the recording by {by}",
            statement=statement.id,
        )
    return Reason(
        code="granted-work",
        message=f"{statement.issuer} allows it for the work by {by}",
        statement=statement.id,
    )


def _ground(statement: Statement) -> str:
    if statement.licence:
        return _name_of(statement.licence)
    if statement.basis is Basis.STATUTORY_EXCEPTION and statement.article:
        return statement.article
    return statement.basis.value if statement.basis else "their word"


def _claimed(statement: Statement, use: Use) -> Reason:
    if use is Use.PRESERVE:
        return Reason(
            code="claimed-preserve",
            message=f"kept on the word of {statement.issuer}, which nobody has verified yet",
            statement=statement.id,
        )
    if use is Use.DESCRIBE:
        return Reason(
            code="claimed-describe",
            message=f"described on the word of {statement.issuer}, which nobody has verified yet",
            statement=statement.id,
        )
    if use is Use.IDENTIFY:
        return Reason(
            code="claimed-identify",
            message=f"recognised on the word of {statement.issuer}, which nobody has verified yet",
            statement=statement.id,
        )
    return Reason(
        code="claimed",
        message=f"allowed only on the word of {statement.issuer}, which nobody has verified yet",
        statement=statement.id,
    )


def _absent(statement: Statement, why: str) -> Reason:
    if why == "not-begun":
        day = statement.begins_at[:10] if statement.begins_at != NOT_YET else ""
        begins = f"begins on {day}"
        if statement.begins_at == NOT_YET and statement.procedure:
            begins = f"waits for the procedure {statement.procedure}, which is not finished"
        elif statement.begins_at == NOT_YET and statement.facts:
            begins = "waits for the end of a term of protection, which is not known"
        return Reason(
            code="not-begun",
            message=f"the permission of {statement.issuer} {begins}",
            statement=statement.id,
            day=day if statement.procedure or statement.facts else "",
        )
    if why == "expired":
        return Reason(
            code="expired",
            message=f"the permission of {statement.issuer} ended on {statement.ends_at[:10]}",
            statement=statement.id,
        )
    places = f"in {', '.join(statement.territories)}" if statement.territories else "everywhere"
    if statement.territories_except:
        places += f" but not in {', '.join(statement.territories_except)}"
    return Reason(
        code="elsewhere",
        message=f"the permission of {statement.issuer} holds {places}",
        statement=statement.id,
    )


def _layer_missing(layer: Layer, use: Use) -> Reason:
    asked = "consented to training" if use in TRAINING else "allowed it"
    if layer is Layer.RECORDING:
        return Reason(
            code="recording-missing",
            message=f"nobody with a say in the recording (performers, producer) has {asked}",
        )
    return Reason(
        code="work-missing",
        message=f"nobody with a say in the work (its authors) has {asked}",
    )


def _nobody_said(use: Use) -> Reason:
    if use in TRAINING:
        return Reason(
            code="training-not-asked",
            message="nobody has consented to training; a public licence is not that consent",
        )
    return Reason(code="nobody-said", message="nobody with a say has allowed it")
