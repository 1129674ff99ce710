"""The pace: no second takes more than it may, and time that was not used is not saved up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sonotheque.vault.pace import Pace


class Clock:
    """A clock that only sleeping and working move."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


steps = st.lists(st.tuples(st.integers(1, 5_000), st.floats(0, 3)), min_size=1, max_size=60)


@given(steps, st.integers(1, 2_000))
def test_no_span_of_time_takes_more_than_its_rate_and_one_burst(
    blocks: list[tuple[int, float]], rate: int
) -> None:
    clock = Clock()
    pace = Pace(rate, clock=lambda: clock.now, sleep=clock.sleep)
    began, done = [], []
    for byte_count, work_seconds in blocks:
        clock.now += work_seconds
        began.append(clock.now)
        pace(byte_count)
        done.append(clock.now)
    for first in range(len(blocks)):
        for last in range(first, len(blocks)):
            taken = sum(byte_count for byte_count, _ in blocks[first : last + 1])
            assert taken <= rate * (done[last] - began[first] + 1) * (1 + 1e-9)


def test_reading_that_never_rests_is_as_fast_as_it_may_be() -> None:
    clock = Clock()
    pace = Pace(1_000, clock=lambda: clock.now, sleep=clock.sleep)
    for _ in range(100):
        pace(500)
    assert clock.now == 1_000 + 50 - 1
