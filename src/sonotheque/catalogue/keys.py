"""From a key that is no ISRC (identifier, UPC, a source's own) to recordings: by a short hash.

A key hashes to 64 bits; the leading ones say in which bucket it is, some more are kept with the
recording's number. What is found is a candidate: whoever asks compares the recording's own key,
which one look-up in two hundred does in vain. Some 5.5 bytes a key, where a B-tree takes 16 to 46.

File: a header of 32 bytes, uint32 for the end of each bucket, then entries of 5 bytes:
little-endian, the kept bits of the hash above the 28 of the number.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sonotheque.errors import Corrupt

Hashes = npt.NDArray[np.uint64]

ROWS_MAX = 1 << 28
_NUMBER_BITS = 28
_KEPT_BITS = 12
_ENTRY_BYTES = 5
_BUCKET_KEYS = 8
_HEADER = struct.Struct("<8sQQ8x")  # magic, keys, bits of the bucket
_MAGIC = b"sonohash"
_MULTIPLIER = 0x9E37_79B9_7F4A_7C15
"""2**64 over the golden section: spreads numbers over all leading bits (Knuth, TAOCP 6.4)."""


def hash_text(text: str) -> int:
    """64 bits of `text`: the lower half of its MD5, as DuckDB's md5_number_lower has it."""
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little")


def hash_number(number: int) -> int:
    return number * _MULTIPLIER % (1 << 64)


def hash_id(number: int) -> int:
    """Of an identifier, 63 random bits, the bits themselves."""
    return number * 2 % (1 << 64)


def hash_numbers(numbers: Hashes) -> Hashes:
    """`hash_number` of each of `numbers`, shape (n,)."""
    return numbers * np.uint64(_MULTIPLIER)


def write_keys(path: Path, hashes: Hashes, numbers: npt.NDArray[np.uint32]) -> None:
    """Write the index of `hashes`, shape (n,), each of the recording in `numbers`, to `path`.

    Pairs that are equal in all that is kept count once. Memory: 24 bytes a key. Not synced.
    """
    bits = max(0, (len(hashes) // _BUCKET_KEYS).bit_length() - 1)
    kept = np.uint64(bits + _KEPT_BITS)
    entries = hashes >> (np.uint64(64) - kept)
    entries <<= np.uint64(_NUMBER_BITS)
    entries |= numbers
    entries.sort()
    if len(entries):
        entries = entries[np.append(True, entries[1:] != entries[:-1])]
    borders = np.arange(1, (1 << bits) + 1, dtype=np.uint64)
    borders <<= np.uint64(_KEPT_BITS + _NUMBER_BITS)
    ends = np.searchsorted(entries, borders).astype(np.uint32)
    with path.open("wb") as output:
        output.write(_HEADER.pack(_MAGIC, len(entries), bits))
        output.write(ends.data)
        for first in range(0, len(entries), 1 << 20):
            some = entries[first : first + (1 << 20)].astype("<u8").view(np.uint8)
            output.write(np.ascontiguousarray(some.reshape(-1, 8)[:, :_ENTRY_BYTES]).data)


class Keys:
    """An open index. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Raises Corrupt where the file at `path` is not whole."""
        raw: Any = np.memmap(path, np.uint8, "r").view(np.ndarray)
        if len(raw) < _HEADER.size:
            raise _corrupt(path)
        magic, self.count, self._bits = _HEADER.unpack(raw[: _HEADER.size].tobytes())
        start = _HEADER.size + (4 << self._bits)
        if magic != _MAGIC or len(raw) != start + _ENTRY_BYTES * self.count:
            raise _corrupt(path)
        # Views that give plain integers and bytes: many times as fast as numpy for a few.
        self._ends = memoryview(raw[_HEADER.size : start].view(np.uint32))
        self._entries = memoryview(raw[start:])

    def candidates(self, hashed: int) -> list[int]:
        """The numbers of the recordings that may have the key, ascending."""
        bucket = hashed >> (64 - self._bits) if self._bits else 0
        first = self._ends[bucket - 1] if bucket else 0
        raw = bytes(self._entries[_ENTRY_BYTES * first : _ENTRY_BYTES * self._ends[bucket]])
        kept = hashed >> (64 - self._bits - _KEPT_BITS) & ((1 << _KEPT_BITS) - 1)
        # The last byte of an entry holds eight of the kept bits: most entries are passed by there.
        leading = raw[_ENTRY_BYTES - 1 :: _ENTRY_BYTES]
        found = []
        place = leading.find(kept >> _KEPT_BITS - 8)
        while place >= 0:
            at = _ENTRY_BYTES * place
            entry = int.from_bytes(raw[at : at + _ENTRY_BYTES], "little")
            if entry >> _NUMBER_BITS == kept:
                found.append(entry & (ROWS_MAX - 1))
            place = leading.find(kept >> _KEPT_BITS - 8, place + 1)
        return found


def _corrupt(path: Path) -> Corrupt:
    return Corrupt(
        "the index is not whole",
        where=str(path),
        remedy="build the catalogue again, or fetch the snapshot from a mirror",
    )
