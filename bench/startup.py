"""How long `sonotheque --help` takes, beside a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from bench.table import Row, Watch

RUNS = 9
BAR_SECONDS = 0.3


def run() -> list[Row]:
    bare = _median([sys.executable, "-c", "pass"])
    ours = _median([sys.executable, "-m", "sonotheque", "--help"])
    return [
        Row(
            f"`sonotheque --help`, median of {RUNS}",
            f"{ours:.3f} s ({ours / bare:.1f} × an empty Python, {bare:.3f} s)",
            f"< {BAR_SECONDS} s",
            ours < BAR_SECONDS,
        )
    ]


def _median(command: Sequence[str]) -> float:
    seconds = []
    for _ in range(RUNS):
        watch = Watch()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(watch.read()[0])
    return sorted(seconds)[RUNS // 2]
