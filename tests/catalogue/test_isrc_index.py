"""The rank of a key is its row: on any keys, in either form, and never for an absent key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.isrc_index import (
    KeyIndex,
    _BlockDelta,
    _EliasFano,
    pack,
    pack_many,
    write_index,
)
from sonotheque.errors import Corrupt, NotFound
from sonotheque.model.identifiers import Isrc

ISRCS = st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)


@st.composite
def key_sets(draw: st.DrawFn) -> npt.NDArray[np.uint64]:
    """Runs with gaps of every size, and keys anywhere under 2**63."""
    scattered = draw(st.lists(st.integers(0, (1 << 63) - 1), max_size=40))
    start = draw(st.integers(0, 1 << 48))
    gaps = draw(
        st.lists(st.one_of(st.just(1), st.integers(1, 9), st.integers(1, 1 << 40)), max_size=400)
    )
    run = start + np.cumsum(np.array(gaps, np.uint64))
    return np.unique(np.concatenate([np.array(scattered, np.uint64), run.astype(np.uint64)]))


@given(keys=key_sets(), probes=st.lists(st.integers(0, (1 << 63) - 1), max_size=20))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rank_is_searchsorted(
    keys: npt.NDArray[np.uint64], probes: list[int], tmp_path: Path
) -> None:
    write_index(tmp_path / "index", keys)
    index = KeyIndex.open(tmp_path / "index")
    present = {int(key): rank for rank, key in enumerate(keys)}
    near = [key + step for key in present for step in (-1, 0, 1) if 0 <= key + step < 1 << 63]
    for key in [*near, *probes]:
        assert index.rank(key) == present.get(key)


def _runs(random: np.random.Generator) -> npt.NDArray[np.uint64]:
    jumps = random.random(300_000) < 0.002
    gaps = np.where(jumps, random.integers(1, 1 << 30, 300_000), 1)
    return np.cumsum(gaps).astype(np.uint64)


def _uniform(random: np.random.Generator) -> npt.NDArray[np.uint64]:
    return np.unique(random.integers(0, 300_000 << 20, 300_000).astype(np.uint64))


def _runs_and_scattered(random: np.random.Generator) -> npt.NDArray[np.uint64]:
    """Keys that follow one another, some a few apart, and here and there a thousand that do not."""
    runs = _runs(random)
    near = int(runs[-1]) + np.cumsum(random.integers(1, 30, 50_000))
    far = int(near[-1]) + np.cumsum(random.integers(1, 1 << 50, 1_000))
    return np.concatenate([runs, near.astype(np.uint64), far.astype(np.uint64)])


@pytest.mark.parametrize(
    # The bound for uniform keys is log2(2**20) + 1.44 bits.
    ("make", "form", "bits_max"),
    [
        (_runs, _BlockDelta, 4),
        (_runs_and_scattered, _BlockDelta, 4),
        (_uniform, _EliasFano, 22.5),
    ],
)
def test_both_forms_hold_many_keys(
    make: Callable[[np.random.Generator], npt.NDArray[np.uint64]],
    form: type,
    bits_max: float,
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(7)
    keys = make(random)
    assert write_index(tmp_path / "index", keys) < bits_max
    index = KeyIndex.open(tmp_path / "index")
    assert isinstance(index.form, form)
    chosen = np.append(random.integers(0, len(keys), 2_000), np.arange(len(keys) - 500, len(keys)))
    assert [index.rank(int(keys[rank])) for rank in chosen] == list(chosen)
    present = set(keys.tolist())
    absent = [key for key in (keys[chosen] + np.uint64(1)).tolist() if key not in present]
    assert absent
    assert all(index.rank(key) is None for key in absent)


def test_empty_index_holds_nothing(tmp_path: Path) -> None:
    write_index(tmp_path / "index", np.empty(0, np.uint64))
    assert KeyIndex.open(tmp_path / "index").rank(0) is None


@given(st.lists(ISRCS, min_size=2, unique=True))
def test_packing_keeps_order_and_fits_49_bits(isrcs: list[str]) -> None:
    packed = pack_many(pa.array(sorted(isrcs))).tolist()
    assert packed == sorted(set(packed))
    assert packed[-1] < 1 << 49
    assert [pack(Isrc(isrc)) for isrc in sorted(isrcs)] == packed


def test_packing_minds_the_offset_of_a_slice() -> None:
    array = pa.array(["FRZ031400123", "USRC17607839", "ZZZZZ9999999"])
    assert pack_many(array.slice(1)).tolist() == pack_many(array).tolist()[1:]


@pytest.mark.parametrize("kept", [0, 30, 64, 500, -1])
@pytest.mark.parametrize("step", [1, 1 << 30])
def test_truncated_index_is_refused(kept: int, step: int, tmp_path: Path) -> None:
    path = tmp_path / "index"
    random = np.random.default_rng(1)
    write_index(path, np.cumsum(random.integers(1, step + 1, 5_000)).astype(np.uint64))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Corrupt):
        KeyIndex.open(path)


def test_missing_index_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        KeyIndex.open(tmp_path / "index")
