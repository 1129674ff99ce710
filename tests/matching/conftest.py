"""Music and files made for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from numpy.typing import NDArray

Samples = NDArray[np.int16]
RATE_HZ = 44_100


def _compose(seed: int, seconds: float = 30.0) -> Samples:
    """A piece of its own for each `seed`: chords, a melody and a beat; stereo, shape (n, 2)."""
    random = np.random.default_rng(seed)
    scale = 45 + int(random.integers(12)) + np.array([0, 2, 3, 5, 7, 8, 10])
    count = round(seconds * RATE_HZ)
    sound = np.zeros((count, 2))
    at = 0
    while at < count:
        length = int(RATE_HZ * random.uniform(0.2, 0.7))
        time = np.arange(min(length, count - at)) / RATE_HZ
        fade = np.exp(-time * random.uniform(1, 5))
        notes = [*random.choice(scale, 3, replace=False), random.choice(scale) + 24]
        hz = 440 * 2 ** ((np.array(notes) - 69) / 12)
        chord = sum(
            np.sin(2 * np.pi * one * partial * time + random.uniform(0, 6)) / partial
            for one in hz
            for partial in (1, 2, 3)
        )
        sound[at : at + len(time)] += np.outer(chord * fade, random.uniform(0.4, 1, 2))
        sound[at : at + len(time)] += (
            0.3 * random.standard_normal((len(time), 2)) * np.exp(-30 * time)[:, np.newaxis]
        )
        at += length
    sound /= np.abs(sound).max()
    return (sound * 28_000).astype(np.int16)


def _encode(samples: Samples, path: Path, codec: str, **settings: int | str) -> Path:
    """Write `samples` (44.1 kHz, shape (n, channels)) to `path`; its suffix is the container."""
    rate_hz = int(settings.pop("rate_hz", RATE_HZ))
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = RATE_HZ
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz)
        if not isinstance(stream, AudioStream):
            raise TypeError(codec)
        context = stream.codec_context
        context.layout = str(settings.pop("layout", layout))
        context.format = str(settings.pop("sample_format", context.format.name))
        if "bit_rate_bps" in settings:
            context.bit_rate = int(settings.pop("bit_rate_bps"))
        context.open()
        resampler = av.AudioResampler(
            context.format, context.layout, rate_hz, frame_size=context.frame_size or 4_096
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts = None
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def compose() -> Callable[..., Samples]:
    return _compose


@pytest.fixture(scope="session")
def encode() -> Callable[..., Path]:
    return _encode


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """Real recordings beside the repository; skips where they are missing."""
    directory = Path(__file__).parents[2].parent / "shared" / "data" / "audio"
    if not directory.is_dir():
        pytest.skip("the real recordings of ../shared/data/audio are not here")
    return directory
