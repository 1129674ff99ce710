"""What somebody typed, taken apart into the words to look for."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from enum import Enum

from sonotheque.errors import BadInput
from sonotheque.model.folding import words_of
from sonotheque.model.identifiers import Isrc, parse_isrc

FIELDS = ("title", "artist", "album", "label")
QUERY_WORDS_MAX = 16
QUERY_CHARACTERS_MAX = 400
_FILTER = re.compile(
    r"\b(title|artist|album|label|year|isrc):(?:\"([^\"]*)\"|(\S+))", re.IGNORECASE
)

_DIGIT = re.compile("[0-9]")


class How(Enum):
    """The ways to look for words, strictest first."""

    EXACT = "exact"
    BEGUN = "begun"
    """The last word may be the beginning of one."""
    LOOSE = "loose"
    """Any word may be the beginning of one, or have a typo."""


@dataclass(frozen=True, slots=True)
class Word:
    """A folded word, and the field it must stand in; empty for any."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """Every word, year and ISRC must be found. `impossible` where a filter can match nothing."""

    words: tuple[Word, ...] = ()
    years: tuple[int, ...] = ()
    isrcs: tuple[Isrc, ...] = ()
    impossible: bool = False

    def __bool__(self) -> bool:
        return bool(self.words or self.years or self.isrcs) and not self.impossible


def parse_query(text: str) -> Query:
    """Take `text` apart: words, and `title: artist: album: label: year: isrc:` filters.

    A query that is an ISRC, as people write it, is one. Words past the sixteenth are left out.
    Raises BadInput where the query is too long to be meant.
    """
    if len(text) > QUERY_CHARACTERS_MAX:
        raise BadInput(
            f"the query has {len(text)} characters",
            where=text[:40] + "…",
            remedy=f"use at most {QUERY_CHARACTERS_MAX}",
        )
    if _DIGIT.search(text):
        with contextlib.suppress(BadInput):
            return Query(isrcs=(parse_isrc(text),))
    words: list[Word] = []
    years: list[int] = []
    isrcs: list[Isrc] = []
    impossible = False
    for match in _FILTER.finditer(text):
        field, value = match[1].lower(), match[2] or match[3] or ""
        if field in FIELDS:
            words += [Word(word, field) for word in words_of(value)]
        elif field == "year":
            # A year of a few digits is a year, not the beginning of one.
            impossible |= not re.fullmatch("[0-9]{1,4}", value.strip())
            years += [] if impossible else [int(value)]
        else:
            try:
                isrcs.append(parse_isrc(value))
            except BadInput:
                impossible = True
    words += [Word(word) for word in words_of(_FILTER.sub(" ", text))]
    return Query(tuple(words[:QUERY_WORDS_MAX]), tuple(years), tuple(isrcs), impossible)
