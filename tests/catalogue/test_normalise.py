"""The Arrow kernel against the same folding written with unicodedata."""

from __future__ import annotations

import sys
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.normalise import fold
from sonotheque.model import folding

# Characters this Python knows; pyarrow may know later ones.
KNOWN = st.characters(exclude_categories=["Cn", "Cs"])
TEXTS = st.one_of(st.text(KNOWN), st.text(st.sampled_from("aB é'’ßÉİς9-ΑΣᾳᎠ")))


@given(st.lists(st.one_of(st.none(), TEXTS)))
@settings(deadline=None)
def test_kernel_equals_reference(texts: list[str | None]) -> None:
    expected = [None if text is None else folding.fold(text) for text in texts]
    assert fold(pa.array(texts, pa.string())).to_pylist() == expected


def test_every_character_folds_as_in_the_reference() -> None:
    known = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cn", "Cs")
    ]
    folded = fold(pa.array(known)).to_pylist()
    assert [c for c, mine in zip(known, folded, strict=True) if mine != folding.fold(c)] == []


@given(st.lists(TEXTS, min_size=1))
@settings(max_examples=20)
def test_chunks_do_not_matter(texts: list[str]) -> None:
    whole = pa.array(texts, pa.string())
    assert fold(pa.chunked_array([whole.slice(0, 1), whole.slice(1)])).equals(fold(whole))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ça c'est l'Été, Pt. 2", "ca cest lete pt 2"),
        ("STRAẞE", "strasse"),
        ("Ｆｕｌｌ　Ｗｉｄｔｈ", "full width"),
        ("ガ", "カ"),
        ("!!!", ""),
    ],
)
def test_examples(text: str, folded: str) -> None:
    assert fold(pa.array([text])).to_pylist() == [folded]
