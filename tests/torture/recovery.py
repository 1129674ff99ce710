"""What comes after torture: readers look, the next writer settles, and the operation is done again.

All of it in one forked child, which is another process than the one that died.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from commands import Said, fork, prepare, run
from criteria import Validated, check, kept
from scenes import Scene


def recover(scene: Scene, said: Sequence[Said], validated: Validated) -> list[str]:
    """What is wrong after `said` was heard of the operation, and it then ended somehow."""
    before = set(validated)

    def work(_writer: int) -> list[list[str]]:
        wrong = _recover(scene, said, validated)
        return [wrong, sorted(validated - before)]

    ran = fork(work)
    if ran.problem or ran.result is None:
        return [f"recovery ended by {ran.signal or ran.problem}"]
    wrong, valid = ran.result
    validated.update(valid)
    return list(wrong)


def _recover(scene: Scene, said: Sequence[Said], validated: Validated) -> list[str]:
    promised = [*scene.acknowledged, *said]
    done = any(one.code == 0 for one in said)
    # A database that is damaged, or half rebuilt, lets nobody read or write before it is whole.
    if scene.kind != "rebuild" or done:
        wrong = check(scene.archive, promised, validated, writer=False)
        if wrong:
            return [f"as a reader finds it: {line}" for line in wrong]
        wrong = check(scene.archive, promised, validated, writer=True, whole=scene.whole or done)
        if wrong:
            return [f"once settled: {line}" for line in wrong]
    prepare(scene.ways(2))
    again = run(scene.operation)
    if again.code:
        return [f"done again: {again.error.strip() or again.document}"]
    promised.append(again)
    wrong = check(scene.archive, promised, validated, writer=True)
    if wrong:
        return [f"done again: {line}" for line in wrong]
    return _converged(scene, validated)


def _converged(scene: Scene, validated: Validated) -> list[str]:
    """A third run has nothing to do: of an entry or an edition there may always be one more."""
    before = kept(scene.archive)
    if before in validated:
        return []  # most calls end in one of few states
    third = run(scene.operation)
    if third.code:
        return [f"done a third time: {third.error.strip() or third.document}"]
    if scene.operation[0] == "deposit" and kept(scene.archive) != before:
        return ["it does not converge: a third run changed the vault or the ledger"]
    if scene.operation[0] == "audit" and third.document["events"]:
        return [f"it does not converge: {third.document['events']}"]
    validated.add(before)
    return []


def undisturbed(scene: Scene, place: Path) -> list[str]:
    """What is wrong where nothing was done to the operation: the criteria must not cry wolf."""
    scene.restart()
    ran = fork(scene.work(1))
    if ran.problem or not ran.said or ran.said[0].code:
        return [f"undisturbed in {place}: {ran}"]
    return recover(scene, ran.said, set())
