"""Power cuts on a real filesystem: at any mutating call, and when something is acknowledged."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec

import ext4
import scenes
import tracing
from commands import fork, prepare, say
from criteria import Validated
from recovery import recover
from scenes import KINDS, Scene
from sonotheque.archive import open_archive
from sonotheque.deposit import accession
from sonotheque.store import clock
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
                _scene(tally, disk, (kind, now), left=left, only=only[1], validated=validated)
        if tally.counts["power cuts"] >= number or only[1]:
            break
    return tally


def _scene(
    tally: Tally,
    disk: ext4.Disk,
    which: tuple[str, int],
    *,
    left: int,
    only: str,
    validated: Validated,
) -> None:
    scene, calls = stage(disk, *which)
    goal = tally.counts["power cuts"] + left
    chosen = random.Random(str(which)).sample(calls, min(_CUTS_OF_A_SCENE, left, len(calls)))
    where: list[tracing.Call | None] = [None, *chosen[: left - 1]]
    if only:
        where = [call for call in (None, *calls) if str(call or "said") == only]
    for call in where:
        disk.restore()
        with disk.mounted() as place:
            if call is None:
                ran = fork(until_said(scene, place))
            else:
                ran = tracing.killed(scene.work(1), call)
                disk.cut()
        tally.counts["power cuts"] += 1
        tally.tell("power cuts", goal)
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


def until_said(scene: Scene, place: Path) -> Callable[[int], None]:
    """The work of a child that cuts the power when the operation has returned. A deposit's is
    cut while the archive is open: closing it would sync the database once more."""
    operation = scene.work(1)

    def work(speaker: int) -> None:
        if scene.operation[0] != "deposit":
            operation(speaker)
            ext4.cut(place)
            return
        prepare(scene.ways(1))
        with open_archive(scene.archive) as archive:
            receipt = accession.deposit(archive, [Path(scene.operation[1])], clock.utc_now())
            said = [scene.operation, 0, msgspec.to_builtins(receipt, enc_hook=str), ""]
            say(speaker, "said", said)
            ext4.cut(place)
            os._exit(0)

    return work
