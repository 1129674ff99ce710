"""The log of fixity: what must be held, when each copy was last checked, and with what outcome.

It is how an audit knows what is due and where it was stopped. Whole runs are preserved as
holdings of their own (`vault/audit`), from which a lost log is restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby, islice
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, text

from sonotheque.model.holdings import NOT_READ, FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import db
from sonotheque.vault import ocfl
from sonotheque.vault.fixity import BLAKE3, Checked, Known
from sonotheque.vault.roots import ROOT_ID

_PAGE_ROWS = 500
_FIELDS = tuple(FixityEvent.__dataclass_fields__)
_EVENT = ", ".join(_FIELDS)
_BOUND = ", ".join(f":{field}" for field in _FIELDS)
_WORST_LAST = [
    *(Outcome.PASS, Outcome.HEALED, Outcome.STRAY, Outcome.STALE),
    *(Outcome.MISSING, Outcome.CORRUPT, Outcome.LOST),
]


@dataclass(frozen=True, slots=True)
class Run:
    """An audit run that was begun at `at`."""

    number: int
    at: str


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The newest check of one copy, when the newest by SHA-512 was, and in which run."""

    outcome: Outcome
    at: str
    sha512_at: str
    run: int | None


class FixityLog:
    """The fixity events of an archive, for looking up; audit runs in the vault restore it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        db.apply_schema(engine, resources.files(__package__).joinpath("fixity.sql").read_text())

    def record(self, events: Iterable[FixityEvent], *, run_at: str | None = None) -> None:
        """Keep what a deposit has seen, in the order of `events`; where nothing in the vault
        tells of it, as a run that began at `run_at`, which the next audit preserves."""
        checks = _seen(events)
        if run_at and checks:
            self.add_alone(run_at, checks, heal=True)
            return
        with self._engine.begin() as connection:
            _write(connection, None, checks)

    def acknowledge(self, held: Iterable[tuple[HoldingId, int]]) -> None:
        """Remember that these holdings have these versions, so that they are missed."""
        with self._engine.begin() as connection:
            _write_objects(connection, [(ocfl.object_path(id_), Known(id_, v)) for id_, v in held])

    def begin(self, at: str, *, heal: bool) -> Run:
        """Go on with the run of the whole archive that was stopped, or begin one.

        One that was stopped and was to heal, or not to, unlike this one, is over.
        """
        with self._engine.begin() as connection:
            connection.execute(
                text("UPDATE fixity_run SET ended = 1 WHERE ended = 0 AND heal <> :heal"),
                {"heal": heal},
            )
            found = connection.execute(
                text("SELECT number, at FROM fixity_run WHERE ended = 0")
            ).one_or_none()
            if found:
                return Run(found.number, found.at)
            return _begin(connection, at, heal=heal)

    def add(self, run: Run, checks: Sequence[Checked]) -> None:
        """Keep what `run` has found; it is on the disk when this returns."""
        with self._engine.begin() as connection:
            _write(connection, run.number, checks)

    def add_alone(self, at: str, checks: Sequence[Checked], *, heal: bool) -> None:
        """Keep a run of its own, of these checks alone."""
        with self._engine.begin() as connection:
            run = _begin(connection, at, heal=heal)
            _write(connection, run.number, checks)
            _end(connection, run)

    def end(self, run: Run) -> None:
        with self._engine.begin() as connection:
            _end(connection, run)

    def unpreserved(self) -> tuple[Run, ...]:
        """The runs that are over and whose events are nowhere but here, oldest first."""
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT number, at FROM fixity_run WHERE ended = 1 AND preserved = 0"
                    " ORDER BY number"
                )
            )
            return tuple(Run(row.number, row.at) for row in rows)

    def events_of_run(self, run: Run) -> Iterator[FixityEvent]:
        """Every event of a run that is not preserved yet, in order, page by page."""
        after = 0
        while True:
            with db.reading(self._engine) as connection:
                rows = connection.execute(
                    text(
                        f"SELECT number, {_EVENT} FROM fixity_event"
                        " WHERE run = :run AND number > :after ORDER BY number LIMIT :limit"
                    ),
                    {"run": run.number, "after": after, "limit": _PAGE_ROWS},
                ).all()
                events = [_event(row._mapping) for row in rows]
            if not rows:
                return
            yield from events
            after = rows[-1].number

    def preserved(self, run: Run) -> None:
        """Note that the events of `run` are in the vault."""
        with self._engine.begin() as connection:
            connection.execute(
                text("UPDATE fixity_run SET preserved = 1 WHERE number = :number"),
                {"number": run.number},
            )

    def knows_run(self, at: str) -> bool:
        """Whether there is a run that was begun at `at`."""
        with db.reading(self._engine) as connection:
            found = connection.execute(
                text("SELECT 1 FROM fixity_run WHERE at = :at LIMIT 1"), {"at": at}
            )
            return found.first() is not None

    def restore(self, events: Iterable[FixityEvent], *, run_at: str | None = None) -> int:
        """Take in events that the vault tells of, those of a preserved run or of deposits; how
        many they were. Runs come oldest first; `sort` is called after everything."""
        number = None
        if run_at:
            with self._engine.begin() as connection:
                run = _begin(connection, run_at, heal=False)
                _end(connection, run)
            self.preserved(run)
            number = run.number
        count, waiting = 0, iter(events)
        while page := list(islice(waiting, _PAGE_ROWS)):
            with self._engine.begin() as connection:
                _write(connection, number, _seen(page), restoring=True)
            count += len(page)
        return count

    def sort(self) -> None:
        """Put restored events in the order of their times: the newest is the one that counts."""
        fields = f"run, {_EVENT}"
        with self._engine.begin() as connection:
            for statement in (
                f"CREATE TEMPORARY TABLE restored AS SELECT {fields} FROM fixity_event"
                " ORDER BY at, number",
                "DELETE FROM fixity_event",
                f"INSERT INTO fixity_event ({fields}) SELECT {fields} FROM restored ORDER BY rowid",
                "DROP TABLE restored",
            ):
                connection.exec_driver_sql(statement)

    def known(self, name: str, root: str) -> tuple[Known | None, LastCheck | None]:
        """What must be at `name`, and the newest check of it in `root`."""
        found = self._page("o.name = :place", name, root)
        return found[0][1:] if found else (None, None)

    def acknowledged(self, name: str, primary: str) -> int:
        """The newest version that must be held; 0 for none, and where the newest check in the
        primary root has told that all of it is lost, so that it may be deposited anew."""
        known, last = self.known(name, primary)
        if known is None or (
            last and last.outcome is Outcome.LOST and self._is_lost(known.holding, primary, last.at)
        ):
            return 0
        return known.version

    def _is_lost(self, holding: HoldingId, root: str, at: str) -> bool:
        """Whether a check told not of a file of the newest version, but of that version."""
        with db.reading(self._engine) as connection:
            found = connection.execute(
                text(
                    "SELECT 1 FROM fixity_event WHERE holding = :holding AND root = :root"
                    " AND at = :at AND outcome = :lost AND path IN ('', :inventory) LIMIT 1"
                ),
                {
                    "holding": holding,
                    "root": root,
                    "at": at,
                    "lost": Outcome.LOST.value,
                    "inventory": ocfl.INVENTORY,
                },
            )
            return found.first() is not None

    def each(self, root: str) -> Iterator[tuple[str, Known | None, LastCheck | None]]:
        """Every object that must be held, in the order of their names, with the newest check of
        its copy in `root`. What is added meanwhile may or may not be among them."""
        after = ""
        while page := self._page("o.name > :place", after, root):
            yield from page
            after = page[-1][0]

    def _page(
        self, where: str, place: str, root: str
    ) -> list[tuple[str, Known | None, LastCheck | None]]:
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT o.name, o.holding, o.version, o.inventory, o.sums,"
                    " c.outcome, c.at, c.sha512_at, c.run FROM fixity_object AS o"
                    " LEFT JOIN fixity_copy AS c ON c.name = o.name AND c.root = :root"
                    f" WHERE {where} ORDER BY o.name LIMIT :limit"
                ),
                {"root": root, "place": place, "limit": _PAGE_ROWS},
            )
            return [
                (
                    name,
                    Known(HoldingId(holding), version, inventory, sums),
                    LastCheck(Outcome(outcome), at, sha512_at, run) if outcome else None,
                )
                for name, holding, version, inventory, sums, outcome, at, sha512_at, run in rows
            ]

    def events_of(self, holding: HoldingId) -> tuple[FixityEvent, ...]:
        """The events of `holding`, newest first: every one, but for passes of audits that a
        newer check has overtaken, which are in the vault alone."""
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text(
                    f"SELECT {_EVENT} FROM fixity_event"
                    " WHERE holding = :holding ORDER BY number DESC"
                ),
                {"holding": holding},
            )
            return tuple(_event(row._mapping) for row in rows)

    def last_audit_at(self) -> str | None:
        """When the newest check was made; None before the first."""
        with db.reading(self._engine) as connection:
            found = connection.execute(
                text("SELECT at FROM fixity_event ORDER BY number DESC LIMIT 1")
            ).scalar_one_or_none()
        return str(found) if found else None

    def counts(self) -> dict[str, int]:
        """Latest outcome → number of (holding, root) pairs."""
        with db.reading(self._engine) as connection:
            rows = connection.execute(
                text("SELECT outcome, count(*) AS pairs FROM fixity_copy GROUP BY outcome")
            )
            return {row.outcome: row.pairs for row in rows}


def _begin(connection: Connection, at: str, *, heal: bool) -> Run:
    number = connection.execute(
        text("INSERT INTO fixity_run (at, heal) VALUES (:at, :heal) RETURNING number"),
        {"at": at, "heal": heal},
    ).scalar_one()
    return Run(number, at)


def _end(connection: Connection, run: Run) -> None:
    connection.execute(
        text("UPDATE fixity_run SET ended = 1 WHERE number = :number"), {"number": run.number}
    )


def _seen(events: Iterable[FixityEvent]) -> list[Checked]:
    """Events of which nothing more is known, as the checks of copies that they are of."""
    checks = []
    for (holding, root, _), group in groupby(events, attrgetter("holding", "root", "at")):
        one = tuple(group)
        checks.append(
            Checked(
                name=ocfl.object_path(holding),
                root=root,
                events=one,
                learnt=Known(holding, one[0].version) if one[0].version else None,
                by_sha512=one[0].method != BLAKE3,
            )
        )
    return checks


def _write(
    connection: Connection, run: int | None, checks: Sequence[Checked], *, restoring: bool = False
) -> None:
    copies = [
        {
            "name": check.name,
            "holding": check.events[0].holding,
            "root": check.root,
            "outcome": max((e.outcome for e in check.events), key=_WORST_LAST.index),
            "at": check.events[0].at,
            "sha512_at": check.events[0].at if check.by_sha512 else "",
            "run": run,
        }
        for check in checks
        # A file of a root itself is no copy of anything, and what was only written not checked.
        if check.events[0].holding != ROOT_ID and check.events[0].method != NOT_READ
    ]
    if copies:
        _forget_passes(connection, copies)
        _write_copies(connection, copies, restoring=restoring)
    _write_events(connection, run, [event for check in checks for event in check.events])
    _write_objects(connection, [(check.name, check.learnt) for check in checks if check.learnt])


def _forget_passes(connection: Connection, copies: Sequence[Mapping[str, Any]]) -> None:
    """Those of `copies` that are in the vault, and are overtaken now."""
    connection.execute(
        text(
            "DELETE FROM fixity_event WHERE holding = :holding AND root = :root"
            " AND outcome = 'pass'"
            " AND run IN (SELECT number FROM fixity_run WHERE preserved = 1)"
        ),
        copies,
    )


def _write_events(connection: Connection, run: int | None, events: Sequence[FixityEvent]) -> None:
    if not events:
        return
    connection.execute(
        text(f"INSERT INTO fixity_event (run, {_EVENT}) VALUES (:run, {_BOUND})"),
        [{"run": run, **{field: getattr(event, field) for field in _FIELDS}} for event in events],
    )


def _write_copies(
    connection: Connection, copies: Sequence[Mapping[str, Any]], *, restoring: bool
) -> None:
    connection.execute(
        text(
            "INSERT INTO fixity_copy VALUES (:name, :root, :outcome, :at, :sha512_at, :run)"
            " ON CONFLICT (name, root) DO UPDATE SET outcome = excluded.outcome,"
            " at = excluded.at, run = excluded.run,"
            " sha512_at = coalesce(nullif(excluded.sha512_at, ''), sha512_at)"
            f"{' WHERE excluded.at >= at' if restoring else ''}"
        ),
        copies,
    )


def _write_objects(connection: Connection, objects: Sequence[tuple[str, Known]]) -> None:
    if not objects:
        return
    connection.execute(
        text(
            "INSERT INTO fixity_object VALUES (:name, :holding, :version, :inventory, :sums)"
            " ON CONFLICT (name) DO UPDATE SET version = excluded.version,"
            " inventory = excluded.inventory, sums = excluded.sums"
            # What is known of an older version, or nothing new of this one, changes nothing.
            " WHERE excluded.version > version"
            " OR (excluded.version = version AND length(excluded.sums) > 0)"
        ),
        [
            {
                "name": name,
                "holding": known.holding,
                "version": known.version,
                "inventory": known.inventory,
                "sums": known.sums,
            }
            for name, known in objects
        ],
    )


def _event(row: Mapping[Any, Any]) -> FixityEvent:
    return msgspec.convert({field: row[field] for field in _FIELDS}, FixityEvent)
