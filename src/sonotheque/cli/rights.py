"""The commands about rights: show, decide, grant, claim, takedown, revoke."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer
from sonotheque.cli.finding import wanted
from sonotheque.errors import BadInput, NotFound
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Basis, Kind, Statement, Status, Use
from sonotheque.rights.licences import find_licence
from sonotheque.store.clock import utc_now


def show(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        if arguments.which:
            entries = archive.ledger.statements_about(_one(archive, arguments.which))
        else:
            entries = tuple(archive.ledger.statements())
    lines = [text.statement(entry) for entry in entries] or ["The ledger says nothing of it."]
    return Answer(entries, "\n".join(lines))


def decide(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        recording = _one(archive, arguments.which)
        decision = archive.decide(recording, Use(arguments.use), utc_now())
    lines = text.decisions([decision], indent="")
    return Answer(decision, "\n".join(lines), exit_code=0 if decision.allowed else 1)


def grant(arguments: Namespace) -> Answer:
    return _permit(arguments, Status.VERIFIED)


def claim(arguments: Namespace) -> Answer:
    return _permit(arguments, Status.CLAIMED)


def takedown(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        entry = Statement(
            recording=_one(archive, arguments.which),
            kind=Kind.TAKEDOWN,
            uses=tuple(use for use in Use if use is not Use.PRESERVE),
            status=Status.VERIFIED,
            issuer=arguments.by,
            evidence=arguments.evidence,
            at=utc_now(),
        )
        return _append(archive, entry)


def revoke(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        revoked = archive.ledger.statement(arguments.statement)
        if revoked is None:
            raise NotFound(
                "is not in the ledger",
                where=f"entry {arguments.statement}",
                remedy="see `sonotheque rights show`",
            )
        if revoked.kind is not Kind.GRANT and revoked.issuer != arguments.by:
            raise BadInput(
                f"was made by {revoked.issuer!r}, who alone can take it back",
                where=f"entry {revoked.id}",
                remedy="revoke it in that name",
            )
        entry = Statement(
            recording=revoked.recording,
            kind=Kind.REVOCATION,
            uses=(),
            status=Status.VERIFIED,
            issuer=arguments.by,
            evidence=arguments.evidence,
            at=utc_now(),
            revokes=revoked.id,
        )
        return _append(archive, entry)


def _permit(arguments: Namespace, status: Status) -> Answer:
    licence = find_licence(arguments.licence) if arguments.licence else None
    if arguments.licence and licence is None:
        raise BadInput(
            "is no public licence that we know",
            where=arguments.licence,
            remedy="give a Creative Commons URL or an SPDX identifier, or --basis and --use",
        )
    uses = tuple(Use(use) for use in arguments.uses) or (licence.uses if licence else ())
    if not uses:
        raise BadInput("allows nothing", where="--use", remedy="name a --licence or some uses")
    basis = Basis(arguments.basis) if arguments.basis else Basis.LICENCE if licence else None
    if basis is None:
        raise BadInput("is missing", where="--basis", remedy=f"one of {', '.join(Basis)}")
    begins_at, ends_at = _time(arguments.begins_at), _time(arguments.ends_at)
    if begins_at and ends_at and ends_at <= begins_at:
        raise BadInput("ends before it begins", where="--until", remedy="correct the dates")
    with archives.open_archive(arguments.archive) as archive:
        entry = Statement(
            recording=_one(archive, arguments.which),
            kind=Kind.GRANT,
            uses=uses,
            status=status,
            issuer=arguments.by,
            evidence=arguments.evidence,
            at=utc_now(),
            basis=basis,
            licence=(licence.url or licence.identifier) if licence else "",
            begins_at=begins_at,
            ends_at=ends_at,
        )
        return _append(archive, entry)


def _append(archive: Archive, entry: Statement) -> Answer:
    if not entry.issuer.strip() or not entry.evidence.strip():
        raise BadInput("is empty", where="--by or --evidence", remedy="say who, and on what ground")
    (appended,) = archive.ledger.append([entry])
    text.tell_away(archive.ledger.witnesses.away)
    decisions = archive.decisions(entry.recording, utc_now())
    lines = [f"Entered as number {appended.id}:", text.statement(appended), "From now on:"]
    lines += text.decisions(decisions)
    return Answer({"statement": appended, "decisions": decisions}, "\n".join(lines))


def _one(archive: Archive, which: str) -> RecordingId:
    found = wanted(archive, which)
    if len(found) > 1:
        raise BadInput(
            f"stands for {len(found)} recordings",
            where=which,
            remedy="give the identifier of one: " + ", ".join(recording.id for recording in found),
        )
    return found[0].id


def _time(day: str) -> str:
    if not day:
        return ""
    try:
        return datetime.fromisoformat(day).date().isoformat()
    except ValueError:
        raise BadInput("is not a date", where=day, remedy="write it as 2026-01-31") from None
