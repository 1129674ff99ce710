"""Rebuilding: the database, from the vault and the ledger alone.

What a holding keeps of itself (recording.json, its deposits, its fingerprint) is enough to find
it again; the ledger's published files are enough to refill the sequencer. Files that were
refused are in no holding, so a restored receipt lists what was accepted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sonotheque.archive import Archive
from sonotheque.config import Config, read_config
from sonotheque.deposit.accession import DepositRecord, read_back
from sonotheque.deposit.receipts import Receipts
from sonotheque.errors import Corrupt, SonothequeError
from sonotheque.model.holdings import AdoptionRecord, FixityEvent, Holding, Receipt
from sonotheque.model.identifiers import (
    ADOPTION_PREFIX,
    DepositId,
    HoldingId,
    adoption_id_of,
    recording_of,
)
from sonotheque.model.music import Recording
from sonotheque.rights import ledger
from sonotheque.store import files
from sonotheque.vault import audit, ocfl, replicas

Progress = Callable[[str, int, int], None]
"""(stage, done, of how many): "rebuild"; how many there are is not known before the end."""
_BATCH = 1_000
ADOPTION_NAME = "adoption.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What was found and restored."""

    recordings: int
    receipts: int
    statements: int
    fixity_events: int
    adopted: int
    """Objects that came from other storage roots."""


def rebuild(directory: Path, progress: Progress | None = None) -> Rebuilt:
    """Restore the database of the archive in `directory`; derived data are made anew on demand.

    The old database is set aside and comes back where the rebuilding fails. Raises Corrupt where
    the ledger does not verify or a holding is damaged in every root.
    """
    config = read_config(directory)
    aside = config.database.with_name(config.database.name + ".before-rebuild")
    with files.exclusive(config.lock), files.exclusive(config.audit_lock):
        if config.database.exists() and not aside.exists():
            _merge_journal(config)
            files.move(config.database, aside)
        _remove_database(config)
        files.remove_tree(config.derived)
        files.make_directory(config.derived)
        files.replace(config.database, b"")
        try:
            with Archive(config) as archive:
                restored = _refill(archive, progress)
        except SonothequeError:
            _remove_database(config)
            if aside.exists():
                files.move(aside, config.database)
            raise
        aside.unlink(missing_ok=True)
        files.sync_directory(directory)
    return restored


def _merge_journal(config: Config) -> None:
    """Have SQLite fold its write-ahead log into the database file, so that one file is all."""
    with Archive(config) as archive, archive.database.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _remove_database(config: Config) -> None:
    for suffix in ("", "-wal", "-shm"):
        config.database.with_name(config.database.name + suffix).unlink(missing_ok=True)


def _refill(archive: Archive, progress: Progress | None) -> Rebuilt:
    for root in archive.roots:
        root.settle()
    statements = ledger.restore(
        archive.database,
        archive.config.ledger,
        archive.signer.verifier,
        newest=archive.config.newest_checkpoint,
    )
    receipts = Receipts(archive.database)
    deposits: dict[DepositId, Receipt] = {}
    batch: list[tuple[Holding, Recording | None, list[FixityEvent]]] = []
    audits: list[HoldingId] = []
    recordings = events = adopted = 0
    for number, holding in enumerate(replicas.holdings(archive.roots), 1):
        id_ = recording_of(holding.id)
        if holding.id.startswith(ADOPTION_PREFIX):
            adopted += 1
            batch.append((holding, None, _adoption_events(archive, holding)))
        elif id_ is None:
            batch.append((holding, None, []))
            if holding.id.startswith(audit.AUDIT_PREFIX):
                audits.append(holding.id)
        else:
            recordings += 1
            receipts.intend({file.sha512: id_ for file in holding.audio})
            batch.append((holding, *restore_recording(archive, holding, deposits)))
        if len(batch) == _BATCH:
            events += _add(archive, batch)
            batch.clear()
        if progress:
            progress("rebuild", number, number)
    events += _add(archive, batch)
    # Named by their time.
    for run in sorted(audits):
        found = audit.preserved_events(archive.roots, run)
        events += archive.fixity.restore(found, run_at=run.removeprefix(audit.AUDIT_PREFIX))
    archive.fixity.sort()
    for receipt in deposits.values():
        receipts.add(receipt)
    return Rebuilt(
        recordings=recordings,
        receipts=len(deposits),
        statements=statements,
        fixity_events=events,
        adopted=adopted,
    )


