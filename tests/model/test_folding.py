"""Folding: case, accents and punctuation do not count, and folding again changes nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.model.folding import fold

LATIN = st.text(
    st.characters(max_codepoint=0x17E, exclude_characters="ıſŉ", exclude_categories=["Cs"])
)


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_what_is_left_is_words(text: str) -> None:
    folded = fold(text)
    assert folded == " ".join(folded.split())
    assert all(
        character == " " or unicodedata.category(character)[0] in "LN" for character in folded
    )


@given(LATIN)
def test_case_does_not_count(text: str) -> None:
    assert fold(text.upper()) == fold(text.lower()) == fold(text)


@given(LATIN, st.sampled_from("\u0300\u0301\u0308\u0327\u0323"))
def test_accents_do_not_count(text: str, accent: str) -> None:
    accented = "".join(c + accent if c.isalpha() else c for c in text)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, accented)) == fold(text)


@given(st.text("abcé", min_size=1), st.text("abcé", min_size=1), st.sampled_from("-–—/._&,+()!"))
def test_punctuation_parts_words(one: str, other: str, mark: str) -> None:
    assert fold(one + mark + other) == f"{fold(one)} {fold(other)}"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Beyoncé’s – Déjà-Vu", "beyonces deja vu"),
        ("  Sigur Rós ", "sigur ros"),
        ("STRAẞE straße", "strasse strasse"),
        ("ﬁn", "fin"),
        ("Ⅳ ４", "iv 4"),
        ("東京 ガ", "東京 カ"),
        ("…!?", ""),
        ("", ""),
    ],
)
def test_examples(text: str, folded: str) -> None:
    assert fold(text) == folded
