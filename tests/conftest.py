"""Music, files, and archives that several rooms' tests are made of."""

from __future__ import annotations

import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import av
import mutagen
import mutagen.apev2
import mutagen.id3
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.config import Config, Root
from sonotheque.deposit import accession
from sonotheque.model.holdings import Receipt

Samples = NDArray[np.int16]
RATE_HZ = 44_100
NOW = "2026-11-20T10:00:00.000000Z"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"

# suffix of the tests' own → codec of FFmpeg, sample format; the rest is written by libsndfile.
_FFMPEG = {
    ".mp3": ("libmp3lame", "s16p"),
    ".opus": ("libopus", "s16"),
    ".m4a": ("aac", "fltp"),
    ".alac.m4a": ("alac", "s16p"),
    ".wv": ("wavpack", "s16p"),
}
_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "date": "TDRC",
    "isrc": "TSRC",
    "label": "TPUB",
    "genre": "TCON",
    "track": "TRCK",
    "copyright": "TCOP",
    "composer": "TCOM",
}
_MP4 = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "date": "\xa9day",
    "genre": "\xa9gen",
    "comment": "\xa9cmt",
    "copyright": "cprt",
    "composer": "\xa9wrt",
}
_VORBIS = {"label": "organization", "track": "tracknumber"}
_APE = {"date": "Year", "license": "License", "isrc": "ISRC"}


@cache
def compose(seed: int, seconds: float = 10.0) -> Samples:
    """A piece of its own for each `seed`: chords, a melody and a beat; stereo, shape (n, 2)."""
    random = np.random.default_rng(seed)
    scale = 45 + int(random.integers(12)) + np.array([0, 2, 3, 5, 7, 8, 10])
    count = round(seconds * RATE_HZ)
    sound = np.zeros((count, 2))
    at = 0
    while at < count:
        length = min(int(RATE_HZ * random.uniform(0.2, 0.7)), count - at)
        time = np.arange(length) / RATE_HZ
        notes = [*random.choice(scale, 3, replace=False), random.choice(scale) + 24]
        hz = 440 * 2 ** ((np.array(notes)[:, np.newaxis] - 69) / 12)
        chord = sum(
            np.sin(2 * np.pi * partial * hz * time + random.uniform(0, 6)).sum(axis=0) / partial
            for partial in (1, 2, 3)
        )
        fade = np.exp(-time * random.uniform(1, 5))
        sound[at : at + length] = np.outer(chord * fade, random.uniform(0.4, 1, 2))
        beat = random.standard_normal((length, 2)) * np.exp(-30 * time)[:, np.newaxis]
        sound[at : at + length] += 0.3 * beat
        at += length
    samples: Samples = (sound / np.abs(sound).max() * 28_000).astype(np.int16)
    samples.flags.writeable = False
    return samples


def encode(path: Path, samples: Samples) -> Path:
    """Write `samples` to `path` in the format that its suffix (`.alac.m4a`: ALAC) names."""
    ending = ".alac.m4a" if path.name.endswith(".alac.m4a") else path.suffix
    if ending == ".bwf":
        _encode_broadcast_wave(path, samples)
    elif ending in _FFMPEG:
        _encode_with_ffmpeg(path, samples, *_FFMPEG[ending])
    else:
        kinds = {".ogg": ("OGG", "VORBIS"), ".rf64": ("RF64", "PCM_16"), ".aif": ("AIFF", "PCM_16")}
        kind, subtype = kinds.get(ending, (ending[1:].upper(), "PCM_16"))
        with soundfile.SoundFile(path, "w", RATE_HZ, samples.shape[1], subtype, format=kind) as out:
            # libsndfile's Vorbis encoder overflows its stack on long blocks.
            for start in range(0, len(samples), 65_536):
                out.write(samples[start : start + 65_536])
    return path


def _encode_with_ffmpeg(path: Path, samples: Samples, codec: str, sample_format: str) -> None:
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    rate_hz = 48_000 if codec == "libopus" else RATE_HZ
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout=layout
    )
    frame.sample_rate = RATE_HZ
    with av.open(str(path), "w") as container:
        stream = cast(av.AudioStream, container.add_stream(codec, rate=rate_hz))
        stream.codec_context.layout = layout
        stream.codec_context.format = sample_format
        stream.codec_context.open()
        resampler = av.AudioResampler(
            sample_format, layout, rate_hz, frame_size=stream.codec_context.frame_size or 4_096
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts = None
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def _encode_broadcast_wave(path: Path, samples: Samples) -> None:
    """A WAV with the `bext` chunk of EBU Tech 3285 (version 1) before its sound."""
    bext = b"A description".ljust(256, b"\0") + b"sonotheque".ljust(32, b"\0")
    bext = bext.ljust(602, b"\0")
    form = struct.pack("<HHIIHH", 1, 2, RATE_HZ, RATE_HZ * 4, 4, 16)
    content = samples.tobytes()
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body
        for name, body in ((b"bext", bext), (b"fmt ", form), (b"data", content))
    )
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


