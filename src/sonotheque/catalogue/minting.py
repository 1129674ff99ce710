"""New recording identifiers by the million, the same that `model.identifiers` mints one by one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mint = Callable[[int], "pa.StringArray"]

_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
_DIGITS = 13
_VALUES = np.zeros(256, np.uint64)
_VALUES[_ALPHABET] = np.arange(32)


def mint(count: int) -> Any:
    """`count` new identifiers, each 63 random bits as 13 Crockford base32 digits."""
    numbers = np.frombuffer(secrets.token_bytes(8 * count), np.uint64) >> np.uint64(1)
    return texts_of(numbers)


def texts_of(numbers: npt.NDArray[np.uint64]) -> Any:
    """Each of `numbers` as 13 digits, an Arrow array of strings."""
    shifts = np.arange(60, -1, -5, dtype=np.uint64)
    digits = _ALPHABET[(numbers[:, None] >> shifts) & np.uint64(31)]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * _DIGITS
    return pa.StringArray.from_buffers(
        len(numbers), pa.py_buffer(offsets.tobytes()), pa.py_buffer(digits.tobytes())
    )


def numbers_of(ids: Any) -> npt.NDArray[np.uint64]:
    """The number each of `ids` (Arrow strings of 13 canonical digits, no nulls) stands for."""
    width_fixed = ids.cast(pa.binary()).cast(pa.binary(_DIGITS))
    raw = np.frombuffer(width_fixed.buffers()[1], np.uint8)
    raw = raw[width_fixed.offset * _DIGITS :][: len(ids) * _DIGITS].reshape(-1, _DIGITS)
    numbers = np.zeros(len(raw), np.uint64)
    for place in range(_DIGITS):
        numbers = numbers << np.uint64(5) | _VALUES[raw[:, place]]
    return numbers
