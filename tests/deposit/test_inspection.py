"""Looking into hostile files: every file gets an answer, and none gets more than its own bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sonotheque.deposit.inspection import TAG_CHARACTERS_MAX, inspect
from sonotheque.store.sandbox import Sandbox


class Music(Protocol):
    def file(self, path: Path, seed: int, *, seconds: float = ..., **tags: Any) -> Path: ...


@pytest.fixture(scope="module")
def small(music: Music, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("small")
    return {
        suffix: music.file(directory / f"a{suffix}", 1, seconds=1).read_bytes()
        for suffix in (".flac", ".mp3", ".ogg", ".m4a", ".wv", ".wav")
    }


changes = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255), st.booleans()),
    min_size=1,
    max_size=20,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    suffix=st.sampled_from([".flac", ".mp3", ".ogg", ".m4a", ".wv", ".wav"]),
    changed=changes,
    length=st.floats(0.01, 1),
)
@example(suffix=".wav", changed=[(0.0, 0, True)], length=1.0)
def test_every_mutated_file_gets_an_answer(
    *,
    tmp_path: Path,
    sandbox: Sandbox,
    small: dict[str, bytes],
    suffix: str,
    changed: list[tuple[float, int, bool]],
    length: float,
) -> None:
    content = bytearray(small[suffix])
    for place, value, in_head in changed:
        content[int(place * min(len(content), 600 if in_head else len(content)))] = value
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content[: max(1, int(length * len(content)))])
    found = inspect(sandbox, path)
    assert (found.audio is None) == bool(found.problem)
    assert bool(found.problem) == bool(found.remedy)
    assert "crash" not in found.problem
    assert all(len(v) <= TAG_CHARACTERS_MAX for values in found.tags.values() for v in values)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(min_size=1, max_size=2_000))
def test_random_bytes_get_an_answer(tmp_path: Path, sandbox: Sandbox, content: bytes) -> None:
    path = tmp_path / "x.flac"
    path.write_bytes(content)
    found = inspect(sandbox, path)
    assert (found.audio is None) == bool(found.problem)
    assert "crash" not in found.problem


def test_a_link_is_not_followed(tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "link.flac").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match=os.strerror(40)):
        inspect(sandbox, tmp_path / "link.flac")


def test_a_file_that_takes_too_long_or_too_much_memory(music: Music, tmp_path: Path) -> None:
    path = music.file(tmp_path / "a.flac", 1, seconds=1)
    function = "sonotheque.deposit.inspection:inspect_file"
    with Sandbox(function, memory_bytes_max=2_000_000_000, seconds_max=0.001) as hasty:
        assert "longer" in inspect(hasty, path).problem
    with Sandbox(function, memory_bytes_max=60_000_000, seconds_max=60) as poor:
        assert "memory" in inspect(poor, path).problem
