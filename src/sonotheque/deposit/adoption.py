"""Adoption: the objects of another OCFL storage root, taken in with all their versions.

Each object is validated completely, put into the form of our roots where it has another, and
written to every root. Beside it stands a small holding that tells where it came from, and keeps
what our form has no place for. A run that was cut short goes on when it is run again; what is held
already is left alone, and an object that has grown since brings its new versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from sonotheque.archive import FINGERPRINT_NAME, LANDMARKS_NAME, Archive
from sonotheque.deposit.accession import unsaid
from sonotheque.deposit.receipts import Receipts
from sonotheque.deposit.recovery import ADOPTION_NAME, is_deposit_record, restore_recording
from sonotheque.deposit.storing import DepositRecord, read_back
from sonotheque.errors import BadInput, Corrupt, Refused, SonothequeError
from sonotheque.matching.landmarks import are_landmarks
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.holdings import AdoptionRecord, Receipt
from sonotheque.model.identifiers import (
    HOLDING_PREFIX,
    OWN_PREFIX,
    DepositId,
    HoldingId,
    RecordingId,
    Sha512,
    adoption_id_of,
    recording_of,
)
from sonotheque.model.music import Recording
from sonotheque.model.terms import Kind, Statement, Status
from sonotheque.rights.decision import standing
from sonotheque.rights.validity import checked
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.inventory_rules import Problem
from sonotheque.vault.objects import AGENT, KnownFile
from sonotheque.vault.replicas import replicate, require_present
from sonotheque.vault.storage_root import LAYOUT_NAME, StorageRoot, open_root
from sonotheque.vault.translation import Found, translate
from sonotheque.vault.validation import Validated, validate

ORIGINAL = "original"
"""Below it, in the record: files of the object that our form has no place for."""
_ARE_WHOLE: dict[str, Callable[[bytes], bool]] = {
    FINGERPRINT_NAME: lambda content: len(content) % 4 == 0,
    LANDMARKS_NAME: are_landmarks,
}
"""What must be true of a fingerprint's files, so that it can be indexed."""
_CHARACTERS_MAX = 4_000
Progress = Callable[[str, int, int], None]
"""(stage, done, of how many): "adopt"; how many there are is not known before the end."""


class AdoptionStatus(StrEnum):
    ADOPTED = "adopted"
    ALREADY_HELD = "already-held"
    REFUSED = "refused"
    LEFT = "left"
    """Another sonotheque's own record, about copies that are not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedObject:
    """What became of one object of the root. `path` is where it stands there; `spec` and
    `digest_algorithm` are what it was made by."""

    path: str
    status: AdoptionStatus
    id: str = ""
    spec: str = ""
    digest_algorithm: str = ""
    versions: int = 0
    as_it_was: bool = False
    """Byte for byte; otherwise it was put into the form of our roots."""
    roots: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What became of a storage root. `findings` are about the root itself."""

    at: str
    origin: str
    spec: str
    layout: str
    objects: tuple[AdoptedObject, ...]
    findings: tuple[Finding, ...]

    def count(self, status: AdoptionStatus) -> int:
        return sum(one.status is status for one in self.objects)

    @property
    def accepted(self) -> bool:
        """Nothing in it was refused, and the root itself is as it must be."""
        return self.count(AdoptionStatus.REFUSED) == 0 and not any(
            finding.severity is Severity.ERROR for finding in self.findings
        )


def adopt(
    archive: Archive, path: Path, now: str, *, origin: str = "", progress: Progress | None = None
) -> Adoption:
    """Take in the objects of the storage root in the directory `path`.

    Raises BadInput where it is no storage root, EnvironmentFailure where the machine fails;
    objects that are refused are in the answer.
    """
    root = open_root(path)
    if not root.spec:
        problem = root.problems[0]
        raise BadInput(
            f"{problem.message} ({problem.code})",
            where=str(path),
            remedy="name the directory of a storage root, where a file 0=ocfl_1.0 or 0=ocfl_1.1 is",
        )
    origin = origin or path.resolve().name
    taken = []
    with archive.writing():
        require_present(archive.roots)
        adopting = _Adopting(archive, root, origin, now)
        for number, name in enumerate(root.objects(), 1):
            taken.append(adopting.take(name))
            if progress:
                progress("adopt", number, number)
        adopting.remember()
    return Adoption(
        at=now,
        origin=origin,
        spec=root.spec,
        layout=root.layout_name,
        objects=tuple(taken),
        findings=tuple(_finding(problem, "") for problem in root.problems),
    )


