"""From a package to a receipt: plan, then execute.

`plan` reads and decides and writes nothing to the archive; `execute` writes, each step in an
order and form in which doing it again does no harm: the intent, the ledger, the vault and its
replicas, what finds it again, the receipt. A deposit that was cut short goes on when the same
files are deposited again.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from sonotheque.archive import Archive
from sonotheque.deposit.appraisal import BY_POLICY, Appraisal, appraise
from sonotheque.deposit.inspection import FUNCTION, Inspection, inspect
from sonotheque.deposit.messages import find_messages, join
from sonotheque.deposit.package import Package, PackageFile, read_package
from sonotheque.deposit.receipts import Receipts
from sonotheque.deposit.scrutiny import first_of, scrutinise
from sonotheque.deposit.storing import AccessionPlan, PlannedItem, batches, store
from sonotheque.matching import clones
from sonotheque.matching.forensics import Exhibit, across, cloned_from
from sonotheque.matching.index import FingerprintIndex
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.holdings import (
    ItemStatus,
    Receipt,
    ReceiptItem,
)
from sonotheque.model.identifiers import (
    RecordingId,
    Sha512,
    holding_id_of,
    mint_deposit_id,
    mint_recording_id,
)
from sonotheque.model.music import Match, Recording
from sonotheque.model.terms import Decision, Layer, Statement, Status, Use
from sonotheque.rights.decision import decide, decide_all
from sonotheque.store import files
from sonotheque.store.sandbox import Sandbox

Progress = Callable[[str, int, int], None]
"""(stage, done, of how many): "inspect" or "store"."""


def deposit(
    archive: Archive,
    paths: Sequence[Path],
    now: str,
    *,
    statements: Path | None = None,
    progress: Progress | None = None,
) -> Receipt:
    """Take in the delivery at `paths`; its receipt.

    Raises BadInput where there is nothing to deposit, EnvironmentFailure where the machine
    fails; files that are refused are in the receipt.
    """
    package = read_package(paths, statements=statements)
    messages = [message for path in paths for message in find_messages(path)]
    joined = join(package, messages, now)
    lacking = [finding for track in joined.unheard for finding in track.findings]
    package = replace(joined.package, findings=(*package.findings, *lacking))
    with archive.writing():
        return execute(archive, plan(archive, package, now, progress), progress)


def plan(
    archive: Archive, package: Package, now: str, progress: Progress | None = None
) -> AccessionPlan:
    """Decide about every file of `package`; writes nothing to the archive."""
    items = []
    with _Planner(archive, now) as planner:
        looked = look_into(archive, package.files, progress)
        for file, (sha512, inspection) in zip(package.files, looked, strict=True):
            appraisal = appraise(
                file,
                inspection,
                embedded_licences=Status(archive.config.embedded_licences),
                tag_bytes_max=archive.config.limits.tag_bytes_max,
                now=now,
            )
            items.append(planner.plan(_Looked(file, sha512, inspection, appraisal)))
    return AccessionPlan(
        deposit=mint_deposit_id(),
        at=now,
        source=package.source,
        items=tuple(items),
        findings=(*package.findings, *across(planner.exhibits, package.source)),
    )


def execute(archive: Archive, plan: AccessionPlan, progress: Progress | None = None) -> Receipt:
    """Carry out `plan`. The caller holds the archive's lock."""
    receipts = Receipts(archive.database)
    taken = [item for item in plan.items if item.status is not ItemStatus.REFUSED]
    receipts.intend({item.sha512: item.recording.id for item in taken if item.recording})
    archive.ledger.append([statement for item in taken for statement in item.statements])
    results: list[ReceiptItem] = []
    for batch in batches(plan.items):
        for stored in store(archive, plan, batch):
            results.append(stored)
            if progress:
                progress("store", len(results), len(plan.items))
    # What finds a recording again is derived data, so it is brought up to date once, at the end.
    # Fingerprints first: a recording that can be found must also be recognised.
    for item in taken:
        if item.recording and item.inspection.fingerprints:
            archive.fingerprints.add(item.recording.id, item.inspection.fingerprints)
    archive.catalogue.add([item.recording for item in taken if item.recording])
    receipt = Receipt(
        deposit=plan.deposit,
        at=plan.at,
        source=plan.source,
        items=tuple(results),
        findings=plan.findings,
    )
    receipts.add(receipt)
    return receipt


@dataclass(frozen=True, slots=True)
class _Looked:
    """A file and all that was found out about it alone."""

    file: PackageFile
    sha512: Sha512
    inspection: Inspection
    appraisal: Appraisal


