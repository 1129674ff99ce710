"""Rebuilding: the database, from the vault and the ledger alone.

What a holding keeps of itself (recording.json, its deposits, its fingerprint) is enough to find
it again; the ledger's published files are enough to refill the sequencer. Files that were
refused, and that were held already, are in no deposit's record: a receipt lists them where the old
database can still be read, and otherwise what was new.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sonotheque.archive import Archive
from sonotheque.config import Config, read_config
from sonotheque.deposit.receipts import Receipts
from sonotheque.deposit.storing import DepositRecord
from sonotheque.errors import Corrupt, EnvironmentFailure, SonothequeError
from sonotheque.model.holdings import (
    NOT_READ,
    AdoptionRecord,
    FixityEvent,
    Holding,
    Outcome,
    Receipt,
)
from sonotheque.model.identifiers import (
    ADOPTION_PREFIX,
    DepositId,
    HoldingId,
    adoption_id_of,
    recording_of,
)
from sonotheque.model.music import Recording
from sonotheque.rights import ledger
from sonotheque.store import db, files
from sonotheque.vault import audit, ocfl, replicas
from sonotheque.vault.objects import AGENT

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

    The old database is set aside; what it has of receipts alone is taken over where it can be
    read, and it comes back where the rebuilding fails. Raises Corrupt where
    the ledger does not verify or a holding is damaged in every root.
    """
    config = read_config(directory)
    aside = config.database_aside
    with files.exclusive(config.lock), files.exclusive(config.audit_lock):
        if config.database.exists() and not aside.exists():
            _set_aside(config, aside)
        _remove_database(config.database)
        files.remove_tree(config.derived)
        files.make_directory(config.derived)
        files.replace(config.database, b"")
        try:
            with Archive(config) as archive:
                restored = _refill(archive, aside, progress)
        except SonothequeError:
            _remove_database(config.database)
            if aside.exists():
                _move(aside, config.database)
            raise
        _remove_database(aside)
        files.sync_directory(directory)
    return restored


def _set_aside(config: Config, aside: Path) -> None:
    """Have SQLite fold its write-ahead log into the database file, so that one file is all, and
    move it; where it is too damaged for that, both files as they are."""
    with (
        contextlib.suppress(EnvironmentFailure),
        Archive(config) as archive,
        archive.database.connect() as connection,
    ):
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    _move(config.database, aside)


def _move(source: Path, target: Path) -> None:
    log = source.with_name(f"{source.name}-wal")
    if log.exists():
        files.move(log, target.with_name(f"{target.name}-wal"))
    files.move(source, target)


def _remove_database(path: Path) -> None:
    # The log first: left behind, it would be taken for that of the next file of the name.
    for suffix in ("-shm", "-wal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    for leftover in files.leftovers(path.parent):
        if leftover.name.startswith(f".{path.name}."):
            leftover.unlink()


def _refill(archive: Archive, aside: Path, progress: Progress | None) -> Rebuilt:
    for root in archive.roots:
        root.settle()
    statements = ledger.restore(
        archive.database,
        archive.config.ledger,
        archive.signer.verifier,
        newest=archive.config.newest_checkpoint,
    )
    receipts = Receipts(archive.database)
    whole = _take_over_receipts(archive, aside)
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
        if receipts.receipt(receipt.deposit) is None:
            receipts.add(receipt)
            whole += 1
    return Rebuilt(
        recordings=recordings,
        receipts=whole,
        statements=statements,
        fixity_events=events,
        adopted=adopted,
    )


def _take_over_receipts(archive: Archive, aside: Path) -> int:
    """Keep the receipts that the old database still has as they were written and whose holdings
    are here, up to where it cannot be read; how many they were."""
    number = 0
    if aside.exists():
        engine = db.open_database(aside, missing_ok=False)
        receipts = Receipts(archive.database)
        with contextlib.suppress(EnvironmentFailure):
            for receipt in Receipts(engine).each():
                names = {ocfl.object_path(one.holding) for one in receipt.items if one.holding}
                if names and all(any(r.has_object(n) for r in archive.roots) for n in names):
                    receipts.add(receipt)
                    number += 1
        engine.dispose()
    return number


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
                _written(holding.id, version, root, record.at)
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


def _written(holding: HoldingId, version: int, root: str, at: str) -> FixityEvent:
    """That this version of a holding came to this root. Its record was made before it was read
    back: whether that was done, or the process was killed in between, nothing in the vault tells.
    """
    return FixityEvent(
        holding=holding,
        root=root,
        outcome=Outcome.PASS,
        at=at,
        agent=AGENT,
        detail="written; no record tells that it was read back",
        version=version,
        method=NOT_READ,
    )


def _adoption_events(archive: Archive, holding: Holding) -> list[FixityEvent]:
    """What the last adoption that `holding` tells of saw in each root."""
    told = replicas.read(archive.roots, holding.id, ADOPTION_NAME)
    record = msgspec.json.decode(told, type=AdoptionRecord)
    inventories = _inventories(archive, record.object)
    return [
        _written(record.object, record.versions, root, record.at)
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
