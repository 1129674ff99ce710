"""The Merkle tree over the ledger, and its tiles. Pure.

Hashes are those of RFC 6962, section 2.1: SHA-256(0x00 ‖ entry) for a leaf, SHA-256(0x01 ‖ left
‖ right) for a node. Tiles are those of https://c2sp.org/tlog-tiles: a tile holds up to 256
hashes of one level; level L counts subtrees of 256**L leaves.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence

TILE_WIDTH = 256
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Tile = Callable[[int, int, int], Sequence[bytes]]
"""(level, index, width) → the tile's first `width` hashes."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """Root over one or more hashes (RFC 6962's MTH with the leaves already hashed)."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(subtree_root(hashes[:split]), subtree_root(hashes[split:]))


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
    entries: list[bytes] = []
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + 2], "big")
        entry = content[at + 2 : at + 2 + length]
        if len(content) - at < 2 or len(entry) != length:
            raise ValueError(f"the bundle ends within entry {len(entries)}")
        entries.append(entry)
        at += 2 + length
    return entries


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The unsigned body of a checkpoint (https://c2sp.org/tlog-checkpoint)."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint's body; raises ValueError where it is none."""
    origin, size, root, *_ = text.split("\n")
    return origin, int(size), base64.b64decode(root, validate=True)
