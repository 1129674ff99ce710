"""Short hashes: every key leads to its recordings, and hardly any other does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.keys import (
    ROWS_MAX,
    Keys,
    hash_number,
    hash_numbers,
    hash_text,
    write_keys,
)
from sonotheque.errors import Corrupt


def written(path: Path, pairs: list[tuple[int, int]]) -> Keys:
    hashes = np.array([hashed for hashed, _ in pairs], np.uint64)
    numbers = np.array([number for _, number in pairs], np.uint32)
    write_keys(path, hashes, numbers)
    return Keys(path)


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.integers(0, ROWS_MAX - 1))),
    other=st.integers(0, (1 << 64) - 1),
)
def test_every_key_leads_to_its_recordings(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], other: int
) -> None:
    keys = written(tmp_path_factory.mktemp("keys") / "x.keys", pairs)
    for hashed, number in pairs:
        found = keys.candidates(hashed)
        assert number in found
        assert found == sorted(set(found))
    keys.candidates(other)


def test_size_and_false_candidates(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    hashes = random.integers(0, 1 << 64, 200_000, np.uint64)
    numbers = np.arange(len(hashes), dtype=np.uint32)
    write_keys(tmp_path / "x.keys", hashes, numbers)
    assert (tmp_path / "x.keys").stat().st_size < 5.8 * len(hashes)
    keys = Keys(tmp_path / "x.keys")
    strangers = random.integers(0, 1 << 64, 2_000, np.uint64).tolist()
    assert sum(len(keys.candidates(stranger)) for stranger in strangers) < 30


def test_hashes_are_what_the_engine_makes_of_them() -> None:
    for text in ("", "s\x1f1", "Ünï"):
        [[number]] = duckdb.execute("SELECT md5_number_lower(?)", [text]).fetchall()
        assert hash_text(text) == number
        assert hash_text(text) == int.from_bytes(hashlib.md5(text.encode()).digest()[8:], "little")
    numbers = np.array([0, 1, 602_517_754_621, (1 << 64) - 1], np.uint64)
    assert hash_numbers(numbers).tolist() == [hash_number(int(number)) for number in numbers]


@pytest.mark.parametrize("damage", ["cut", "longer", "other", "empty"])
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.keys"
    written(path, [(1 << 60, 1), (5, 2)])
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[:-1],
            "longer": content + b"\0",
            "other": b"x" + content[1:],
            "empty": b"x",
        }[damage]
    )
    with pytest.raises(Corrupt):
        Keys(path)
