"""Measuring files: every format of the archive's, broken files, long files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from sonotheque.errors import BadInput, SonothequeError
from sonotheque.matching.fingerprint import measure

Compose = Callable[..., NDArray[np.int16]]
Encode = Callable[..., Path]

FORMATS: dict[tuple[str, str], tuple[dict[str, int | str], tuple[str, str, bool, int]]] = {
    # suffix and encoder: settings, then container, codec, lossless, bits as they are reported
    ("flac", "flac"): ({}, ("flac", "flac", True, 16)),
    ("24.flac", "flac"): ({"sample_format": "s32"}, ("flac", "flac", True, 24)),
    ("wav", "pcm_s16le"): ({}, ("wav", "pcm", True, 16)),
    ("24.wav", "pcm_s24le"): ({}, ("wav", "pcm", True, 24)),
    ("aiff", "pcm_s16be"): ({}, ("aiff", "pcm", True, 16)),
    ("mp3", "libmp3lame"): ({}, ("mp3", "mp3", False, 0)),
    ("opus", "libopus"): ({"rate_hz": 48_000}, ("ogg", "opus", False, 0)),
    ("m4a", "aac"): ({}, ("mp4", "aac", False, 0)),
    ("16.m4a", "alac"): ({"sample_format": "s16p"}, ("mp4", "alac", True, 16)),
    ("24.m4a", "alac"): ({"sample_format": "s32p"}, ("mp4", "alac", True, 24)),
    ("wv", "wavpack"): ({"sample_format": "s16p"}, ("wv", "wavpack", True, 16)),
}


@pytest.fixture(scope="module")
def piece(compose: Compose) -> NDArray[np.int16]:
    return compose(7, 5.0)


@pytest.mark.parametrize(("suffix", "encoder"), FORMATS)
def test_formats(
    piece: NDArray[np.int16], encode: Encode, tmp_path: Path, suffix: str, encoder: str
) -> None:
    settings, expected = FORMATS[suffix, encoder]
    measured = measure(encode(piece, tmp_path / f"a.{suffix}", encoder, **settings))
    audio = measured.audio
    assert (audio.container, audio.codec, audio.lossless, audio.bits_per_sample) == expected
    assert (audio.channels, audio.decode_errors) == (2, 0)
    assert audio.sample_rate_hz == settings.get("rate_hz", 44_100)
    assert audio.duration_ms == pytest.approx(5_000, abs=60)
    assert measured.claimed_duration_ms == pytest.approx(audio.duration_ms, abs=60)
    assert measured.fingerprints.duration_ms == audio.duration_ms
    assert 18 <= len(measured.fingerprints.chromaprint) / 4 <= 19


def test_vorbis(piece: NDArray[np.int16], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", piece, 44_100, format="OGG", subtype="VORBIS")
    audio = measure(tmp_path / "a.ogg").audio
    assert (audio.container, audio.codec, audio.duration_ms) == ("ogg", "vorbis", 5_000)


def test_rf64(piece: NDArray[np.int16], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", piece, 44_100, format="RF64", subtype="PCM_16")
    measured = measure(tmp_path / "a.wav")
    assert (measured.audio.container, measured.audio.codec) == ("wav", "pcm")
    assert measured.claimed_duration_ms == measured.audio.duration_ms == 5_000


@pytest.mark.parametrize("channels", [1, 3, 4, 6, 8])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_any_number_of_channels(
    piece: NDArray[np.int16], tmp_path: Path, channels: int, suffix: str
) -> None:
    sound = np.repeat(piece[:, :1], channels, axis=1)
    soundfile.write(tmp_path / f"a.{suffix}", sound, 44_100)
    measured = measure(tmp_path / f"a.{suffix}")
    assert (measured.audio.channels, measured.audio.decode_errors) == (channels, 0)
    assert len(set(measured.fingerprints.chromaprint)) > 4


def test_a_high_rate(piece: NDArray[np.int16], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", piece, 192_000, subtype="PCM_24")
    audio = measure(tmp_path / "a.wav").audio
    assert (audio.sample_rate_hz, audio.bits_per_sample, audio.duration_ms) == (192_000, 24, 1_148)


@pytest.mark.parametrize("rate_hz", [1, 1_000_000_000])
def test_an_absurd_rate_is_refused(piece: NDArray[np.int16], tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, piece, 44_100, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[24:28] = rate_hz.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(BadInput):
        measure(path)


def test_what_ffmpeg_refuses_sndfile_may_read(piece: NDArray[np.int16], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.pvf", piece, 44_100, format="PVF", subtype="PCM_16")
    soundfile.write(tmp_path / "a.flac", piece, 44_100)
    measured, same = measure(tmp_path / "a.pvf"), measure(tmp_path / "a.flac")
    audio = measured.audio
    assert (audio.container, audio.codec, audio.bits_per_sample) == ("pvf", "pcm", 16)
    assert (audio.channels, audio.duration_ms, audio.decode_errors) == (2, 5_000, 0)
    ours, theirs = (
        np.frombuffer(one.fingerprints.chromaprint, np.uint32) for one in (measured, same)
    )
    assert np.bitwise_count(ours ^ theirs).mean() < 1


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("flac", "flac"), ("wav", "pcm_s16le"), ("aiff", "pcm_s16be"), ("mp3", "libmp3lame")],
)
def test_a_file_cut_short_claims_more_than_it_plays(
    piece: NDArray[np.int16], encode: Encode, tmp_path: Path, suffix: str, codec: str
) -> None:
    path = encode(piece, tmp_path / f"a.{suffix}", codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    measured = measure(path)
    assert measured.audio.duration_ms < 3_500
    assert measured.claimed_duration_ms == pytest.approx(5_000, abs=60)


def test_damage_in_the_middle_is_counted_and_left_out(
    piece: NDArray[np.int16], encode: Encode, tmp_path: Path
) -> None:
    path = encode(piece, tmp_path / "a.m4a", "alac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40_000] = np.random.default_rng(1).bytes(40_000)
    path.write_bytes(content)
    audio = measure(path).audio
    assert audio.decode_errors > 0
    assert 3_000 < audio.duration_ms < 5_000


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"not audio at all\n" * 500, b"fLaC", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"ID3\4\0"],
)
def test_no_sound(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        measure(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy


def test_a_picture_is_no_sound(shared_audio: Path) -> None:
    with pytest.raises(BadInput):
        measure(shared_audio / "mediafile" / "image-2x3.png")


def test_missing_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        measure(tmp_path / "missing.flac")
    with pytest.raises(SonothequeError):
        measure(tmp_path)


def test_a_playlist_does_not_lead_to_another_file(
    piece: NDArray[np.int16], encode: Encode, tmp_path: Path
) -> None:
    encode(piece, tmp_path / "secret.flac", "flac")
    playlist = tmp_path / "a.flac"
    for text in (
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.flac\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.flac\n",
    ):
        playlist.write_text(text)
        with pytest.raises(BadInput):
            measure(playlist)


@pytest.mark.parametrize("name", ["data:x.flac", "http:a.flac", "pipe:0", b"\xff\n.flac"])
def test_odd_names(
    piece: NDArray[np.int16], encode: Encode, tmp_path: Path, name: str | bytes
) -> None:
    text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    made = encode(piece, tmp_path / "made.flac", "flac").rename(tmp_path / text)
    assert measure(made).audio.duration_ms == 5_000


def test_a_limit_on_the_length(piece: NDArray[np.int16], encode: Encode, tmp_path: Path) -> None:
    path = encode(piece, tmp_path / "a.flac", "flac")
    with pytest.raises(BadInput, match="longer than"):
        measure(path, duration_max_ms=2_000)


def test_a_change_of_format_in_mid_stream(
    piece: NDArray[np.int16], encode: Encode, tmp_path: Path
) -> None:
    stereo = encode(piece, tmp_path / "a.aac", "aac")
    mono = encode(piece, tmp_path / "b.aac", "aac", rate_hz=22_050, layout="mono")
    chain = tmp_path / "chain.aac"
    chain.write_bytes(stereo.read_bytes() + mono.read_bytes())
    audio = measure(chain).audio
    assert (audio.sample_rate_hz, audio.channels) == (44_100, 2)
    assert audio.duration_ms == pytest.approx(10_000, abs=200)


def test_every_broken_file_is_measured_or_refused(shared_audio: Path) -> None:
    measured = refused = 0
    for path in sorted((shared_audio / "mediafile").iterdir()):
        try:
            measure(path)
            measured += 1
        except BadInput:
            refused += 1
    assert measured > 45
    assert refused > 5


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Half an hour is 40 MB as 11,025 Hz mono; it is heard in less than that."""
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 8_000, 1, subtype="PCM_U8", format="WAV") as sound:
        block = np.random.default_rng(1).standard_normal(8_000 * 600).astype(np.float32) / 8
        for _ in range(3):
            sound.write(block)
    script = (
        "import resource, sys; from pathlib import Path;"
        "from sonotheque.matching.fingerprint import measure;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "measured = measure(Path(sys.argv[1]));"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "print(measured.audio.duration_ms, after - before)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    duration_ms, grown_kib = map(int, answer.stdout.split())
    assert duration_ms == 1_800_000
    assert grown_kib < 32 * 1_024
