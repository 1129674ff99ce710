"""What the ledger gets to hear when a DDEX message is entered. Pure.

The deals of a message replace all that its sender said before of the same release (ERN, common
rules for life cycle changes), so permissions that it does not repeat are revoked, and what it
repeats is not entered twice. A takedown stays until a person takes it back in the sender's name:
new deals may have been meant to lift it, and may not.

A purge is obeyed where the sender is the one whose deals were entered, which is how DDEX would
have it checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sonotheque.errors import BadInput
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, RecordingId, Sha512
from sonotheque.model.terms import Kind, Statement, Status
from sonotheque.rights.deals import Message, Said
from sonotheque.rights.decision import standing
from sonotheque.rights.ern import parsed
from sonotheque.rights.validity import checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What is to be entered, in this order, and what that leaves open."""

    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]


def check_address(message: Message, party: str, where: str) -> None:
    """Raises BadInput for a message that is not for the archive, whose party identifier is
    `party`, or that cannot be entered at all."""
    broken = next((f for f in message.findings if f.severity is Severity.ERROR), None)
    if broken is not None:
        raise BadInput(f"has an error ({broken.message})", where=where, remedy=broken.remedy)
    if party not in message.recipients:
        to = ", ".join(message.recipients) or "nobody"
        raise BadInput(
            f"is for {to}, and a deal is between its sender and its recipient",
            where=where,
            remedy="name the identifier under which the archive gets messages as --party, or "
            "ask the sender for a message to the archive",
        )


def entries_of(
    message: Message,
    held: Mapping[Isrc, Sequence[RecordingId]],
    ledger: Iterable[Statement],
    *,
    now: str,
    document: Sha512,
    where: str,
) -> Entries:
    """The entries that `message` makes at `now`.

    `held` has the recordings that carry each ISRC of it; `ledger` is all that was entered so far;
    `document` is the digest of the message at `where`. Raises BadInput for a message that is older
    than one that was entered.
    """
    before = _before(message, ledger, where)
    current = [
        statement
        for entries in _by_recording(before).values()
        for statement in standing(entries, now)
    ]
    new: list[Statement] = []
    findings: list[Finding] = []
    for said in message.said:
        recordings = sorted({recording for isrc in said.isrcs for recording in held[isrc]})
        findings += _whose(said, recordings, where)
        if len(recordings) == 1 or said.statement.kind is Kind.TAKEDOWN:
            new += [replace(said.statement, recording=recording) for recording in recordings]
    for release in message.purged:
        known = {s.recording for s in before if message.is_earlier(s, release)}
        if not known:
            findings.append(_unknown_release(release, where))
        takedown = message.takedown_of(release)
        new += [replace(takedown, recording=recording) for recording in sorted(known)]
    findings += [
        _still_down(statement, where)
        for statement in current
        if statement.kind is Kind.TAKEDOWN
        and any(s.kind is Kind.GRANT and s.recording == statement.recording for s in new)
    ]
    said_before = {_terms(statement) for statement in current}
    said_now = {_terms(statement) for statement in new}
    revoked = [
        replace(
            message.statement(_release_of(message, statement), Kind.REVOCATION, ()),
            recording=statement.recording,
            status=Status.VERIFIED,
            revokes=statement.id,
        )
        for statement in current
        if statement.kind is Kind.GRANT and _terms(statement) not in said_now
    ]
    fresh = [statement for statement in new if _terms(statement) not in said_before]
    return Entries(
        statements=tuple(
            checked(replace(statement, at=now, evidence_sha512=document), where)
            for statement in dict.fromkeys((*revoked, *fresh))
        ),
        findings=tuple(dict.fromkeys(findings)),
    )


def _before(message: Message, ledger: Iterable[Statement], where: str) -> list[Statement]:
    """What the ledger has of the message's releases from its sender, and what takes it back."""
    releases = (*message.releases, *message.purged)
    before: list[Statement] = []
    numbers = set()
    for statement in ledger:
        if any(message.is_earlier(statement, release) for release in releases):
            said_at = statement.evidence.rpartition(" of ")[2]
            if parsed(said_at) > parsed(message.created):
                raise BadInput(
                    f"is of {message.created}, and one of {said_at} has been entered",
                    where=where,
                    remedy="nothing to do: the newer message holds",
                )
            before.append(statement)
            numbers.add(statement.id)
        elif statement.kind is Kind.REVOCATION and statement.revokes in numbers:
            before.append(statement)
            numbers.add(statement.id)
    return before


def _by_recording(statements: Iterable[Statement]) -> dict[RecordingId, list[Statement]]:
    found: dict[RecordingId, list[Statement]] = {}
    for statement in statements:
        found.setdefault(statement.recording, []).append(statement)
    return found


def _terms(statement: Statement) -> Statement:
    """`statement` without what differs from message to message."""
    release = statement.evidence.partition(": ")[0]
    return replace(statement, id=0, at="", evidence=release, evidence_sha512=None)


def _release_of(message: Message, statement: Statement) -> str:
    releases = (*message.releases, *message.purged)
    return next(release for release in releases if message.is_earlier(statement, release))


def _whose(said: Said, recordings: Sequence[RecordingId], where: str) -> list[Finding]:
    if not recordings:
        return [
            Finding(
                code="deal.not-held",
                severity=Severity.INFO,
                message=f"{', '.join(said.isrcs)} is not held",
                remedy="deposit the recording, and enter the message again",
                where=where,
            )
        ]
    if len(recordings) > 1 and said.statement.kind is Kind.GRANT:
        return [
            Finding(
                code="deal.ambiguous",
                severity=Severity.WARNING,
                message=f"{', '.join(said.isrcs)} is on {', '.join(recordings)}; none is allowed",
                remedy="find out which of them it is, and enter it with `sonotheque rights claim`",
                where=where,
            )
        ]
    return []


def _unknown_release(release: str, where: str) -> Finding:
    return Finding(
        code="deal.unknown-release",
        severity=Severity.WARNING,
        message=f"no deal of this sender about the release {release} was entered",
        remedy="find out what is on it, and enter `sonotheque rights takedown` for each recording",
        where=where,
    )


def _still_down(statement: Statement, where: str) -> Finding:
    return Finding(
        code="deal.still-down",
        severity=Severity.WARNING,
        message=f"{statement.recording} stays taken down by entry {statement.id}",
        remedy="ask the sender; if it is meant to be lifted, `sonotheque rights revoke` it",
        where=where,
    )
