"""HTTP ranges (RFC 9110, section 14): which bytes of a representation a request asks for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A number of over 19 digits cannot be a position in any file: such a header is ignored.
_ONE_RANGE = re.compile(
    r"bytes[ \t]*=[ \t]*(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})[ \t]*", re.I
)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` … `end` − 1 of a representation of `size` bytes; empty where `size` is 0."""

    first: int
    end: int
    size: int

    @property
    def byte_count(self) -> int:
        return self.end - self.first

    @property
    def content_range(self) -> str:
        """Value of the Content-Range header."""
        return f"bytes {self.first}-{self.end - 1}/{self.size}"


class Unsatisfiable(ValueError):
    """The range lies outside the representation: answer 416."""


def requested_span(range_header: str, if_range: str, etag: str, size: int) -> Span | None:
    """The one span that a request asks for; None where the whole representation is the answer.

    `etag` is the representation's strong entity tag, in its quotes. An If-Range that is not
    that tag (a date is not either: we give none) makes the range void, as does a header that
    asks for several ranges or cannot be read: a server may ignore those. Raises Unsatisfiable.
    """
    match = _ONE_RANGE.fullmatch(range_header)
    if match is None or (if_range and if_range != etag):
        return None
    first_text, last_text = match["first"], match["last"]
    if not first_text and not last_text:
        return None
    if not first_text:
        suffix = int(last_text)
        if suffix == 0 or size == 0:
            raise Unsatisfiable
        return Span(max(0, size - suffix), size, size)
    first = int(first_text)
    last = int(last_text) if last_text else size - 1
    if last_text and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Span(first, min(last + 1, size), size)


def names_etag(header: str, etag: str) -> bool:
    """Does an If-None-Match `header` name `etag` (weak comparison, RFC 9110, section 13.1.2)?"""
    candidates = [candidate.strip().removeprefix("W/") for candidate in header.split(",")]
    return "*" in candidates or etag in candidates
