"""Rebuilding: the database, from the vault and the ledger alone.

What a holding keeps of itself (recording.json, its deposits, its fingerprint) is enough to find
it again; the ledger's published files are enough to refill the sequencer. Files that were
refused are in no holding, so a restored receipt lists what was accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sonotheque.archive import Archive
from sonotheque.config import Config, read_config
from sonotheque.deposit.accession import DepositRecord
from sonotheque.deposit.receipts import Receipts
from sonotheque.errors import SonothequeError
from sonotheque.model.holdings import Holding, Receipt
from sonotheque.model.identifiers import (
    ADOPTION_PREFIX,
    DepositId,
    HoldingId,
    recording_of,
)
from sonotheque.model.music import Recording
from sonotheque.rights import ledger
from sonotheque.store import files
from sonotheque.vault import fixity, replicas

Progress = Callable[[str, int, int], None]
"""(stage, done, of how many): "rebuild"; how many there are is not known before the end."""
_BATCH = 1_000


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
    with files.exclusive(config.lock):
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
    statements = ledger.restore(archive.database, archive.config.ledger, archive.signer.verifier)
    receipts = Receipts(archive.database)
    deposits: dict[DepositId, Receipt] = {}
    batch: list[Recording] = []
    audits: list[HoldingId] = []
    recordings = events = adopted = 0
    for number, holding in enumerate(replicas.holdings(archive.roots), 1):
        id_ = recording_of(holding.id)
        if id_ is not None:
            recordings += 1
            receipts.intend({file.sha512: id_ for file in holding.audio})
            batch.append(restore_recording(archive, holding, deposits))
        elif holding.id.startswith(fixity.AUDIT_PREFIX):
            audits.append(holding.id)
        elif holding.id.startswith(ADOPTION_PREFIX):
            adopted += 1
        if len(batch) == _BATCH:
            archive.catalogue.add(batch)
            batch.clear()
        if progress:
            progress("rebuild", number, number)
    archive.catalogue.add(batch)
    # Named by their time, and the newest event is the one that counts.
    for audit in sorted(audits):
        found = fixity.preserved_events(archive.roots, audit)
        archive.fixity.record(found)
        events += len(found)
    for receipt in deposits.values():
        receipts.add(receipt)
    return Rebuilt(
        recordings=recordings,
        receipts=len(deposits),
        statements=statements,
        fixity_events=events,
        adopted=adopted,
    )


def restore_recording(
    archive: Archive, holding: Holding, deposits: dict[DepositId, Receipt]
) -> Recording:
    """The recording as the holding describes it; its deposits are added to `deposits`.

    Raises Refused where the holding lacks a part of it, msgspec.DecodeError where it is none.
    """

    def read(path: str) -> bytes:
        return replicas.read(archive.roots, holding.id, path)

    recording = msgspec.json.decode(read("recording.json"), type=Recording)
    for file in holding.files:
        if is_deposit_record(file.path):
            record = msgspec.json.decode(read(file.path), type=DepositRecord)
            receipt = deposits.setdefault(
                record.deposit,
                Receipt(deposit=record.deposit, at=record.at, source=record.source, items=()),
            )
            item = replace(record.item, version=holding.version)
            deposits[record.deposit] = replace(receipt, items=(*receipt.items, item))
    return recording


def is_deposit_record(path: str) -> bool:
    """Whether a holding keeps a DepositRecord at `path`: deeper below lie the files of a bag."""
    return path.startswith("deposits/") and path.count("/") == 2
