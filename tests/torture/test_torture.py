"""The short form of the torture suite; `make torture` is the long one (docs/torture.md)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Campaign → how many, and what must then have been counted.
SHORT = {
    "kills": (15, "kills"),
    "power": (6, "power cuts"),
    "faults": (10, "faults: a disk of 2 MB filled up"),
    "rot": (250, "corruptions healed"),
    "places": (1, "places and clocks: clocks"),
}


@pytest.mark.parametrize("name", SHORT)
def test_it_is_survived(name: str) -> None:
    number, counted = SHORT[name]
    words = [sys.executable, str(Path(__file__).parent), name, "--count", str(number), "--json"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.stdout, ran.stderr
    found = json.loads(ran.stdout)
    assert found["failures"] == []
    assert ran.returncode == 0, ran.stderr
    if found["skipped"]:
        pytest.skip(f"NOT TESTED: {'; '.join(found['skipped'])}")
    assert found["counts"][counted] > 0
    assert found["counts"].get("corruptions injected", 0) == found["counts"].get(
        "corruptions healed", 0
    )


def test_it_notices_a_sync_that_is_left_out() -> None:
    """One of those that every deposit makes; the long form leaves out each. Either looks whether a
    scene comes by every sync there is."""
    call = "os.fsync(descriptor)"
    words = [sys.executable, str(Path(__file__).parent), "mutations", "--call", call, "--json"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.stdout, ran.stderr
    found = json.loads(ran.stdout)
    assert found["failures"] == []
    if found["skipped"]:
        pytest.skip(f"NOT TESTED: {'; '.join(found['skipped'])}")
    assert found["counts"]["syncs whose absence a real power cut showed"] >= 4
