"""Groups: whatever hangs together and is not in conflict, by whatever order the pairs come."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.matching.grouping import UNSAID, Nodes, components, conflicts, group

SIZE = 12
Pair = tuple[int, int, float]
PAIRS = st.lists(
    st.tuples(
        st.integers(0, SIZE - 1), st.integers(0, SIZE - 1), st.sampled_from([0.9, 0.95, 0.99])
    ).filter(lambda pair: pair[0] != pair[1]),
    max_size=40,
)
DURATIONS = st.lists(
    st.sampled_from([UNSAID, 180_000, 188_000, 196_000, 400_000]), min_size=SIZE, max_size=SIZE
)
NAMINGS = st.lists(st.sampled_from([0, 0, 7, 9]), min_size=SIZE, max_size=SIZE)


def nodes(durations: Sequence[int], namings: Sequence[int]) -> Nodes:
    return Nodes(np.array(durations, np.int32), np.array(namings, np.uint64))


def grouped(about: Nodes, pairs: Sequence[Pair]) -> list[int]:
    first, second = (np.array([pair[place] for pair in pairs], np.int32) for place in (0, 1))
    chance = np.array([pair[2] for pair in pairs], np.float32)
    groups: list[int] = group(about, first, second, chance).tolist()
    return groups


@given(PAIRS)
def test_components_are_those_of_a_search(pairs: list[Pair]) -> None:
    near: dict[int, set[int]] = {node: set() for node in range(SIZE)}
    for one, other, _ in pairs:
        near[one].add(other)
        near[other].add(one)
    expected = []
    for node in range(SIZE):
        seen, todo = {node}, [node]
        while todo:
            todo += (new := near[todo.pop()] - seen)
            seen |= new
        expected.append(min(seen))
    first, second = (np.array([pair[place] for pair in pairs], np.int32) for place in (0, 1))
    assert components(SIZE, first, second).tolist() == expected


@given(PAIRS, DURATIONS, NAMINGS)
def test_no_group_holds_a_conflict(
    pairs: list[Pair], durations: list[int], namings: list[int]
) -> None:
    groups = grouped(nodes(durations, namings), pairs)
    assert all(groups[of] == of <= node for node, of in enumerate(groups))
    for of in set(groups):
        members = [node for node in range(SIZE) if groups[node] == of]
        said = [durations[node] for node in members if durations[node] != UNSAID]
        named = {namings[node] for node in members} - {0}
        if len(members) > 1:
            assert not conflicts(min(said, default=0), max(said, default=0), len(named))


@given(PAIRS, DURATIONS, NAMINGS, st.randoms())
def test_the_order_of_the_pairs_does_not_count(
    pairs: list[Pair], durations: list[int], namings: list[int], random: Random
) -> None:
    about = nodes(durations, namings)
    # Of one pair there is one probability, as of one evidence.
    unique = list({tuple(sorted(pair[:2])): pair for pair in pairs}.values())
    unique = [(min(a, b), max(a, b), chance) for a, b, chance in unique]
    shuffled = list(unique)
    random.shuffle(shuffled)
    assert grouped(about, unique) == grouped(about, shuffled)


def test_the_more_probable_pair_keeps_the_row_between() -> None:
    about = nodes([180_000, 190_000, 205_000], [0, 0, 0])
    assert grouped(about, [(0, 1, 0.91), (1, 2, 0.99)]) == [0, 1, 1]
    assert grouped(about, [(0, 1, 0.99), (1, 2, 0.91)]) == [0, 0, 2]


def test_no_pairs_no_groups() -> None:
    assert grouped(nodes([UNSAID] * 3, [0] * 3), []) == [0, 1, 2]
