"""Days of the calendar, as laws count them. Pure.

A day is a day in UTC: it begins at 00:00 UTC everywhere. West of Greenwich that is up to twelve
hours before the local day begins; who relies on the first hours of a day there waits for its own.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from sonotheque.model.procedures import NEVER

_PARTIAL = re.compile(r"\d{4}(?:-\d{2}-\d{2})?", re.ASCII)


def day_of(at: str) -> date:
    """The day of a time in UTC as the ledger writes it, or of a date."""
    return date.fromisoformat(at[:10])


def is_partial(text: str, *, never: bool = False) -> bool:
    """Whether `text` is a year, a day, or, where that is allowed, NEVER."""
    if never and text == NEVER:
        return True
    if not _PARTIAL.fullmatch(text):
        return False
    try:
        date.fromisoformat(text if len(text) > 4 else f"{text}-01-01")
    except ValueError:
        return False
    return True


def year_of(text: str) -> int | None:
    """The year of "1955" or "1955-03-01"; None for NEVER, and where nobody has said."""
    return int(text[:4]) if text and text != NEVER else None


def after_months(event: date, months: int) -> date:
    """The first day after a period of `months` that runs from `event`.

    The day of the event is not counted, and the period ends with the last hour of the day with
    its number, or of the month's last day where the month has no such day: Regulation (EEC,
    Euratom) No 1182/71, article 3(1) and (2)(c). From 31 August, six months end with 28 or 29
    February, and the first day after them is 1 March.
    """
    year, month = divmod(event.year * 12 + event.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(event.day, last)) + timedelta(days=1)


def after_days(event: date, days: int) -> date:
    """The first day after a period of `days` in which the day of the event is not counted."""
    return event + timedelta(days=days + 1)


def new_year_after(year: int, years: int = 0) -> date:
    """The 1 January on which a term of `years` is over that runs from the end of `year`."""
    return date(year + years + 1, 1, 1)
