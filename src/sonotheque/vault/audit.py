"""Audits: every copy of every holding, each root at its own pace, and nobody is kept waiting.

Each root is gone through by a thread of its own, in the order of the objects' names. Copies are
read without any lock. Only what looks wrong is examined again under the archive's lock, one
object at a time, so that a deposit in progress is never taken for damage. What was checked is in
the log from one moment to the next: a run that was killed goes on where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Full, Queue
from tempfile import TemporaryDirectory

from sonotheque.errors import Corrupt, NotFound
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId, Sha512
from sonotheque.store import clock, files
from sonotheque.vault import fixity, ocfl, premis
from sonotheque.vault.fixity import Checked, Expected, Known
from sonotheque.vault.fixity_log import FixityLog, LastCheck
from sonotheque.vault.objects import KnownFile, Vault
from sonotheque.vault.pace import Pace
from sonotheque.vault.replicas import check_root_files, replicate, require_present
from sonotheque.vault.roots import Place, Root

AUDIT_PREFIX = "urn:sonotheque:audit:"
EVENTS_NAME = "events.jsonl"
SHA512_WITHIN_SECONDS = 365 * 86_400
"""At least this often a copy is compared by SHA-512, not by BLAKE3 alone."""
_BATCH_COPIES = 500
_BATCH_SECONDS = 1.0
_POLL_SECONDS = 0.1

Locked = Callable[[Callable[[], bool]], AbstractContextManager[None]]
Now = Callable[[], str]


class Audit:
    """An audit of `roots`, the primary first. `locked` makes its caller the one writer, and
    waits for others until it is told to stop; `now` is asked when a copy has been read. With
    `heal`, what is wrong is replaced."""

    def __init__(
        self,
        roots: Sequence[Root],
        log: FixityLog,
        *,
        locked: Locked,
        now: Now,
        heal: bool = False,
    ) -> None:
        self._roots = roots
        self._log = log
        self._locked = locked
        self._now = now
        self._heal = heal
        self._stop = threading.Event()

    def run(
        self,
        *,
        within_seconds: Mapping[str, int] | None = None,
        rates: Mapping[str, int] | None = None,
    ) -> Generator[Checked, None, None]:
        """Check every copy of every holding, or go on doing so where the last run was stopped.

        By a root's name, `within_seconds` leaves out copies that were found whole so lately, and
        `rates` bounds the bytes read a second. The files of the roots themselves come last, if
        anything is wrong with them. Yields what is in the log. Raises EnvironmentFailure where a
        root is away.
        """
        self._stop.clear()
        require_present(self._roots)
        began = self._now()
        run = self._log.begin(began, heal=self._heal)
        passes = []
        for root in self._roots:
            span = (within_seconds or {}).get(root.name)
            since = clock.before(began, span) if span else None
            rate = (rates or {}).get(root.name)
            pace = Pace(rate, sleep=self._stop.wait) if rate else None
            passes.append(self._pass(root, run.number, since, began, pace))
        for batch in _in_threads([_batches(one) for one in passes], self._stop):
            self._log.add(run, batch)
            yield from batch
        of_roots = self._root_files()
        self._log.add(run, of_roots)
        yield from of_roots
        self._log.end(run)

    def check(self, holding: HoldingId) -> tuple[Checked, ...]:
        """Check every copy of one holding, now and by SHA-512, as a run of its own."""
        require_present(self._roots)
        began, name = self._now(), ocfl.object_path(holding)
        checks = []
        for root in self._roots:
            known, _ = self._log.known(name, root.name)
            found, _ = self._examined(root, name, known, None)
            if found:
                checks.append(found)
        self._log.add_alone(began, checks, heal=self._heal)
        return tuple(checks)

    def preserve(
        self, primary: Vault, replicas: Sequence[Root], workspace: Path
    ) -> list[HoldingId]:
        """Keep each run that is over as a small holding of its own, in every root; their
        identifiers. Needs the room of a run's events in the directory `workspace`."""
        kept = []
        with self._locked(lambda: False):
            for run in self._log.unpreserved():
                holding = HoldingId(f"{AUDIT_PREFIX}{run.at}")
                with TemporaryDirectory(dir=workspace) as directory:
                    file = _written(Path(directory) / EVENTS_NAME, self._log.events_of_run(run))
                    if file.path.stat().st_size:
                        primary.write_version(
                            holding, {EVENTS_NAME: file}, message="fixity audit", now=run.at
                        )
                        replicate(primary, replicas, holding)
                        self._log.acknowledge([(holding, 1)])
                        kept.append(holding)
                self._log.preserved(run)
        return kept

    def _root_files(self) -> list[Checked]:
        """What is wrong, or was healed, of the files that make a place a root."""
        events = list(check_root_files(self._roots, self._now(), heal=False))
        if events and self._heal:
            with self._locked(lambda: False):
                events = list(check_root_files(self._roots, self._now(), heal=True))
        return [
            Checked(name="", root=event.root, events=(event,), learnt=None, by_sha512=True)
            for event in events
        ]

    def _pass(
        self, root: Root, run: int, since: str | None, began: str, pace: Pace | None
    ) -> Iterator[Checked]:
        """Every copy in `root` that is due."""
        sha512_since = clock.before(began, SHA512_WITHIN_SECONDS)
        for name, known, last in self._due(root, run, since, began):
            if self._stop.is_set():
                return
            if known and last and sha512_since <= last.sha512_at <= began:
                found = fixity.glance(root, name, known, self._now(), pace)
                if found:
                    yield found
                    continue
            # Healing one copy may put into another root what it alone has.
            lacking = [o for o in self._roots if known is None and not o.has_object(name)]
            found, expected = self._examined(root, name, known, pace)
            if found:
                yield found
            for other in self._overlooked(expected, root, known, lacking):
                found = self._settled(other, name, known)
                if found:
                    yield found

    def _due(
        self, root: Root, run: int, since: str | None, began: str
    ) -> Iterator[tuple[str, Known | None, LastCheck | None]]:
        for name, known, last in _merged(root.object_names(), self._log.each(root.name)):
            if last and last.run == run:
                continue
            whole = last and last.outcome in (Outcome.PASS, Outcome.HEALED)
            # A check of the future is one by a clock that was wrong.
            if since and last and whole and since <= last.at <= began:
                continue
            yield name, known, last

    def _examined(
        self, root: Root, name: str, known: Known | None, pace: Pace | None
    ) -> tuple[Checked | None, Expected | None]:
        try:
            expected = fixity.expect(self._roots, name)
        except Corrupt:
            return self._settled(root, name, known), None
        found = fixity.examine(expected, root, self._now(), known=known, pace=pace)
        return (found if found.passed else self._settled(root, name, known)), expected

    def _settled(self, root: Root, name: str, known: Known | None) -> Checked | None:
        """The copy examined again, and healed, while nobody writes: what is found is so."""
        with self._locked(self._stop.is_set):
            require_present(self._roots)
            try:
                expected = fixity.expect(self._roots, name)
            except Corrupt as error:
                return fixity.despair(
                    root, name, error, self._now(), known=known, healing=self._heal
                )
            if self._heal:
                return fixity.heal(self._roots, expected, root, self._now(), known=known)
            return fixity.examine(expected, root, self._now(), known=known)

    def _overlooked(
        self, expected: Expected | None, root: Root, known: Known | None, lacking: Sequence[Root]
    ) -> Iterator[Root]:
        """Roots whose own pass does not find what `root` shows: that they are `lacking` an object
        which the log does not know, or that they have stayed at the version which it does."""
        if expected is None:
            return
        for other in self._roots:
            copy = expected.copies.get(other.name)
            if known is None:
                holders = (one for one in self._roots if one.name in expected.copies)
                first = next(holders, root)
                if root is first and other in lacking:
                    yield other
            elif (
                other is not root
                and copy
                and copy[1] != expected.document
                and hashlib.sha512(copy[1]).digest() == known.inventory
            ):
                yield other


