"""`kill -9` at every mutating call of a deposit, a healing, a statement, an edition."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import scenes
import tracing
from commands import Ran
from criteria import Validated
from recovery import recover
from scenes import KINDS, Scene
from tally import Tally
from tracing import Call


@dataclass(frozen=True)
class Case:
    """One call of one scene at which something is done."""

    scene: Scene
    call: Call

    def __str__(self) -> str:
        return f"--kind {self.scene.kind} --seed {self.scene.seed} --call {self.call}"


def cases(
    tally: Tally, seed: int, number: int, base: Path, only: tuple[str, str]
) -> Iterator[Case]:
    """`number` cases from `seed` on: every call of every scene, and of the last seed's a sample.

    `only` names a kind of scene and a call; where one is empty, all are meant.
    """
    left = number
    for now in count(seed):
        found: list[Case] = []
        kinds = [kind for kind in KINDS if only[0] in ("", kind)]
        for kind in kinds:
            scene = scenes.make(kind, now, base / f"{kind}-{now}")
            scene.restart()
            ran, calls = tracing.record(scene.work(1))
            if ran.problem or not ran.said or ran.said[0].code:
                tally.failures.append(f"undisturbed: {ran} --kind {kind} --seed {now}")
                continue
            found += [Case(scene, call) for call in calls if only[1] in ("", str(call))]
        if len(found) > left:
            found = random.Random(now).sample(found, left)
        yield from found
        left -= len(found)
        for kind in kinds:
            shutil.rmtree(base / f"{kind}-{now}")
        if left <= 0 or only[1] or not found:
            return


def run(seed: int, number: int, base: Path, only: tuple[str, str] = ("", "")) -> Tally:
    """Kill `number` times."""
    tally = Tally()
    if why := tracing.missing():
        tally.skipped.append(f"kills: {why}")
        return tally
    validated: Validated = set()
    for case in cases(tally, seed, number, base, only):
        case.scene.restart()
        ran = tracing.killed(case.scene.work(1), case.call)
        judge(tally, "kills", case, ran, lambda ran: ran.signal == 9, validated=validated)
        tally.tell("kills", number)
    return tally


def judge(
    tally: Tally,
    name: str,
    case: Case,
    ran: Ran,
    reached: Callable[[Ran], bool],
    *,
    validated: Validated,
) -> None:
    """Count the case if what was to happen did happen, and check what came of it."""
    if reached(ran):
        tally.counts[name] += 1
        tally.counts[f"{name}: {case.scene.kind}"] += 1
    else:
        # Threads take turns as they like, so that a call may be another thread's this time.
        tally.counts[f"{name} that met no call"] += 1
    wrong = [ran.problem] if ran.problem else recover(case.scene, ran.said, validated)
    tally.failures += [f"{name}: {line} {case}" for line in wrong[:1]]
