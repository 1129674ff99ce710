"""The clock: texts that sort as time does."""

from __future__ import annotations

from datetime import UTC, datetime

from sonotheque.store.clock import before, utc_now


def test_now_is_utc_and_sorts() -> None:
    earliest = datetime.now(UTC)
    texts = [utc_now() for _ in range(1000)]
    after = datetime.now(UTC)
    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {27}
    assert (
        earliest <= datetime.fromisoformat(texts[0]) <= datetime.fromisoformat(texts[-1]) <= after
    )


def test_before_is_earlier_and_sorts() -> None:
    now = "2026-03-01T00:00:01.000005Z"
    assert before(now, 1) == "2026-03-01T00:00:00.000005Z"
    assert before(now, 86_400) == "2026-02-28T00:00:01.000005Z"
    assert before(now, 10**30) < before(now, 1_100 * 366 * 86_400) < before(now, 0) == now
    assert before(now, 10**30) == "0001-01-01T00:00:00.000000Z"
