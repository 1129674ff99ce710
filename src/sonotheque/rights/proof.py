"""The Merkle tree over the ledger, and its tiles. Pure.

Hashes are those of RFC 6962, section 2.1: SHA-256(0x00 ‖ entry) for a leaf, SHA-256(0x01 ‖ left
‖ right) for a node. Tiles are those of https://c2sp.org/tlog-tiles: a tile holds up to 256
hashes of one level; level L counts subtrees of 256**L leaves. Numbers of entries count from 0
here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence

TILE_WIDTH = 256
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Tile = Callable[[int, int, int], Sequence[bytes]]
"""(level, index, width) → the tile's first `width` hashes, whatever its width is by now."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Root over one or more hashes (RFC 6962's MTH with the leaves already hashed).

    In pairs, level by level, what has no pair moving up as it is: where RFC 6962 splits at the
    largest power of two, that makes the same tree.
    """
    sha256 = hashlib.sha256
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        hashes = [*above, hashes[-1]] if len(hashes) % 2 else above
    return hashes[0]


def tree_root(size: int, tile: Tile) -> bytes:
    """Root of a log of `size` entries, read from its right-hand partial tiles alone.

    Going up, what is below the partial tile of a level is one smaller subtree at its right
    end, so the tile's hashes followed by that subtree's root hash to the root so far.
    """
    below: list[bytes] = []
    level = 0
    while count := size >> 8 * level:
        index, width = divmod(count, TILE_WIDTH)
        hashes = [*(tile(level, index, width) if width else ()), *below]
        below = [subtree_root(hashes)] if hashes else []
        level += 1
    return below[0] if below else EMPTY_ROOT


def inclusion_path(index: int, size: int, tile: Tile) -> list[bytes]:
    """The hashes that lead from entry `index` to the root over the first `size` entries, the
    leaf's sibling first (RFC 6962, section 2.1.1)."""
    return subtree_path(index, index + 1, size, tile)


def subtree_path(start: int, end: int, size: int, tile: Tile) -> list[bytes]:
    """As inclusion_path, from the root over the entries `start` … `end`, a subtree of the tree."""
    ranges = [sibling for sibling, _ in _to_subtree(start, end, size)]
    return [range_root(*sibling, tile) for sibling in reversed(ranges)]


def root_by_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root over `size` entries to which `path` leads from the hash `leaf` of entry `index`.

    Raises ValueError where a path between the two has another length.
    """
    return root_by_subtree(index, index + 1, size, leaf, path)


def root_by_subtree(start: int, end: int, size: int, root: bytes, path: Sequence[bytes]) -> bytes:
    """As root_by_inclusion, from the `root` over the entries `start` … `end`."""
    steps = list(_to_subtree(start, end, size)) if end <= size else []
    if end > size or len(steps) != len(path):
        raise ValueError(f"no path of {len(path)} hashes leads from entry {start} to {size}")
    for (_, is_left), sibling in zip(reversed(steps), path, strict=True):
        root = node_hash(sibling, root) if is_left else node_hash(root, sibling)
    return root


def consistency_path(old: int, new: int, tile: Tile) -> list[bytes]:
    """The hashes that show that the first `old` of `new` entries are the whole log of before
    (RFC 6962, section 2.1.2). None are needed from an empty log, nor from the same."""
    if old in (0, new):
        return []
    steps = list(_to_size(old, new))
    path = [range_root(*sibling, tile) for sibling, _ in reversed(steps)]
    return path if _is_subtree(old) else [range_root(*_last(old, new, steps), tile), *path]


def roots_by_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The roots over `old` and `new` entries to which `path` leads; the path holds where they are
    `old_root` and `new_root`.

    Raises ValueError where a path between the two has another length.
    """
    if old == 0:
        roots = EMPTY_ROOT, new_root
        steps: list[tuple[tuple[int, int], bool]] = []
        known = True
    else:
        steps = list(_to_size(old, new)) if old <= new else []
        known = _is_subtree(old) or old == new
        roots = old_root, old_root
    if old > new or len(path) != len(steps) + (not known):
        raise ValueError(f"no path of {len(path)} hashes leads from {old} entries to {new}")
    if not known:
        roots = path[0], path[0]
        path = path[1:]
    for (_, is_left), sibling in zip(reversed(steps), path, strict=True):
        before = node_hash(sibling, roots[0]) if is_left else roots[0]
        after = node_hash(sibling, roots[1]) if is_left else node_hash(roots[1], sibling)
        roots = before, after
    return roots


