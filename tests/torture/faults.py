"""A disk that fails (EIO) or is full (ENOSPC): once or from then on, at every mutating call."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import tracing
from commands import Ran, Ways, commands, fork, piece
from criteria import Validated, check
from kills import Case, cases
from recovery import recover
from tally import Tally
from tracing import OPENING

ERRORS = ("EIO", "ENOSPC")
# SQLite's words for whatever it is that its shared memory file or its log met.
_DATABASE = (
    *("disk I/O error", "unable to open database file"),
    # What cannot be opened to be written, SQLite opens to be read.
    "attempt to write a readonly database",
)
CORRUPT, ENVIRONMENT = 1, 3
FULL_BYTES = 2 << 20
# What needs no room does not fail on a full disk.
_NEEDS_NO_ROOM = frozenset({"unlink", "unlinkat", "rmdir", "truncate", "ftruncate", "msync"})
_WORDS_OF = {
    "EIO": ("failed to read or write", "Input/output error", *_DATABASE),
    "ENOSPC": ("disk is full", "No space left", *_DATABASE),
}


def run(seed: int, number: int, base: Path, only: tuple[str, str] = ("", "")) -> Tally:
    """Let `number` calls fail, each with every error that such a call may fail with."""
    tally = Tally()
    if why := tracing.missing():
        tally.skipped.append(f"faults: {why}")
        return tally
    validated: Validated = set()
    for case in cases(tally, seed, number, base, only):
        tally.counts["faults: calls"] += 1
        for error, on in _faults(case):
            case.scene.restart()
            ran = tracing.failing(case.scene.work(1), case.call, error, on=on)
            tally.counts[f"faults: {error} {'from then on' if on else 'once'}"] += 1
            tally.counts[f"faults: {error} at {case.call.name}"] += 1
            opening = case.call.name in OPENING
            wrong = _answer(ran, error, opening=opening) or recover(case.scene, ran.said, validated)
            tally.failures += [f"faults: {error}{'+' * on}: {line} {case}" for line in wrong[:1]]
        tally.tell("faults: calls", number)
    if not only[1]:
        tally.add(full_disk(seed, base))
    return tally


def _faults(case: Case) -> Iterator[tuple[str, bool]]:
    """The errors with which the call fails, and for each, by chance, whether from then on."""
    for error in ERRORS:
        if error == "EIO" or case.call.name not in _NEEDS_NO_ROOM:
            # strace cannot tell an opening that makes a file from one that reads it.
            chance = random.Random(f"{case} {error}")
            yield error, case.call.name not in OPENING and chance.random() < 0.5


def _answer(ran: Ran, error: str, *, opening: bool = False) -> list[str]:
    """What is wrong with how the command answered: done, or one line that says what, exit 3.

    What the archive keeps and cannot be read is damage to it, where the call was `opening` a file:
    then the answer may be no, in one line or among what an audit found.
    """
    if ran.problem or ran.signal or not ran.said:
        return [f"it ended by {ran.signal or ran.problem or 'nothing'}"]
    said = ran.said[0]
    line = said.error.strip()
    found = "audit" in said.words and said.document is not None and said.document["wrong"]
    told = found or ("cannot be read" in line and "audit --heal" in line)
    is_damage = opening and said.code == CORRUPT and told
    if said.code == 0 or is_damage:
        return []
    if said.code != ENVIRONMENT or said.document is not None:
        return [f"exit code {said.code}, {line or said.document}"]
    if "\n" in line or "unexpected" in line or "Traceback" in line:
        return [f"no clear line: {line}"]
    if not any(words in line for words in _WORDS_OF[error]):
        return [f"the line does not say what happened: {line}"]
    return []


def full_disk(seed: int, base: Path) -> Tally:
    """Deposit into an archive on a tmpfs of 2 MB until it is full, and once more with room."""
    tally = Tally()
    place = base / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        tally.skipped.append(f"a full disk: {mounted.stderr.strip() or 'mount failed'}")
        return tally
    try:
        tally.failures += _fill(seed, base, place)
        tally.counts["faults: a disk of 2 MB filled up"] += 1
    finally:
        subprocess.run(["umount", str(place)], check=True)
    return tally


def _fill(seed: int, base: Path, place: Path) -> Iterator[str]:
    archive = place / "archive"
    words = ("--archive", str(archive))
    deliveries = [piece(base / "in" / f"{n}.flac", n, size=90_000) for n in range(12)]
    lines: list[tuple[str, ...]] = [("init", str(archive), "--name", "Full", "--mandate", "M")]
    lines += [("deposit", str(path), *words) for path in deliveries]
    ran = fork(commands(Ways(f"full/{seed}"), lines))
    refused = [said for said in ran.said if said.code]
    if ran.problem or len(ran.said) < len(lines) or not refused:
        yield f"full disk: {ran.problem or 'it was never full'} --seed {seed}"
        return
    for said in refused:
        yield from (
            f"full disk: {line} --seed {seed}" for line in _answer(Ran(0, (said,)), "ENOSPC")
        )
    larger = ["mount", "-o", f"remount,size={16 * FULL_BYTES}", str(place)]
    subprocess.run(larger, check=True)
    again = fork(commands(Ways(f"full/{seed}/again", days=1), lines[1:]))
    failed = [said.error for said in again.said if said.code]
    yield from (f"full disk, with room again: {error} --seed {seed}" for error in failed)

    def work(_writer: int) -> list[str]:
        return check(archive, [*ran.said[1:], *again.said], set(), writer=True)

    checked = fork(work)
    wrong = [checked.problem] if checked.problem else checked.result
    yield from (f"full disk, with room again: {line} --seed {seed}" for line in wrong)
