"""Sizes, rates and spans: what people write is read, and what is none is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sonotheque.errors import BadInput
from sonotheque.quantities import parse_rate, parse_size, parse_span


@pytest.mark.parametrize(
    ("written", "size"), [("10TB", 10**13), ("1.5 GB", 1_500_000_000), ("7k", 7000), ("12", 12)]
)
def test_sizes_are_read(written: str, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    ("written", "rate"), [("50MB/s", 50_000_000), ("1.5 GB/s", 1_500_000_000), ("64k/S", 64_000)]
)
def test_rates_are_read(written: str, rate: int) -> None:
    assert parse_rate(written) == rate


@pytest.mark.parametrize(
    ("written", "seconds"), [("12h", 43_200), ("30d", 2_592_000), ("4 W", 2_419_200)]
)
def test_spans_are_read(written: str, seconds: int) -> None:
    assert parse_span(written) == seconds


@pytest.mark.parametrize("written", ["", "GB", "-1GB", "0", "1XB", "1GBGB", "nan", "inf", "1e9GB"])
def test_what_is_no_size_is_refused(written: str) -> None:
    with pytest.raises(BadInput, match="is not a size"):
        parse_size(written)


@pytest.mark.parametrize(
    ("parse", "written"),
    [
        *((parse_rate, text) for text in ("", "50", "50MB", "MB/s", "50MB/h", "0B/s", "50MB/s/s")),
        *((parse_span, text) for text in ("", "30", "d", "-1d", "0h", "30x", "3dd")),
    ],
)
def test_what_is_no_rate_or_span_is_refused(parse: Callable[[str], int], written: str) -> None:
    with pytest.raises(BadInput, match="is not a"):
        parse(written)
