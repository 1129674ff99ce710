"""From an audio file to how it sounds: one decoding gives properties, errors and fingerprints.

Runs on hostile files, in a process confined by the caller: nothing a file says of itself is
trusted, and memory does not grow with its length but for 0.4 kB a second of sound.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from sonotheque.errors import BadInput
from sonotheque.matching.balance import Balance, inverted
from sonotheque.matching.chromaprint import Chromaprinter
from sonotheque.matching.iscc import audio_code
from sonotheque.matching.landmarks import LandmarkFinder
from sonotheque.matching.spectrum import (
    FINE,
    FINE_HOP_SAMPLES,
    SAMPLE_RATE_HZ,
    Power,
    Spectrograph,
)
from sonotheque.matching.views import Viewer
from sonotheque.matching.warp import Painter
from sonotheque.model.music import AudioProperties, Fingerprints
from sonotheque.store import files, memory

DURATION_MAX_MS = 24 * 3_600_000

_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska"}
_DEMUXER_OPTIONS = {
    # Playlists, captures and network protocols would let a file name other files to read.
    "format_whitelist": "aac,ac3,aiff,amr,ape,asf,au,caf,dsf,dts,eac3,flac,matroska,webm,"
    "mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,ogg,shn,tak,truehd,tta,voc,w64,wav,wv",
    "protocol_whitelist": "file",
}
_RESAMPLER_OPTIONS = {
    # Chromaprint's own resampler has these settings; with them whole files of any rate give
    # the words that fpcalc gives (all but 5 of 48,536).
    "filter_size": "16",
    "phase_shift": "8",
    "linear_interp": "0",
    "exact_rational": "0",
    "cutoff": "0.8",
}
_BATCH_SAMPLES = 65_536
"""How much is resampled at once: frame by frame would cost as much again as the decoding."""
_RATES_HZ = range(1_000, 3_000_001)
"""What the resampler can be given: from 1 Hz it would make gigabytes out of one batch."""
_HEADER_BYTES = 28

_SOUNDFILE_CONTAINERS = {"mpeg": "mp3", "wavex": "wav", "rf64": "wav"}
_LOSSLESS = frozenset(
    {"pcm", "flac", "alac", "wavpack", "ape", "tta", "tak", "shorten", "truehd", "dsd"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What decoding found. `claimed_duration_ms` is how long the header says the sound is, None
    where it does not say; well over `audio.duration_ms`, the file was cut short."""

    audio: AudioProperties
    fingerprints: Fingerprints
    claimed_duration_ms: int | None


def measure(path: Path, *, duration_max_ms: int = DURATION_MAX_MS) -> Measured:
    """Decode the whole of `path` once: what it is, how long it plays, how it sounds.

    FFmpeg decodes (PyAV), and libsndfile where FFmpeg finds nothing. Packets that cannot be
    decoded are counted in `audio.decode_errors` and left out. Raises BadInput where there is no
    sound to decode or more than `duration_max_ms` of it, EnvironmentFailure where the disk fails.
    """
    memory.keep_freed()
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
            byte_count = file.seek(0, 2)
    except OSError as error:
        raise files.explain(error, path) from error
    if not byte_count:
        raise BadInput("is empty", where=str(path), remedy="copy it again from where it came from")
    listener = _Listener(path, duration_max_ms)
    measured = _measure_with_ffmpeg(path, listener, header) or _measure_with_sndfile(
        path, _Listener(path, duration_max_ms)
    )
    if measured is None:
        raise BadInput(
            "holds no sound that can be decoded",
            where=str(path),
            remedy="check that it plays elsewhere, then export it again as FLAC or WAV",
        )
    if not listener.balance.is_suspicious():
        return measured
    again = _Listener(path, duration_max_ms, inverts=True)
    inverted = _measure_with_ffmpeg(path, again, header)
    difference = inverted.fingerprints if inverted else None
    return replace(measured, fingerprints=replace(measured.fingerprints, difference=difference))