class _Adopting:
    """One run: its objects one after the other, and what finds their recordings at its end."""

    def __init__(self, archive: Archive, root: StorageRoot, origin: str, now: str) -> None:
        self._archive = archive
        self._root = root
        self._origin = origin
        self._now = now
        self._receipts = Receipts(archive.database)
        self._deposits: dict[DepositId, Receipt] = {}
        self._recordings: list[Recording] = []

    def take(self, name: str) -> AdoptedObject:
        """Validate the object at `name` of the root, and take it in if it may be."""
        try:
            validated = validate(self._root.path / name)
        except SonothequeError as error:
            findings = (_refused(name, error),)
            return AdoptedObject(path=name, status=AdoptionStatus.REFUSED, findings=findings)
        return self._take(name, validated)

    def _take(self, name: str, validated: Validated) -> AdoptedObject:
        findings = [_finding(problem, name) for problem in self._problems(name, validated)]
        newest = validated.newest
        told = AdoptedObject(
            path=name,
            status=AdoptionStatus.REFUSED,
            id=validated.id,
            spec=validated.spec,
            digest_algorithm=newest.algorithm if newest else "",
            versions=len(newest.versions) if newest else 0,
        )
        if any(finding.severity is Severity.ERROR for finding in findings):
            return replace(told, findings=tuple(findings))
        id_ = HoldingId(validated.id)
        if id_.startswith(OWN_PREFIX) and not id_.startswith(HOLDING_PREFIX):
            findings.append(_left(name))
            return replace(told, status=AdoptionStatus.LEFT, findings=tuple(findings))
        try:
            found = translate(validated)
            told = replace(told, as_it_was=found.as_it_was)
            status, roots = self._store(told, found, validated)
        except Refused as error:
            findings.append(_refused(name, error))
            return replace(told, findings=tuple(findings))
        return replace(told, status=status, roots=roots, findings=tuple(findings))

    def _store(
        self, told: AdoptedObject, found: Found, validated: Validated
    ) -> tuple[AdoptionStatus, tuple[str, ...]]:
        id_ = HoldingId(told.id)
        here = self._archive.vault.inventory(id_)
        if here and not (here.continues(found.inventory) or found.inventory.continues(here)):
            raise Refused(
                "has the identifier of an object that is held, and another history",
                remedy="compare the two; `sonotheque export` writes out the one that is held",
            )
        statements = self._statements(id_, found)
        status = AdoptionStatus.ALREADY_HELD
        if here is None or here.head < found.inventory.head:
            status = AdoptionStatus.ADOPTED
            self._archive.ledger.append(statements)
            self._keep_record(told, found, validated)
            self._archive.vault.adopt(found, id_)
        roots = replicate(self._archive.vault, self._archive.replicas, id_)
        if status is AdoptionStatus.ADOPTED:
            version = found.inventory.head
            self._archive.fixity.record(read_back(id_, version, r, self._now) for r in roots)
        recording = recording_of(id_)
        if recording and self._archive.catalogue.get(recording) is None:
            self._find_again(id_)
        return status, roots

    def remember(self) -> None:
        """Make what was taken in findable; derived data, so it is done once, at the end."""
        for recording in self._recordings:
            if fingerprints := self._archive.read_fingerprints(recording):
                self._archive.fingerprints.add(recording.id, fingerprints)
        self._archive.catalogue.add(self._recordings)
        for receipt in self._deposits.values():
            self._receipts.add(receipt)

    def _problems(self, name: str, validated: Validated) -> Iterator[Problem]:
        yield from validated.problems
        if validated.id and (misplaced := self._root.misplaced(name, validated.id)):
            yield misplaced
        if validated.spec > self._root.spec:
            message = f"is of OCFL {validated.spec}, and its storage root of {self._root.spec}"
            yield Problem("E081", message, "")

    def _statements(self, id_: HoldingId, found: Found) -> tuple[Statement, ...]:
        """What the archive that a recording's holding comes from says may be done with it: no
        more than a claim here. Raises Refused where the object is no such holding."""
        recording = recording_of(id_)
        if recording is None:
            return ()
        problem = Refused(
            "calls itself the holding of a recording, and is none",
            remedy="find out who made it; its sound can be deposited as any other",
        )
        if not found.as_it_was:
            raise problem
        try:
            described = msgspec.json.decode(_read(found, "recording.json"), type=Recording)
            said = msgspec.json.decode(_read(found, "statements.json"), type=list[Statement])
            for path in found.inventory.state():
                if is_deposit_record(path):
                    msgspec.json.decode(_read(found, path), type=DepositRecord)
                elif path in _ARE_WHOLE and not _ARE_WHOLE[path](_read(found, path)):
                    raise problem
            claims = [*self._claims(recording, said)]
        except (msgspec.DecodeError, SonothequeError, KeyError):
            raise problem from None
        if described.id != recording:
            raise problem
        known = self._archive.ledger.statements_about(recording)
        return unsaid(known, claims)

    def _claims(self, recording: RecordingId, said: Iterable[Statement]) -> Iterator[Statement]:
        for one in standing([s for s in said if s.recording == recording], self._now):
            evidence = f"ledger entry {one.id} of {self._origin}: {one.evidence}"
            # Nor is what another archive did in a procedure done by this one.
            permits = one.kind in (Kind.GRANT, Kind.NOTICE)
            status = Status.CLAIMED if permits else one.status
            claim = replace(
                one, id=0, at=self._now, status=status, evidence=evidence[:_CHARACTERS_MAX]
            )
            yield checked(claim, f"entry {one.id}")

    def _keep_record(self, told: AdoptedObject, found: Found, validated: Validated) -> None:
        record = AdoptionRecord(
            object=HoldingId(told.id),
            at=self._now,
            agent=AGENT,
            origin=self._origin,
            layout=self._root.layout_name,
            path=told.path,
            spec=told.spec,
            digest_algorithm=told.digest_algorithm,
            versions=told.versions,
            as_it_was=found.as_it_was,
            roots=tuple(root.name for root in self._archive.roots),
            wanting=tuple(
                dict.fromkeys(f"{problem.code} {problem.where}" for problem in validated.problems)
            ),
        )
        additions: dict[str, KnownFile | bytes] = {
            ADOPTION_NAME: msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
        }
        for name in _apart(found, validated):
            path = validated.directory / name
            additions[f"{ORIGINAL}/{name}"] = KnownFile(path, Sha512(files.sha512_of(path)))
        id_ = adoption_id_of(record.object)
        message = f"adoption from {self._origin}"
        kept = self._archive.vault.write_version(id_, additions, message=message, now=self._now)
        replicate(self._archive.vault, self._archive.replicas, id_)
        self._archive.fixity.acknowledge([(id_, kept.version)])

    def _find_again(self, id_: HoldingId) -> None:
        holding = self._archive.vault.holding_at(ocfl.object_path(id_))
        recording, _ = restore_recording(self._archive, holding, self._deposits)
        self._receipts.intend({file.sha512: recording.id for file in holding.audio})
        self._recordings.append(recording)