def preserved_events(roots: Sequence[Root], holding: HoldingId) -> Iterator[FixityEvent]:
    """The events of an audit run that `Audit.preserve` kept, from the first root in which they
    verify. Raises Corrupt where they verify in none."""
    return premis.from_lines(_whole(roots, holding).blocks())


def _whole(roots: Sequence[Root], holding: HoldingId) -> Place:
    """The run's events where they verify: read twice, for they may be larger than memory."""
    for root in roots:
        try:
            place = root.place(holding, EVENTS_NAME)
        except (Corrupt, NotFound):
            continue
        if root.digest(place.name, place.path) == place.sha512:
            return place
    raise Corrupt(
        "no root has its events whole", where=holding, remedy="bring back a root that was away"
    )


def _written(path: Path, events: Iterable[FixityEvent]) -> KnownFile:
    sha512 = files.write(path, map(premis.to_line, events))
    return KnownFile(path, Sha512(sha512))


def _merged(
    names: Iterable[str], known: Iterable[tuple[str, Known | None, LastCheck | None]]
) -> Iterator[tuple[str, Known | None, LastCheck | None]]:
    """What stands in a root and what must stand there, each name once, in order."""
    waiting = iter(known)
    one = next(waiting, None)
    for name in names:
        while one and one[0] < name:
            yield one
            one = next(waiting, None)
        if one and one[0] == name:
            yield one
            one = next(waiting, None)
        else:
            yield name, None, None
    if one:
        yield one
    yield from waiting


def _batches(checks: Iterator[Checked]) -> Iterator[list[Checked]]:
    """Checks in lists; a list is not kept waiting, and what was healed not at all."""
    batch: list[Checked] = []
    deadline = time.monotonic() + _BATCH_SECONDS
    for check in checks:
        batch.append(check)
        late = len(batch) == _BATCH_COPIES or time.monotonic() >= deadline
        if late or any(event.outcome is Outcome.HEALED for event in check.events):
            yield batch
            batch, deadline = [], time.monotonic() + _BATCH_SECONDS
    if batch:
        yield batch


def _in_threads(
    sources: Sequence[Iterator[list[Checked]]], stop: threading.Event
) -> Generator[list[Checked], None, None]:
    """What comes out of `sources`, each of which runs in a thread of its own. An error in one is
    raised here; whatever ends this generator sets `stop` and waits for the threads."""
    ready: Queue[list[Checked] | BaseException | None] = Queue(len(sources))

    def put(item: list[Checked] | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(Full):
                ready.put(item, timeout=_POLL_SECONDS)
                return

    def go(source: Iterator[list[Checked]]) -> None:
        try:
            for batch in source:
                put(batch)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    threads = [threading.Thread(target=go, args=(source,), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    try:
        running = len(threads)
        while running:
            match ready.get():
                case None:
                    running -= 1
                case BaseException() as error:
                    raise error
                case batch:
                    yield batch
    finally:
        stop.set()
        for thread in threads:
            thread.join()
