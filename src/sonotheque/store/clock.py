"""The one place that asks what time it is; everything below the commands takes `now` as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def utc_now() -> str:
    """Now as ISO 8601 in UTC to the microsecond; such texts sort in time's order."""
    return _text(datetime.now(UTC).replace(tzinfo=None))


def before(now: str, seconds: int) -> str:
    """The time `seconds` before `now`, which `utc_now` gave; at the earliest, the year 1."""
    try:
        earlier = datetime.fromisoformat(now[:-1]) - timedelta(seconds=seconds)
    except OverflowError:
        earlier = datetime.min
    return _text(earlier)


def _text(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='microseconds')}Z"
