"""Copies of which one channel is upside down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from sonotheque.matching.balance import Balance, inverted
from sonotheque.matching.fingerprint import measure
from sonotheque.matching.index import FingerprintIndex
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import MatchKind

Samples = NDArray[np.int16]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("pcm_s16le", ".wav"), ("pcm_u8", ".wav"), ("libmp3lame", ".mp3"), ("flac", ".flac")],
)
def test_an_inverted_channel_is_found(
    compose: Callable[..., Samples],
    encode: Callable[..., Path],
    tmp_path: Path,
    codec: str,
    suffix: str,
) -> None:
    piece = np.repeat(compose(40, 30.0)[:, :1] // 2, 2, axis=1)
    # Something else between the channels, which the difference alone would be taken for.
    other = (0.1 * compose(41, 30.0)[:, 0]).astype(np.int16)
    piece += np.outer(other, [1, -1]).astype(np.int16)
    held = measure(encode(piece, tmp_path / "held.flac", "flac"))
    assert held.fingerprints.difference is None
    index = FingerprintIndex(tmp_path / "index")
    index.add(RecordingId(to_crockford(1)), held.fingerprints)
    turned = piece * np.array([1, -1], np.int16)
    copy = measure(encode(turned, tmp_path / f"copy{suffix}", codec)).fingerprints
    (match,) = index.find_matches(copy)
    assert (match.is_inverted, match.is_suspect) == (True, False)
    assert (match.kind, match.tempo) == (MatchKind.MODIFIED_COPY, 1.0)


@pytest.mark.parametrize("kind", ["u8", "u8p", "s16", "s16p", "s32", "s32p", "flt", "fltp", "dblp"])
def test_any_samples_are_inverted_and_weighed(kind: str) -> None:
    dtype = np.dtype(av.audio.frame.format_dtypes[kind])
    loudest = 1.0 if dtype.kind == "f" else 100.0
    left = np.sin(np.arange(3_000) / 9) * loudest + (128 if dtype.kind == "u" else 0)
    both = np.stack([left, left]).astype(dtype)
    row = both if kind.endswith("p") else np.ascontiguousarray(both.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(row, format=kind, layout="stereo")
    frame.sample_rate = 44_100
    turned = inverted(frame)
    assert (turned.format.name, turned.sample_rate) == (kind, 44_100)
    for one, expected in ((frame, False), (turned, True)):
        balance = Balance()
        balance.hear(one)
        assert balance.is_suspicious() is expected


@pytest.mark.parametrize("layout", ["mono", "5.1"])
def test_other_layouts_are_let_be(layout: str) -> None:
    channels = av.AudioLayout(layout).nb_channels
    row = np.zeros((channels, 100), np.float32)
    frame = av.AudioFrame.from_ndarray(row, format="fltp", layout=layout)
    balance = Balance()
    balance.hear(frame)
    assert inverted(frame) is frame
    assert not balance.is_suspicious()


def test_silence_is_not_suspicious() -> None:
    frame = av.AudioFrame.from_ndarray(np.zeros((2, 100), np.float32), format="fltp")
    balance = Balance()
    balance.hear(frame)
    assert not balance.is_suspicious()
    assert not Balance().is_suspicious()
