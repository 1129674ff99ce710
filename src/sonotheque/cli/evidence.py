"""The commands that prove the ledger to others: prove, verify."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.errors import BadInput, Corrupt, SonothequeError, one_line
from sonotheque.model.findings import Finding
from sonotheque.model.terms import Statement
from sonotheque.rights import commitments, evidence, proof, succession
from sonotheque.rights.cosigning import Cosigner
from sonotheque.rights.entries import decode_entry
from sonotheque.rights.published import CHECKPOINT_NAME, read_note, read_successions, tiles
from sonotheque.rights.verification import Examination
from sonotheque.store import files, signing
from sonotheque.store.clock import utc_now

_SHOWN_MAX = 300
_REMEDY = "give a file that `sonotheque rights prove` made, or the directory of a ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What `rights prove --json` answers: a proof of `entry`, or of the growth since `since`
    entries, in the log of `size` entries."""

    file: str
    log: str
    size: int
    entry: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """That a witness has cosigned, and when."""

    witness: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What `rights verify --json` answers. `statement` is null where what was verified is no
    single entry, or none that this version can read; `findings` are empty where all holds."""

    log: str
    size: int
    entry: int = 0
    statement: Statement | None = None
    since: int | None = None
    cosigned: tuple[Cosigned, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A witness that was asked to cosign the newest checkpoint. `at` is empty where it has not;
    `problem` says why."""

    witness: str
    url: str
    at: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """What `rights witnesses --json` answers: who was asked; and this archive as a witness, its
    key (null where it is none) and the logs that it watches, with the entries it has cosigned."""

    witnesses: tuple[Asked, ...]
    key: str | None
    witnessed: dict[str, int]


def prove(arguments: Namespace) -> Answer:
    if (arguments.statement is None) == (arguments.since is None):
        raise BadInput(
            "one of the two is wanted",
            where="STATEMENT and --since",
            remedy="give the number of an entry, or a checkpoint that you kept",
        )
    out: Path = arguments.out
    with archives.open_archive(arguments.archive) as archive:
        key = archive.signer.verifier
        made: evidence.InclusionProof | evidence.ConsistencyProof
        if arguments.since:
            with _about(arguments.since):
                older = evidence.verify_checkpoint(
                    read_note(arguments.since), archive.ledger.keys()
                )
                made = archive.ledger.prove_growth(older)
            line = f"that the log of {older.size} entries only grew"
        else:
            made = archive.ledger.prove(arguments.statement)
            if arguments.reveal:
                made = _revealed(archive, made)
            line = f"of entry {arguments.statement}"
        checkpoint = evidence.verify_checkpoint(made.checkpoint, [key])
    files.replace(out.absolute(), made.text().encode())
    document = Proved(
        file=str(out),
        log=checkpoint.origin,
        size=checkpoint.size,
        entry=arguments.statement or 0,
        since=older.size if arguments.since else 0,
    )
    lines = [
        text.paragraph(f"Proof {line} is in {out}. Whoever has it can check it with"),
        f"  sonotheque rights verify {out} --key {key.text()}",
    ]
    return Answer(document, "\n".join(lines))