def _add(archive: Archive, batch: list[tuple[Holding, Recording | None, list[FixityEvent]]]) -> int:
    """Take in what holdings say of themselves; how many fixity events that were."""
    archive.catalogue.add([recording for _, recording, _ in batch if recording])
    archive.fixity.acknowledge((holding.id, holding.version) for holding, _, _ in batch)
    return archive.fixity.restore(event for _, _, events in batch for event in events)


def restore_recording(
    archive: Archive, holding: Holding, deposits: dict[DepositId, Receipt]
) -> tuple[Recording, list[FixityEvent]]:
    """The recording as the holding describes it, and what its deposits saw in each root; they
    are added to `deposits`.

    Raises Refused where the holding lacks a part of it, msgspec.DecodeError where it is none.
    """

    def read(path: str) -> bytes:
        return replicas.read(archive.roots, holding.id, path)

    recording = msgspec.json.decode(read("recording.json"), type=Recording)
    inventories = _inventories(archive, holding.id)
    elsewhere_until = _adopted_at(archive, holding.id)
    events: list[FixityEvent] = []
    for file in holding.files:
        if is_deposit_record(file.path):
            record = msgspec.json.decode(read(file.path), type=DepositRecord)
            receipt = deposits.setdefault(
                record.deposit,
                Receipt(deposit=record.deposit, at=record.at, source=record.source, items=()),
            )
            version = _version_of(file.path, holding, inventories)
            # Before it was adopted, roots were another archive's, whatever they were called.
            roots = record.roots if record.at > elsewhere_until else ()
            item = replace(record.item, version=version, roots=roots)
            deposits[record.deposit] = replace(receipt, items=(*receipt.items, item))
            events += [
                read_back(holding.id, version, root, record.at)
                for root in roots
                # A deposit that was cut short has not come to a root that lacks the version.
                if root in inventories and inventories[root].head >= version
            ]
    return recording, events


def _inventories(archive: Archive, holding: HoldingId) -> dict[str, ocfl.Inventory]:
    """By the roots' names, what those in which it verifies say that they have of `holding`."""
    found = {}
    for root in archive.roots:
        with contextlib.suppress(Corrupt):
            if inventory := root.inventory(holding):
                found[root.name] = inventory
    return found


def _adoption_events(archive: Archive, holding: Holding) -> list[FixityEvent]:
    """What the last adoption that `holding` tells of saw in each root."""
    told = replicas.read(archive.roots, holding.id, ADOPTION_NAME)
    record = msgspec.json.decode(told, type=AdoptionRecord)
    inventories = _inventories(archive, record.object)
    return [
        read_back(record.object, record.versions, root, record.at)
        for root in record.roots
        if root in inventories and inventories[root].head >= record.versions
    ]


def _adopted_at(archive: Archive, holding: HoldingId) -> str:
    """When the newest version of `holding` came from another archive; empty for one of our own."""
    found = _inventories(archive, adoption_id_of(holding)).values()
    return max((str(inventory.versions[-1]["created"]) for inventory in found), default="")


def _version_of(path: str, holding: Holding, inventories: dict[str, ocfl.Inventory]) -> int:
    """The version with which the file `path` came."""
    newest = max(inventories.values(), key=lambda inventory: inventory.head)
    for number, block in enumerate(newest.versions, 1):
        if any(path in paths for paths in block["state"].values()):
            return number
    return holding.version


def is_deposit_record(path: str) -> bool:
    """Whether a holding keeps a DepositRecord at `path`: deeper below lie the files of a bag."""
    return path.startswith("deposits/") and path.count("/") == 2
