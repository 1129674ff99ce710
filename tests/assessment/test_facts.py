"""Places: how many fates the copies really have."""

from __future__ import annotations

import itertools

import pytest

from sonotheque.assessment.facts import RootFacts, places


def root(location: str, device: str, threat: str = "") -> RootFacts:
    return RootFacts(
        name="a root",
        location=location,
        threat=threat,
        medium="disk",
        present=True,
        device=device,
        filesystem="ext4",
        complete=1,
        checked_since=None,
        owners=(),
        open_count=0,
        open_to_others=(),
    )


@pytest.mark.parametrize(
    ("roots", "number"),
    [
        ([], 0),
        ([("", "1")], 0),
        ([("a", "1")], 1),
        ([("a", "1"), ("b", "2")], 2),
        ([("a", "1"), (" A ", "2")], 1),
        ([("a", "1"), ("b", "1")], 1),
        ([("a", "1"), ("", "2")], 1),
        ([("a", "1"), ("b", "2"), ("c", "3")], 3),
        # One that shares its place with the first and its disk with the second joins the two.
        ([("a", "1"), ("b", "2"), ("a", "2")], 1),
        ([("a", "1"), ("b", "2"), ("b", "3"), ("c", "3")], 2),
    ],
)
def test_places(roots: list[tuple[str, str]], number: int) -> None:
    for order in itertools.permutations(roots):
        assert places([root(*one) for one in order]) == number


def test_threats_are_parted_by_commas() -> None:
    assert root("a", "1", " Fire ,flood,, ").threats == {"fire", "flood"}
    assert root("a", "1").threats == frozenset()
