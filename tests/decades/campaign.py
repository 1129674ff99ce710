"""`make decades`: the long form. `campaign.py [--decades N] [--seed FIRST]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from decade import Broken, lived, report, shrunk
from fate import plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/decades/campaign.py", description=__doc__)
    parser.add_argument("--decades", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--whole", action="store_true", help="show a failure without shrinking it")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="decades-") as directory:
        place = Path(directory, "world")
        for seed in range(arguments.seed, arguments.seed + arguments.decades):
            decade = plan(seed)
            try:
                counts += lived(decade, place).counts
                counts["decades"] += 1
            except Broken as broken:
                failed[broken.law] += 1
                if failed[broken.law] == 1:
                    if not arguments.whole:
                        decade, broken = shrunk(decade, broken, place)
                    print(f"\n{report(decade, broken)}\n", flush=True)
            except KeyboardInterrupt:
                print(f"stopped at seed {seed}", flush=True)
                break
            except Exception:
                print(f"seed {seed}", flush=True)
                raise
    for name, number in sorted(counts.items()):
        print(f"{number:>9,}  {name}")
    for law, number in failed.items():
        print(f"{number:>9,}  BROKEN: {law}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
