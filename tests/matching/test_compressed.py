"""Compressed fingerprints: as fpcalc prints them, and as an enemy does."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.errors import BadInput
from sonotheque.matching.compressed import CHARACTERS_MAX, decompress


def compressed(words: list[int], *, algorithm: int = 1, claimed: int | None = None) -> str:
    """The other way round, written bit by bit."""
    normal, more, before = [], [], 0
    for word in words:
        last = 0
        for place in range(1, 33):
            if (word ^ before) >> (place - 1) & 1:
                step = place - last
                normal.append(min(step, 7))
                if step >= 7:
                    more.append(step - 7)
                last = place
        normal.append(0)
        before = word
    parts = b""
    for numbers, width in ((normal, 3), (more, 5)):
        bits = [number >> bit & 1 for number in numbers for bit in range(width)]
        parts += np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()
    count = len(words) if claimed is None else claimed
    content = bytes([algorithm]) + count.to_bytes(3, "big") + parts
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@given(st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=50))
def test_what_was_compressed_comes_back(words: list[int]) -> None:
    assert decompress(compressed(words)).tolist() == words


def test_what_fpcalc_prints(sounds: Any, tmp_path: Path) -> None:
    if not shutil.which("fpcalc"):
        pytest.skip("NOT TESTED: fpcalc (libchromaprint-tools) is not here")
    path = sounds.encode(tmp_path / "a.wav", sounds.compose(3, 30.0))

    def printed(*options: str) -> Any:
        command = ["fpcalc", "-json", *options, str(path)]
        # Of some files it says at their end that they end, after all that it has to say.
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        return json.loads(done.stdout)["fingerprint"]

    assert decompress(printed()).tolist() == [word & 0xFFFFFFFF for word in printed("-raw")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AQ",
        "AQAA",
        "not base64!",
        "é",
        compressed([1], algorithm=0),
        compressed([1], claimed=0),
        compressed([1], claimed=2),
        compressed([1], claimed=(1 << 24) - 1),
        "AQAAAf8_____",  # steps without an end
        "A" * (CHARACTERS_MAX + 1),
    ],
)
def test_hostile_text(text: str) -> None:
    with pytest.raises(BadInput):
        decompress(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_words_or_bad_input(content: bytes) -> None:
    text = base64.urlsafe_b64encode(b"\x01\x00\x00\x05" + content).decode()
    with contextlib.suppress(BadInput):
        assert len(decompress(text)) == 5
