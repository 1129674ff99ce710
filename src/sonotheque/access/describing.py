"""Whether it may be said what a recording is: where somebody refused that, nothing here says it."""

from __future__ import annotations

from collections.abc import Iterable

from sonotheque.access.problems import NotAllowed
from sonotheque.archive import Archive
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Recording
from sonotheque.model.terms import Answer, Use
from sonotheque.rights.decision import decide


def may_describe(archive: Archive, recording: RecordingId, now: str) -> bool:
    """Nobody has refused it. What was imported is described under its source's own licence, with no
    entry in the ledger; so that nobody has said anything is no reason to hide it."""
    return archive.decide(recording, Use.DESCRIBE, now).answer is not Answer.REFUSED


def may_identify(archive: Archive, recording: RecordingId, now: str) -> bool:
    """Whether strangers may be told that a sound of theirs is this recording, which is held."""
    return archive.decide(recording, Use.IDENTIFY, now).allowed


def describable(
    archive: Archive, recordings: Iterable[Recording], now: str
) -> tuple[Recording, ...]:
    """Those of `recordings` of which it may be said what they are."""
    return tuple(one for one in recordings if may_describe(archive, one.id, now))


def require_describable(archive: Archive, recording: RecordingId, now: str) -> None:
    """Raises NotAllowed where somebody has refused that it be described."""
    statements = archive.ledger.statements_about(recording)
    decision = decide(statements, recording, Use.DESCRIBE, now)
    if decision.answer is Answer.REFUSED:
        raise NotAllowed(decision, statements)
