"""How soon the site stops serving what was withdrawn: a real archive, a real server, a takedown.

A visitor asks for the sound again and again on one connection while `sonotheque rights takedown`
runs. What counts is the time from the moment that the command returned to the first answer that
refuses, and that no request made after that moment is served.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from bench.table import Row, duration

BAR_SECONDS = 1.0
ROUNDS = 10
_AFTER_SECONDS = 1.0
"""So long the visitor goes on asking after the command."""
_RATE_HZ = 44_100
_BY = ("--by", "An artist", "--evidence", "a letter")
_STATEMENT = """\
[[statement]]
issuer = "An artist"
evidence = "a letter"
basis = "own-consent"
uses = ["preserve"]
"""
_ADDRESS = re.compile(r"http://\S+")


def rows(directory: Path) -> list[Row]:
    """`directory` is empty, and is left to the caller."""
    archive = directory / "archive"
    _say(archive, "init", str(archive), "--name", "Bench", "--mandate", "own", "--contact", "a@b.c")
    (directory / "delivery").mkdir()
    sound = _sound(directory / "delivery" / "sound.wav")
    sound.with_name("statements.toml").write_text(_STATEMENT)
    recording = _say(archive, "deposit", str(sound.parent))["items"][0]["recording"]
    uses = ("--use", "stream", "--use", "download", "--basis", "own-consent")
    _say(archive, "rights", "grant", recording, *uses, *_BY)
    waited, served = [], 0
    with _served(archive) as address:
        visitor = http.client.HTTPConnection(address)
        for _ in range(ROUNDS):
            if not _is_served(visitor, recording):
                raise SystemExit("bench: what is allowed is not served")
            command = _command(archive, "rights", "takedown", recording, *_BY)
            seconds, late, entry = _withdrawn(visitor, recording, command)
            waited.append(seconds)
            served += late
            _say(archive, "rights", "revoke", str(entry), *_BY)
    worst = max(waited)
    return [
        Row(
            f"from a takedown's return to the site's refusal, the longest of {ROUNDS}",
            duration(worst),
            f"≤ {duration(BAR_SECONDS)}",
            worst <= BAR_SECONDS,
        ),
        Row("… requests made after that return, and served", f"{served}", "none", served == 0),
    ]


def _withdrawn(
    visitor: http.client.HTTPConnection, recording: str, command: subprocess.Popen[bytes]
) -> tuple[float, int, int]:
    """(seconds from the return of `command` to the first refusal, requests after it that were
    served, the number of the entry)."""
    returned = refused = 0.0
    late = 0
    while not returned or time.perf_counter() < returned + _AFTER_SECONDS:
        if not returned and command.poll() is not None:
            returned = time.perf_counter()
        if _is_served(visitor, recording):
            late += bool(returned)
        else:
            refused = refused or time.perf_counter()
    output, _ = command.communicate()
    if command.returncode or not refused:
        raise SystemExit("bench: the takedown failed, or is not heeded")
    return max(0.0, refused - returned), late, int(json.loads(output)["statement"]["id"])


def _is_served(visitor: http.client.HTTPConnection, recording: str) -> bool:
    visitor.request("GET", f"/recordings/{recording}/audio", headers={"Range": "bytes=0-4095"})
    answer = visitor.getresponse()
    answer.read()
    return answer.status in (200, 206)


def _command(archive: Path, *words: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "sonotheque", *words, "--json"]
    if words[0] != "init":
        line += ["--archive", str(archive)]
    return subprocess.Popen(line, stdout=subprocess.PIPE)


def _say(archive: Path, *words: str) -> Any:
    command = _command(archive, *words)
    output, _ = command.communicate()
    if command.returncode:
        raise SystemExit(f"bench: {' '.join(words[:2])} ended with {command.returncode}")
    return json.loads(output)


@contextlib.contextmanager
def _served(archive: Path) -> Iterator[str]:
    """Host and port of a server of `archive`, a process of its own."""
    line = [sys.executable, "-m", "sonotheque", "serve", "--port", "0", "--archive", str(archive)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as server:
        try:
            told = iter(server.stderr or ())
            found = next(filter(None, map(_ADDRESS.search, told)), None)
            if found is None:
                raise SystemExit("bench: the server did not start")
            yield urlsplit(found[0]).netloc
        finally:
            server.terminate()


def _sound(path: Path) -> Path:
    """Ten seconds of chords that nobody has recorded."""
    chance = np.random.default_rng(5)
    seconds = np.arange(10 * _RATE_HZ) / _RATE_HZ
    chords = [
        sum(np.sin(2 * np.pi * pitch * seconds) for pitch in chance.uniform(110, 1_760, 4))
        for _ in range(8)
    ]
    turns = (seconds / 1.25).astype(int)
    sound = np.choose(turns, chords) / 4 + chance.normal(0, 0.01, len(seconds))
    with wave.open(str(path), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(_RATE_HZ)
        output.writeframes((np.clip(sound, -1, 1) * 30_000).astype("<i2").tobytes())
    return path