class Printer:
    """Collects sound and says how it sounds: one row of spectra gives all its fingerprints but
    the fine view."""

    def __init__(self) -> None:
        self._chromaprinter, self._finder = Chromaprinter(), LandmarkFinder()
        self._painter, self._viewer = Painter(), Viewer()
        self._spectrograph = Spectrograph(FINE_HOP_SAMPLES, self._see)

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Add `samples`: shape (n,), mono, 11,025 Hz."""
        self._spectrograph.feed(samples)
        self._viewer.feed(samples)

    def fingerprints(self, duration_ms: int) -> Fingerprints:
        """End the sound; what it is recognised by."""
        self._spectrograph.end()
        return Fingerprints(
            chromaprint=self._chromaprinter.words().astype("<u4").tobytes(),
            duration_ms=duration_ms,
            landmarks=self._finder.landmarks().astype("<u4").tobytes(),
            picture=self._painter.picture(),
            coarse=self._viewer.coarse(),
            fine=self._viewer.fine(),
        )

    def _see(self, power: Power) -> None:
        self._chromaprinter.see(power[::FINE])
        levels = self._finder.levels(power)
        self._finder.see(power, levels)
        self._painter.see(power)
        self._viewer.see(power, levels)


class _Listener:
    """Takes decoded frames of any rate and layout, counts their time, and fingerprints them, or
    their difference where it `inverts` the second of two channels."""

    def __init__(self, path: Path, duration_max_ms: int, *, inverts: bool = False) -> None:
        self.balance = Balance()
        self._inverts = inverts
        self.decode_errors = 0
        self.channels = 0
        self._sample_rate_hz = 0
        self._path = path
        self._duration_max_ms = duration_max_ms
        self._printer = Printer()
        self._shape: tuple[str, int, int] | None = None
        self._samples = 0
        self._earlier_ms = 0.0

    def hear_all(self, frames: Iterable[AudioFrame]) -> None:
        """Take the frames of one packet; those that make no sense count as errors."""
        for frame in frames:
            try:
                self._hear(frame)
            except (FFmpegError, ValueError):
                self.decode_errors += 1

    def measured(
        self,
        *,
        container: str,
        codec: str,
        bits_per_sample: int,
        byte_count: int,
        claimed_duration_ms: int | None,
    ) -> Measured | None:
        """End the listening; what was heard, None where nothing was."""
        self._end()
        duration_ms = round(self._earlier_ms)
        if not duration_ms:
            return None
        lossless = codec in _LOSSLESS
        fingerprints = self._printer.fingerprints(duration_ms)
        audio = AudioProperties(
            container=container,
            codec=codec,
            lossless=lossless,
            sample_rate_hz=self._sample_rate_hz,
            channels=self.channels,
            bits_per_sample=bits_per_sample if lossless else 0,
            bit_rate_bps=round(8_000 * byte_count / duration_ms),
            duration_ms=duration_ms,
            decode_errors=self.decode_errors,
            iscc=audio_code(fingerprints.chromaprint),
        )
        return Measured(
            audio=audio,
            fingerprints=fingerprints,
            claimed_duration_ms=claimed_duration_ms,
        )

    def _hear(self, frame: AudioFrame) -> None:
        shape = (frame.format.name, frame.sample_rate, frame.layout.nb_channels)
        if shape != self._shape:
            # The first frame, or a change in mid-stream; the queue would not notice the latter.
            self._begin(shape)
        frame.pts = None
        self._queue.write(frame)
        self._samples += frame.samples
        if self._queue.samples >= _BATCH_SAMPLES:
            self._drain()

    def _begin(self, shape: tuple[str, int, int]) -> None:
        _, rate_hz, channels = shape
        if rate_hz not in _RATES_HZ or channels <= 0:
            raise ValueError(f"{rate_hz} Hz, {channels} channels")
        self._end()
        self._shape = shape
        self._sample_rate_hz = self._sample_rate_hz or rate_hz
        self.channels = self.channels or channels
        self._queue = av.AudioFifo()
        self._resampler = av.AudioResampler(
            "s16", "mono", SAMPLE_RATE_HZ, options=_RESAMPLER_OPTIONS
        )

    def _end(self) -> None:
        if self._shape:
            self._drain()
            self._feed(self._resampler.resample(None))
            self._earlier_ms = self._heard_ms()
            self._samples = 0
            self._shape = None

    def _drain(self) -> None:
        queued = self._queue.read()
        if queued is not None:
            self.balance.hear(queued)
            if self._inverts:
                queued = inverted(queued)
            self._feed(self._resampler.resample(queued))
        if self._heard_ms() > self._duration_max_ms:
            raise BadInput(
                f"plays longer than {self._duration_max_ms / 60_000:g} minutes",
                where=str(self._path),
                remedy="cut it into parts and deposit those",
            )

    def _heard_ms(self) -> float:
        current_ms = 1_000 * self._samples / self._shape[1] if self._shape else 0.0
        return self._earlier_ms + current_ms

    def _feed(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._printer.feed(frame.to_ndarray().reshape(-1).astype(np.int16, copy=False))


def _measure_with_ffmpeg(path: Path, listener: _Listener, header: bytes) -> Measured | None:
    """None where FFmpeg knows no such format, finds no sound in the file, or decodes none of it.

    `header` holds the first bytes of the file.
    """
    try:
        with av.open(
            # An absolute path cannot be taken for a protocol, as `data:x.flac` would be.
            str(path.absolute()),
            "r",
            options=_DEMUXER_OPTIONS,
            metadata_errors="replace",
        ) as container:
            stream = next(iter(container.streams.audio), None)
            # The stream of a codec that FFmpeg does not know has no codec context.
            if stream is None or getattr(stream, "codec_context", None) is None:
                return None
            byte_count = _listen_to(container, stream, listener)
            if not listener.channels:
                return None
            codec = _codec_name(stream.codec_context.codec.canonical_name)
            return listener.measured(
                container=_CONTAINERS.get(container.format.name, container.format.name),
                codec=codec,
                bits_per_sample=_bits_per_sample(stream, codec, header),
                byte_count=byte_count,
                claimed_duration_ms=_claimed_duration_ms(container, stream, header),
            )
    except (FFmpegError, ValueError):
        return None


def _listen_to(container: InputContainer, stream: AudioStream, listener: _Listener) -> int:
    """Decode `stream` packet by packet to its end; how many bytes its packets had."""
    byte_count = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            listener.decode_errors += 1
            # The container is broken from here on; what the decoder still holds is good.
            with contextlib.suppress(FFmpegError):
                listener.hear_all(stream.decode(None))
            return byte_count
        if packet is None:
            return byte_count
        byte_count += packet.size
        try:
            listener.hear_all(packet.decode())
        except FFmpegError:
            listener.decode_errors += 1


def _measure_with_sndfile(path: Path, listener: _Listener) -> Measured | None:
    """None where libsndfile knows no such format or decodes none of it."""
    try:
        with soundfile.SoundFile(path) as sound:
            for block in sound.blocks(_BATCH_SAMPLES, dtype="float32", always_2d=True):
                mono = np.ascontiguousarray(block.mean(axis=1, dtype=np.float32))
                frame = AudioFrame.from_ndarray(mono[np.newaxis], format="flt", layout="mono")
                frame.sample_rate = sound.samplerate
                listener.hear_all([frame])
            listener.channels = sound.channels
            container = sound.format.lower()
            return listener.measured(
                container=_SOUNDFILE_CONTAINERS.get(container, container),
                codec=_sndfile_codec(sound.format, sound.subtype),
                bits_per_sample=_digits(sound.subtype),
                byte_count=path.stat().st_size,
                claimed_duration_ms=None,
            )
    except (FFmpegError, RuntimeError, TypeError, ValueError):
        # soundfile's own error is a RuntimeError; the others are its refusals of odd headers.
        return None


def _codec_name(name: str) -> str:
    """FFmpeg's `name` of a codec as this archive writes it: one name for every plain PCM."""
    if name.startswith("dsd_"):
        return "dsd"
    return "pcm" if re.fullmatch(r"pcm_[suf]\d+.*", name) else name


