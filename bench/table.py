"""A line of a benchmark's result, and the clocks it is measured by."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]
Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Row:
    """`holds` is None where there is no bar."""

    what: str
    measured: str
    bar: str = ""
    holds: bool | None = None

    def markdown(self) -> str:
        verdict = {None: "", True: "met", False: "**missed**"}[self.holds]
        return f"| {self.what} | {self.measured} | {self.bar} | {verdict} |"


class Watch:
    """Wall and processor seconds (this process and its ended children) since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(
    call: Callable[[Asked], Any],
    asked: Sequence[Asked],
    clock: Callable[[], float] = time.perf_counter,
) -> Seconds:
    """How long `call` took for each of `asked`, by `clock`, shape (n,)."""
    seconds = np.empty(len(asked))
    for place, one in enumerate(asked):
        start = clock()
        call(one)
        seconds[place] = clock() - start
    return seconds


def in_turn(
    calls: Sequence[Callable[[Asked], Any]], asked: Sequence[Asked], rounds: int = 7
) -> list[Seconds]:
    """How long each of `calls` takes for each of `asked`, shape (n,): the median of `rounds`, in
    which one call is asked everything after the other. What the machine does meanwhile, which
    makes most of a 99th percentile of microseconds, hits a query in one round or two."""
    found: list[list[Seconds]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, seconds in zip(calls, found, strict=True):
            seconds.append(timed(call, asked))
    return [np.median(seconds, axis=0) for seconds in found]


def percentile(seconds: Seconds, percent: float) -> float:
    """Not a number where nothing was measured."""
    return float(np.percentile(seconds, percent)) if len(seconds) else float("nan")


def duration(seconds: float) -> str:
    """In the unit that makes it readable."""
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        # Rounded to three digits, that is 1.
        if seconds * factor >= 0.9995:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def tell(text: str) -> None:
    """A line for the person who waits."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def sizes(text: str) -> tuple[int, ...]:
    return tuple(size(part) for part in text.split(","))


def size(text: str) -> int:
    """10M, 10_000_000 or 10000000; of one of these."""
    factor = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    number = int(text[:-1] if factor > 1 else text) * factor
    if number < 1:
        raise ValueError(text)
    return number
