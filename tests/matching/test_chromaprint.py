"""Chromaprint: exact, and the same however the sound is fed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sonotheque.matching.chromaprint import MARGIN_FRAMES, SILENCE_WORD, Chromaprinter
from sonotheque.matching.fingerprint import measure
from sonotheque.matching.spectrum import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ

Compose = Callable[..., NDArray[np.int16]]
_NOISE = (8_000 * np.random.default_rng(3).standard_normal(90_000)).astype(np.int16)


def words_of(*parts: NDArray[np.int16]) -> NDArray[np.uint32]:
    printer = Chromaprinter()
    for part in parts:
        printer.feed(part)
    return printer.words()


def fpcalc(path: Path) -> NDArray[np.uint32]:
    if shutil.which("fpcalc") is None:
        pytest.skip("fpcalc (libchromaprint-tools), the reference, is not installed")
    command = ["fpcalc", "-raw", "-json", "-length", "100000", str(path)]
    # fpcalc exits 3 at the end of a file shorter than the length, with the whole answer given.
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return np.array(json.loads(answer.stdout)["fingerprint"], np.uint32)


def test_words_are_those_of_fpcalc(compose: Compose, tmp_path: Path) -> None:
    samples = compose(1, 60.0)[::4, 0].copy()
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE_HZ, subtype="PCM_16")
    expected = fpcalc(tmp_path / "a.wav")
    assert len(expected) > 400
    np.testing.assert_array_equal(words_of(samples), expected)


def test_whole_files_at_another_rate_give_nearly_all_words_of_fpcalc(
    compose: Compose, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.flac", compose(2, 40.0), 44_100)
    expected = fpcalc(tmp_path / "a.flac")
    words = np.frombuffer(measure(tmp_path / "a.flac").fingerprints.chromaprint, "<u4")
    shared = min(len(words), len(expected))
    assert abs(len(words) - len(expected)) <= 1
    assert (words[:shared] == expected[:shared]).mean() > 0.98


@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(0, len(_NOISE)), max_size=6))
def test_how_sound_is_cut_into_blocks_does_not_matter(cuts: list[int]) -> None:
    parts = np.split(_NOISE, sorted(cuts))
    np.testing.assert_array_equal(words_of(*parts), words_of(_NOISE))


@pytest.mark.parametrize("frames", [0, MARGIN_FRAMES, MARGIN_FRAMES + 1, MARGIN_FRAMES + 2])
def test_one_word_a_hop_after_the_margin(frames: int) -> None:
    samples = _NOISE[: FRAME_SAMPLES + HOP_SAMPLES * (frames - 1)] if frames else _NOISE[:0]
    assert len(words_of(samples)) == max(0, frames - MARGIN_FRAMES)


def test_words_are_the_same_across_the_edges_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = words_of(_NOISE)
    monkeypatch.setattr("sonotheque.matching.chromaprint._BLOCK_WORDS", 7)
    np.testing.assert_array_equal(words_of(_NOISE), whole)


def test_silence_gives_one_word_only() -> None:
    assert set(words_of(np.zeros(60_000, np.int16)).tolist()) == {SILENCE_WORD}
