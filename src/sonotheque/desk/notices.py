"""Telling people: every step of a case is a notice, handed to a mailbox file or to a web address.

Notices wait in `desk/outbox` until they are taken, so that each is handed over at least once and no
decision waits for a mail server. Whoever takes them sends the letters; a notice names whom to tell
and how to reach them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sonotheque.desk.case import Case, Event, Side
from sonotheque.errors import BadInput, EnvironmentFailure, SonothequeError
from sonotheque.model.identifiers import RecordingId
from sonotheque.store import files, web

MAILBOX = "mailbox:"
_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one party is told: `event` happened, the case is as it is now. `id` is the same each
    time that it is handed over."""

    id: str
    case: str
    recording: RecordingId
    to: str
    contact: str
    side: Side
    stage: str
    outcome: str
    due_on: str
    appeal_until: str
    event: Event


def notices_of(case: Case) -> tuple[Notice, ...]:
    """What every party is told of the events that it was not told of yet."""
    return tuple(
        Notice(
            id=f"{case.id}-{number}-{receiver}",
            case=case.id,
            recording=case.recording,
            to=party.name,
            contact=party.contact,
            side=party.side,
            stage=case.stage,
            outcome=case.outcome or "",
            due_on=case.due_on,
            appeal_until=case.appeal_until,
            event=event,
        )
        for number, event in enumerate(case.events[case.told :], case.told)
        for receiver, party in enumerate(case.parties)
    )


class Outbox:
    """The notices that wait in `directory`, to be handed to `target` (see `check_target`), a
    mailbox path being relative to `base`."""

    def __init__(self, directory: Path, base: Path, target: str) -> None:
        self._directory = directory
        self._base = base
        self._target = target

    def put(self, notices: Iterable[Notice]) -> None:
        """Let `notices` wait; where nobody takes any, there is nothing to wait for."""
        for notice in notices:
            self.put_document(f"{notice.event.at}-{notice.id}", msgspec.json.encode(notice))

    def put_document(self, name: str, document: bytes) -> None:
        """Let one JSON document wait, once under each name; names sort in the order of handing
        over."""
        if not self._target:
            return
        files.make_directory(self._directory)
        files.replace(self._directory / f"{name}.json", document, mode=0o600)

    def waiting(self) -> list[Path]:
        """The notices that nobody has taken yet, oldest first."""
        return sorted(self._directory.glob("*.json"))

    def deliver(self) -> int:
        """Hand over what waits, in order; how many still do. Raises EnvironmentFailure where one is
        not taken; what comes after it waits as well."""
        if not self._target or not self.waiting():
            return 0
        with files.exclusive(self._directory / ".lock", busy="notices are being handed over"):
            for path in self.waiting():
                self._hand_over(path.read_bytes())
                path.unlink()
                files.sync_directory(self._directory)
        return len(self.waiting())

    def _hand_over(self, notice: bytes) -> None:
        if self._target.startswith(MAILBOX):
            mailbox = self._base / self._target.removeprefix(MAILBOX)
            try:
                files.append_line(mailbox, notice, mode=0o600)
            except SonothequeError as error:
                raise EnvironmentFailure(
                    error.what, where=error.where, remedy=error.remedy
                ) from error
        else:
            web.post(self._target, notice, seconds_max=_SECONDS_MAX)


def check_target(target: str) -> None:
    """Raises BadInput for what is neither empty, `mailbox:PATH`, nor a web address."""
    if target.startswith(MAILBOX):
        if not target.removeprefix(MAILBOX).strip() or "\0" in target:
            raise BadInput("names no file", where=target, remedy="write mailbox:PATH")
    elif target:
        web.check_address(target)
