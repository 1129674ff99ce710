"""The sum and the difference of two channels: whether one of them was turned upside down.

Fingerprints are of the sum of the channels. Where one is inverted, which the ear hardly notices,
the sum of the copy is the difference of the recording, and the other way round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

_SHARE_MIN = 0.8
"""From so much of the energy of the sum on, the difference is worth a look. Of the 409 files with
two channels in the music of docs/matching.md 25 have it; were one inverted, 405 would."""
_SILENCE = {"u": 128}
"""What stands for it in samples of 8 bits, which have no sign."""


class Balance:
    """Weighs the sum and the difference of the two channels of what is given, frame by frame."""

    def __init__(self) -> None:
        self._sum = self._difference = 0.0

    def hear(self, frame: AudioFrame) -> None:
        channels = _channels(frame)
        if channels is not None:
            left, right = channels.astype(np.float32, copy=False)
            if silence := _SILENCE.get(channels.dtype.kind):
                left, right = left - silence, right - silence
            apart = float(np.dot(left, left)) + float(np.dot(right, right))
            common = 2 * float(np.dot(left, right))
            self._sum += apart + common
            self._difference += max(0.0, apart - common)

    def is_suspicious(self) -> bool:
        return self._difference > 0 and self._difference >= _SHARE_MIN * self._sum


def inverted(frame: AudioFrame) -> AudioFrame:
    """`frame` with the second of its two channels upside down; as it is, where it has others."""
    channels = _channels(frame)
    if channels is None:
        return frame
    # Of whole numbers the complement, one less than the negative: that always exists.
    right = ~channels[1] if channels.dtype.kind in "iu" else -channels[1]
    row = np.stack([channels[0], right])
    if not frame.format.is_planar:
        row = np.ascontiguousarray(row.T).reshape(1, -1)
    turned = AudioFrame.from_ndarray(row, format=frame.format.name, layout=frame.layout.name)
    turned.sample_rate = frame.sample_rate
    return turned


def _channels(frame: AudioFrame) -> NDArray[Any] | None:
    """The samples of `frame`, shape (2, n); None where it has not two channels or samples of a
    kind that numpy does not have."""
    if frame.layout.nb_channels != 2:
        return None
    try:
        samples: NDArray[Any] = frame.to_ndarray()
    except ValueError:
        return None
    return samples if frame.format.is_planar else samples.reshape(-1, 2).T