class _Planner:
    """Decides about one file after the other, each against the archive and against the files of
    the delivery before it (the same bytes, or two encodings of one recording, may come together).
    """

    def __init__(self, archive: Archive, now: str) -> None:
        self._archive = archive
        self._now = now
        self._receipts = Receipts(archive.database)
        self._directory = tempfile.TemporaryDirectory(prefix="sonotheque-")
        self._index = FingerprintIndex(Path(self._directory.name))
        self._recordings: dict[RecordingId, Recording] = {}
        self._planned: dict[Sha512, RecordingId] = {}
        self._said: dict[RecordingId, tuple[Statement, ...]] = {}
        self._names: dict[RecordingId, list[str]] = {}
        self.exhibits: list[Exhibit] = []
        """Every file that was planned, to be held against the others."""

    def __enter__(self) -> _Planner:
        return self

    def __exit__(self, *_: object) -> None:
        self._index.close()
        self._directory.cleanup()

    def plan(self, looked: _Looked) -> PlannedItem:
        """Match the file, and decide whether and as which recording it may be kept."""
        inspection, appraisal = looked.inspection, looked.appraisal
        findings = list(appraisal.findings)
        matches: tuple[Match, ...] = ()
        same_as = None
        planned = self._planned.get(looked.sha512)
        intended = planned or self._receipts.intended(looked.sha512)
        if appraisal.acceptable:
            matches, same_as, matched = self._match(looked)
            self._exhibit(looked, matches, matched, intended)
            # Bytes that are held already are no other encoding, but may come in a false name.
            findings += [
                replace(finding, where=looked.file.name)
                for finding in matched
                if not intended or finding.severity is Severity.ERROR
            ]
        id_ = intended or same_as or mint_recording_id()
        known = (*self._archive.ledger.statements_about(id_), *self._said.get(id_, ()))
        said = [replace(statement, recording=id_) for statement in appraisal.statements]
        if self._known(id_):
            said = [_doubted(statement, known) for statement in said]
        new = unsaid(known, said)
        home = self._archive.home
        keep = decide([*known, *new], id_, Use.PRESERVE, self._now, home)
        if appraisal.acceptable and not keep.allowed:
            findings.append(_not_allowed(looked.file, keep))
        refused = any(finding.severity is Severity.ERROR for finding in findings)
        status = ItemStatus.DEPOSITED
        if refused:
            status = ItemStatus.REFUSED
        else:
            self._planned[looked.sha512] = id_
            self._said[id_] = (*self._said.get(id_, ()), *new)
            if planned or (intended and _holds(self._archive, id_, looked.sha512)):
                status = ItemStatus.ALREADY_HELD
        return PlannedItem(
            file=looked.file,
            status=status,
            sha512=looked.sha512,
            inspection=_without_picture(inspection),
            recording=None if refused else self._recording(id_, looked),
            statements=() if refused else new,
            decisions=(
                decide_all([*known, *new], id_, self._now, home) if appraisal.acceptable else ()
            ),
            matches=matches,
            findings=tuple(findings),
        )

    def _match(
        self, looked: _Looked
    ) -> tuple[tuple[Match, ...], RecordingId | None, tuple[Finding, ...]]:
        fingerprints = looked.inspection.fingerprints
        if fingerprints is None:
            return (), None, ()
        found = (
            *self._archive.fingerprints.find_matches(fingerprints),
            *self._index.find_matches(fingerprints),
        )
        known = {m.recording: r for m in found if (r := self._known(m.recording))}
        # A recording of the archive that another file of this delivery is of is found twice.
        best: dict[RecordingId, Match] = {}
        for match in sorted(found, key=lambda match: -match.overlap_ms * match.similarity):
            if match.recording in known:
                best.setdefault(match.recording, match)
        matches = tuple(best.values())
        described = {id_: recording.description for id_, recording in known.items()}
        description = looked.appraisal.description
        appraised = clones.appraise(
            description, matches, described, first_of(self._archive, described)
        )
        scrutinised = scrutinise(
            self._archive,
            description,
            where=looked.file.name,
            now=self._now,
            tags=looked.inspection.tags,
            matches=matches,
            same_as=appraised.same_as,
            statements=looked.appraisal.statements,
        )
        return matches, appraised.same_as, (*appraised.findings, *scrutinised)

    def _exhibit(
        self,
        looked: _Looked,
        matches: Sequence[Match],
        findings: Sequence[Finding],
        intended: RecordingId | None,
    ) -> None:
        """Note what the file has to do with those before it."""
        known = {m.recording: r for m in matches if (r := self._known(m.recording))}
        described = {id_: recording.description for id_, recording in known.items()}
        same = dict.fromkeys([*described, *filter(None, [intended])])
        self.exhibits.append(
            Exhibit(
                name=looked.file.name,
                description=looked.appraisal.description,
                alike=tuple(name for id_ in same for name in self._names.get(id_, ())),
                cloned_from=cloned_from(findings, matches, described),
            )
        )

    def _known(self, id_: RecordingId) -> Recording | None:
        return self._recordings.get(id_) or self._archive.catalogue.get(id_)

    def _recording(self, id_: RecordingId, looked: _Looked) -> Recording:
        """The catalogue's record: what is known stays, what is new (an ISRC) is added."""
        description = looked.appraisal.description
        if existing := self._known(id_):
            codes = dict.fromkeys((*existing.description.isrcs, *description.isrcs))
            description = replace(existing.description, isrcs=tuple(codes))
            recording = replace(existing, description=description)
        else:
            audio = looked.inspection.audio
            recording = Recording(
                id=id_,
                description=description,
                duration_ms=audio.duration_ms if audio else 0,
                added_at=self._now,
            )
        self._recordings[id_] = recording
        self._names.setdefault(id_, []).append(looked.file.name)
        if looked.inspection.fingerprints:
            self._index.add(id_, looked.inspection.fingerprints)
        return recording


