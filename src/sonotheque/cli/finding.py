"""The commands that look things up: find, show, match."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import cataloguing, text
from sonotheque.cli.answer import Answer
from sonotheque.errors import BadInput, NotFound
from sonotheque.matching.clones import how_modified
from sonotheque.model.identifiers import holding_id_of, parse_isrc, parse_recording_id
from sonotheque.model.music import Fingerprints, Match, MatchKind, Recording
from sonotheque.store import files
from sonotheque.store.clock import utc_now


def find(arguments: Namespace) -> Answer:
    query = " ".join(arguments.query)
    with archives.open_archive(arguments.archive) as archive:
        page = archive.catalogue.find(query, limit=arguments.limit)
    lines = [text.recording_line(recording) for recording in page.recordings]
    if page.total > len(page.recordings):
        at_least = "" if page.total_is_exact else "at least "
        lines.append(f"… and {at_least}{page.total - len(page.recordings)} more: use --limit")
    document = {
        "query": query,
        "total": page.total,
        "total_is_exact": page.total_is_exact,
        "recordings": page.recordings,
    }
    if not page.recordings:
        return Answer(document, f"Nothing found for {text.cut(query, 55)!r}.", exit_code=1)
    return Answer(document, "\n".join(lines))


def show(arguments: Namespace) -> Answer:
    from sonotheque.cli import linking
    from sonotheque.deposit.receipts import Receipts

    now = utc_now()
    documents, lines = [], []
    with archives.open_archive(arguments.archive) as archive:
        for recording in wanted(archive, arguments.which):
            decisions = archive.decisions(recording.id, now)
            statements = archive.ledger.statements_about(recording.id)
            holding = archive.vault.holding(holding_id_of(recording.id))
            events = archive.fixity.events_of(holding_id_of(recording.id))
            deposits = Receipts(archive.database).about(recording.id)
            listed = archive.catalogue.listed(recording.id)
            lines += text.recording(recording)
            linked = linking.linked_rows(archive, listed) if listed else ()
            lines += cataloguing.listed_lines(listed) if listed else []
            lines += linking.linked_lines(linked)
            lines += ["What may be done with it", *text.decisions(decisions)]
            lines += ["What the ledger says"] if statements else []
            shown = map(archive.commitments.shown, statements)
            lines += [text.statement(statement) for statement in shown]
            lines.append("What is held" if holding else "Nothing of it is held")
            for file in holding.audio if holding else ():
                lines.append(f"  {text.cut(file.path, 64)}, {text.size(file.byte_count)}")
                lines += text.sha512(file.sha512)
            lines += ["What happened to it"] if deposits or events else []
            lines += [
                text.paragraph(
                    f"deposited as {text.cut(item.path, 36)} ({deposit})",
                    indent=" " * 14,
                    first=f"  {at[:10]}  ",
                )
                for deposit, at, item in deposits
            ]
            lines += [
                text.paragraph(
                    f"checked in root {event.root}: {event.outcome.value} {event.path}",
                    indent=" " * 14,
                    first=f"  {event.at[:10]}  ",
                )
                for event in events[:6]
            ]
            documents.append(
                {
                    "recording": recording,
                    "decisions": decisions,
                    "statements": statements,
                    "holding": holding,
                    "fixity": events,
                    "deposits": [
                        {"deposit": d, "at": at, "item": item} for d, at, item in deposits
                    ],
                    "listed": cataloguing.listed_document(listed) if listed else None,
                    "linked": linked,
                }
            )
    return Answer(documents, "\n".join(lines))


def match(arguments: Namespace) -> Answer:
    from sonotheque.deposit.appraisal import described_by
    from sonotheque.deposit.inspection import FUNCTION, inspect
    from sonotheque.deposit.scrutiny import same_work
    from sonotheque.store.sandbox import Sandbox

    documents, lines = [], []
    found_any = False
    if arguments.svg:
        _check_picture(arguments.svg, arguments.files)
    with archives.open_archive(arguments.archive) as archive:
        limits = archive.config.limits
        sandbox = Sandbox(
            FUNCTION,
            memory_bytes_max=limits.inspection_memory_bytes_max,
            seconds_max=limits.inspection_seconds_max,
        )
        with sandbox:
            for path in arguments.files:
                if not path.is_file():
                    raise BadInput("is not a file", where=str(path), remedy="name an audio file")
                if not os.access(path, os.R_OK):
                    raise files.explain(PermissionError(13, "", str(path)), path)
                inspection = inspect(sandbox, path)
                if inspection.fingerprints is None:
                    raise BadInput(inspection.problem, where=str(path), remedy=inspection.remedy)
                matches = archive.fingerprints.find_matches(inspection.fingerprints)
                found_any = found_any or bool(matches)
                lines += _matched(archive, path, matches)
                name = files.text_of(path.name)
                said = described_by(inspection.tags)
                findings = same_work(archive, said, matches, where=name)
                lines += text.findings(findings, indent="  ", about=name)
                document: dict[str, object] = {
                    "file": files.text_of(path),
                    "audio": inspection.audio,
                    "matches": matches,
                    "findings": findings,
                }
                if arguments.svg:
                    drawn = _drawn(
                        archive, path, inspection.fingerprints, matches, arguments.language
                    )
                    files.replace(arguments.svg.absolute(), drawn.encode())
                    document["picture"] = files.text_of(arguments.svg)
                    lines.append(f"  drawn in {text.cut(str(arguments.svg), 60)}")
                documents.append(document)
    return Answer(documents, "\n".join(lines), exit_code=1 if found_any else 0)


def _check_picture(svg: Path, paths: Sequence[Path]) -> None:
    """Raises BadInput where no picture can be drawn of `paths`, or not there."""
    if svg.suffix.lower() != ".svg":
        raise BadInput("is no SVG", where=str(svg), remedy="let its name end in .svg")
    if len(paths) > 1:
        raise BadInput(
            f"{len(paths)} files do not go into one picture",
            where=str(svg),
            remedy="with --svg, name one file at a time",
        )


def _drawn(
    archive: Archive, path: Path, query: Fingerprints, matches: tuple[Match, ...], code: str
) -> str:
    """The picture of the best of `matches`. Raises BadInput where there is nothing to draw."""
    from sonotheque.access import alignments
    from sonotheque.access.language import language
    from sonotheque.matching.picture import lay

    recording = archive.catalogue.get(matches[0].recording) if matches else None
    held = archive.read_fingerprints(recording) if recording else None
    if recording is None or held is None:
        raise BadInput(
            "there is nothing to draw: "
            + ("no fingerprint of its match is kept" if matches else "it matches nothing here"),
            where=str(path),
            remedy="leave --svg away" if matches else "ask without --svg whether it matches",
        )
    laid = lay(query, held, matches[0])
    name = files.text_of(path.name)
    return alignments.picture(name, recording.description, matches[0], laid, language(code))


def _matched(archive: Archive, path: Path, matches: tuple[Match, ...]) -> list[str]:
    if not matches:
        return [f"{text.cut(path.name, 60)}: not in the archive"]
    lines = [f"{text.cut(path.name, 60)}:"]
    for found in matches:
        recording = archive.catalogue.get(found.recording)
        doubt = "perhaps " if found.is_suspect else ""
        how = f" {how_modified(found)}" if found.kind is MatchKind.MODIFIED_COPY else ""
        lines.append(
            f"  {doubt}{found.kind.value}{how}, similarity {found.similarity:.3f},"
            f" {text.duration(found.overlap_ms)} in common"
        )
        lines.append(
            text.recording_line(recording, indent="    ") if recording else f"    {found.recording}"
        )
    return lines


def wanted(archive: Archive, which: str) -> tuple[Recording, ...]:
    """The recordings that `which` names: an ISRC, an identifier, a UPC or EAN, or what a source
    calls it (`musicbrainz:…`). Raises NotFound, and BadInput where it is none of those."""
    if found := archive.catalogue.named(which):
        return found
    is_code = ":" in which or re.sub(r"[\s-]", "", which).isdecimal() or _is_isrc(which)
    if not is_code:
        parse_recording_id(which)
    raise NotFound("is not in the catalogue", where=which, remedy="look with `sonotheque find`")


def _is_isrc(text: str) -> bool:
    try:
        return bool(parse_isrc(text))
    except BadInput:
        return False
