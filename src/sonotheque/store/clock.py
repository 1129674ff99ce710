"""The one place that asks what time it is; everything below the commands takes `now` as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def utc_now() -> str:
    """Now as ISO 8601 in UTC to the microsecond; such texts sort in time's order."""
    return datetime.now(UTC).strftime(_FORMAT)


def before(now: str, seconds: int) -> str:
    """The time `seconds` before `now`, which `utc_now` gave; at the earliest, the year 1."""
    try:
        earlier = datetime.strptime(now, _FORMAT) - timedelta(seconds=seconds)
    except OverflowError:
        earlier = datetime.min
    return f"{earlier.isoformat(timespec='microseconds')}Z"