def _apart(found: Found, validated: Validated) -> list[str]:
    """Files that our form has no place for: what OCFL leaves to whoever keeps the object, and of
    an object that was put into our form also what said how it was."""
    names = {*validated.apart, *found.left_over}
    if not found.as_it_was and validated.newest:
        algorithms = ("sha512", "sha256")
        for place in ("", *(f"{version}/" for version in validated.newest.versions)):
            for name in (ocfl.INVENTORY, *(f"{ocfl.INVENTORY}.{a}" for a in algorithms)):
                if (validated.directory / place / name).is_file():
                    names.add(f"{place}{name}")
        names.add(f"0=ocfl_object_{validated.spec}")
    return sorted(names)


def _read(found: Found, logical: str) -> bytes:
    """The bytes behind a logical path of the newest version, which were verified just now."""
    content = found.inventory.content_path(found.inventory.state()[logical])
    return b"".join(found.blocks("", content))


def _finding(problem: Problem, name: str) -> Finding:
    where = "/".join(part for part in (name, problem.where) if part)
    return Finding(
        code=problem.code,
        severity=Severity.ERROR if problem.is_error else Severity.WARNING,
        message=problem.message,
        remedy=f"see https://ocfl.io/1.1/spec/#{problem.code}, and correct it where it was made"
        if problem.is_error
        else f"nothing to do; see https://ocfl.io/1.1/spec/#{problem.code}",
        where=where or LAYOUT_NAME,
    )


def _refused(name: str, error: SonothequeError) -> Finding:
    match error:
        case Corrupt():
            code = "adopt.corrupt"
        case Refused():
            code = "adopt.refused"
        case _:
            code = "adopt.unreadable"
    return Finding(
        code=code,
        severity=Severity.ERROR,
        message=error.what,
        remedy=error.remedy,
        where=name,
    )


def _left(name: str) -> Finding:
    return Finding(
        code="adopt.own-record",
        severity=Severity.INFO,
        message="is a record that another sonotheque made, about copies that are not here",
        remedy="nothing to do; keep the storage root if the record matters",
        where=name,
    )
