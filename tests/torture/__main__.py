"""The torture suite, campaign by campaign; docs/torture.md says what each one does.

`python tests/torture NAME …` runs those that are named, or all. Whatever fails prints the words
that have it happen again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import faults
import kills
import mutations
import places
import power
import rot
import scenes
from tally import Tally

Campaign = Callable[[int, int, Path, tuple[str, str]], Tally]
CAMPAIGNS: dict[str, tuple[Campaign, int]] = {
    "kills": (kills.run, 10_000),
    "power": (power.run, 300),
    "mutations": (mutations.run, 1),
    "faults": (faults.run, 3_100),
    "rot": (rot.run, 100_000),
    "places": (places.run, 20),
}
"""Name → what runs it, and how many of what it counts make its long form."""


_SEED_STEP = 1_000_000
"""Between the seeds of two parts: no part gets that far."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/torture", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CAMPAIGNS))
    parser.add_argument("--count", type=int, metavar="N", help="how many, of each campaign")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="default: 1")
    parser.add_argument("--kind", default="", help="one kind of scene")
    parser.add_argument("--call", default="", help="one call, as a failure names it")
    parser.add_argument(
        "--part", default="1/1", metavar="K/N", help="this of N parts, which can run apart"
    )
    parser.add_argument(
        "--sum", nargs="+", default=[], metavar="FILE", help="only report what --json gave, added"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    arguments = parser.parse_args()
    if unknown := sorted({*arguments.names} - CAMPAIGNS.keys()):
        parser.error(f"no campaign {unknown[0]!r}; there are {', '.join(CAMPAIGNS)}")
    total = Tally()
    for path in arguments.sum:
        total.add(Tally(**json.loads(Path(path).read_text())))
    if not arguments.sum:
        scenes.preload()
        for name in arguments.names or CAMPAIGNS:
            total.add(_run(name, arguments))
    if arguments.json:
        lists = {name: getattr(total, name) for name in ("failures", "skipped", "notes")}
        print(json.dumps({"counts": total.counts, **lists}))
    else:
        _report(total)
    return 1 if total.failures else 0


def _run(name: str, arguments: argparse.Namespace) -> Tally:
    campaign, number = CAMPAIGNS[name]
    # In memory, where there is room: most of what is done here is to make things anew.
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    number = number if arguments.count is None else arguments.count
    part, parts = map(int, arguments.part.split("/"))
    # Rounded up: together the parts do at least as many.
    number, seed = -(-number // parts), arguments.seed + (part - 1) * _SEED_STEP
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-", dir=where) as place:
        tally = campaign(seed, number, Path(place), (arguments.kind, arguments.call))
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return tally


def _report(tally: Tally) -> None:
    for name, number in sorted(tally.counts.items()):
        print(f"{number:>10,}  {name}")
    for line in tally.notes:
        print(f"            {line}")
    for line in tally.failures:
        print(f"FAILED      {line}")
    for line in tally.skipped:
        print(f"SKIPPED     NOT TESTED: {line}")
    print(f"{len(tally.failures):>10,}  failed")
    print(f"{len(tally.skipped):>10,}  skipped")


if __name__ == "__main__":
    sys.exit(main())
