"""From a delivery to a report: what would somebody find who knows this archive?

Nothing is deposited and nothing is written into the archive. Files are looked into as a deposit
would; each is held against the archive, against the files before it, and against what the imported
catalogue knows of its codes. A DDEX message is read for the tracks that it lists, each with the
file that it names, or without sound. Whether the archive may keep the delivery is not asked: it is
somebody else's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sonotheque.archive import Archive
from sonotheque.deposit.accession import Progress, look_into
from sonotheque.deposit.appraisal import appraise
from sonotheque.deposit.inspection import Inspection
from sonotheque.deposit.messages import Unheard, find_messages, join
from sonotheque.deposit.package import Package, PackageFile, read_package
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
from sonotheque.store import files

LAID_MAX = 100
"""So many of the files that have to be looked at are laid on their matches, to be drawn."""
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
    messages = [message for path in paths for message in find_messages(path)]
    others = [path for path in paths if path not in messages]
    for path in others:
        if path.suffix.lower() == ".xml" and path.is_file():
            raise BadInput(
                "is no DDEX message of a new release",
                where=str(path),
                remedy="name the NewReleaseMessage, or the directory with the audio",
            )
    nothing = Package("", (), ())
    package = read_package(others, may_be_empty=bool(messages)) if others else nothing
    joined = join(package, messages, now)
    package = joined.package
    items: list[Checked] = []
    with _Checker(archive, now) as checker:
        looked = look_into(archive, package.files, progress)
        for file, (_, inspection) in zip(package.files, looked, strict=True):
            item = checker.file(file, inspection)
            items.append(item)
            _lay(archive, items, inspection.fingerprints, laid)
        heard = {isrc for item in items for isrc in item.description.isrcs}
        items += [checker.track(track, heard) for track in joined.unheard]
        exhibits = checker.exhibits
    # Several formats are given one path, several paths one sender.
    source = files.text_of(", ".join(dict.fromkeys(path.name or str(path) for path in paths)))
    return Report(
        source=source,
        at=now,
        items=tuple(items),
        findings=(*package.findings, *across(exhibits, source)),
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

    def track(self, track: Unheard, heard: set[Isrc]) -> Checked:
        """A track of a message that no file is of. One whose code is on a file that was `heard`
        is checked there already, but for what the message says of it."""
        description, where = track.description, track.where
        if track.is_fault:
            return Checked(name=where, description=description, findings=track.findings)
        if not set(description.isrcs) & heard:
            self.exhibits.append(Exhibit(name=where, description=description))
        scrutinised = scrutinise(self._archive, description, where=where, now=self._now)
        return Checked(
            name=where,
            description=description,
            duration_ms=track.duration_ms,
            findings=(*track.findings, *scrutinised),
        )
