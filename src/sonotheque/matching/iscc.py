"""The ISO 24138 code of how a file sounds, by which opt-out registries and others name it.

Similar sound has a similar code: what is compared is how many of its bits differ.
"""

from __future__ import annotations

import iscc_lib
import numpy as np

_BITS = 64
"""What the standard's reference implementation gives where nobody says otherwise."""


def audio_code(chromaprint: bytes) -> str:
    """The Audio-Code (ISO 24138:2024) of little-endian uint32 Chromaprint words of a whole file:
    `ISCC:` and 16 signs. Empty where there are no words: the code of nothing names nothing."""
    # The standard takes the words as fpcalc gives them with -signed.
    words = np.frombuffer(chromaprint, "<i4").tolist()
    return str(iscc_lib.gen_audio_code_v0(words, _BITS)["iscc"]) if words else ""
