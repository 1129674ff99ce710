"""The torture suite: `python tests/torture [NAME …] [--count N] [--seed S] …`; see docs/torture.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import faults
import kills
import mutations
import power
import scenes
from tally import Tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/torture", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="kills")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", default="")
    parser.add_argument("--call", default="")
    arguments = parser.parse_args()
    scenes.preload()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="torture-", dir="/dev/shm") as place:
        started = time.monotonic()
        if arguments.names[0] == "mutations":
            tally.add(mutations.run_rule(arguments.seed, Path(place), arguments.call))
            for n in tally.notes: print(n)
            arguments.names[0]="kills"; arguments.count=0
        module = {"kills": kills, "faults": faults, "power": power}[arguments.names[0]]
        tally.add(
            module.run(
                arguments.seed, arguments.count, Path(place), (arguments.kind, arguments.call)
            )
        )
        print(f"{time.monotonic() - started:.1f} s")
    for name, number in sorted(tally.counts.items()):
        print(f"{number:>9,}  {name}")
    for line in tally.skipped:
        print(f"SKIPPED: {line}")
    for line in tally.failures:
        print(f"FAILED: {line}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
