"""Identifiers by the million are the identifiers of the model."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.catalogue.minting import mint, numbers_of, texts_of
from sonotheque.model.identifiers import from_crockford, parse_recording_id, to_crockford


@given(numbers=st.lists(st.integers(0, (1 << 64) - 1)))
def test_texts_and_numbers_are_those_of_the_model(numbers: list[int]) -> None:
    texts = texts_of(np.array(numbers, np.uint64))
    assert texts.to_pylist() == [to_crockford(number) for number in numbers]
    assert numbers_of(texts).tolist() == numbers


def test_what_is_minted_is_an_identifier() -> None:
    minted = mint(1_000)
    assert len(set(minted.to_pylist())) == 1_000
    for text in minted.to_pylist():
        assert parse_recording_id(text) == text
    assert max(from_crockford(text) for text in minted.to_pylist()) > 1 << 61
    assert len(mint(0)) == 0
    assert numbers_of(pa.array([], pa.string())).tolist() == []
