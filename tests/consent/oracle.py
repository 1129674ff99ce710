"""The rules of docs/rights.md, one after the other, written down a second time.

Deliberately naive: nothing is shared with `rights.decision`, nothing is quick, and no reasons are
given. Of the clocks of procedures and of terms of protection, which have references of their own,
it knows bounds: what is allowed at the least, and what at the most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from histories import PLACES
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.procedures import Procedure, Step
from sonotheque.model.terms import KEEPING, TRAINING, Answer, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import Territory

# What each use that is allowed allows as well, and what each that is refused takes with it.
LESSER: dict[Use, list[Use]] = {
    Use.PRESERVE: [Use.DESCRIBE, Use.IDENTIFY],
    Use.DESCRIBE: [Use.IDENTIFY],
    Use.STREAM: [Use.LISTEN_ON_SITE],
}
GREATER: dict[Use, list[Use]] = {
    Use.PRESERVE: [use for use in Use if use is not Use.DESCRIBE],
    Use.DESCRIBE: [Use.STREAM, Use.DOWNLOAD, Use.TORRENT, Use.IDENTIFY],
    Use.LISTEN_ON_SITE: [Use.STREAM],
    Use.MINE: [Use.TRAIN_AI, Use.TRAIN_GENERATIVE_AI],
    Use.TRAIN_AI: [Use.TRAIN_GENERATIVE_AI],
}


def answer(
    history: Sequence[Statement], recording: RecordingId, use: Use, now: str, place: Territory
) -> Answer:
    """What `history` says to `use` of `recording` in `place` (empty: everywhere) at `now`."""
    ours = [statement for statement in history if statement.recording == recording]

    def taken_back(statement: Statement) -> bool:
        for later in ours:
            if later.kind is not Kind.REVOCATION or later.revokes != statement.id:
                continue
            if later.id <= statement.id or taken_back(later):
                continue
            entitled = later.issuer == statement.issuer and later.at <= now
            if statement.kind is Kind.GRANT or entitled:
                return True
        return False

    def runs(statement: Statement) -> bool:
        return (statement.begins_at or "0") <= now < (statement.ends_at or "9")

    def there(statement: Statement, country: Territory) -> bool:
        inside = country in statement.territories or not statement.territories
        return inside and country not in statement.territories_except

    # What stands for all the countries that no entry names.
    world = [place] if place else [*filter(None, PLACES), Territory("elsewhere")]
    live = [statement for statement in ours if runs(statement) and not taken_back(statement)]
    for no in live:
        # A no that holds nowhere at all is still a no, asked for everywhere.
        if place and not there(no, place):
            continue
        named = use in no.uses or (use is Use.IDENTIFY and Use.DESCRIBE in no.uses)
        suspends = use not in KEEPING or (use is not Use.PRESERVE and named)
        if no.kind is Kind.TAKEDOWN and suspends:
            return Answer.REFUSED
        refused = [*no.uses, *(use for named in no.uses for use in GREATER.get(named, []))]
        if no.kind is Kind.REFUSAL and use in refused:
            return Answer.REFUSED
    yes: set[Layer] = set()
    for grant in live:
        allowed = [*grant.uses, *(use for named in grant.uses for use in LESSER.get(named, []))]
        if grant.kind is not Kind.GRANT or grant.at > now or use not in allowed:
            continue
        if not all(there(grant, country) for country in world):
            continue
        if use in KEEPING:
            return Answer.ALLOWED
        if grant.status is Status.VERIFIED:
            whole = [Layer.RECORDING] if use in TRAINING else [*Layer]
            yes.update(grant.layers or whole)
    return Answer.ALLOWED if yes == {*Layer} else Answer.UNKNOWN


# The step that others are given time after, and fewer days than any law gives them.
_ANNOUNCED = {
    Procedure.EU_LICENCE: Step.PUBLISHED,
    Procedure.EU_EXCEPTION: Step.PUBLISHED,
    Procedure.US_PRE_1972: Step.INDEXED,
}
_WAIT_DAYS_MIN = {
    Procedure.EU_LICENCE: 181, Procedure.EU_EXCEPTION: 181, Procedure.US_PRE_1972: 90,
}  # fmt: skip


def at_least(history: Sequence[Statement]) -> list[Statement]:
    """`history` if no permission that waits for a clock is ever in force."""
    return [s for s in history if s.kind is not Kind.GRANT or not (s.procedure or s.facts)]


def at_most(history: Sequence[Statement], now: str) -> list[Statement]:
    """`history` if each permission that waits for a clock is in force as soon as it can be: one
    that waits for a procedure keeps at once, and opens listening and download, no more, when its
    announcement is so old that the time of others may be over."""

    def done(grant: Statement, procedure: Procedure) -> bool:
        ages = [
            (date.fromisoformat(now[:10]) - date.fromisoformat(notice.begins_at)).days
            for notice in history
            if (notice.kind, notice.recording) == (Kind.NOTICE, grant.recording)
            and (notice.procedure, notice.step) == (procedure, _ANNOUNCED.get(procedure))
        ]
        return bool(ages) and max(ages) >= _WAIT_DAYS_MIN[procedure]

    most: list[Statement] = []
    for said in history:
        uses = said.uses
        if said.kind is Kind.GRANT and said.procedure:
            opened = [Use.STREAM, Use.DOWNLOAD, Use.LISTEN_ON_SITE]
            possible = [*KEEPING, *(opened if done(said, said.procedure) else [])]
            uses = tuple(use for use in uses if use in possible)
        most.append(replace(said, uses=uses, procedure=None, facts=None))
    return most
