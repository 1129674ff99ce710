"""The selection plan: the most value within a budget, and how far from the best it can be.

Candidates are taken by value per byte, each that still fits. The bound is Dantzig's for the
0–1 knapsack: the optimum of its linear relaxation, which takes the same order and splits the
first that does not fit (G. B. Dantzig, "Discrete-variable extremum problems", Operations
Research 5, 1957). No plan is worth more, so `gap` bounds what a cleverer one could gain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from sonotheque.archive import Archive
from sonotheque.errors import BadInput
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import holding_id_of
from sonotheque.model.plans import Choice, SelectionPlan
from sonotheque.model.terms import Use
from sonotheque.selection.policy import Candidate, Policy, score

_WHOLE = (Outcome.PASS, Outcome.HEALED)
_LOSSLESS = frozenset({".flac", ".wav", ".wv", ".aiff", ".aif", ".w64"})


def plan(
    candidates: Iterable[Candidate], budget_bytes: int, policy: Policy, *, year_now: int
) -> SelectionPlan:
    """Choose within `budget_bytes`; candidates of no value or none left are not chosen.

    Deterministic: equal values per byte are taken in order of the identifier. Worth at least half
    of the best plan there is: a large recording that is worth more than everything that was taken
    before it is chosen instead of them. Raises BadInput for a negative budget.
    """
    if budget_bytes < 0:
        raise BadInput(f"the budget is {budget_bytes} bytes", remedy="give a size of 0 or more")
    queue = sorted(
        (_valued(candidate, policy, year_now) for candidate in candidates),
        key=lambda choice: (-choice.value / _size(choice), choice.recording),
    )
    # What is larger than the whole budget is in no plan, so the bound leaves it out as well.
    worthy = [c for c in queue if c.value > 0 and _size(c) <= budget_bytes]
    taken, left = [], budget_bytes
    for choice in worthy:
        if _size(choice) <= left:
            taken.append(choice)
            left -= _size(choice)
    best = max(worthy, key=lambda choice: choice.value, default=None)
    if best and best.value > _value(taken):
        taken = [best]
    bound = _bound(worthy, budget_bytes)
    names = {choice.recording for choice in taken}
    return SelectionPlan(
        budget_bytes=budget_bytes,
        chosen_bytes=sum(choice.byte_count for choice in taken),
        value=_value(taken),
        gap=max(0.0, 1 - _value(taken) / bound) if bound else 0.0,
        choices=tuple(replace(choice, chosen=choice.recording in names) for choice in queue),
    )


def candidates_of(archive: Archive, now: str) -> Iterator[Candidate]:
    """Every held recording, as a candidate at `now`."""
    roots = {root.name for root in archive.roots}
    for recording in archive.catalogue.each():
        holding = archive.vault.holding(holding_id_of(recording.id))
        if holding is None:
            continue
        suffixes = {Path(file.path).suffix.lower() for file in holding.audio}
        yield Candidate(
            recording=recording.id,
            byte_count=sum(file.byte_count for file in holding.files),
            popularity=recording.popularity or None,
            lossless=not suffixes.isdisjoint(_LOSSLESS),
            copies=len(roots & whole_in(archive.fixity.events_of(holding.id))),
            year=recording.description.year,
            publishable=archive.decide(recording.id, Use.TORRENT, now).allowed,
            generated=recording.description.generated,
        )


def whole_in(events: Iterable[FixityEvent]) -> set[str]:
    """The roots whose newest check left nothing wrong. `events` are newest first.

    One check of a root gives one event for each wrong file, all at the same time.
    """
    newest: dict[str, list[FixityEvent]] = {}
    for event in events:
        check = newest.setdefault(event.root, [])
        if not check or event.at == check[0].at:
            check.append(event)
    return {root for root, check in newest.items() if all(e.outcome in _WHOLE for e in check)}


def _valued(candidate: Candidate, policy: Policy, year_now: int) -> Choice:
    reasons = score(candidate, policy, year_now=year_now)
    return Choice(
        recording=candidate.recording,
        byte_count=candidate.byte_count,
        value=sum(points for _, points in reasons),
        reasons=reasons,
        chosen=False,
    )


def _size(choice: Choice) -> int:
    """Bytes, at least 1, so that everything has a value per byte."""
    return max(1, choice.byte_count)


def _value(choices: Iterable[Choice]) -> float:
    return sum(choice.value for choice in choices)


def _bound(queue: Iterable[Choice], budget_bytes: int) -> float:
    """The linear relaxation's optimum, for `queue` in order of value per byte."""
    bound, left = 0.0, budget_bytes
    for choice in queue:
        if _size(choice) > left:
            return bound + choice.value * left / _size(choice)
        bound += choice.value
        left -= _size(choice)
    return bound
