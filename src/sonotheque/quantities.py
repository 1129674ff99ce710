"""Sizes, rates and spans of time as people write them: "10TB", "50MB/s", "30d"."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from sonotheque.errors import BadInput

_SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_SPANS = {"H": 3_600, "D": 86_400, "W": 604_800}
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([A-Z]*)")


def parse_size(written: str) -> int:
    """ "10TB" in bytes, decimal units. Raises BadInput."""
    size = _parse(written.upper().removesuffix("B"), _SIZES)
    if size is None:
        raise BadInput("is not a size", where=written, remedy="write it as 500GB or 10TB")
    return size


def parse_rate(written: str) -> int:
    """ "50MB/s" in bytes a second, decimal units. Raises BadInput."""
    size, _, second = written.upper().rpartition("/")
    rate = _parse(size.removesuffix("B"), _SIZES) if second == "S" else None
    if rate is None:
        raise BadInput("is not a rate", where=written, remedy="write it as 50MB/s")
    return rate


def parse_span(written: str) -> int:
    """ "30d" in seconds; also hours (12h) and weeks (4w). Raises BadInput."""
    span = _parse(written.upper(), _SPANS)
    if span is None:
        raise BadInput("is not a span of time", where=written, remedy="write it as 12h, 30d or 4w")
    return span


def _parse(written: str, units: Mapping[str, int]) -> int | None:
    match = _NUMBER.fullmatch(written.strip())
    if not match or match[2] not in units:
        return None
    value = float(match[1]) * units[match[2]]
    return round(value) if 1 <= value < math.inf else None