def _without_picture(inspection: Inspection) -> Inspection:
    """`inspection` once it was matched: only a query needs the picture, and it is large."""
    if inspection.fingerprints is None:
        return inspection
    return replace(inspection, fingerprints=replace(inspection.fingerprints, picture=b""))


def look_into(
    archive: Archive, package_files: Sequence[PackageFile], progress: Progress | None
) -> Iterator[tuple[Sha512, Inspection]]:
    """Digest and inspection of each of `package_files`, in order, one confined worker a core."""
    limits = archive.config.limits
    cores = len(os.sched_getaffinity(0))
    idle: SimpleQueue[Sandbox] = SimpleQueue()

    def look(file: PackageFile) -> tuple[Sha512, Inspection]:
        if not 0 < file.byte_count <= limits.file_bytes_max:
            return _too_large_or_empty(file, limits.file_bytes_max)
        sha512 = Sha512(files.sha512_of(file.path))
        sandbox = idle.get()
        try:
            return sha512, inspect(sandbox, file.path)
        finally:
            idle.put(sandbox)

    with contextlib.ExitStack() as stack:
        for _ in range(min(cores, len(package_files))):
            sandbox = Sandbox(
                FUNCTION,
                memory_bytes_max=limits.inspection_memory_bytes_max,
                seconds_max=limits.inspection_seconds_max,
            )
            idle.put(stack.enter_context(sandbox))
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=cores))
        # Not all at once: each result holds a picture of the sound until it is matched.
        waiting = deque(pool.submit(look, file) for file in package_files[: 2 * cores])
        for number in range(1, len(package_files) + 1):
            result = waiting.popleft().result()
            coming = number + len(waiting)
            waiting.extend(pool.submit(look, one) for one in package_files[coming : coming + 1])
            if progress:
                progress("inspect", number, len(package_files))
            yield result


def _too_large_or_empty(file: PackageFile, bytes_max: int) -> tuple[Sha512, Inspection]:
    if file.byte_count == 0:
        return Sha512(files.sha512_of(file.path)), Inspection(problem="has no bytes in it")
    return Sha512(""), Inspection(
        problem=f"is over {bytes_max:,} bytes",
        remedy="split it, or raise file_bytes_max in archive.toml",
    )


def unsaid(known: Sequence[Statement], statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """`statements` without those that the ledger holds already, whenever it was told."""
    said = {replace(statement, id=0, at="") for statement in known}
    return tuple(s for s in statements if replace(s, id=0, at="") not in said)


def _doubted(statement: Statement, known: Sequence[Statement]) -> Statement:
    """`statement` about a recording that is held already, made a claim where it is a licence in
    a file's tags that nobody has verified for the recording, as wide as that: else whoever
    re-encodes it and writes a licence into the tags would set it free."""
    if statement.status is not Status.VERIFIED or any(
        held.status is Status.VERIFIED and _says(held) == _says(statement) for held in known
    ):
        return statement
    evidence = statement.evidence.removesuffix(BY_POLICY)
    return replace(statement, status=Status.CLAIMED, evidence=evidence)


def _says(statement: Statement) -> Statement:
    """What `statement` allows, whoever said so, when, and where it is written."""
    return replace(
        statement,
        id=0,
        at="",
        issuer="",
        evidence="",
        evidence_sha512=None,
        uses=(),
        # Before there were layers, a licence in the tags was for the track as a whole.
        layers=statement.layers or tuple(Layer),
    )


def _not_allowed(file: PackageFile, decision: Decision) -> Finding:
    reasons = "; ".join(reason.message for reason in decision.reasons)
    return Finding(
        code="rights.not-allowed",
        severity=Severity.ERROR,
        message=f"may not be kept: {reasons}",
        remedy="put the licence's URL into its LICENSE tag, or say in a statements.toml beside it"
        " who allows it and why",
        where=file.name,
    )


def _holds(archive: Archive, recording: RecordingId, sha512: Sha512) -> bool:
    """Whether every root holds these bytes for `recording`."""
    holding = holding_id_of(recording)
    inventories = [root.inventory(holding) for root in archive.roots]
    return all(
        inventory is not None and sha512 in inventory.state().values() for inventory in inventories
    )
