"""From a delivery to a report: what would somebody find who knows this archive?

Nothing is deposited and nothing is written into the archive. Files are looked into as a deposit
would; each is held against the archive, against the files before it, and against what the imported
catalogue knows of its codes. A DDEX message is read for the tracks that it lists, with or without
their sound. Whether the archive may keep the delivery is not asked: it is somebody else's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonotheque.archive import Archive
from sonotheque.catalogue.sources.ddex import read_ddex
from sonotheque.deposit.accession import Progress, look_into
from sonotheque.deposit.appraisal import appraise
from sonotheque.deposit.inspection import Inspection
from sonotheque.deposit.package import PackageFile, read_package
from sonotheque.deposit.scrutiny import first_of, own_licences, same_work, scrutinise, withdrawn
from sonotheque.errors import BadInput
from sonotheque.matching import clones
from sonotheque.matching.forensics import Exhibit, across, cloned_from, several_codes_findings
from sonotheque.matching.index import FingerprintIndex
from sonotheque.matching.picture import Laid, lay
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, RecordingId, mint_recording_id
from sonotheque.model.music import (
    AudioProperties,
    Description,
    Fingerprints,
    Match,
    MatchKind,
    Recording,
)
from sonotheque.model.terms import Status

LAID_MAX = 100
"""So many of the files that have to be looked at are laid on their matches, to be drawn."""
_MESSAGE_MARK = b"NewReleaseMessage"
_MARK_WITHIN_BYTES = 4_096
_WHOLE_ARCHIVE = "the archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file of a delivery, one track of a message, or one recording of the archive. `audio` is
    None where there was nothing to hear; `matches` are recordings of the archive."""

    name: str
    description: Description
    duration_ms: int = 0
    audio: AudioProperties | None = None
    matches: tuple[Match, ...] = ()
    matched: tuple[Recording, ...] = ()
    """What the archive knows of those, in their order; one that it cannot describe is missing."""
    findings: tuple[Finding, ...] = ()

    @property
    def severity(self) -> Severity | None:
        return worst(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check found. `findings` are about the delivery as a whole."""

    source: str
    at: str
    items: tuple[Checked, ...]
    findings: tuple[Finding, ...]

    @property
    def attention(self) -> bool:
        """Whether somebody has to look at something."""
        everything = (*self.findings, *(f for item in self.items for f in item.findings))
        return worst(everything) in (Severity.ERROR, Severity.WARNING)


def worst(findings: Sequence[Finding]) -> Severity | None:
    """The gravest severity among `findings`; None where there are none."""
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    said = {finding.severity for finding in findings}
    return next((severity for severity in order if severity in said), None)


def check(
    archive: Archive,
    paths: Sequence[Path],
    now: str,
    progress: Progress | None = None,
    laid: dict[int, Laid] | None = None,
) -> Report:
    """Check the delivery at `paths`: directories, bags, files, DDEX messages.

    `laid` is filled with how files lie on their best matches, by their place among the items: of
    those that have to be looked at, the first LAID_MAX.

    Raises BadInput where a path does not exist or there is nothing to check.
    """
    messages = [message for path in paths for message in _messages(path)]
    others = [path for path in paths if path not in messages]
    package = read_package(others, may_be_empty=bool(messages)) if others else None
    files = package.files if package else ()
    items: list[Checked] = []
    with _Checker(archive, now) as checker:
        looked = look_into(archive, files, progress)
        for file, (_, inspection) in zip(files, looked, strict=True):
            item = checker.file(file, inspection)
            items.append(item)
            _lay(archive, items, inspection.fingerprints, laid)
        heard = {isrc for item in items for isrc in item.description.isrcs}
        for message in messages:
            items += checker.message(message, heard)
        exhibits = checker.exhibits
    # Several formats are given one path, several paths one sender.
    source = ", ".join(dict.fromkeys(path.name or str(path) for path in paths))
    source = source.encode("utf-8", "backslashreplace").decode()
    return Report(
        source=source,
        at=now,
        items=tuple(items),
        findings=(*(package.findings if package else ()), *across(exhibits, source)),
    )


def check_archive(
    archive: Archive,
    now: str,
    progress: Progress | None = None,
    laid: dict[int, Laid] | None = None,
) -> Report:
    """Hold every deposited recording against all others, by the fingerprints that are kept; `laid`
    as for `check`.

    Of two that sound alike the one that came later is told of. Modified copies are not looked for
    here: they are found when a file comes, for what they are found by is not kept.
    """
    items: list[Checked] = []
    exhibits: list[Exhibit] = []
    total = archive.catalogue.count()
    seen: set[RecordingId] = set()
    for number, recording in enumerate(archive.catalogue.each(), 1):
        seen.add(recording.id)
        fingerprints = archive.read_fingerprints(recording)
        found = archive.fingerprints.find_matches(fingerprints) if fingerprints else ()
        # Only those before it: they were first.
        matches = tuple(m for m in found if m.recording in seen and m.recording != recording.id)
        item, exhibit = _compared(archive, recording, matches, fingerprints is not None, now)
        exhibits.append(exhibit)
        if item.findings:
            items.append(item)
            _lay(archive, items, fingerprints, laid)
        if progress:
            progress("compare", number, total)
    return Report(
        source=archive.config.name,
        at=now,
        items=tuple(items),
        findings=across(exhibits, _WHOLE_ARCHIVE),
    )


def _compared(
    archive: Archive, recording: Recording, matches: tuple[Match, ...], heard: bool, now: str
) -> tuple[Checked, Exhibit]:
    known = {m.recording: r for m in matches if (r := archive.catalogue.get(m.recording))}
    described = {id_: one.description for id_, one in known.items()}
    said = recording.description
    appraised = clones.appraise(said, matches, described, first_of(archive, described))
    scrutinised = scrutinise(
        archive,
        said,
        where=recording.id,
        now=now,
        # It sounds like itself.
        matches=(*matches, _itself(recording)) if heard else None,
        same_as=recording.id,
    )
    findings = (
        *(replace(finding, where=recording.id) for finding in appraised.findings),
        *(replace(f, where=recording.id) for f in several_codes_findings(said, None)),
        *scrutinised,
        *own_licences(archive, recording.id),
    )
    item = Checked(
        name=recording.id,
        description=said,
        duration_ms=recording.duration_ms,
        matches=matches,
        matched=tuple(known.values()),
        findings=findings,
    )
    alike = tuple(m.recording for m in matches if _is_same_sound(m))
    exhibit = Exhibit(
        name=recording.id,
        description=said,
        alike=alike,
        cloned_from=cloned_from(findings, matches, described),
    )
    return item, exhibit


def _lay(
    archive: Archive,
    items: Sequence[Checked],
    fingerprints: Fingerprints | None,
    laid: dict[int, Laid] | None,
) -> None:
    """Add to `laid` how the last of `items` lies on its best match, where somebody has to look at
    it."""
    item = items[-1]
    if laid is None or len(laid) >= LAID_MAX or fingerprints is None or not item.matches:
        return
    best = item.matches[0]
    recording = next((one for one in item.matched if one.id == best.recording), None)
    if recording is None or item.severity not in (Severity.ERROR, Severity.WARNING):
        return
    if held := archive.read_fingerprints(recording):
        laid[len(items) - 1] = lay(fingerprints, held, best)


def _itself(recording: Recording) -> Match:
    return Match(
        recording=recording.id,
        kind=MatchKind.SAME_RECORDING,
        similarity=1.0,
        offset_ms=0,
        overlap_ms=recording.duration_ms,
    )


def _is_same_sound(match: Match) -> bool:
    whole = (MatchKind.SAME_RECORDING, MatchKind.MODIFIED_COPY)
    return not match.is_suspect and match.kind in whole


class _Checker:
    """Checks one file after the other, each against the archive and the files before it."""

    def __init__(self, archive: Archive, now: str) -> None:
        self._archive = archive
        self._now = now
        self._directory = tempfile.TemporaryDirectory(prefix="sonotheque-")
        self._index = FingerprintIndex(Path(self._directory.name))
        self._names: dict[RecordingId, str] = {}
        self.exhibits: list[Exhibit] = []

    def __enter__(self) -> _Checker:
        return self

    def __exit__(self, *_: object) -> None:
        self._index.close()
        self._directory.cleanup()

    def file(self, file: PackageFile, inspection: Inspection) -> Checked:
        archive = self._archive
        appraisal = appraise(
            file,
            inspection,
            embedded_licences=Status.CLAIMED,
            tag_bytes_max=archive.config.limits.tag_bytes_max,
            now=self._now,
        )
        description, prints = appraisal.description, inspection.fingerprints
        matches = archive.fingerprints.find_matches(prints) if prints else ()
        known = {m.recording: r for m in matches if (r := archive.catalogue.get(m.recording))}
        matches = tuple(match for match in matches if match.recording in known)
        described = {id_: recording.description for id_, recording in known.items()}
        appraised = clones.appraise(description, matches, described, first_of(archive, described))
        scrutinised = scrutinise(
            archive,
            description,
            where=file.name,
            now=self._now,
            tags=inspection.tags,
            matches=matches if prints else None,
            same_as=appraised.same_as,
            statements=appraisal.statements,
        )
        alike: list[str] = []
        if prints:
            before = self._index.find_matches(prints)
            alike = [self._names[match.recording] for match in before if _is_same_sound(match)]
            id_ = mint_recording_id()
            self._names[id_] = file.name
            self._index.add(id_, prints)
        self.exhibits.append(
            Exhibit(
                name=file.name,
                description=description,
                alike=tuple(alike),
                cloned_from=cloned_from(appraised.findings, matches, described),
            )
        )
        return Checked(
            name=file.name,
            description=description,
            duration_ms=inspection.audio.duration_ms if inspection.audio else 0,
            audio=inspection.audio,
            matches=matches,
            matched=tuple(known.values()),
            findings=(
                *appraisal.findings,
                *(replace(finding, where=file.name) for finding in appraised.findings),
                *scrutinised,
                *withdrawn(archive, matches, where=file.name, now=self._now),
                *(same_work(archive, description, matches, where=file.name) if prints else ()),
            ),
        )

    def message(self, path: Path, heard: set[Isrc]) -> Iterator[Checked]:
        """The tracks that the DDEX message at `path` lists. Those whose codes are on files that
        were `heard` are checked there already, but for what the message says of them."""
        year_max = int(self._now[:4]) + 1
        name = path.name.encode("utf-8", "backslashreplace").decode()
        for piece in read_ddex(path, origin=name, year_max=year_max):
            for fault in piece.faults:
                yield Checked(
                    name=f"{name}:{fault.line}",
                    description=Description(title=fault.row.get("title", "")),
                    findings=(
                        Finding(
                            code=fault.code,
                            severity=Severity.WARNING,
                            message=fault.message,
                            remedy=fault.remedy,
                            where=f"{name}:{fault.line}",
                        ),
                    ),
                )
            for row in piece.rows.to_pylist():
                where = f"{name}:{row['line']}"
                codes = [row["isrc"], *(row["other_isrcs"] or "").split()]
                description = Description(
                    title=row["title"],
                    artist=row["artist"] or "",
                    album=row["album"] or "",
                    label=row["label"] or "",
                    isrcs=tuple(Isrc(code) for code in codes if code),
                )
                if not set(description.isrcs) & heard:
                    self.exhibits.append(Exhibit(name=where, description=description))
                yield Checked(
                    name=where,
                    description=description,
                    duration_ms=row["duration_ms"] or 0,
                    findings=scrutinise(self._archive, description, where=where, now=self._now),
                )


def _messages(path: Path) -> list[Path]:
    """The DDEX messages at `path` or below; symbolic links are not followed."""
    if path.is_dir():
        below = [
            Path(directory) / name
            for directory, _, names in os.walk(path)
            for name in sorted(names)
            if name.lower().endswith(".xml")
        ]
        return [one for one in below if _is_message(one)]
    is_xml = path.suffix.lower() == ".xml"
    if is_xml and path.is_file() and not _is_message(path):
        raise BadInput(
            "is no DDEX message of a new release",
            where=str(path),
            remedy="name the NewReleaseMessage, or the directory with the audio",
        )
    return [path] if is_xml and path.exists() else []


def _is_message(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not os.access(path, os.R_OK):
        return False
    with path.open("rb") as file:
        return _MESSAGE_MARK in file.read(_MARK_WITHIN_BYTES)
