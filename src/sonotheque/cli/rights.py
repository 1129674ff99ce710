"""The commands about rights: show, decide, and those that enter something or erase it."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer
from sonotheque.cli.finding import wanted
from sonotheque.errors import BadInput, NotFound, SonothequeError
from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.model.procedures import Procedure, Step, TermFacts
from sonotheque.model.terms import KEEPING, Basis, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import parse_territory
from sonotheque.rights.commitments import is_private
from sonotheque.rights.decision import TAKEN_BACK_BY_ANYBODY
from sonotheque.rights.ledger import not_there
from sonotheque.rights.licences import find_licence
from sonotheque.rights.validity import checked
from sonotheque.store import files
from sonotheque.store.clock import utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What `rights erase --json` answers: the entries whose person was erased, and how many values
    that were."""

    entries: tuple[int, ...]
    values: int
    at: str


def show(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        if arguments.which:
            entries = archive.ledger.statements_about(one(archive, arguments.which))
        else:
            entries = tuple(archive.ledger.statements())
        shown = [archive.commitments.shown(entry) for entry in entries]
    lines = [text.statement(entry) for entry in shown] or ["The ledger says nothing of it."]
    return Answer(entries, "\n".join(lines))


def decide(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        recording = one(archive, arguments.which)
        use, at = Use(arguments.use), _moment(arguments.at)
        territory = parse_territory(arguments.territory) if arguments.territory else None
        decision = archive.decide(recording, use, at, territory)
    lines = text.decisions([decision], indent="")
    return Answer(decision, "\n".join(lines), exit_code=0 if decision.allowed else 1)


def grant(arguments: Namespace) -> Answer:
    return _permit(arguments, Status.VERIFIED)


def claim(arguments: Namespace) -> Answer:
    return _permit(arguments, Status.CLAIMED)


def notice(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        entry = Statement(
            recording=one(archive, arguments.which),
            kind=Kind.NOTICE,
            uses=(),
            status=Status.VERIFIED,
            at=utc_now(),
            procedure=Procedure(arguments.procedure),
            step=Step(arguments.step),
            begins_at=day_of(arguments.on),
            facts=_facts(arguments),
            **_said(arguments),
        )
        return _append(archive, entry, private=arguments.private)


def takedown(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        try:
            recording = one(archive, arguments.which)
        except NotFound as error:
            raise NotFound(
                "is neither held nor listed here, so there is nothing to take down",
                where=error.where,
                remedy="look with `sonotheque find`; keep the letter: what was never here has no"
                " entry, and is asked about when it is deposited",
            ) from error
        entry = Statement(
            recording=recording,
            kind=Kind.TAKEDOWN,
            uses=tuple(use for use in Use if use not in KEEPING),
            status=Status.VERIFIED,
            at=utc_now(),
            **_said(arguments),
        )
        return _append(archive, entry, private=arguments.private)


def refuse(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        entry = Statement(
            recording=one(archive, arguments.which),
            kind=Kind.REFUSAL,
            uses=_uses(arguments),
            status=Status.VERIFIED,
            at=utc_now(),
            **_said(arguments),
        )
        return _append(archive, entry, private=arguments.private)


def revoke(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        revoked = archive.ledger.statement(arguments.statement)
        if revoked is None:
            raise not_there(arguments.statement)
        said = _said(arguments)
        private = arguments.private or is_private(revoked.issuer)
        opening = archive.commitments.opening(revoked.issuer)
        if is_private(revoked.issuer) and opening and opening.value == arguments.by:
            said["issuer"] = revoked.issuer
        if revoked.kind not in TAKEN_BACK_BY_ANYBODY and revoked.issuer != said["issuer"]:
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
            at=utc_now(),
            revokes=revoked.id,
            **said,
        )
        return _append(archive, entry, private=private)


def erase(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        entry = archive.ledger.statement(arguments.statement)
        if entry is None:
            raise not_there(arguments.statement)
        if not is_private(entry.issuer):
            raise BadInput(
                "was entered in public, which no ledger can forget",
                where=f"entry {entry.id}",
                remedy="enter what names persons with --private",
            )
        now = utc_now()
        count = archive.commitments.erase(entry.issuer, now)
        entries = tuple(s.id for s in archive.ledger.statements() if s.issuer == entry.issuer)
    numbers = ", ".join(map(str, entries))
    line = (
        f"Erased {count} values: the name behind entries {numbers}, and their evidence. The entries"
        " stand, and so does every decision. Erase it from your backups of `private` too."
        if count
        else f"Nothing was left to erase behind entries {numbers}."
    )
    return Answer(Erased(entries=entries, values=count, at=now), text.paragraph(line))


def _permit(arguments: Namespace, status: Status) -> Answer:
    licence = find_licence(arguments.licence) if arguments.licence else None
    if arguments.licence and licence is None:
        raise BadInput(
            "is no public licence that we know",
            where=arguments.licence,
            remedy="give a Creative Commons URL or an SPDX identifier, or --basis and --use",
        )
    basis = Basis(arguments.basis) if arguments.basis else licence.basis if licence else None
    with archives.open_archive(arguments.archive) as archive:
        entry = Statement(
            recording=one(archive, arguments.which),
            kind=Kind.GRANT,
            uses=tuple(map(Use, dict.fromkeys(arguments.uses)))
            or (licence.uses if licence else ()),
            status=status,
            at=utc_now(),
            basis=basis,
            licence=(licence.url or licence.identifier) if licence else "",
            begins_at=day_of(arguments.begins_at),
            ends_at=day_of(arguments.ends_at),
            layers=tuple(map(Layer, dict.fromkeys(arguments.layers))),
            territories=tuple(arguments.territories) or (licence.territories if licence else ()),
            territories_except=tuple(arguments.territories_except),
            article=arguments.article,
            procedure=Procedure(arguments.procedure) if arguments.procedure else None,
            facts=_facts(arguments),
            **_said(arguments),
        )
        return _append(archive, entry, private=arguments.private)


def _append(archive: Archive, entry: Statement, *, private: bool) -> Answer:
    entry = checked(entry, f"the {entry.kind} by {entry.issuer!r}")
    if private:
        entry = archive.commitments.in_private(entry)
    elif is_private(entry.issuer) or is_private(entry.evidence):
        raise BadInput(
            "has the form of a commitment", where="--by or --evidence", remedy="say it in words"
        )
    (appended,) = archive.ledger.append([entry])
    tell_others(archive)
    decisions = archive.decisions(entry.recording, utc_now())
    shown = archive.commitments.shown(appended)
    lines = [f"Entered as number {appended.id}:", text.statement(shown), "From now on:"]
    lines += text.decisions(decisions)
    return Answer({"statement": appended, "decisions": decisions}, "\n".join(lines))


def tell_others(archive: Archive) -> None:
    """After an entry: say which witnesses were away, and bring the list that mirrors honour up to
    date; the entry holds whatever becomes of that."""
    text.tell_away(archive.ledger.witnesses.away)
    if not archive.config.editions.exists():
        return
    from sonotheque.publication.tombstones import publish_tombstones

    try:
        publish_tombstones(archive, utc_now())
    except SonothequeError as error:
        text.tell(f"The entry holds, but the list for mirrors is not up to date: {error.line()}")


def one(archive: Archive, which: str) -> RecordingId:
    """The one recording that `which` names. Raises BadInput where it names several."""
    found = wanted(archive, which)
    if len(found) > 1:
        raise BadInput(
            f"stands for {len(found)} recordings",
            where=which,
            remedy="give the identifier of one: " + ", ".join(recording.id for recording in found),
        )
    return found[0].id


def _said(arguments: Namespace) -> dict[str, Any]:
    """Who says so, and where that can be seen, with the digest of the document if one is given."""
    document = arguments.document
    return {
        "issuer": arguments.by,
        "evidence": arguments.evidence,
        "evidence_sha512": Sha512(files.sha512_of(document)) if document else None,
    }


def _uses(arguments: Namespace) -> tuple[Use, ...]:
    return tuple(map(Use, dict.fromkeys(arguments.uses)))


def _facts(arguments: Namespace) -> TermFacts | None:
    """What the command says for a term of protection; None where it says nothing."""
    facts = TermFacts(
        fixed=arguments.fixed,
        published=arguments.published,
        communicated=arguments.communicated,
        for_hire={"yes": True, "no": False}.get(arguments.for_hire),
        authors=arguments.authors,
        died=tuple(sorted(arguments.died)),
        work_published=arguments.work_published,
    )
    return facts if facts != TermFacts() else None


def _moment(day: str) -> str:
    """The beginning of `day`; now where none is given."""
    return f"{day_of(day)}T00:00:00.000000Z" if day else utc_now()


def day_of(day: str) -> str:
    if not day:
        return ""
    try:
        return datetime.fromisoformat(day).date().isoformat()
    except ValueError:
        raise BadInput("is not a date", where=day, remedy="write it as 2026-01-31") from None
