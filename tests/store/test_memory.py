"""Memory that is freed is kept for what comes next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MEASURED = """
import resource, sys
import numpy as np
from sonotheque.store.memory import keep_freed

if sys.argv[1] == "kept":
    keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(500_000)
before = faults()
for _ in range(50):
    # Two at once, and freed in another order.
    one = np.ones(500_000); two = np.ones(500_000); del one; three = np.ones(500_000)
    del two, three
print(faults() - before)
"""


def faults(how: str) -> int:
    words = [sys.executable, "-c", MEASURED, how]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is another one")
def test_pages_are_not_asked_for_anew() -> None:
    assert 20 * faults("kept") < faults("given back")
