"""Commands of the archive, run in a forked child as the command line runs them.

Two things are put in the place of what costs too much time to be done ten thousand times, or
would make no two runs alike: the decoder (what is known of a file stands in its first line), and
chance and the clock (identifiers and times come from a seed). Everything else is the product.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import json
import os
import random
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from sonotheque import cli
from sonotheque.archive import Archive
from sonotheque.deposit import accession
from sonotheque.deposit.inspection import Inspection
from sonotheque.deposit.package import PackageFile
from sonotheque.model.identifiers import DepositId, RecordingId, Sha512, to_crockford
from sonotheque.model.music import AudioProperties, Fingerprints
from sonotheque.store import clock

EPOCH = datetime(2026, 11, 20, 10, tzinfo=UTC)
LICENCE = "https://creativecommons.org/licenses/by/4.0/"
DURATION_MS = 10_000
_WORDS = 80
_PR_SET_PTRACER = 0x59616D61

# What a worker's process needs is imported before it is forked, or each would import it again.
PRELOADED = (
    *("sonotheque.cli.keeping", "sonotheque.cli.rights", "sonotheque.cli.publishing"),
    *("sonotheque.publication.edition", "sonotheque.deposit.recovery"),
)


@dataclass(frozen=True)
class Said:
    """What one command said: its exit code, its document, and its line on standard error."""

    words: tuple[str, ...]
    code: int
    document: Any = None
    error: str = ""


@dataclass(frozen=True)
class Ran:
    """How a forked child ended, and what it had said by then. `promise` is what it said should
    be on the disk; `problem` is a traceback."""

    signal: int = 0
    said: tuple[Said, ...] = ()
    promise: Any = None
    result: Any = None
    problem: str = ""


@dataclass(frozen=True)
class Ways:
    """How a child's commands differ from a user's: `seed` names its identifiers; its clock
    starts `days` after EPOCH and goes `step` forward (or backward) each time it is asked."""

    seed: str
    days: float = 0.0
    step: timedelta = field(default=timedelta(seconds=1))


def piece(path: Path, number: int, encoding: int = 1, size: int = 2_000) -> Path:
    """Write what stands for an audio file: encoding `encoding` of piece `number`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first = json.dumps({"piece": number, "encoding": encoding}).encode() + b"\n"
    path.write_bytes(first + random.Random(f"{number}/{encoding}").randbytes(size))
    return path


def _look_into(_archive: Archive, files: Sequence[PackageFile], _progress: object) -> Iterator[Any]:
    for file in files:
        content = file.path.read_bytes()
        number = int(json.loads(content.partition(b"\n")[0])["piece"])
        chance = random.Random(number)
        words = b"".join(chance.randbytes(4) for _ in range(_WORDS))
        audio = AudioProperties(
            container="flac", codec="flac", lossless=True, sample_rate_hz=44_100, channels=2,
            bits_per_sample=16, bit_rate_bps=700_000, duration_ms=DURATION_MS,
        )  # fmt: skip
        tags = {"title": [f"Piece {number}"], "artist": [f"Artist {number}"], "license": [LICENCE]}
        prints = Fingerprints(chromaprint=words, duration_ms=DURATION_MS)
        inspection = Inspection(audio=audio, fingerprints=prints, tags=tags)
        yield Sha512(hashlib.sha512(content).hexdigest()), inspection


class _Clock(datetime):
    """In the place of `datetime` in the module that asks the time."""

    ways = Ways("")
    asked = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        cls.asked += 1
        return EPOCH + timedelta(days=cls.ways.days) + cls.asked * cls.ways.step


def prepare(ways: Ways) -> None:
    """Make this process (a forked child) one whose commands are cheap and repeatable."""
    chance = random.Random(ways.seed)
    _Clock.ways = ways
    for module, name, instead in (
        (clock, "datetime", _Clock),
        (accession, "look_into", _look_into),
    ):
        setattr(module, name, instead)
    mint = {"recording": RecordingId, "deposit": DepositId}
    for name, kind in mint.items():
        setattr(
            accession,
            f"mint_{name}_id",
            lambda kind=kind: kind(to_crockford(chance.getrandbits(63))),
        )


def run(words: Sequence[str]) -> Said:
    """Run one command as its user does, with `--json`."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([*words, "--json"])
    out.flush()
    text = out.buffer.getvalue().decode()
    return Said(tuple(words), code, json.loads(text) if text else None, err.getvalue())


def say(speaker: int, kind: str, value: Any) -> None:
    """Write one line to the driver: nothing that it has not read was acknowledged. By a call
    that is on no list of those at which a child dies or fails."""
    with socket.socket(fileno=os.dup(speaker)) as speaking:
        speaking.sendall(json.dumps({kind: value}).encode() + b"\n")


def fork(
    work: Callable[[int], Any], attach: Callable[[int], Callable[[], None]] | None = None
) -> Ran:
    """Run `work` in a child and wait for it; `work` is given where to `say` what it did.

    `attach` is called with the child's number before the child starts to work, and what it
    returns once the child is dead.
    """
    listening, speaking = socket.socketpair()
    reader, writer = listening.detach(), speaking.detach()
    waiting, go = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.close(go)
        _be_child(work, waiting, writer)
    os.close(writer)
    os.close(waiting)
    detach = attach(child) if attach else None
    os.write(go, b"!")
    os.close(go)
    with os.fdopen(reader, "rb") as lines:
        text = lines.read()
    _, status = os.waitpid(child, 0)
    if detach:
        detach()
    return _ran(text, status)


def _be_child(work: Callable[[int], Any], waiting: int, writer: int) -> None:
    try:
        # Where Yama is at work, a process is traced only by its ancestors, or by leave.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
        os.read(waiting, 1)
        say(writer, "result", work(writer))
    except BaseException:
        with contextlib.suppress(OSError):
            say(writer, "problem", traceback.format_exc())
    finally:
        os._exit(0)


def _ran(text: bytes, status: int) -> Ran:
    lines = [json.loads(line) for line in text.split(b"\n")[:-1]]
    found: dict[str, Any] = {}
    said = []
    for line in lines:
        if "said" in line:
            words, *rest = line["said"]
            said.append(Said(tuple(words), *rest))
        found |= line
    return Ran(
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        said=tuple(said),
        promise=found.get("promise"),
        result=found.get("result"),
        problem=found.get("problem", ""),
    )


def commands(ways: Ways, lines: Sequence[Sequence[str]]) -> Callable[[int], None]:
    """The work of a child that runs `lines` one after the other, and says what each said."""

    def work(writer: int) -> None:
        prepare(ways)
        for words in lines:
            said = run(words)
            say(writer, "said", [said.words, said.code, said.document, said.error])

    return work
