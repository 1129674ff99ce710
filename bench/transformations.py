"""What is done to a recording so that a copy of it goes unnoticed: each yields samples again.

Sound is int16 of shape (n, 2) at 44.1 kHz. Speed is changed by FFmpeg's `asetrate`, tempo by its
`atempo`, pitch by both; encodings are encoded and decoded.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

RATE_HZ = 44_100
SECONDS = 60
SOURCE_SECONDS = 110
SPEEDS = (0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3)
TEMPOS = (0.75, 0.85, 0.92, 0.97, 1.03, 1.08, 1.15, 1.25)
SEMITONES = (-2, -1, -0.5, 0.5, 1, 2)
FAR_TEMPOS, FAR_SEMITONES = (0.5, 0.6, 1.5, 2.0), (-9, -5, 5, 7, 12)
_BLOCK = 65_536

Samples = NDArray[np.int16]


class Copy(NamedTuple):
    """`tempo` and `cents` are what was done."""

    family: str
    name: str
    samples: Samples
    tempo: float = 1.0
    cents: float = 0.0


def copies(source: Samples, seed: int) -> Iterator[Copy]:
    """Of a `source` of SOURCE_SECONDS or so."""
    chance = random.Random(seed)
    clean = source[: SECONDS * RATE_HZ]
    yield from _plain(source, clean, chance, seed)
    for speed in SPEEDS:
        part = source[: int(SECONDS * speed * RATE_HZ)]
        cents = 1_200 * float(np.log2(speed))
        yield Copy("speed × 0.75–1.3", f"× {speed}", faster(part, speed), speed, cents)
    for tempo in TEMPOS:
        yield Copy("tempo, pitch", f"tempo × {tempo}", _stretched(source, tempo), tempo)
    for semitones in SEMITONES:
        pitched = higher(clean, semitones)
        yield Copy("tempo, pitch", f"{semitones:+} semitones", pitched, 1.0, 100 * semitones)
    for tempo in FAR_TEMPOS:
        yield Copy("beyond", f"tempo × {tempo}", _stretched(source, tempo), tempo)
    for semitones in FAR_SEMITONES:
        pitched = higher(clean, semitones)
        yield Copy("beyond", f"{semitones:+} semitones", pitched, 1.0, 100 * semitones)
    yield Copy("beyond", "one channel inverted", clean * np.array([1, -1], np.int16))
    speed = chance.choice((0.85, 0.9, 1.1, 1.15))
    begin = int(chance.uniform(20, len(source) / RATE_HZ - 25) * RATE_HZ)
    part = faster(source[begin : begin + int(15 * speed * RATE_HZ)], speed)
    cents = 1_200 * float(np.log2(speed))
    name = "speed, noise at 15 dB, 15 s"
    yield Copy("beyond", name, noisy(part, 15, seed), speed, cents)


def _plain(source: Samples, clean: Samples, chance: random.Random, seed: int) -> Iterator[Copy]:
    family = "unchanged in time"
    yield Copy(family, "MP3, 96 kbit/s", encoded(clean, "libmp3lame", 96_000, "mp3"))
    yield Copy(family, "Opus, 48 kbit/s", encoded(clean, "libopus", 48_000, "ogg", 48_000))
    yield Copy(family, "AAC, 64 kbit/s", encoded(clean, "aac", 64_000, "adts"))
    yield Copy(family, "louder, clipped", _clipped(clean * 2.8))
    quieter = _clipped(clean * 0.6)
    equalised = filtered(quieter, ("bass", "g=6:f=200"), ("treble", "g=-8:f=4000"))
    yield Copy(family, "equalised", equalised)
    yield Copy(family, "first 5 s cut off", source[5 * RATE_HZ : (5 + SECONDS) * RATE_HZ])
    begin = int(chance.uniform(20, len(source) / RATE_HZ - 11) * RATE_HZ)
    yield Copy(family, "10 s of it", source[begin : begin + 10 * RATE_HZ])
    yield Copy(family, "noise at 10 dB", noisy(clean, 10, seed))


def faster(samples: Samples, speed: float) -> Samples:
    rate = f"{round(RATE_HZ * speed)}"
    return filtered(samples, ("asetrate", rate), ("aresample", f"{RATE_HZ}"))


def higher(samples: Samples, semitones: float) -> Samples:
    ratio = 2 ** (semitones / 12)
    rate = ("asetrate", f"{round(RATE_HZ * ratio)}"), ("aresample", f"{RATE_HZ}")
    return filtered(samples, *rate, ("atempo", f"{1 / ratio:.6f}"))


def _stretched(source: Samples, tempo: float) -> Samples:
    part = source[: int(SECONDS * min(tempo, 1) * RATE_HZ)]
    return filtered(part, ("atempo", f"{tempo}"))


def noisy(samples: Samples, decibels: float, seed: int) -> Samples:
    """With white noise so far below the mean power."""
    level = np.sqrt((samples.astype(np.float64) ** 2).mean() + 1) * 10 ** (-decibels / 20)
    noise = np.random.default_rng(seed).standard_normal(samples.shape)
    return _clipped(samples + level * noise)


def _clipped(samples: NDArray[np.floating[Any]]) -> Samples:
    clipped: Samples = np.clip(samples, -32_768, 32_767).astype(np.int16)
    return clipped


def filtered(samples: Samples, *filters: tuple[str, str]) -> Samples:
    graph = av.filter.Graph()
    source = last = graph.add_abuffer(format="s16", sample_rate=RATE_HZ, layout="stereo")
    for name, arguments in (*filters, ("aformat", "sample_fmts=s16:channel_layouts=stereo")):
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    sink = graph.add("abuffersink")
    last.link_to(sink)
    graph.configure()
    found: list[Samples] = []

    def pull() -> None:
        while True:
            try:
                frame = sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if isinstance(frame, av.AudioFrame):
                found.append(_samples(frame))

    for begin in range(0, len(samples), _BLOCK):
        source.push(_frame(samples[begin : begin + _BLOCK], begin))
        pull()
    source.push(None)
    pull()
    return np.concatenate(found)


def _samples(frame: av.AudioFrame) -> Samples:
    """Of an interleaved stereo frame of 16 bits."""
    return np.asarray(frame.to_ndarray().reshape(-1, 2), np.int16)


def _frame(samples: Samples, at: int) -> av.AudioFrame:
    row = np.ascontiguousarray(samples).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(row, format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
    return frame


def encoded(
    samples: Samples, codec: str, bit_rate_bps: int, container: str, rate_hz: int = RATE_HZ
) -> Samples:
    """Encoded and decoded again."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz)
        if not isinstance(stream, AudioStream):
            raise TypeError(codec)
        context = stream.codec_context
        context.layout, context.bit_rate = "stereo", bit_rate_bps
        resampler = av.AudioResampler(
            context.format.name, "stereo", rate_hz, frame_size=context.frame_size or None
        )
        for frame in (*resampler.resample(_frame(samples, 0)), *resampler.resample(None)):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    return decoded(file)


def decoded(file: Path | io.BytesIO, seconds_max: float = 1e9) -> Samples:
    found: list[Samples] = []
    count = 0
    source = str(file) if isinstance(file, Path) else file
    with av.open(source, "r", metadata_errors="replace") as sound:
        resampler = av.AudioResampler("s16", "stereo", RATE_HZ)
        for frame in sound.decode(audio=0):
            frame.pts = None
            for part in resampler.resample(frame):
                found.append(_samples(part))
                count += len(found[-1])
            if count >= seconds_max * RATE_HZ:
                break
    return np.concatenate(found)[: int(min(seconds_max * RATE_HZ, count))]
