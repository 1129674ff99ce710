"""A ledger on disk that can be opened, closed, copied and brought back, for tests."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Basis, Kind, Statement, Status, Use
from sonotheque.rights.ledger import Ledger, restore
from sonotheque.store import db, signing

_places = count()


class Place:
    """A ledger on disk that can be opened, closed and opened again."""

    def __init__(self, base: Path) -> None:
        self.base = base / f"archive-{next(_places)}"
        self.directory = self.base / "ledger"
        self.directory.mkdir(parents=True)
        self.signer = signing.create_key(self.base / "keys", "test")
        self.newest = self.base / "keys" / "newest-checkpoint"
        self.open()

    def open(self) -> None:
        self.engine = db.open_database(self.base / "sonotheque.db")
        self.ledger = Ledger(self.engine, self.directory, self.signer, newest=self.newest)

    def reopen(self) -> None:
        self.engine.dispose()
        self.open()

    def restored(self) -> list[Statement]:
        """What a new, empty database gets from the published files."""
        engine = db.open_database(Path(":memory:"))
        try:
            size = restore(engine, self.directory, self.signer.verifier, newest=self.newest)
            found = list(
                Ledger(engine, self.directory, self.signer, newest=self.newest).statements()
            )
            assert size == len(found)
            return found
        finally:
            engine.dispose()

    def copy(self) -> Path:
        """The database and the ledger as they are now, as a backup takes them."""
        self.engine.dispose()
        made = self.base.parent / f"backup-{next(_places)}"
        shutil.copytree(self.directory, made / "ledger")
        shutil.copy(self.base / "sonotheque.db", made)
        self.open()
        return made

    def bring_back(self, copy: Path, *, ledger: bool = True, database: bool = True) -> None:
        """Put a backup in the place of what there is."""
        self.engine.dispose()
        if ledger:
            shutil.rmtree(self.directory)
            shutil.copytree(copy / "ledger", self.directory)
        if database:
            for suffix in ("-wal", "-shm"):
                (self.base / f"sonotheque.db{suffix}").unlink(missing_ok=True)
            shutil.copy(copy / "sonotheque.db", self.base)
        self.open()

    def files(self) -> list[Path]:
        return sorted(path for path in self.directory.rglob("*") if path.is_file())


def statements(number: int, start: int = 0) -> list[Statement]:
    return [
        Statement(
            recording=RecordingId(f"{(start + n) % 7:013d}"), kind=Kind.GRANT, uses=(Use.STREAM,),
            status=Status.VERIFIED, issuer=f"Label {start + n}", evidence="é\n\0", at="2026-01-01",
            basis=Basis.LICENCE, licence="CC-BY-4.0", ends_at="2030-01-01",
        )
        for n in range(number)
    ]  # fmt: skip
