"""A file's ISO 24138 code: of the words that fpcalc hears, and hardly another after encoding."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import iscc_lib
import numpy as np
import pytest
from numpy.typing import NDArray

from sonotheque.matching.fingerprint import measure
from sonotheque.matching.iscc import audio_code

Compose = Callable[..., NDArray[np.int16]]
Encode = Callable[..., Path]


def _bits(code: str) -> int:
    return int.from_bytes(iscc_lib.iscc_decode(code)[-1], "big")


def test_the_code_of_words_is_that_of_the_standard() -> None:
    """The first and last of the words are negative as signed integers, as fpcalc has them."""
    words = np.array([1 << 31, 7, 0xFFFFFFFF], "<u4")
    expected = iscc_lib.gen_audio_code_v0([-(1 << 31), 7, -1], 64)["iscc"]
    assert audio_code(words.tobytes()) == expected
    assert audio_code(b"") == ""


def test_it_is_the_code_of_what_fpcalc_hears(
    compose: Compose, encode: Encode, tmp_path: Path
) -> None:
    if not (fpcalc := shutil.which("fpcalc")):
        pytest.skip("fpcalc is not here: apt-get install libchromaprint-tools")
    path = encode(compose(3, 20.0), tmp_path / "a.wav", "pcm_s16le")
    said = subprocess.run(
        [fpcalc, "-raw", "-signed", "-plain", "-length", "0", path],
        # It says 3 of some files that it has read to the end.
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    words = [int(word) for word in said.strip().split(",")]
    assert measure(path).audio.iscc == iscc_lib.gen_audio_code_v0(words, 64)["iscc"]


def test_a_copy_has_nearly_the_same_code_and_another_piece_has_not(
    compose: Compose, encode: Encode, tmp_path: Path
) -> None:
    piece = compose(3, 20.0)
    one = _bits(measure(encode(piece, tmp_path / "a.flac", "flac")).audio.iscc)
    copy = _bits(measure(encode(piece, tmp_path / "a.mp3", "libmp3lame")).audio.iscc)
    other = _bits(measure(encode(compose(4, 20.0), tmp_path / "b.flac", "flac")).audio.iscc)
    assert (one ^ copy).bit_count() <= 4
    assert (one ^ other).bit_count() >= 10