def tag(path: Path, **tags: str) -> Path:
    """Write `tags` (title, artist, album, date, isrc, license, copyright …) as the format does."""
    if path.suffix == ".wv":
        ape: Any = mutagen.apev2.APEv2()  # type: ignore[no-untyped-call]
        for name, value in tags.items():
            ape[_APE.get(name, name.title())] = value
        ape.save(path)
        return path
    file: Any = mutagen.File(path)
    frames: Any = mutagen.id3
    if file.tags is None:
        file.add_tags()
    written: Any = file.tags
    if isinstance(file.tags, mutagen.id3.ID3):
        for name, value in tags.items():
            if name == "license":
                written.add(frames.WCOP(url=value))
            elif name == "comment":
                written.add(frames.COMM(encoding=3, lang="eng", desc="", text=[value]))
            else:
                written.add(getattr(frames, _ID3[name])(encoding=3, text=[value]))
    elif path.suffix == ".m4a":
        for name, value in tags.items():
            freeform = f"----:com.apple.iTunes:{name.upper()}"
            file[_MP4.get(name, freeform)] = [value if name in _MP4 else value.encode()]
    else:
        for name, value in tags.items():
            file[_VORBIS.get(name, name)] = [value]
    file.save()
    return path


@dataclass(frozen=True)
class Music:
    """Makes music files; `seed` names the piece, so one seed in two formats is one recording."""

    def file(self, path: Path, seed: int, *, seconds: float = 10.0, **tags: str) -> Path:
        """A file at `path` by "Artist SEED", under CC BY 4.0 where no tags are named."""
        path.parent.mkdir(parents=True, exist_ok=True)
        encode(path, compose(seed, seconds))
        plain = {"title": f"Piece {seed}", "artist": f"Artist {seed}", "license": CC_BY}
        return tag(path, **(tags or plain))

    def bare(self, path: Path, seed: int, *, seconds: float = 10.0) -> Path:
        """A file at `path` without tags."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return encode(path, compose(seed, seconds))


@pytest.fixture(scope="session")
def music() -> Music:
    return Music()


class Sounds:
    """Sound by itself, to be changed before it is written."""

    compose = staticmethod(compose)
    encode = staticmethod(encode)
    tag = staticmethod(tag)

    @staticmethod
    def resampled(samples: Samples, rate_hz: int) -> Samples:
        """`samples` at RATE_HZ, in stereo."""
        places = np.arange(0, len(samples) - 1, rate_hz / RATE_HZ)
        one = [np.interp(places, np.arange(len(samples)), channel) for channel in samples.T]
        return np.stack([one[0], one[-1]], axis=1).astype(np.int16)


@pytest.fixture(scope="session")
def sounds() -> Sounds:
    return Sounds()


def _make_archive(directory: Path) -> Archive:
    roots = (Root("main", directory / "vault"), Root("copy-1", directory / "replica"))
    return archives.create(
        Config(directory=directory, name="Test", mandate="Test Act, section 1", roots=roots)
    )


@pytest.fixture(scope="session")
def make_archive() -> Callable[[Path], Archive]:
    """Make an archive with two roots in a directory."""
    return _make_archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """A new archive with two roots in `tmp_path`/archive."""
    with _make_archive(tmp_path / "archive") as made:
        yield made


@contextmanager
def _serve_s3(*disregarded: str) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("s3_server.py")), *disregarded]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            if server.stdout is None or not (port := server.stdout.readline().strip()):
                raise RuntimeError("the S3 server did not start")
            endpoint = f"http://127.0.0.1:{port}"
            bucket = urllib.request.Request(f"{endpoint}/tests", method="PUT")
            urllib.request.urlopen(bucket).close()
            yield endpoint
        finally:
            server.kill()


@pytest.fixture(scope="session")
def serve_s3() -> Iterator[Callable[..., Any]]:
    """Run another S3 server, which disregards the headers that are named, as a context that
    gives its endpoint; it has the bucket `tests`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "for-tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "for-tests")
        patch.setenv("AWS_REGION", "us-east-1")
        yield _serve_s3


@pytest.fixture(scope="session")
def s3(serve_s3: Callable[..., Any]) -> Iterator[str]:
    """The endpoint of an S3 server that has the bucket `tests`."""
    with serve_s3() as endpoint:
        yield endpoint


@pytest.fixture
def deposit(archive: Archive) -> Callable[..., Receipt]:
    """Deposit paths into `archive`."""

    def run(*paths: Path, now: str = NOW, statements: Path | None = None) -> Receipt:
        return accession.deposit(archive, paths, now, statements=statements)

    return run


@pytest.fixture(scope="session")
def kept() -> Callable[[Archive], dict[str, bytes]]:
    """Every file of an archive's vault, replicas and ledger, to compare before and after."""
    return _kept


def _kept(archive: Archive) -> dict[str, bytes]:
    places: Sequence[Path] = (*(Path(root.where) for root in archive.roots), archive.config.ledger)
    return {
        str(path.relative_to(archive.config.directory)): path.read_bytes()
        for place in places
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """Real recordings beside the repository; skips where they are missing."""
    directory = Path(__file__).parents[2] / "shared" / "data" / "audio"
    if not directory.is_dir():
        pytest.skip("the real recordings of ../shared/data/audio are not here")
    return directory
