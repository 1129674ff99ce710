"""The Merkle tree: its roots are RFC 6962's, read from no more tiles than there are levels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
