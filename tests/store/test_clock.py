"""The clock: texts that sort as time does."""

from __future__ import annotations

from datetime import UTC, datetime

from sonotheque.store.clock import utc_now


def test_now_is_utc_and_sorts() -> None:
    before = datetime.now(UTC)
    texts = [utc_now() for _ in range(1000)]
    after = datetime.now(UTC)
    assert texts == sorted(texts)
    assert {len(text) for text in texts} == {27}
    assert before <= datetime.fromisoformat(texts[0]) <= datetime.fromisoformat(texts[-1]) <= after
