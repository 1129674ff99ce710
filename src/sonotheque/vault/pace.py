"""The pace of reading: how many bytes a second an audit may take from one root."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST_SECONDS = 1.0


class Pace:
    """A token bucket: it fills with `bytes_per_second` tokens a second, holds one second's worth,
    and a block of n bytes takes n of them; what is not there yet is waited for.

    It may be told of a block that was read already: then the next one is late by as much. Safe
    to use from several threads. `sleep` may return early, to let an audit be stopped.
    """

    def __init__(
        self,
        bytes_per_second: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._seconds_per_byte = 1 / bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._empty_until = clock() - _BURST_SECONDS

    def __call__(self, byte_count: int) -> None:
        """Take `byte_count` tokens, and return when the bucket has held them all."""
        with self._lock:
            now = self._clock()
            full = now - _BURST_SECONDS
            self._empty_until = max(self._empty_until, full) + byte_count * self._seconds_per_byte
            wait_seconds = self._empty_until - now
        if wait_seconds > 0:
            self._sleep(wait_seconds)
