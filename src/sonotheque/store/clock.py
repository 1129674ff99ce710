"""The one place that asks what time it is; everything below the commands takes `now` as text."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> str:
    """Now as ISO 8601 in UTC to the microsecond; such texts sort in time's order."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