def range_root(start: int, end: int, tile: Tile) -> bytes:
    """Root over the entries `start` … `end`, one or more: all that a log once had (`start` 0), or
    one of the subtrees that a larger tree is made of (`start` a multiple of the power of two that
    is not less than its length)."""
    count = end - start
    if count & count - 1:
        split = start + (1 << (count - 1).bit_length() - 1)
        return node_hash(range_root(start, split, tile), range_root(split, end, tile))
    level, below = divmod(count.bit_length() - 1, 8)
    index, at = divmod(start >> 8 * level, TILE_WIDTH)
    return subtree_root(tile(level, index, at + (1 << below))[at:])


def _to_subtree(start: int, end: int, size: int) -> Iterator[tuple[tuple[int, int], bool]]:
    """From the root over `size` entries down to the subtree over `start` … `end`: the part of
    the tree that is left aside at each step, and whether that is the left one."""
    low, high = 0, size
    while (low, high) != (start, end):
        split = low + (1 << (high - low - 1).bit_length() - 1)
        if end <= split:
            yield (split, high), False
            high = split
        else:
            yield (low, split), True
            low = split


def _to_size(old: int, new: int) -> Iterator[tuple[tuple[int, int], bool]]:
    """As _to_subtree, down to the subtree that ends where a log of `old` entries ended."""
    start, end = 0, new
    while end != old:
        split = start + (1 << (end - start - 1).bit_length() - 1)
        if old <= split:
            yield (split, end), False
            end = split
        else:
            yield (start, split), True
            start = split


def _last(old: int, new: int, steps: Sequence[tuple[tuple[int, int], bool]]) -> tuple[int, int]:
    """The subtree at which `steps` end."""
    start = max((end for (_, end), is_left in steps if is_left), default=0)
    return start, old


def _is_subtree(old: int) -> bool:
    """Whether a log of `old` entries is one subtree of every larger log."""
    return old & old - 1 == 0


def tile_path(level: int | str, index: int, width: int) -> str:
    """Path of a tile below the ledger; `level` is "entries" for a bundle of entries.

    `index` is written in groups of three digits, all but the last behind an x; a partial tile
    (`width` under 256) stands in a `.p` directory.
    """
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    path = f"tile/{level}/{'/'.join(groups)}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def split_tile(content: bytes) -> list[bytes]:
    return [content[i : i + HASH_BYTES] for i in range(0, len(content), HASH_BYTES)]


def bundle(entries: Sequence[bytes]) -> bytes:
    """`entries` (each under 64 KiB) as a tlog-tiles entry bundle: big-endian length, bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def split_bundle(content: bytes) -> list[bytes]:
    """The entries of a bundle; raises ValueError where it was cut short."""
    entries, rest = whole_entries(content)
    if rest:
        raise ValueError(f"the bundle ends within entry {len(entries)}")
    return entries


def whole_entries(content: bytes) -> tuple[list[bytes], bytes]:
    """The entries of a bundle that are whole, and what is left over behind them."""
    entries: list[bytes] = []
    at = 0
    while at + 2 <= len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        if end > len(content):
            break
        entries.append(content[at + 2 : end])
        at = end
    return entries, content[at:]


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The unsigned body of a checkpoint (https://c2sp.org/tlog-checkpoint)."""
    return f"{origin}\n{size}\n{hash_text(root)}\n"


def parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint's body; raises ValueError where it is none."""
    origin, size, root, *extensions = text.split("\n")
    if not origin or extensions[-1:] != [""] or "" in extensions[:-1]:
        raise ValueError("a checkpoint has three lines or more, and none is empty")
    return origin, parse_number(size), parse_hash(root)


def parse_number(text: str) -> int:
    """A number as these formats write it: decimal digits, no zero before another."""
    if not (text.isascii() and text.isdecimal()) or (len(text) > 1 and text[0] == "0"):
        raise ValueError(f"{text[:30]!r} is no number")
    if len(text) > 19 or (number := int(text)) >= 1 << 63:
        raise ValueError(f"{text[:30]!r} is more than a log can hold")
    return number


def hash_text(hash_: bytes) -> str:
    return base64.b64encode(hash_).decode()


def parse_hash(text: str) -> bytes:
    """A hash in base64, in the one spelling that `hash_text` writes; raises ValueError."""
    try:
        hash_ = base64.b64decode(text, validate=True)
    except ValueError:
        hash_ = b""
    if len(hash_) != HASH_BYTES or hash_text(hash_) != text:
        raise ValueError(f"{text[:60]!r} is no hash")
    return hash_
