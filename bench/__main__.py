"""`make bench`: run every benchmark, or those named, and print a table for docs/benchmarks.md.

What begins with a hyphen and whatever follows it goes to the one benchmark that is named before it.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from bench.table import Row

BENCHMARKS = (
    "startup",
    "deposit",
    "vault",
    "ledger",
    "catalogue",
    "rights",
    "matching",
    "linkage",
    "versions",
)
WITH_OPTIONS = ("catalogue", "ledger", "linkage", "matching", "rights", "vault", "versions")


def main(words: list[str]) -> int:
    names = list(takewhile(lambda word: not word.startswith("-"), words))
    options = words[len(names) :]
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"bench: no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
        return 2
    if options and (len(names) != 1 or names[0] not in WITH_OPTIONS):
        print(f"bench: name one of {', '.join(WITH_OPTIONS)} before its options {options}")
        return 2
    print(f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores,")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}")
    missed = 0
    for name in names or BENCHMARKS:
        module = importlib.import_module(f"bench.{name}")
        rows: list[Row] = module.run(options) if name in WITH_OPTIONS else module.run()
        print(f"\n`python -m bench {' '.join([name, *options])}`\n")
        print("| What | Measured | Bar | |\n|---|---|---|---|")
        for row in rows:
            print(row.markdown())
            missed += row.holds is False
    return 1 if missed else 0


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
