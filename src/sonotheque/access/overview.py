"""What the archive amounts to: the numbers of the home page, and what its pictures show."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sonotheque.access.shelf import Shelf
from sonotheque.archive import Archive
from sonotheque.errors import SonothequeError
from sonotheque.model.holdings import Holding, Outcome
from sonotheque.model.identifiers import recording_of
from sonotheque.model.terms import Answer, Use

_SOUND = (Outcome.PASS, Outcome.HEALED)
_QUICK_SECONDS = 0.5
_REST_FACTOR = 20
"""A count that took long is made again only after twenty times as long: 5 % of one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The archive in numbers, as of some moment."""

    recording_count: int
    listed_count: int
    """Recordings that others' catalogues list."""
    holding_count: int
    held_duration_ms: int
    preserved_bytes: int
    """Of everything the vault holds, one copy."""
    root_names: tuple[str, ...]
    ledger_size: int
    edition_count: int
    last_audit_at: str | None
    copies_checked: int
    """(Holding, root) pairs with a newest fixity event."""
    copies_damaged: int
    answers: Mapping[Use, Mapping[Answer, int]]
    """For each use, how many holdings have which answer."""
    years: tuple[tuple[int, int], ...]
    """(Year of release, holdings), oldest first."""
    yearless_count: int


class Counting:
    """Counts an archive, again whenever it has changed. Safe to use from several threads."""

    def __init__(self, archive: Archive, shelf: Shelf) -> None:
        self._archive = archive
        self._shelf = shelf
        self._lock = threading.Lock()
        self._seen: tuple[object, ...] = ()
        self._overview: Overview | None = None
        self._next_at = 0.0

    def overview(self, now: str) -> Overview:
        """The numbers at `now` (ISO 8601); of a large archive, as they were a little earlier."""
        archive, edition_count = self._archive, len(self._shelf.editions())
        # Entries of the ledger begin and end on days, so the day belongs to what was seen.
        state = (
            archive.catalogue.count(),
            archive.catalogue.count_imported(),
            archive.ledger.size(),
            archive.fixity.last_audit_at(),
            edition_count,
            now[:10],
        )
        earlier = self._overview
        # Whoever comes while it is being counted is shown the numbers from before.
        if not self._lock.acquire(blocking=earlier is None) and earlier:
            return earlier
        try:
            stale = state != self._seen and time.monotonic() >= self._next_at
            if self._overview is None or stale:
                began = time.monotonic()
                self._overview = count(archive, edition_count, now)
                self._seen = state
                took = time.monotonic() - began
                rest = _REST_FACTOR * took if took > _QUICK_SECONDS else 0.0
                self._next_at = time.monotonic() + rest
            return self._overview
        finally:
            self._lock.release()


def count(archive: Archive, edition_count: int, now: str) -> Overview:
    """Count everything; takes time in proportion to the holdings."""
    holding_count = held_duration_ms = preserved_bytes = yearless = 0
    answers = {use: dict.fromkeys(Answer, 0) for use in Use}
    years: Counter[int] = Counter()
    for holding in _readable(archive):
        preserved_bytes += sum(file.byte_count for file in holding.files)
        recording_id = recording_of(holding.id)
        if recording_id is None:
            continue
        holding_count += 1
        for decision in archive.decisions(recording_id, now):
            answers[decision.use][decision.answer] += 1
        recording = archive.catalogue.get(recording_id)
        held_duration_ms += recording.duration_ms if recording else 0
        year = recording.description.year if recording else None
        if year is None:
            yearless += 1
        else:
            years[year] += 1
    outcomes = archive.fixity.counts()
    sound = sum(outcomes.get(outcome, 0) for outcome in _SOUND)
    return Overview(
        recording_count=archive.catalogue.count(),
        listed_count=archive.catalogue.count_imported(),
        holding_count=holding_count,
        held_duration_ms=held_duration_ms,
        preserved_bytes=preserved_bytes,
        root_names=tuple(root.name for root in archive.config.roots),
        ledger_size=archive.ledger.size(),
        edition_count=edition_count,
        last_audit_at=archive.fixity.last_audit_at(),
        copies_checked=sum(outcomes.values()),
        copies_damaged=sum(outcomes.values()) - sound,
        answers=answers,
        years=tuple(sorted(years.items())),
        yearless_count=yearless,
    )


def _readable(archive: Archive) -> Iterator[Holding]:
    """Every holding of the primary root but those that are damaged: those are the audit's to
    report, and no reason to show no numbers."""
    for name in archive.vault.object_names():
        with contextlib.suppress(SonothequeError):
            yield archive.vault.holding_at(name)
