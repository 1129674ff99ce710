"""Access copies of what browsers cannot play, and media types of what they can."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile

from sonotheque.access.copies import copy_of
from sonotheque.access.media import HEAD_BYTES, medium_of
from sonotheque.config import Config
from sonotheque.errors import EnvironmentFailure
from sonotheque.matching.fingerprint import measure
from sonotheque.model.identifiers import Sha512
from sonotheque.store import files

DIGEST = Sha512("0" * 128)


def _copy_of(source: Path, config: Config) -> Path:
    return copy_of(source.name, partial(files.blocks, source), DIGEST, config)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(directory=tmp_path, name="Test", mandate="Test")


@pytest.mark.parametrize("name", ["a.aiff", "a.wv", "a.alac.m4a"])
def test_a_copy_is_opus_and_as_long_as_the_original(
    name: str, tmp_path: Path, music: Any, config: Config
) -> None:
    source = music.bare(tmp_path / name, 60, seconds=3)
    copy = _copy_of(source, config)
    found = soundfile.info(str(copy))
    assert (found.subtype, found.samplerate, found.channels) == ("OPUS", 48_000, 2)
    assert found.duration == pytest.approx(3, abs=0.05)
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_a_copy_is_made_once_and_again_when_it_is_gone(
    tmp_path: Path, music: Any, config: Config
) -> None:
    source = music.bare(tmp_path / "a.aiff", 60, seconds=3)
    copy = _copy_of(source, config)
    copy.write_bytes(b"as it was left")
    assert _copy_of(source, config).read_bytes() == b"as it was left"
    copy.unlink()
    assert soundfile.info(str(_copy_of(source, config))).subtype == "OPUS"


def test_what_cannot_be_decoded_is_said_and_nothing_is_left(tmp_path: Path, config: Config) -> None:
    source = tmp_path / "noise.aiff"
    source.write_bytes(b"FORM" + bytes(100))
    with pytest.raises(EnvironmentFailure, match="no access copy"):
        _copy_of(source, config)
    assert not (config.derived / "access").exists()


@pytest.mark.parametrize(
    ("name", "media_type", "playable"),
    [
        ("a.flac", "audio/flac", True),
        ("a.wav", "audio/wav", True),
        ("a.rf64", "audio/wav", False),
        ("a.mp3", "audio/mpeg", True),
        ("a.ogg", "audio/ogg", True),
        ("a.opus", "audio/ogg", True),
        ("a.m4a", "audio/mp4", True),
        ("a.alac.m4a", "audio/mp4", False),
        ("a.aiff", "audio/aiff", False),
        ("a.wv", "audio/x-wavpack", False),
    ],
)
def test_media_are_told_by_their_bytes(
    name: str, media_type: str, playable: bool, tmp_path: Path, music: Any
) -> None:
    path = music.bare(tmp_path / name, 61, seconds=2)
    head = path.read_bytes()[:HEAD_BYTES]
    medium = medium_of(head, measure(path).audio)
    assert (medium.media_type, medium.playable) == (media_type, playable)
    assert not medium_of(head, None).playable


def test_unknown_bytes_are_no_medium() -> None:
    medium = medium_of(b"MZ\x90\x00", None)
    assert (medium.media_type, medium.playable) == ("application/octet-stream", False)
    assert medium_of(b"", None) == medium
