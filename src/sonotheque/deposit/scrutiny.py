"""What the archive knows that speaks against a file: its codes, its licences, and who was first.

Reads the catalogue and the ledger and writes nothing; the rules are those of `matching`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sonotheque.archive import Archive
from sonotheque.matching.codes import code_findings, date_findings
from sonotheque.matching.forensics import (
    known_code_findings,
    licence_findings,
    same_work_findings,
    several_codes_findings,
)
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, RecordingId, holding_id_of
from sonotheque.model.music import Description, Match, Recording
from sonotheque.model.terms import Statement
from sonotheque.rights.licences import name_of

_DATE_TAGS = ("year", "date", "originaldate")
_ASKED_MAX, _ALIKE_MAX = 150, 20
"""Characters of a title and of an artist that are looked for, and recordings that are looked at."""
_WORD = re.compile(r"\w+")
_NOT_OF_THE_WORK = re.compile(r"\s*[(\[]|\s[-–—]\s")
"""Where the title ends and what marks a version begins."""


def scrutinise(
    archive: Archive,
    description: Description,
    *,
    where: str,
    now: str,
    tags: dict[str, list[str]] | None = None,
    matches: Sequence[Match] | None = None,
    same_as: RecordingId | None = None,
    statements: Iterable[Statement] = (),
) -> tuple[Finding, ...]:
    """What speaks against the file or track `where` that says it is `description`.

    `matches` are the recordings that it sounds like, None where nobody has heard it; `same_as` is
    the one that it is another encoding of.
    """
    found = [
        *(finding for isrc in description.isrcs for finding in code_findings(isrc, now)),
        *date_findings([v for tag in _DATE_TAGS for v in (tags or {}).get(tag, ())], now),
    ]
    matched = frozenset(match.recording for match in matches or ())
    known: dict[Isrc, Sequence[Recording]] = {
        isrc: [one for one in archive.catalogue.by_isrc(isrc) if one.id != same_as]
        for isrc in description.isrcs
    }
    held = frozenset(
        recording.id
        for recordings in known.values()
        for recording in recordings
        if matches is not None and archive.vault.holding(holding_id_of(recording.id)) is not None
    )
    found += known_code_findings(description, known, held=held, matched=matched)
    recording = archive.catalogue.get(same_as) if same_as else None
    if recording:
        found += several_codes_findings(description, recording)
        found += licence_findings(
            _licences(statements),
            _licences(archive.ledger.statements_about(recording.id)),
            f"{recording.description.title!r} ({recording.id})",
        )
    return tuple(replace(finding, where=where) for finding in found)


def same_work(
    archive: Archive, description: Description, matches: Iterable[Match], *, where: str
) -> tuple[Finding, ...]:
    """Which held recordings have the title and the artist of the file `where` that says it is
    `description`, and are none of `matches`: nobody who has not heard it can say that."""
    title = _NOT_OF_THE_WORK.split(description.title, maxsplit=1)[0] or description.title
    query = " ".join(_WORD.findall(f"{title[:_ASKED_MAX]} {description.artist[:_ASKED_MAX]}"))
    matched = {match.recording for match in matches}
    found = archive.catalogue.find(query, limit=_ALIKE_MAX).recordings
    unlike = [
        one
        for one in found
        if one.id not in matched and archive.vault.holding(holding_id_of(one.id)) is not None
    ]
    return tuple(replace(one, where=where) for one in same_work_findings(description, unlike))


def first_of(archive: Archive, recordings: Iterable[RecordingId]) -> dict[RecordingId, str]:
    """Since when the archive's ledger knows each of `recordings`, in words."""
    first = {}
    for recording in recordings:
        said = archive.ledger.statements_about(recording)
        if said:
            first[recording] = f"it is in the ledger since {said[0].at[:10]} (entry {said[0].id})"
    return first


def own_licences(archive: Archive, recording: RecordingId) -> tuple[Finding, ...]:
    """Whether the ledger has more than one licence of `recording` on record."""
    names = sorted(_licences(archive.ledger.statements_about(recording)))
    found = licence_findings(names[1:], names[:1], "the same recording")
    return tuple(replace(finding, where=recording) for finding in found)


def withdrawn(
    archive: Archive, matches: Iterable[Match], *, where: str, now: str
) -> tuple[Finding, ...]:
    """Those of `matches` that somebody had taken down: they may be kept, and not sent out."""
    return tuple(
        Finding(
            code="match.withdrawn",
            severity=Severity.ERROR,
            message=f"sounds like {match.recording}, which somebody had taken down here",
            remedy="do not send it out before that is settled; `sonotheque rights show` says who"
            " asked",
            where=where,
        )
        for match in matches
        if not match.is_suspect
        and any(
            reason.code == "takedown"
            for decision in archive.decisions(match.recording, now)
            for reason in decision.reasons
        )
    )


def _licences(statements: Iterable[Statement]) -> set[str]:
    return {name_of(statement.licence) for statement in statements if statement.licence}
