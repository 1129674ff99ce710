"""From pairs to groups: rows that hang together, but never two that are in hard conflict.

Everything is by arrays of numbers; only what hangs together and is in conflict, a few in a
thousand, is taken apart pair by pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int32]
"""Of rows: fewer than 2³¹, in half the memory."""
Floats = npt.NDArray[np.float32]

UNSAID = -1
"""A duration that nobody says."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """What of each row forbids a group: `duration_ms`, int32, UNSAID where nobody says it, and
    `naming`, uint64, which remix or concert it is; 0 for none. Shape (rows,) each."""

    duration_ms: npt.NDArray[np.int32]
    naming: npt.NDArray[np.uint64]


def conflicts(shortest: int, longest: int, namings: int) -> bool:
    """Whether rows are in hard conflict, of which `shortest` and `longest` are the durations
    (linkage.sql, step `compare`), and `namings` how many different ones they give."""
    return bool(_is_far(shortest, longest)) or namings > 1


def _is_far(shortest: Any, longest: Any) -> Any:
    return longest - shortest > 10_000 + longest // 20


def group(nodes: Nodes, first: Numbers, second: Numbers, probability: Floats) -> Numbers:
    """The group of each row, as the number of its first row; shape (rows,).

    `first` and `second` are the rows of each pair, shape (pairs,). The most probable pairs join
    groups first, and none joins two of which rows are in hard conflict; what comes out does not
    depend on the order of the pairs.
    """
    groups = components(len(nodes.naming), first, second)
    torn = _in_conflict(nodes, groups)
    if len(torn):
        is_torn = np.zeros(len(groups), np.bool_)
        is_torn[torn] = True
        inside = np.flatnonzero(is_torn[groups[first]])
        order = np.lexsort((second[inside], first[inside], -probability[inside]))
        members = np.flatnonzero(is_torn[groups]).astype(np.int32)
        _take_apart(nodes, groups, members, first[inside[order]], second[inside[order]])
    return groups


def components(count: int, first: Numbers, second: Numbers) -> Numbers:
    """The connected component of each of `count` nodes, as the number of its first node."""
    labels = np.arange(count, dtype=np.int32)
    while len(first):
        ours, theirs = labels[first], labels[second]
        low, high = np.minimum(ours, theirs), np.maximum(ours, theirs)
        apart = low != high
        first, second = first[apart], second[apart]
        # Of several the last is taken; the others come in the next round. A label never grows, so
        # there are no rings, and the first node of a component keeps its own.
        labels[high[apart]] = low[apart]
        del ours, theirs, low, high, apart
        while True:
            further = labels[labels]
            if np.array_equal(further, labels):
                break
            labels = further
    return labels


def not_alone(groups: Numbers) -> npt.NDArray[np.bool_]:
    """Whether each row has others in its group; shape (rows,)."""
    has_others: npt.NDArray[np.bool_] = groups != np.arange(len(groups), dtype=np.int32)
    has_others[groups[has_others]] = True
    return has_others


def _in_conflict(nodes: Nodes, groups: Numbers) -> Numbers:
    """The groups in which two rows are in hard conflict."""
    members = np.flatnonzero(not_alone(groups)).astype(np.int32)
    if not len(members):
        return members
    members = members[np.argsort(groups[members], kind="stable")]
    of = groups[members]
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    duration = nodes.duration_ms[members]
    longest = np.maximum.reduceat(duration, starts).astype(np.int64)
    said = np.where(duration == UNSAID, np.iinfo(np.int32).max, duration)
    shortest = np.minimum(np.minimum.reduceat(said, starts), longest)
    naming = nodes.naming[members]
    greatest = np.maximum.reduceat(naming, starts)
    named = np.where(naming == 0, np.iinfo(np.uint64).max, naming)
    least = np.minimum(np.minimum.reduceat(named, starts), greatest)
    torn = _is_far(shortest, longest) | (least != greatest)
    found: Numbers = of[starts[torn]]
    return found


def _take_apart(
    nodes: Nodes, groups: Numbers, members: Numbers, first: Numbers, second: Numbers
) -> None:
    """Group `members` anew in `groups`, joined by the pairs in their order where they may be."""
    parent: dict[int, int] = {node: node for node in members.tolist()}
    about: dict[int, tuple[int, int, frozenset[int]]] = {}
    for node in parent:
        duration, naming = int(nodes.duration_ms[node]), int(nodes.naming[node])
        shortest = duration if duration != UNSAID else 1 << 62
        about[node] = shortest, duration, frozenset({naming} - {0})

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        low, high = sorted((root(one), root(other)))
        if low == high:
            continue
        (short_a, long_a, named_a), (short_b, long_b, named_b) = about[low], about[high]
        joined = min(short_a, short_b), max(long_a, long_b), named_a | named_b
        if conflicts(min(joined[0], joined[1]), joined[1], len(joined[2])):
            continue
        parent[high] = low
        about[low] = joined
    groups[members] = [root(node) for node in members.tolist()]
