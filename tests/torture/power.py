"""Power cuts on a real filesystem: at any mutating call, and the moment something was acknowledged."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import ext4
import scenes
import tracing
from commands import fork
from criteria import Validated
from recovery import recover
from scenes import KINDS, Scene
from tally import Tally

_CUTS_OF_A_SCENE = 10


def missing() -> str:
    return ext4.missing() or tracing.missing()


def run(seed: int, number: int, base: Path, only: tuple[str, str] = ("", "")) -> Tally:
    """Cut the power `number` times: of each scene once when it was acknowledged, else at a call."""
    tally = Tally()
    if why := missing():
        tally.skipped.append(f"power cuts: {why}")
        return tally
    disk = ext4.Disk(base)
    validated: Validated = set()
    for now in count(seed):
        for kind in KINDS:
            if only[0] in ("", kind) and tally.counts["power cuts"] < number:
                left = number - tally.counts["power cuts"]
                _scene(tally, disk, (kind, now), left, only[1], validated)
        if tally.counts["power cuts"] >= number or only[1]:
            return tally


def _scene(
    tally: Tally,
    disk: ext4.Disk,
    which: tuple[str, int],
    left: int,
    only: str,
    validated: Validated,
) -> None:
    scene, calls = stage(disk, *which)
    chosen = random.Random(str(which)).sample(calls, min(_CUTS_OF_A_SCENE, left, len(calls)))
    where: list[tracing.Call | None] = [None, *chosen[: left - 1]]
    if only:
        where = [call for call in (None, *calls) if str(call or "said") == only]
    for call in where:
        disk.restore()
        with disk.mounted() as place:
            if call is None:
                ran = fork(_until_said(scene, place))
            else:
                ran = tracing.killed(scene.work(1), call)
                disk.cut()
        tally.counts["power cuts"] += 1
        tally.counts[f"power cuts {'at a call' if call else 'when it was acknowledged'}"] += 1
        with disk.mounted():
            wrong = [ran.problem] if ran.problem else recover(scene, ran.said, validated)
        again = f"--kind {scene.kind} --seed {scene.seed} --call {call or 'said'}"
        tally.failures += [f"power cut: {line} {again}" for line in wrong[:1]]


def stage(disk: ext4.Disk, kind: str, seed: int) -> tuple[Scene, list[tracing.Call]]:
    """Set the scene on `disk`, and save that; the scene, and the calls its operation makes."""
    with disk.mounted() as place:
        shutil.rmtree(place / "scene", ignore_errors=True)
        scene = scenes.make(kind, seed, place / "scene")
        scene.restart()
        ran, calls = tracing.record(scene.work(1))
        if ran.problem or not ran.said or ran.said[0].code:
            raise RuntimeError(f"undisturbed: {ran}")
        scene.restart()
    disk.save()
    return scene, calls


def _until_said(scene: Scene, place: Path) -> Callable[[int], None]:
    """The work of a child that cuts the power when it has said that the operation is done."""
    operation = scene.work(1)

    def work(speaker: int) -> None:
        operation(speaker)
        ext4.cut(place)

    return work
