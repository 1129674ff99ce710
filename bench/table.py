"""A line of a benchmark's result, and the clock it is measured by."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass


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
