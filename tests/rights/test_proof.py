"""The Merkle tree: its roots are RFC 6962's, read from no more tiles than there are levels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales import tlog as oracle

from sonotheque.rights import proof


@cache
def _leaf(number: int) -> bytes:
    return proof.leaf_hash(b"entry %d" % number)


@cache
def _naive(start: int, end: int) -> bytes:
    """MTH of RFC 6962, section 2.1, over the entries `start` … `end`, word for word."""
    count = end - start
    if count == 0:
        return hashlib.sha256().digest()
    if count == 1:
        return hashlib.sha256(b"\0entry %d" % start).digest()
    split = 1
    while split * 2 < count:
        split *= 2
    left, right = _naive(start, start + split), _naive(start + split, end)
    return hashlib.sha256(b"\x01" + left + right).digest()


def _tile(level: int, index: int, width: int) -> Sequence[bytes]:
    span = 256**level
    first = index * 256 * span
    return [_naive(first + n * span, first + (n + 1) * span) for n in range(width)]


@pytest.mark.parametrize("start", range(0, 601, 50))
def test_the_root_is_that_of_rfc_6962(start: int) -> None:
    for size in range(start, min(start + 50, 601)):
        assert proof.tree_root(size, _tile) == _naive(0, size), size


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 6), st.integers(-2, 2), st.integers(601, 70_000))
def test_the_root_of_larger_logs(power: int, offset: int, size: int) -> None:
    for n in (size, max(0, 65_536 + offset), 256 * (2**power) + offset):
        assert proof.tree_root(n, _tile) == _naive(0, n), n


@given(st.integers(0, 2**40))
def test_only_the_partial_tiles_at_the_right_are_read(size: int) -> None:
    read = []

    def tile(level: int, index: int, width: int) -> Sequence[bytes]:
        read.append((level, index, width))
        return [bytes(32)] * width

    proof.tree_root(size, tile)
    expected, level = [], 0
    while size >> 8 * level:
        index, width = divmod(size >> 8 * level, 256)
        if width:
            expected.append((level, index, width))
        level += 1
    assert read == expected


def test_the_empty_log() -> None:
    assert proof.EMPTY_ROOT == hashlib.sha256(b"").digest() == proof.tree_root(0, _tile)


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (1, 999, 1, "tile/1/999.p/1"),
        (2, 1000, 255, "tile/2/x001/000.p/255"),
        ("entries", 5, 256, "tile/entries/005"),
    ],
)
def test_paths_are_those_of_tlog_tiles(level: int | str, index: int, width: int, path: str) -> None:
    assert proof.tile_path(level, index, width) == path


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    assert proof.split_bundle(proof.bundle(entries)) == entries


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5), st.data())
def test_a_bundle_that_was_cut_short_does_not_read_whole(
    entries: list[bytes], data: st.DataObject
) -> None:
    whole = proof.bundle(entries)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        assert proof.split_bundle(cut) == entries[: len(proof.split_bundle(cut))] != entries
    except ValueError as error:
        assert "ends within" in str(error)


@given(st.integers(0, 2**60), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_reads_back(size: int, root: bytes) -> None:
    text = proof.checkpoint_text("archive.0001", size, root)
    assert proof.parse_checkpoint(text) == ("archive.0001", size, root)


@pytest.mark.parametrize("text", ["", "a", "a\n1", "a\nb\nAAAA\n", "a\n1\n!\n"])
def test_what_is_no_checkpoint_does_not_read(text: str) -> None:
    with pytest.raises(ValueError):
        proof.parse_checkpoint(text)


SIZES = st.integers(1, 1200)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.data())
def test_an_inclusion_path_leads_to_the_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = proof.inclusion_path(index, size, _tile)
    assert proof.root_by_inclusion(index, size, _leaf(index), path) == _naive(0, size)
    oracle.InclusionProof(index, size, path).check(_leaf(index), _naive(0, size))
    for wrong in (path[:-1], [*path, bytes(32)], [bytes(32), *path[1:]]):
        if wrong != path and len(wrong) == len(path):
            assert proof.root_by_inclusion(index, size, _leaf(index), wrong) != _naive(0, size)
        elif len(wrong) != len(path):
            with pytest.raises(ValueError, match="path"):
                proof.root_by_inclusion(index, size, _leaf(index), wrong)
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        try:
            assert proof.root_by_inclusion(other, size, _leaf(index), path) != _naive(0, size)
        except ValueError:
            assert len(proof.inclusion_path(other, size, _tile)) != len(path)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (6, 5), (2**62, 5)])
def test_what_is_behind_the_end_is_in_no_log(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="path"):
        proof.root_by_inclusion(index, size, _leaf(0), [])


@settings(max_examples=80, deadline=None)
@given(SIZES, st.data())
def test_a_consistency_path_leads_to_both_roots(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    before, after = _naive(0, old), _naive(0, new)
    path = proof.consistency_path(old, new, _tile)
    assert proof.roots_by_consistency(old, new, before, after, path) == (before, after)
    oracle.ConsistencyProof(old, new, list(path)).check(before, after)
    with pytest.raises(ValueError, match="path"):
        proof.roots_by_consistency(old, new, before, after, [*path, bytes(32)])
    if 0 < old < new:
        forged = proof.roots_by_consistency(old, new, bytes(32), after, path)
        assert forged != (bytes(32), after)
        with pytest.raises(ValueError, match="path"):
            proof.roots_by_consistency(old, new, before, after, path[:-1])


@pytest.mark.parametrize(("old", "new"), [(1, 0), (6, 5), (2**62, 5)])
def test_a_log_does_not_shrink(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="path"):
        proof.roots_by_consistency(old, new, bytes(32), bytes(32), [])


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n1\n", "a\n1\n", "a\n01\n{root}\n", "a\n+1\n{root}\n", "a\n1\n{root}"),
        *(
            "a\n1\n{root}\n\n",
            "a\n1\n{root}\n\nx\n",
            "a\n-1\n{root}\n",
            "a\n9223372036854775808\n{root}\n",
        ),
        *("a\n1\nAAAA\n", "a\n1\n{root} \n", "a\n١\n{root}\n", "a\n1\n{spare}\n"),
    ],
)
def test_every_letter_of_a_checkpoint_is_asked_for(text: str) -> None:
    root = proof.hash_text(bytes(32))
    spare = root[:-2] + "B="
    assert proof.parse_checkpoint(f"a\n1\n{root}\nextension\n")[1] == 1
    with pytest.raises(ValueError):
        proof.parse_checkpoint(text.format(root=root, spare=spare))
