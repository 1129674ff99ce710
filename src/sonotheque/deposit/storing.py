"""From a plan into the vault: the items of a deposit, batch by batch, in every root.

A batch shares its syncs, so that many small files are not many times as slow as few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sonotheque.archive import FINGERPRINT_NAME, LANDMARKS_NAME, Archive
from sonotheque.deposit.inspection import Inspection
from sonotheque.deposit.package import PackageFile
from sonotheque.model.findings import Finding
from sonotheque.model.holdings import (
    FixityEvent,
    Holding,
    ItemStatus,
    Outcome,
    ReceiptItem,
)
from sonotheque.model.identifiers import (
    DepositId,
    HoldingId,
    RecordingId,
    Sha512,
    holding_id_of,
)
from sonotheque.model.music import Match, Recording
from sonotheque.model.terms import Decision, Statement
from sonotheque.vault import fixity, ocfl
from sonotheque.vault.objects import AGENT, KnownFile, Version
from sonotheque.vault.replicas import catch_up, replicate

BAG_DIRECTORY = "bag"
"""Below a deposit's records: the bag's own files, by the bag's name."""
MESSAGE_DIRECTORY = "message"
"""… and the DDEX message that names the file."""
BATCH_ITEMS_MAX = 64
BATCH_BYTES_MAX = 64 << 20
"""Of audio that is stored together, so that its syncs are shared; a longer file is alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedItem:
    """What is going to become of one file. `recording` is None where it is refused unheard.

    `statements` are what this file adds to the ledger, not yet numbered.
    """

    file: PackageFile
    status: ItemStatus
    sha512: Sha512
    inspection: Inspection
    recording: Recording | None
    statements: tuple[Statement, ...]
    decisions: tuple[Decision, ...]
    matches: tuple[Match, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessionPlan:
    """Everything a deposit is going to do. Nothing has been written when it exists."""

    deposit: DepositId
    at: str
    source: str
    items: tuple[PlannedItem, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositRecord:
    """What a holding keeps of a deposit, as deposits/<deposit>/<name>.json. The item's version
    and roots are not in it: it is written before they are known. `roots` are those in which the
    version that it came with was going to be written and read back."""

    deposit: DepositId
    at: str
    source: str
    item: ReceiptItem
    roots: tuple[str, ...] = ()


def read_back(holding: HoldingId, version: int, root: str, at: str) -> FixityEvent:
    """That a deposit wrote this version of a holding and read it back in this root."""
    return FixityEvent(
        holding=holding,
        root=root,
        outcome=Outcome.PASS,
        at=at,
        agent=AGENT,
        detail="read back after it was written",
        version=version,
        method=fixity.SHA512,
    )


def batches(items: Iterable[PlannedItem]) -> Iterator[list[PlannedItem]]:
    """`items` in order, in bounded lists with no recording twice."""
    batch: list[PlannedItem] = []
    recordings: set[RecordingId] = set()
    byte_count = 0
    for item in items:
        byte_count += item.file.byte_count
        recording = item.recording.id if item.recording else None
        full = len(batch) == BATCH_ITEMS_MAX or byte_count > BATCH_BYTES_MAX
        if batch and (full or recording in recordings):
            yield batch
            batch, recordings, byte_count = [], set(), item.file.byte_count
        batch.append(item)
        if recording:
            recordings.add(recording)
    if batch:
        yield batch


def store(archive: Archive, plan: AccessionPlan, batch: Sequence[PlannedItem]) -> list[ReceiptItem]:
    """Hold what is taken of `batch` in every root, and say what has become of each."""
    receipts = [_receipt_item(item) for item in batch]
    versions = []
    for item, receipt in zip(batch, receipts, strict=True):
        if item.recording and (version := _version(archive, plan, item, item.recording, receipt)):
            versions.append(version)
    archive.vault.write_versions(versions)
    ids = [receipt.holding for receipt in receipts if receipt.holding]
    if not ids:
        return receipts
    names = replicate(archive.vault, archive.replicas, *ids)
    held = {id_: archive.vault.required(id_).head for id_ in ids}
    archive.fixity.record(
        read_back(id_, version, name, plan.at) for id_, version in held.items() for name in names
    )
    return [
        replace(receipt, version=held[receipt.holding], roots=names) if receipt.holding else receipt
        for receipt in receipts
    ]


def _receipt_item(item: PlannedItem) -> ReceiptItem:
    """What is known of the item before it is stored."""
    recording = item.recording.id if item.recording else None
    return ReceiptItem(
        path=item.file.name,
        status=item.status,
        sha512=item.sha512 or None,
        byte_count=item.file.byte_count,
        audio=item.inspection.audio,
        recording=recording,
        holding=holding_id_of(recording) if recording else None,
        decisions=item.decisions,
        matches=item.matches,
        findings=item.findings,
    )


def _version(
    archive: Archive,
    plan: AccessionPlan,
    item: PlannedItem,
    recording: Recording,
    receipt: ReceiptItem,
) -> Version | None:
    """The version that the item is to be; None where its bytes are held, whose damaged copies
    are then put right."""
    id_ = holding_id_of(recording.id)
    acknowledged = archive.fixity.acknowledged(ocfl.object_path(id_), archive.vault.name)
    catch_up(archive.vault, archive.replicas, id_, acknowledged=acknowledged)
    held = archive.vault.holding(id_)
    if held is None or item.sha512 not in {file.sha512 for file in held.files}:
        return _new_version(archive, plan, item, recording, receipt, held=held)
    if all(root.has_object(ocfl.object_path(id_)) for root in archive.roots):
        brought = KnownFile(item.file.path, item.sha512)
        healed = list(fixity.heal_from(archive.roots, id_, brought, plan.at))
        archive.fixity.record(healed, run_at=plan.at)
    return None


def _new_version(
    archive: Archive,
    plan: AccessionPlan,
    item: PlannedItem,
    recording: Recording,
    receipt: ReceiptItem,
    *,
    held: Holding | None,
) -> Version:
    name = _free_name(item.file.safe_name, held)
    fingerprints = item.inspection.fingerprints
    additions: dict[str, KnownFile | bytes] = {
        f"audio/{name}": KnownFile(item.file.path, item.sha512),
        "recording.json": _json(recording),
        "statements.json": _json(archive.ledger.statements_about(recording.id)),
        f"deposits/{plan.deposit}/{name}.json": _json(
            DepositRecord(
                deposit=plan.deposit,
                at=plan.at,
                source=plan.source,
                item=receipt,
                roots=tuple(root.name for root in archive.roots),
            )
        ),
    }
    if bag := item.file.bag:
        directory = f"deposits/{plan.deposit}/{BAG_DIRECTORY}/{bag.name}"
        additions |= {
            f"{directory}/{file.name}": KnownFile(file.path, file.sha512) for file in bag.tag_files
        }
    if item.file.told and (told := item.file.told.message):
        place = f"deposits/{plan.deposit}/{MESSAGE_DIRECTORY}/{told.name}"
        additions[place] = KnownFile(told.path, told.sha512)
    if fingerprints:
        additions[FINGERPRINT_NAME] = fingerprints.chromaprint
        if fingerprints.landmarks:
            additions[LANDMARKS_NAME] = fingerprints.landmarks
    message = f"deposit {plan.deposit}: {item.file.name}"
    return Version(
        holding=holding_id_of(recording.id), additions=additions, message=message, now=plan.at
    )


def _free_name(name: str, held: Holding | None) -> str:
    taken = {file.path.removeprefix("audio/").casefold() for file in held.audio} if held else set()
    stem, suffix = Path(name).stem, Path(name).suffix
    number = 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
