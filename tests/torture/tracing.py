"""strace: which calls change something, and a child that dies or fails at one of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commands import Ran, fork

MUTATING = (
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile"),
    *("splice", "ftruncate", "truncate", "fallocate", "fsync", "fdatasync", "sync_file_range"),
    *("msync", "syncfs", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "unlink"),
    *("unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat", "open", "openat", "creat"),
    *("chmod", "fchmod", "fchmodat", "utimensat"),
)
"""The calls that change what is on a disk; of the opening ones, those that make a file."""
OPENING = ("open", "openat", "creat")
_LINE = re.compile(r"(\d+) +(\w+)\((.*)")


@dataclass(frozen=True, order=True)
class Call:
    """The `number`th call (from 1) of that name that a thread makes."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name}#{self.number}"


def missing() -> str:
    """Why nothing can be traced here; empty where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    _, calls = record(lambda _writer: Path(os.devnull).write_bytes(b"x"))
    return "" if calls else "strace may not trace here (ptrace is forbidden)"


def record(work: Callable[[int], object]) -> tuple[Ran, list[Call]]:
    """Run `work` in a child; how it ended, and the mutating calls that it made."""
    with tempfile.NamedTemporaryFile(mode="r", prefix="strace-") as log:
        ran = _traced(work, f"trace={_names(MUTATING)}", log.name)
        return ran, _calls(log.read())


def killed(work: Callable[[int], object], call: Call) -> Ran:
    """Run `work` in a child that is killed when it is about to make `call`."""
    return _traced(work, f"inject={call.name}:signal=KILL:when={call.number}")


def failing(work: Callable[[int], object], call: Call, error: str, *, on: bool) -> Ran:
    """Run `work` in a child for which `call` fails with `error`, and, if `on`, every later call
    of that name."""
    return _traced(work, f"inject={call.name}:error={error}:when={call.number}{'+' * on}")


def _names(names: tuple[str, ...]) -> str:
    # Not every machine has every call; strace passes over those with a question mark.
    return ",".join(f"?{name}" for name in names)


def _traced(work: Callable[[int], object], expression: str, log: str = os.devnull) -> Ran:
    def attach(child: int) -> Callable[[], None]:
        words = ["strace", "-f", "-o", log, "-e", expression, "-p", str(child)]
        strace = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        stderr = strace.stderr
        if stderr is None or "attached" not in (first := stderr.readline()):
            raise RuntimeError(f"strace: {first if stderr else ''}")

        def detach() -> None:
            strace.communicate()

        return detach

    return fork(work, attach)


def _calls(log: str) -> list[Call]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    found = {}
    for line in log.splitlines():
        if match := _LINE.match(line):
            thread, name, rest = match.groups()
            counts[thread][name] += 1
            if name not in OPENING or "O_CREAT" in rest or "O_TRUNC" in rest:
                found[Call(name, counts[thread][name])] = True
    return list(found)
