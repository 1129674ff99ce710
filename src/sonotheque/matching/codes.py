"""Codes and dates that cannot be right, whatever they are put on. Pure.

An ISRC says little about the recording that it stands for, and nothing about whose it is: a prefix
is not where a recording comes from, and the year is the one in which the code was given (ISRC
Handbook, isrc.ifpi.org). What can be told from a code alone is whether its prefix was ever
allocated to anybody and whether its year has come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

import iso3901

from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, format_isrc

YEAR_MIN = 1857
"""The phonautograph; no sound was recorded before."""
_FIRST_ISRC_YEAR = 1986
"""ISO 3901 was first published in it; codes of 86 to 99 are of the last century."""
_EXAMPLES = ("AA6Q7", "JMK40")
"""Prefixes of the ISRC agency's own texts, which it gives to nobody (isrc.ifpi.org)."""
_UNLIKELY = ("00000", "12345", "99999")
_ALLOCATED = frozenset(iso3901.Allocation.__members__)
"""First two letters that were allocated by 4 November 2025, by the agency's list."""
_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?(?![\d])", re.ASCII)


def code_findings(isrc: Isrc, now: str) -> tuple[Finding, ...]:
    """What is wrong with `isrc` by itself, as of `now` (ISO 8601)."""
    return tuple(_about_code(isrc, int(now[:4])))


def _about_code(isrc: Isrc, this_year: int) -> Iterator[Finding]:
    shown = format_isrc(isrc)
    if isrc[:5] in _EXAMPLES:
        yield Finding(
            code="isrc.example",
            severity=Severity.WARNING,
            message=f"carries {shown}, whose prefix stands in examples and was given to nobody",
            remedy="ask the sender for the code of this recording",
        )
    elif isrc[:2] not in _ALLOCATED:
        yield Finding(
            code="isrc.unallocated",
            severity=Severity.WARNING,
            message=f"carries {shown}; no agency was ever given codes that begin with {isrc[:2]}",
            remedy="ask the sender who gave them the code; look it up at isrcsearch.ifpi.org",
        )
    year = 1900 + int(isrc[5:7])
    if year < _FIRST_ISRC_YEAR:
        year += 100
    if year > this_year:
        yield Finding(
            code="isrc.year",
            severity=Severity.WARNING,
            message=f"carries {shown}, a code of the year {year}, which has not come yet",
            remedy="ask the sender for the code of this recording",
        )
    if isrc[7:] in _UNLIKELY:
        yield Finding(
            code="isrc.sequence",
            severity=Severity.INFO,
            message=f"carries {shown}, which ends as made-up codes do",
            remedy="if anything else is odd about it, ask who gave the code",
        )


def date_findings(texts: Sequence[str], now: str) -> tuple[Finding, ...]:
    """Those of `texts` that begin as a date does and are none, lie before sound was recorded, or
    more than a year after `now`. A text of another form says nothing."""
    found = (_about_date(text.strip(), int(now[:4])) for text in texts)
    return tuple(finding for finding in dict.fromkeys(found) if finding)


def _about_date(text: str, this_year: int) -> Finding | None:
    parts = _DATE.match(text)
    if parts is None:
        return None
    # 0 stands for what is not known, in a year, a month or a day.
    year, month, day = (int(part or 0) for part in parts.groups())
    try:
        date(year or 1, month or 1, day or 1)
        possible = not year or YEAR_MIN <= year <= this_year + 1
    except ValueError:
        possible = False
    if possible:
        return None
    return Finding(
        code="date.impossible",
        severity=Severity.WARNING,
        message=f"says that it is of {text[:30]!r}, which no recording can be",
        remedy="write YYYY, YYYY-MM or YYYY-MM-DD, or leave it out",
    )
