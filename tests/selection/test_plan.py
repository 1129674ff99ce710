"""Choosing within a budget."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.archive import Archive
from sonotheque.errors import BadInput
from sonotheque.model.holdings import FixityEvent, Outcome, Receipt
from sonotheque.model.identifiers import HoldingId, RecordingId, holding_id_of, to_crockford
from sonotheque.selection.plan import candidates_of, plan, whole_in
from sonotheque.selection.policy import Candidate, Policy

YEAR = 2026
worlds = st.lists(
    st.builds(
        lambda size, popularity, lossless, generated: (size, popularity, lossless, generated),
        st.integers(0, 60),
        st.none() | st.integers(0, 100),
        st.booleans(),
        st.booleans(),
    ),
    max_size=9,
).map(
    lambda rows: [
        Candidate(
            recording=RecordingId(to_crockford(number)),
            byte_count=size,
            popularity=popularity,
            lossless=lossless,
            copies=2,
            year=None,
            publishable=True,
            generated=generated,
        )
        for number, (size, popularity, lossless, generated) in enumerate(rows)
    ]
)


def best_value(candidates: list[Candidate], budget_bytes: int) -> float:
    """The optimum by trying everything."""
    valued = plan(candidates, 10**9, Policy(), year_now=YEAR).choices
    return max(
        sum(choice.value for choice in chosen)
        for count in range(len(valued) + 1)
        for chosen in itertools.combinations(valued, count)
        if sum(max(1, choice.byte_count) for choice in chosen) <= budget_bytes
    )


@given(worlds, st.integers(0, 200))
def test_never_over_the_budget_and_the_gap_is_honest(
    candidates: list[Candidate], budget_bytes: int
) -> None:
    made = plan(candidates, budget_bytes, Policy(), year_now=YEAR)
    assert made.chosen_bytes == sum(choice.byte_count for choice in made.chosen) <= budget_bytes
    assert made.value == sum(choice.value for choice in made.chosen)
    # Half at the worst, since the one most valuable recording is tried alone too.
    assert 0 <= made.gap <= 0.5 + 1e-9
    best = best_value(candidates, budget_bytes)
    assert made.value <= best + 1e-9
    assert made.value >= best * (1 - made.gap) - 1e-9
    assert all(choice.value > 0 for choice in made.chosen)
    assert {choice.recording for choice in made.choices} == {c.recording for c in candidates}


@given(worlds, st.integers(0, 200), st.randoms())
def test_the_order_of_the_candidates_does_not_matter(
    candidates: list[Candidate], budget_bytes: int, random: object
) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    policy = Policy()
    assert plan(shuffled, budget_bytes, policy, year_now=YEAR) == plan(
        candidates, budget_bytes, policy, year_now=YEAR
    )


def test_everything_fits_a_large_budget_without_a_gap() -> None:
    candidates = [
        Candidate(
            recording=RecordingId(to_crockford(n)),
            byte_count=n + 1,
            popularity=n,
            lossless=False,
            copies=1,
            year=1990,
            publishable=False,
            generated=False,
        )
        for n in range(50)
    ]
    made = plan(candidates, 10**6, Policy(), year_now=YEAR)
    assert len(made.chosen) == 50
    assert made.gap == 0


def test_candidates_are_what_the_archive_holds(
    archive: Archive, deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    music.file(folder / "a.flac", 1)  # type: ignore[attr-defined]
    music.file(folder / "b.mp3", 2)  # type: ignore[attr-defined]
    receipt = deposit(folder)
    found = {c.recording: c for c in candidates_of(archive, "2026-11-21T00:00:00.000000Z")}
    flac, mp3 = (found[item.recording] for item in receipt.items if item.recording)
    assert (flac.lossless, mp3.lossless) == (True, False)
    assert flac.copies == mp3.copies == 2
    assert flac.publishable
    assert flac.popularity is None
    assert flac.byte_count > receipt.items[0].byte_count


def one(number: int, byte_count: int, popularity: int) -> Candidate:
    return Candidate(
        recording=RecordingId(to_crockford(number)),
        byte_count=byte_count,
        popularity=popularity,
        lossless=False,
        copies=2,
        year=2026,
        publishable=False,
        generated=False,
    )


def test_a_large_recording_is_not_lost_to_the_small_one_before_it() -> None:
    small, large = one(1, 1, 100), one(2, 100, 0)
    made = plan([small, large], 100, Policy(), year_now=YEAR)
    assert [choice.recording for choice in made.choices] == [small.recording, large.recording]
    assert [choice.recording for choice in made.chosen] == [large.recording]


def test_what_is_larger_than_the_budget_does_not_widen_the_gap() -> None:
    made = plan([one(1, 10, 0), one(2, 1_000, 0)], 500, Policy(), year_now=YEAR)
    assert (len(made.chosen), made.gap) == (1, 0)


def test_a_negative_budget_is_bad_input() -> None:
    with pytest.raises(BadInput):
        plan([], -1, Policy(), year_now=YEAR)


def event(root: str, at: str, outcome: Outcome) -> FixityEvent:
    return FixityEvent(holding=HoldingId("urn:x"), root=root, outcome=outcome, at=at, agent="test")


def test_a_copy_counts_once_its_newest_check_left_nothing_wrong() -> None:
    events = [
        event("one", "2", Outcome.HEALED),
        event("one", "2", Outcome.LOST),
        event("two", "2", Outcome.HEALED),
        event("one", "1", Outcome.PASS),
        event("two", "1", Outcome.LOST),
        event("three", "1", Outcome.PASS),
    ]
    assert whole_in(events) == {"two", "three"}


def test_a_damaged_copy_is_no_copy(
    archive: Archive, deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> None:
    music.file(tmp_path / "in" / "a.flac", 1)  # type: ignore[attr-defined]
    (item,) = deposit(tmp_path / "in").items
    assert item.recording
    later = "2026-11-21T00:00:00.000000Z"
    damage = FixityEvent(
        holding=holding_id_of(item.recording),
        root=archive.roots[1].name,
        outcome=Outcome.CORRUPT,
        at=later,
        agent="test",
    )
    archive.fixity.record([damage])
    (found,) = candidates_of(archive, later)
    assert found.copies == 1
