"""What the allocator does with memory that was freed."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Of mallopt(3), in the GNU C library."""
_BLOCK_BYTES = 32 << 20
"""The largest that it takes for the latter."""


def keep_freed() -> None:
    """Let this process keep the memory of blocks up to 32 MB that are freed, for what comes next.

    Otherwise the GNU C library gives each of over 128 kB back to the system, which clears it before
    it gives it out anew: where many arrays of that size are made and freed, that was a twentieth
    of all processor time. Other libraries, which have no mallopt, do as they do.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _BLOCK_BYTES)