def rotate_key(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive, archive.writing():
        old = archive.signer.verifier.text()
        note = archive.rotate_key(utc_now())
        new = archive.signer.verifier.text()
    lines = [
        "From now on this archive signs by",
        f"  {new}",
        text.paragraph(
            f"The old key names it in {note}. Tell everybody who has the old key, your witnesses"
            " above all; back up the keys directory. What the old key signed stays verifiable."
        ),
    ]
    return Answer({"old": old, "new": new, "note": str(note)}, "\n".join(lines))


def _keys(key: signing.Verifier, notes: list[Path], path: Path) -> list[signing.Verifier]:
    """`key`, and the keys to which the notes lead from it; a ledger brings its own along."""
    texts = [read_note(note) for note in notes]
    for note, content in zip(notes, texts, strict=True):
        with _about(note):
            succession.read_note(content)
    if path.is_dir():
        texts += read_successions(path)
    return succession.related(key, texts)


def _revealed(archive: Archive, made: evidence.InclusionProof) -> evidence.InclusionProof:
    """`made` with what stands behind the commitments of its entry."""
    statement = decode_entry(made.entry, made.index + 1)
    openings = [
        (text, opening)
        for text in (statement.issuer, statement.evidence)
        if (opening := archive.commitments.opening(text)) and not opening.erased_at
    ]
    if not openings:
        raise BadInput(
            "has nothing to reveal",
            where=f"entry {statement.id}",
            remedy="leave out --reveal: the entry was made in public, or its person was erased",
        )
    lines = [msgspec.json.encode([text, one.salt, one.value]) for text, one in openings]
    return replace(made, extra=b"\n".join([made.entry, *lines]))


def _opened(found: evidence.InclusionProof, statement: Statement) -> Statement:
    """`statement` with the values that the proof brings along, each of which must be what the
    entry commits to."""
    known = {}
    for line in found.extra.split(b"\n")[1:]:
        try:
            text, salt, value = msgspec.json.decode(line, type=tuple[str, str, str])
            if commitments.commitment(salt, value) != text:
                raise ValueError(text)
        except (ValueError, msgspec.MsgspecError) as error:
            raise Corrupt(
                "what it reveals is not what the entry commits to", remedy="do not trust it"
            ) from error
        known[text] = value
    return replace(
        statement,
        issuer=known.get(statement.issuer, statement.issuer),
        evidence=known.get(statement.evidence, statement.evidence),
    )


def verify(arguments: Namespace) -> Answer:
    path: Path = arguments.file
    keys = _keys(_key(arguments.key), arguments.succession, path)
    witnesses = [_key(key, signing.Kind.COSIGNATURE) for key in arguments.witness]
    with _about(path):
        if path.is_dir():
            return _whole(path, keys, witnesses, arguments.since)
        content = read_note(path)
        if content.startswith("old "):
            return _growth(content, keys, arguments.since)
        if not content.startswith(evidence.HEADER):
            raise BadInput("is no proof", remedy=_REMEDY)
        try:
            found = evidence.parse_inclusion(content)
        except ValueError as error:
            raise _damaged(error) from error
        return _entry(found, evidence.verify_inclusion(found, keys, witnesses))


def witnesses(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        archive.ledger.publish()
        archive.ledger.cosign()
        note, away = archive.ledger.checkpoint(), archive.ledger.witnesses.away
        asked = tuple(_asked(one, note, away) for one in archive.ledger.witnesses.cosigners)
        own = archive.witness
        document = Witnesses(
            witnesses=asked,
            key=own.verifier.text() if own else None,
            witnessed=own.sizes() if own else {},
        )
    lines = [_asked_line(one) for one in asked]
    if not asked:
        lines.append("Nobody cosigns this ledger: name a [[witness]] in archive.toml.")
    if own:
        lines.append(f"As a witness, this archive is {document.key}")
        lines += [f"  {name}: {size} entries cosigned" for name, size in document.witnessed.items()]
    return Answer(
        document, "\n".join(lines), exit_code=1 if any(not one.at for one in asked) else 0
    )


def _asked(one: Cosigner, note: str, away: Mapping[str, str]) -> Asked:
    at_s = signing.cosigned_at(note, one.verifier)
    name = one.verifier.name
    at = "" if at_s is None or name in away else _time(at_s)
    return Asked(witness=name, url=one.url, at=at, problem=away.get(name, ""))


def _asked_line(one: Asked) -> str:
    if one.at:
        return f"✓ {one.witness} cosigned the newest checkpoint on {one.at}"
    return text.paragraph(f"✗ {one.witness} has not: {one.problem}", indent="  ", first="")


def _entry(found: evidence.InclusionProof, checkpoint: evidence.Checkpoint) -> Answer:
    number = found.index + 1
    try:
        statement = _opened(found, decode_entry(found.entry, number))
        shown = text.statement(statement)
    except msgspec.MsgspecError:
        statement = None
        shown = one_line(found.entry[:_SHOWN_MAX].decode("utf-8", "replace"))
    lines = [
        f"Entry {number} is in the log {checkpoint.origin} of {checkpoint.size} entries:",
        shown,
        *_cosigned_lines(checkpoint),
    ]
    document = Verified(
        log=checkpoint.origin,
        size=checkpoint.size,
        entry=number,
        statement=statement,
        cosigned=_cosigned(checkpoint),
    )
    return Answer(document, "\n".join(lines))


def _growth(content: str, keys: list[signing.Verifier], since: Path | None) -> Answer:
    try:
        found = evidence.parse_consistency(content)
    except ValueError as error:
        raise _damaged(error) from error
    if since is None:
        raise BadInput(
            "is a proof that a log only grew",
            remedy="give the older checkpoint that you kept with --since",
        )
    older = _older(since, keys)
    newer = evidence.verify_consistency(found, older, keys)
    document = Verified(log=newer.origin, size=newer.size, since=older.size)
    return Answer(document, _grew(newer.origin, older.size, newer.size))


def _damaged(error: ValueError) -> Corrupt:
    return Corrupt(
        f"the proof is damaged: {error}", remedy="do not trust it; ask the archive for it again"
    )


def _whole(
    directory: Path,
    keys: list[signing.Verifier],
    witnesses: list[signing.Verifier],
    since: Path | None,
) -> Answer:
    """Verify a ledger's published files, every one of them."""
    note = read_note(directory / CHECKPOINT_NAME)
    checkpoint = evidence.verify_checkpoint(note, keys, witnesses)
    key = next(key for key in keys if signing.signed_by(note, key))
    examination = Examination(directory, key)
    with progress(verify="verifying entries") as show:
        for _ in examination.entries(show):
            pass
    lines = [f"{checkpoint.size} entries of the log {checkpoint.origin} were read."]
    older = _older(since, keys) if since else None
    if examination.findings:
        lines += text.findings(examination.findings)
    else:
        lines.append("All of them, and every hash over them, are what was signed.")
        if older:
            path = proof.consistency_path(
                min(older.size, checkpoint.size), checkpoint.size, tiles(directory, checkpoint.size)
            )
            evidence.check_consistent(
                older.size, older.root, checkpoint.size, checkpoint.root, path
            )
            lines.append(_grew(checkpoint.origin, older.size, checkpoint.size))
    lines += _cosigned_lines(checkpoint)
    document = Verified(
        log=checkpoint.origin,
        size=checkpoint.size,
        since=older.size if older else None,
        cosigned=_cosigned(checkpoint),
        findings=tuple(examination.findings),
    )
    return Answer(document, "\n".join(lines), exit_code=1 if examination.findings else 0)


def _older(path: Path, keys: list[signing.Verifier]) -> evidence.Checkpoint:
    with _about(path):
        return evidence.verify_checkpoint(read_note(path), keys)


def _grew(log: str, old: int, new: int) -> str:
    return text.paragraph(
        f"The log {log} only grew, from {old} entries to {new}: the first {old} are those of the"
        " older checkpoint."
    )


def _cosigned(checkpoint: evidence.Checkpoint) -> tuple[Cosigned, ...]:
    return tuple(Cosigned(witness=name, at=_time(at_s)) for name, at_s in checkpoint.cosigned)


def _cosigned_lines(checkpoint: evidence.Checkpoint) -> list[str]:
    return [f"Cosigned by {name} on {_time(at_s)}." for name, at_s in checkpoint.cosigned]


def _time(at_s: int) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"second {at_s}"


def _key(given: str, kind: signing.Kind = signing.Kind.NOTE) -> signing.Verifier:
    path = Path(given)
    with contextlib.suppress(OSError):
        if path.is_file():
            with _about(path):
                return signing.parse_verifier(read_note(path), kind)
    return signing.parse_verifier(given, kind)


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Have errors name the file that they are about."""
    try:
        yield
    except SonothequeError as error:
        if error.where:
            raise
        raise type(error)(error.what, where=str(path), remedy=error.remedy) from error
