"""Whether the database agrees with what it is restored from: the vault and the ledger.

The database stands once. Its pages are checked by SQLite, its rows by their sums, its tables by
those that an empty archive has. Its ledger entries are compared with the published ones, and what
it says of each holding with what the holding keeps of itself: that tells a database that is whole
in itself, and older than the archive.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import Engine

from sonotheque.archive import Archive
from sonotheque.catalogue.records import Records
from sonotheque.deposit.receipts import Receipts
from sonotheque.deposit.recovery import restore_recording
from sonotheque.errors import Corrupt, EnvironmentFailure, SonothequeError
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.holdings import Holding, Receipt
from sonotheque.model.identifiers import DepositId, HoldingId, recording_of
from sonotheque.rights.ledger import Ledger
from sonotheque.store import db
from sonotheque.vault import audit, replicas
from sonotheque.vault.fixity_log import FixityLog


def faults(archive: Archive) -> Iterator[Finding]:
    """What is wrong with the database as a whole. Reads all of it, and the ledger, in bounded
    memory. Published entries come first: call `ledger.publish` before."""
    damaged = [_finding("database.damaged", line) for line in db.faults(archive.database)]
    yield from damaged
    if damaged:
        return
    try:
        found = _as_made(archive.database, archive)
        new = db.open_database(Path(":memory:"))
        expected = _as_made(new, archive)
        new.dispose()
        names = found.keys() | expected.keys()
        changed = sorted(name for name in names if found.get(name) != expected.get(name))
        for name in changed:
            yield _finding("database.schema", f"{name} is not as this version makes it")
        if changed:
            return
        with contextlib.suppress(Corrupt):
            # What is published and does not hold is the ledger's own damage.
            if number := archive.ledger.forgotten():
                message = f"ledger entries that it has otherwise or not at all: {number}"
                yield _finding("database.ledger", message)
    except EnvironmentFailure as error:
        yield _finding("database.damaged", error.what)


class Agreement:
    """What the database knows of each holding, held against what the vault keeps of it."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._receipts = Receipts(archive.database)

    def behind(self, holding: HoldingId) -> Finding | None:
        """What the vault keeps of `holding` and the database does not know; None where it knows
        all of it, or where no root has the holding whole."""
        lacking = self._lacking(holding)
        return (
            _finding("database.behind", f"it lacks {lacking}", where=holding) if lacking else None
        )

    def enter(self, holdings: Iterable[HoldingId]) -> None:
        """Enter what the vault keeps of `holdings`, of which the database was `behind`. The caller
        holds the archive's lock. Raises as `restore_recording` does."""
        archive = self._archive
        deposits: dict[DepositId, Receipt] = {}
        for id_ in holdings:
            if id_.startswith(audit.AUDIT_PREFIX):
                events = audit.preserved_events(archive.roots, id_)
                archive.fixity.restore(events, run_at=id_.removeprefix(audit.AUDIT_PREFIX))
            elif held := replicas.read_holding(archive.roots, id_):
                self._enter(held, deposits)
        archive.fixity.sort()
        for receipt in deposits.values():
            self._receipts.add(receipt)

    def _lacking(self, holding: HoldingId) -> str:
        archive = self._archive
        if holding.startswith(audit.AUDIT_PREFIX):
            known = archive.fixity.knows_run(holding.removeprefix(audit.AUDIT_PREFIX))
            return "" if known else "this audit run"
        id_, held = recording_of(holding), None
        with contextlib.suppress(SonothequeError):
            held = replicas.read_holding(archive.roots, holding) if id_ else None
        if id_ is None or held is None:
            return ""
        acknowledged = {item.sha512 for _, _, item in self._receipts.about(id_)}
        for file in held.audio:
            if file.sha512 not in acknowledged:
                return f"the receipt for {file.path}"
            if self._receipts.intended(file.sha512) != id_:
                return f"that {file.path} is known"
        return "" if archive.catalogue.get(id_) else "the recording"

    def _enter(self, held: Holding, deposits: dict[DepositId, Receipt]) -> None:
        archive = self._archive
        recording, _ = restore_recording(archive, held, deposits)
        self._receipts.intend({file.sha512: recording.id for file in held.audio})
        if archive.catalogue.get(recording.id) is None:
            if fingerprints := archive.read_fingerprints(recording):
                archive.fingerprints.add(recording.id, fingerprints)
            archive.catalogue.add([recording])
        archive.fixity.acknowledge([(held.id, held.version)])


def _as_made(engine: Engine, archive: Archive) -> dict[str, str]:
    """The tables of `engine`, once every room has made those that it lacks."""
    Ledger(engine, archive.config.ledger, archive.signer, newest=archive.config.newest_checkpoint)
    FixityLog(engine)
    Records(engine)
    Receipts(engine)
    return db.schema(engine)


def _finding(code: str, message: str, *, where: str = "sonotheque.db") -> Finding:
    return Finding(
        code=code,
        severity=Severity.ERROR,
        message=message,
        remedy="`sonotheque audit --heal` restores it from the vault and the ledger",
        where=where,
    )
