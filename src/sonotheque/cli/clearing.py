"""The command `rights clear`: what may be done with every recording, as one table."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sonotheque import archive as archives
from sonotheque.cli import text
from sonotheque.cli.answer import Answer
from sonotheque.errors import BadInput
from sonotheque.model.terms import Statement
from sonotheque.rights.clearance import clear as clear_entries
from sonotheque.rights.clearance import spell_out, write_entries
from sonotheque.store import files
from sonotheque.store.clock import utc_now
from sonotheque.store.engine import open_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What `rights clear --json` answers: the table, as of when, and how many recordings and
    entries of the ledger it is about."""

    file: str
    at: str
    recordings: int
    entries: int


def clear(arguments: Namespace) -> Answer:
    out: Path = arguments.out.absolute()
    if not out.parent.is_dir():
        raise BadInput("is no directory", where=str(out.parent), remedy="make it first")
    now = utc_now()
    with (
        archives.open_archive(arguments.archive) as archive,
        TemporaryDirectory(prefix=".sonotheque-", dir=out.parent) as name,
    ):
        workspace = Path(name)

        def ledger() -> Iterator[Statement]:
            return iter(archive.ledger.statements())

        entries = write_entries(ledger, workspace / "entries.parquet", now)
        limit = archive.config.limits.catalogue_memory_bytes_max
        with open_engine(memory_bytes_max=limit, spill=workspace / "spill") as engine:
            recordings = clear_entries(
                engine,
                workspace / "entries.parquet",
                workspace / "cleared.parquet",
                now=now,
                home=archive.home,
            )
            spell_out(engine, workspace / "cleared.parquet", workspace / "spelt.parquet")
        files.sync_file(workspace / "spelt.parquet")
        files.move(workspace / "spelt.parquet", out)
    told = Cleared(file=str(out), at=now, recordings=recordings, entries=entries)
    line = (
        f"{recordings:,} recordings, of which the ledger says anything, are in {out}, with the"
        f" answer for each use as of {now[:19]}Z. Any later entry may change it: ask"
        " `rights decide`, or clear again, before something is done."
    )
    return Answer(told, text.paragraph(line))
