"""Which bytes a Range header asks for, against Python's own slices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.access.ranges import Span, Unsatisfiable, names_etag, requested_span

ETAG = '"abc"'
numbers = st.integers(0, 60)


@given(size=numbers, first=numbers, last=numbers)
def test_first_and_last_are_a_slice(size: int, first: int, last: int) -> None:
    content = bytes(range(size))
    header = f"bytes={first}-{last}"
    if last < first:
        assert requested_span(header, "", ETAG, size) is None
    elif first >= size:
        with pytest.raises(Unsatisfiable):
            requested_span(header, "", ETAG, size)
    else:
        span = requested_span(header, "", ETAG, size)
        assert span is not None
        assert content[span.first : span.end] == content[first : last + 1]
        assert span.byte_count == len(content[first : last + 1])


@given(size=numbers, first=numbers)
def test_an_open_end_is_the_rest(size: int, first: int) -> None:
    content = bytes(range(size))
    if first >= size:
        with pytest.raises(Unsatisfiable):
            requested_span(f"bytes={first}-", "", ETAG, size)
    else:
        span = requested_span(f"bytes={first}-", "", ETAG, size)
        assert span is not None
        assert content[span.first : span.end] == content[first:]


@given(size=numbers, suffix=numbers)
def test_a_suffix_is_the_tail(size: int, suffix: int) -> None:
    content = bytes(range(size))
    if suffix == 0 or size == 0:
        with pytest.raises(Unsatisfiable):
            requested_span(f"bytes=-{suffix}", "", ETAG, size)
    else:
        span = requested_span(f"bytes=-{suffix}", "", ETAG, size)
        assert span is not None
        assert content[span.first : span.end] == content[-suffix:]


@given(st.text(max_size=40))
def test_any_header_is_a_span_within_the_file_or_none(header: str) -> None:
    try:
        span = requested_span(header, "", ETAG, 10)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.first < span.end <= 10


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "items=0-1",
        "bytes=0-1,3-4",
        "bytes=a-b",
        "bytes=1-0",
        f"bytes={'9' * 5000}-",
    ],
)
def test_what_cannot_be_read_is_ignored(header: str) -> None:
    assert requested_span(header, "", ETAG, 10) is None


def test_if_range_must_be_the_very_tag() -> None:
    assert requested_span("bytes=0-1", ETAG, ETAG, 10) == Span(0, 2, 10)
    assert requested_span("bytes=0-1", '"other"', ETAG, 10) is None
    assert requested_span("bytes=0-1", f"W/{ETAG}", ETAG, 10) is None
    assert requested_span("bytes=0-1", "Mon, 23 Nov 2026 10:00:00 GMT", ETAG, 10) is None


def test_content_range_counts_from_nought_to_the_last() -> None:
    assert Span(2, 5, 10).content_range == "bytes 2-4/10"


def test_if_none_match_compares_weakly() -> None:
    assert names_etag('"x", W/"abc"', ETAG)
    assert names_etag("*", ETAG)
    assert not names_etag('"x"', ETAG)
    assert not names_etag("", ETAG)