def _sndfile_codec(container: str, subtype: str) -> str:
    """The same for libsndfile's names."""
    if container == "FLAC":
        return "flac"
    if subtype in ("FLOAT", "DOUBLE") or re.fullmatch(r"PCM_[SU]?\d+", subtype):
        return "pcm"
    if subtype.startswith("MPEG_LAYER"):
        return f"mp{subtype.count('I')}"
    return "alac" if subtype.startswith("ALAC") else subtype.lower()


def _bits_per_sample(stream: AudioStream, codec: str, header: bytes) -> int:
    """The bits that each sample was stored in; what the decoder hands out may have more."""
    context = stream.codec_context
    setup = context.extradata or b""
    match codec:
        case "pcm":
            return _digits(context.codec.canonical_name)
        case "flac" if len(setup) >= 14:
            # STREAMINFO: 5 bits, less one, after 12 bytes, 20 bits of rate and 3 of channels.
            return ((setup[12] & 1) << 4 | setup[13] >> 4) + 1
        case "alac" if len(setup) >= 18:
            return setup[17]
        case "wavpack" if header.startswith(b"wvpk") and len(header) == _HEADER_BYTES:
            # Flags: bytes stored less one in bits 0-1, bits of them unused in bits 13-17.
            flags = int.from_bytes(header[24:28], "little")
            return 8 * ((flags & 3) + 1) - (flags >> 13 & 31)
        case "dsd":
            return 1
    return context.format.bits


def _digits(name: str) -> int:
    """The number in `pcm_s24le` or `PCM_16`; 0 where there is none."""
    found = re.search(r"\d+", name)
    return int(found[0]) if found else 0


def _claimed_duration_ms(
    container: InputContainer, stream: AudioStream, header: bytes
) -> int | None:
    """How long the header says the sound is; None where FFmpeg guessed it from the bit rate."""
    if stream.duration is None or stream.time_base is None:
        return None
    if header.startswith(b"RIFF") and container.size:
        # FFmpeg silently shortens a WAV to what is there; the form's own size still tells.
        # Sizes from 2 GiB are what programs write that stream and cannot know it.
        form_bytes = int.from_bytes(header[4:8], "little") + 8
        missing = max(0.0, form_bytes / container.size - 1) if form_bytes < 1 << 31 else 0.0
        return round(1_000 * float(stream.duration * stream.time_base) * (1 + missing))
    if container.bit_rate == stream.codec_context.bit_rate:
        return None
    return round(1_000 * stream.duration * stream.time_base)
