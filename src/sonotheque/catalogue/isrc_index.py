"""From a key to the number of its row: sorted unique keys, compressed, in a memory-mapped file.

Keys are 49-bit packed ISRCs (or 63-bit RecordingIds). Two forms, of which the smaller is kept:

* *block-delta*: 128 keys a block; the first whole, then 127 gaps of one width, those gaps that
  would make the width costly set apart. ISRCs are given out in runs, so most gaps are 1. The gaps
  stand bit plane by bit plane, so that a sum of gaps is a few population counts. Where that would
  take many planes, keys hardly cluster: how far each is from the first stands there, to be halved.
* *Elias-Fano* (Elias 1974, Fano 1971): the low bits of each key as they are, the high bits as a
  unary sequence, with a directory of ranks over it. Near the bound of log2(U/n) + 1.44 bits for
  keys that do not cluster.

File: a header of 64 bytes, then the sections of the form, each as numpy arrays, little-endian.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sonotheque.errors import Corrupt, NotFound
from sonotheque.model.identifiers import Isrc

Keys = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

BLOCK_KEYS = 128
_GAPS = BLOCK_KEYS - 1
_EXCEPTION = struct.Struct("<BQ")  # the place in the block, then the whole gap
_EXCEPTION_BYTES = _EXCEPTION.size
_HIGHS_SHIFT = 9  # one entry of the Elias-Fano directory for 512 values of the high bits
_HEADER = struct.Struct("<8sQQQQQ16x")  # magic, form, keys, form's two parameters, file bytes
_MAGIC = b"sonokey3"
_BLOCK_DELTA, _ELIAS_FANO = 1, 2
_PLANE = (1 << _GAPS) - 1
_PLANES_MAX = 7
_APART = 64
"""The width of blocks that would have more: of distances from the first, not of gaps."""
_BLOCKS_AT_ONCE = 2048
_KEYS_AT_ONCE = 1 << 17  # a multiple of 8, so that every piece ends on a whole byte


_DIGITS = np.array(
    [int(chr(c), 36) if chr(c).isalnum() and c < 128 else 0 for c in range(256)], float
)
_PLACE_VALUES = np.array(
    [26 * 36**3 * 10**7, 36**3 * 10**7]
    + [36**2 * 10**7, 36 * 10**7, 10**7]
    + [10**place for place in range(6, -1, -1)],
    float,
)
_COUNTRY_LEAST = 10 * (26 + 1) * 36**3 * 10**7
"""Of a country, A counts 0, not 10 as in a registrant."""
_PACKED_AT_ONCE = 1 << 14


def pack(isrc: Isrc) -> int:
    """`isrc` as a number under 2**49 that sorts as its text does."""
    country = (ord(isrc[0]) - 65) * 26 + ord(isrc[1]) - 65
    return (country * 36**3 + int(isrc[2:5], 36)) * 10**7 + int(isrc[5:])


def pack_many(isrcs: Any) -> Keys:
    """Packed form of each of `isrcs` (Arrow strings, valid ISRCs of 12 characters, no nulls).

    Shape (n,). Country 26², registrant 36³, then year and designation 10⁷.
    """
    width_fixed = isrcs.cast(pa.binary()).cast(pa.binary(12))
    raw = np.frombuffer(width_fixed.buffers()[1], np.uint8)
    raw = raw[width_fixed.offset * 12 :][: len(isrcs) * 12].reshape(-1, 12)
    packed = np.empty(len(raw), np.uint64)
    for start in range(0, len(raw), _PACKED_AT_ONCE):
        piece = raw[start : start + _PACKED_AT_ONCE]
        # Exact in a float: every sum is a whole number under 2**53.
        packed[start : start + len(piece)] = (
            np.einsum("ij,j", _DIGITS[piece], _PLACE_VALUES) - _COUNTRY_LEAST
        )
    return packed


def write_index(path: Path, keys: Keys) -> float:
    """Write the index of `keys` (ascending, unique, under 2**63) to `path`, in the smaller form.

    Returns bits a key. The file is not synced: a build seals its directory as a whole.
    """
    widths, payload = _block_widths(keys)
    if int(payload.sum()) + 17 * len(widths) <= _elias_fano_bytes(keys):
        _write_block_delta(path, keys, widths, payload)
    else:
        _write_elias_fano(path, keys)
    return 8 * path.stat().st_size / max(1, len(keys))


class _Form(Protocol):
    def rank(self, key: int) -> int | None: ...


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """An open index. Safe to share between threads; holds no more memory than it was asked for."""

    count: int
    form: _Form

    @classmethod
    def open(cls, path: Path) -> KeyIndex:
        """Map the index at `path`. Raises NotFound, or Corrupt where it is not whole."""
        try:
            raw: Bytes = np.memmap(path, np.uint8, "r").view(np.ndarray)
            header = _HEADER.unpack(raw[: _HEADER.size].tobytes())
        except FileNotFoundError:
            raise NotFound(
                "no index here", where=str(path), remedy="fetch the snapshot from a mirror"
            ) from None
        except (ValueError, struct.error) as error:
            raise _corrupt(path) from error
        magic, form, count, first, second, file_bytes = header
        if magic != _MAGIC or file_bytes != len(raw):
            raise _corrupt(path)
        sections = _Sections(raw, path)
        opened: _Form
        if form == _BLOCK_DELTA:
            opened = _open_block_delta(sections, count, first, second)
        elif form == _ELIAS_FANO:
            opened = _open_elias_fano(sections, count, first, second)
        else:
            raise _corrupt(path)
        return cls(count, opened)

    def rank(self, key: int) -> int | None:
        """How many keys are smaller than `key`, where `key` is among them; None where not."""
        return self.form.rank(key) if self.count else None


@dataclass(frozen=True, slots=True)
class _BlockDelta:
    count: int
    # Views of the mapped file that give plain integers: many times as fast as numpy for one.
    firsts: memoryview
    offsets: memoryview
    widths: memoryview
    payload: memoryview

    def rank(self, key: int) -> int | None:
        block = bisect_right(self.firsts, key) - 1
        if block < 0:
            return None
        place = self._place(block, key - self.firsts[block])
        rank = block * BLOCK_KEYS + place
        return rank if place >= 0 and rank < self.count else None

    def _place(self, block: int, wanted: int) -> int:
        start, end, width = self.offsets[block], self.offsets[block + 1], self.widths[block]
        if width == _APART:
            distances = self.payload[start:end].cast("Q")
            place = bisect_left(distances, wanted)
            return place if place < BLOCK_KEYS and distances[place] == wanted else -1
        planes: list[int] = []
        # Most blocks have none: their keys follow one another, but for the exceptions.
        if width:
            exceptions_start = start + (_GAPS * width + 7) // 8
            bits = int.from_bytes(self.payload[start:exceptions_start], "little")
            planes = [bits >> _GAPS * plane & _PLANE for plane in range(width)]
            start = exceptions_start
        return _place(planes, _EXCEPTION.iter_unpack(self.payload[start:end]), wanted)


def _place(planes: list[int], exceptions: Iterator[tuple[int, int]], wanted: int) -> int:
    """Where in its block the key stands that is `wanted` more than the first; -1 where nowhere.

    `planes` are the bits of the gaps, the lowest first; `exceptions` (place, gap) ascending.
    """
    # Between two exceptions, keys are at least 1 and at most 2^width apart: first which of these
    # runs it is, then where in the run, looking at its own few places only.
    width = len(planes)
    first, last, skipped = 0, _GAPS, 0
    if not width:
        # Exactly 1 apart: what is wanted is in the first run that does not end before it, or not.
        for at, gap in exceptions:
            if wanted - skipped <= at:
                last = at
                break
            skipped += gap
            first = at + 1
        place = wanted - skipped
        return place if first <= place <= last else -1
    for at, gap in exceptions:
        beyond = wanted - skipped
        # Most runs are too near or too far, whatever their gaps: these need no summing up.
        if beyond <= at << width and (beyond <= at or beyond <= _sum(planes, at)):
            last = at
            break
        skipped += gap
        first = at + 1
    # The gaps of a run are alike: where the key would stand if they were equal is near.
    beyond = wanted - skipped
    least, most = _sum(planes, first) if first else 0, _sum(planes, last)
    while first <= last and least <= beyond <= most:
        place = first + (beyond - least) * (last - first) // max(1, most - least)
        value = _sum(planes, place)
        if value == beyond:
            return place
        if value < beyond:
            first, least = place + 1, value + 1
        else:
            last, most = place - 1, value - 1
    return -1


def _sum(planes: list[int], place: int) -> int:
    """How much more than the first the key at `place` is, but for exceptions before it."""
    value, before = place, (1 << place) - 1
    for plane, ones in enumerate(planes):
        value += (ones & before).bit_count() << plane
    return value


def _block_widths(keys: Keys) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """The cheapest width of each block, and the bytes that it then takes."""
    widths, byte_counts = [np.empty(0, np.uint8)], [np.empty(0, np.int64)]
    for gaps in _blocks_of_gaps(keys):
        # A gap over 2**53 may round up to one bit more than it needs: dearer, never wrong.
        lengths = np.frexp(gaps.astype(np.float64))[1].astype(np.uint8)
        over = np.stack(
            [(lengths > width).sum(axis=1) for width in range(int(lengths.max(initial=0)) + 1)]
        )
        plain = (_GAPS * np.arange(len(over)) + 7) // 8
        byte_count = plain[:, None] + _EXCEPTION_BYTES * over
        best = byte_count.argmin(axis=0)
        least = byte_count[best, np.arange(len(best))]
        is_apart = best > _PLANES_MAX
        widths.append(np.where(is_apart, _APART, best).astype(np.uint8))
        byte_counts.append(np.where(is_apart, BLOCK_KEYS * _APART // 8, least))
    return np.concatenate(widths), np.concatenate(byte_counts)


def _distances(gaps: Keys) -> Keys:
    """How much more than the first of its block each key is, shape (blocks, 128)."""
    first = np.zeros((len(gaps), 1), np.uint64)
    return np.concatenate([first, np.cumsum(gaps + np.uint64(1), axis=1)], axis=1)


def _blocks_of_gaps(keys: Keys) -> Any:
    """Gaps less one, shape (blocks, 127), some blocks at a time; the last block is padded."""
    for start in range(0, len(keys), _BLOCKS_AT_ONCE * BLOCK_KEYS):
        piece = keys[start : start + _BLOCKS_AT_ONCE * BLOCK_KEYS]
        missing = -len(piece) % BLOCK_KEYS
        padding = piece[-1] + np.arange(1, missing + 1, dtype=np.uint64)
        blocks = np.concatenate([piece, padding]).reshape(-1, BLOCK_KEYS)
        yield np.diff(blocks, axis=1) - np.uint64(1)


def _write_block_delta(
    path: Path, keys: Keys, widths: Bytes, payload_bytes: npt.NDArray[np.int64]
) -> None:
    offsets = np.zeros(len(widths) + 1, np.uint64)
    np.cumsum(payload_bytes, out=offsets[1:].view(np.int64))
    total = int(offsets[-1])
    file_bytes = _HEADER.size + 8 * len(widths) + offsets.nbytes + len(widths) + total
    with path.open("wb") as output:
        output.write(_HEADER.pack(_MAGIC, _BLOCK_DELTA, len(keys), len(widths), total, file_bytes))
        output.write(np.ascontiguousarray(keys[::BLOCK_KEYS]).data)
        output.write(offsets.data)
        output.write(widths.data)
        block = 0
        for gaps in _blocks_of_gaps(keys):
            here = slice(block, block + len(gaps))
            output.write(_encoded(gaps, widths[here], payload_bytes[here]).data)
            block += len(gaps)


def _encoded(gaps: Keys, widths: Bytes, payload_bytes: npt.NDArray[np.int64]) -> Bytes:
    starts = np.cumsum(payload_bytes) - payload_bytes
    output = np.zeros(int(payload_bytes.sum()), np.uint8)
    for width in np.unique(widths).tolist():
        chosen = np.flatnonzero(widths == width)
        if width == _APART:
            packed = _distances(gaps[chosen]).view(np.uint8)
        else:
            packed = _packed_planes(gaps[chosen], width)
        output[starts[chosen, None] + np.arange(packed.shape[1])] = packed
        # No gap is wider than those of blocks that are apart.
        block, place = np.nonzero(_too_wide(gaps[chosen], width))
        if len(block):
            # Within its block, the how-manieth exception each is.
            turn = np.arange(len(block)) - np.searchsorted(block, block)
            at = starts[chosen[block]] + packed.shape[1] + _EXCEPTION_BYTES * turn
            output[at] = place
            whole = np.ascontiguousarray(gaps[chosen[block], place]).view(np.uint8).reshape(-1, 8)
            output[at[:, None] + np.arange(1, 9)] = whole
    return output


def _open_block_delta(sections: _Sections, count: int, blocks: int, total: int) -> _BlockDelta:
    firsts: Any = sections.take(np.uint64, blocks)
    offsets: Any = sections.take(np.uint64, blocks + 1)
    widths: Any = sections.take(np.uint8, blocks)
    payload: Any = sections.take(np.uint8, total)
    sections.end()
    views = (memoryview(section) for section in (firsts, offsets, widths, payload))
    return _BlockDelta(count, *views)


@dataclass(frozen=True, slots=True)
class _EliasFano:
    count: int
    low_bits: int
    directory: Keys
    """Keys whose high bits are under 512·i, for each i; one more entry at the end."""
    highs: Bytes
    lows: Bytes

    def rank(self, key: int) -> int | None:
        high = key >> self.low_bits
        entry = high >> _HIGHS_SHIFT
        if entry >= len(self.directory) - 1:
            return None
        before, after = int(self.directory[entry]), int(self.directory[entry + 1])
        if before == after:
            return None
        # Before entry i there stand `directory[i]` ones and 512·i zeros.
        start = before + (entry << _HIGHS_SHIFT)
        bits = _bits(self.highs, start, after - before + (1 << _HIGHS_SHIFT))
        ones = np.flatnonzero(bits)
        zeros_before = ones - np.arange(len(ones))
        wanted = high - (entry << _HIGHS_SHIFT)
        first, last = np.searchsorted(zeros_before, [wanted, wanted + 1])
        lows = _unpacked(self.lows, before + int(first), int(last - first), self.low_bits)
        low = key - (high << self.low_bits)
        place = int(np.searchsorted(lows, np.uint64(low)))
        found = place < len(lows) and int(lows[place]) == low
        return before + int(first) + place if found else None


def _low_bits(keys: Keys) -> int:
    return max(0, ((int(keys[-1]) + 1) // len(keys)).bit_length() - 1)


def _elias_fano_bytes(keys: Keys) -> int:
    if not len(keys):
        return 0
    low_bits = _low_bits(keys)
    entries = (int(keys[-1]) >> low_bits >> _HIGHS_SHIFT) + 1
    highs_bits = len(keys) + (entries << _HIGHS_SHIFT)
    return 8 * (entries + 1) + (highs_bits + 7) // 8 + (len(keys) * low_bits + 7) // 8


def _write_elias_fano(path: Path, keys: Keys) -> None:
    low_bits = _low_bits(keys)
    entries = (int(keys[-1]) >> low_bits >> _HIGHS_SHIFT) + 1
    borders = np.arange(entries, dtype=np.uint64) << np.uint64(_HIGHS_SHIFT + low_bits)
    directory = np.append(np.searchsorted(keys, borders), len(keys)).astype(np.uint64)
    highs = np.zeros((len(keys) + (entries << _HIGHS_SHIFT) + 7) // 8, np.uint8)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        piece = keys[start : start + _KEYS_AT_ONCE]
        ranks = np.arange(start, start + len(piece), dtype=np.uint64)
        places: Keys = (piece >> np.uint64(low_bits)) + ranks
        marks = (1 << (places & np.uint64(7))).astype(np.uint8)
        np.bitwise_or.at(highs, (places >> np.uint64(3)).astype(np.int64), marks)
    file_bytes = _HEADER.size + _elias_fano_bytes(keys)
    with path.open("wb") as output:
        output.write(_HEADER.pack(_MAGIC, _ELIAS_FANO, len(keys), low_bits, entries, file_bytes))
        output.write(directory.data)
        output.write(highs.data)
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            output.write(_packed(keys[None, start : start + _KEYS_AT_ONCE], low_bits).data)


def _open_elias_fano(sections: _Sections, count: int, low_bits: int, entries: int) -> _EliasFano:
    directory = sections.take(np.uint64, entries + 1)
    highs = sections.take(np.uint8, (count + (entries << _HIGHS_SHIFT) + 7) // 8)
    lows = sections.take(np.uint8, (count * low_bits + 7) // 8)
    sections.end()
    return _EliasFano(count, low_bits, directory, highs, lows)


class _Sections:
    """The arrays of an index file, one after the other."""

    def __init__(self, raw: Bytes, path: Path) -> None:
        self._raw = raw
        self._path = path
        self._at = _HEADER.size

    def take(self, kind: type[Any], count: int) -> npt.NDArray[Any]:
        end = self._at + count * np.dtype(kind).itemsize
        if end > len(self._raw):
            raise _corrupt(self._path)
        section: npt.NDArray[Any] = self._raw[self._at : end].view(kind)
        self._at = end
        return section

    def end(self) -> None:
        if self._at != len(self._raw):
            raise _corrupt(self._path)


def _packed(values: Keys, width: int) -> Bytes:
    """The low `width` bits of each value, row by row, shape (rows, ⌈columns · width / 8⌉)."""
    bits = (values[:, :, None] >> np.arange(width, dtype=np.uint64)) & np.uint64(1)
    flat = bits.astype(np.uint8).reshape(len(values), -1)
    packed: Bytes = np.packbits(flat, axis=1, bitorder="little")
    return packed


def _unpacked(packed: Bytes, first: int, count: int, width: int) -> Keys:
    """Values `first` to `first + count` of a row that `_packed` made, shape (count,)."""
    if not width:
        return np.zeros(count, np.uint64)
    bits = _bits(packed, first * width, count * width).reshape(count, width)
    values: Keys = bits @ (np.uint64(1) << np.arange(width, dtype=np.uint64))
    return values


def _packed_planes(gaps: Keys, width: int) -> Bytes:
    """The gaps of blocks, shape (blocks, 127), bit plane by bit plane; 0 for those too wide."""
    fitting = np.where(_too_wide(gaps, width), np.uint64(0), gaps)
    planes = (fitting[:, None, :] >> np.arange(width, dtype=np.uint64)[:, None]) & np.uint64(1)
    flat = planes.astype(np.uint8).reshape(len(gaps), -1)
    packed: Bytes = np.packbits(flat, axis=1, bitorder="little")
    return packed


def _too_wide(gaps: Keys, width: int) -> npt.NDArray[np.bool_]:
    wide: npt.NDArray[np.bool_] = (gaps >> np.uint64(width)) > 0
    return wide


def _bits(packed: Bytes, first: int, count: int) -> Bytes:
    byte = first >> 3
    skipped = first & 7
    piece = packed[byte : (first + count + 7) >> 3]
    return np.unpackbits(piece, bitorder="little")[skipped : skipped + count]


def _corrupt(path: Path) -> Corrupt:
    return Corrupt(
        "the index is not whole",
        where=str(path),
        remedy="fetch the snapshot from a mirror, or import its sources and build it again",
    )
