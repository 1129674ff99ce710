"""What a piece of work costs in a process of its own: time, memory and disk, at their peak.

Memory and disk are looked at some times a second, so that a shorter peak goes unseen. Linux only.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.table import Watch

_MEMORY_EVERY_SECONDS = 0.2
_DISK_EVERY = 10
"""Walking a directory is dearer: one look at it for so many at the memory."""
_GRACE_SECONDS = 5


@dataclass(slots=True)
class Peak:
    """The highest seen. `anonymous_bytes` is the RssAnon of the process and its children together,
    which no cache can give back; `process_bytes` the greatest VmHWM of one of them, with what it
    had mapped of files."""

    anonymous_bytes: int = 0
    process_bytes: int = 0
    disk_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds exclude the start of the process; `cpu` is that of the children it waited for too."""

    wall: float
    cpu: float
    peak: Peak


def measured(
    call: Callable[..., Any], *arguments: Any, below: Path | None = None, **named: Any
) -> tuple[Any, Cost]:
    """What `call` answers in a new process, and what it cost; disk is what lies `below`.

    Whatever it raises is raised here. When this process is interrupted, it ends that one.
    """
    spawning = multiprocessing.get_context("spawn")
    receiver, sender = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_answer, args=(sender, call, arguments, named))
    process.start()
    sender.close()
    try:
        with _watching(process.pid or 0, below) as peak:
            answer, wall, cpu = receiver.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"bench: {call.__name__} ended with {process.exitcode}") from None
    finally:
        _end(process)
    if isinstance(answer, BaseException):
        raise answer
    return answer, Cost(wall, cpu, peak)


def _answer(
    sender: Connection, call: Callable[..., Any], arguments: Any, named: dict[str, Any]
) -> None:
    watch = Watch()
    answer: Any
    try:
        answer = call(*arguments, **named)
    except Exception as error:
        answer = error
    sender.send((answer, *watch.read()))


def _end(process: Any) -> None:
    """Interrupt `process`, so that it ends its own children, where it does not end by itself: it
    has answered, or has had the same Ctrl-C."""
    process.join(_GRACE_SECONDS)
    if process.is_alive():
        os.kill(process.pid, signal.SIGINT)
        process.join(_GRACE_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()


@contextmanager
def _watching(root: int, below: Path | None) -> Iterator[Peak]:
    peak = Peak()
    ended = threading.Event()

    def look() -> None:
        turn, is_ended = 0, False
        while not is_ended:
            is_ended = ended.wait(_MEMORY_EVERY_SECONDS)
            anonymous, process = _memory(root)
            peak.anonymous_bytes = max(peak.anonymous_bytes, anonymous)
            peak.process_bytes = max(peak.process_bytes, process)
            if below and (is_ended or turn % _DISK_EVERY == 0):
                peak.disk_bytes = max(peak.disk_bytes, disk_bytes(below))
            turn += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def disk_bytes(directory: Path) -> int:
    """What the files below `directory` take of the disk, each counted once however many names it
    has; files that go in the meantime do not count."""
    found: dict[int, int] = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                status = (Path(parent) / name).lstat()
                found[status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def _memory(root: int) -> tuple[int, int]:
    """(RssAnon of `root` and all below it together, the greatest VmHWM among them)."""
    anonymous, greatest = 0, 0
    for process in _family(root):
        with suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{process}/status").read_text(errors="replace").splitlines()
            parts = (line.split() for line in lines if line.endswith(" kB"))
            kilobytes = {words[0]: int(words[1]) for words in parts}
            anonymous += 1024 * kilobytes.get("RssAnon:", 0)
            greatest = max(greatest, 1024 * kilobytes.get("VmHWM:", 0))
    return anonymous, greatest


def _family(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            # The name, in brackets, may hold anything; after it the state and the parent.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    family = [root]
    for member in family:
        family += children.get(member, [])
    return family
