"""The command about deals: read what a DDEX message says, and enter it."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer
from sonotheque.cli.rights import tell_others
from sonotheque.errors import BadInput
from sonotheque.model.findings import Severity
from sonotheque.model.identifiers import Isrc, RecordingId, Sha512, holding_id_of
from sonotheque.model.terms import Statement
from sonotheque.rights.deals import MESSAGE_BYTES_MAX, Message, Said, read_deals
from sonotheque.rights.entering import check_address, entries_of
from sonotheque.store import files
from sonotheque.store.clock import utc_now


def read(arguments: Namespace) -> Answer:
    path: Path = arguments.message
    if arguments.enter and not arguments.party:
        raise BadInput(
            "--enter needs to know who the archive is",
            where="--enter",
            remedy="add --party and the DDEX party identifier under which it gets messages",
        )
    try:
        with path.open("rb") as reader:
            content = reader.read(MESSAGE_BYTES_MAX + 1)
    except OSError as error:
        raise files.explain(error, path) from error
    message = read_deals(content, path.name)
    entered: tuple[Statement, ...] = ()
    if arguments.enter:
        check_address(message, arguments.party, path.name)
        digest = Sha512(hashlib.sha512(content).hexdigest())
        with archives.open_archive(arguments.archive) as archive:
            entries = entries_of(
                message,
                _held(archive, message),
                archive.ledger.statements(),
                now=utc_now(),
                document=digest,
                where=path.name,
            )
            if entries.statements:
                entered = archive.ledger.append(entries.statements)
                tell_others(archive)
        message = replace(message, findings=(*message.findings, *entries.findings))
    refused = any(finding.severity is Severity.ERROR for finding in message.findings)
    document = {"message": message, "entered": entered}
    return Answer(document, "\n".join(_lines(message, entered, arguments)), int(refused))


def _held(archive: Archive, message: Message) -> dict[Isrc, tuple[RecordingId, ...]]:
    return {
        isrc: tuple(
            recording.id
            for recording in archive.catalogue.by_isrc(isrc)
            if archive.vault.holding(holding_id_of(recording.id)) is not None
        )
        for said in message.said
        for isrc in said.isrcs
    }


def _lines(message: Message, entered: tuple[Statement, ...], arguments: Namespace) -> list[str]:
    to = ", ".join(message.recipients) or "nobody"
    lines = [
        text.paragraph(f"{message.name} {message.id} from {message.issuer or 'nobody'} to {to}")
    ]
    lines += [line for said in message.said for line in _said(said)]
    lines += [text.paragraph(f"Release {release} is to be purged.") for release in message.purged]
    if not message.said and not message.purged:
        lines.append("It allows nothing and takes nothing down.")
    lines += text.findings(message.findings)
    if arguments.enter:
        lines.append(f"Entered: {len(entered)}")
        lines += [text.statement(entry) for entry in entered]
    return lines


def _said(said: Said) -> list[str]:
    title = f" {text.cut(said.title, 40)!r}" if said.title else ""
    return [f"Of {', '.join(said.isrcs)}{title}:", text.statement(said.statement)]
