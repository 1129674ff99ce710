"""What somebody typed, taken apart."""

from __future__ import annotations

import pytest

from sonotheque.catalogue.query import QUERY_WORDS_MAX, Query, Word, parse_query
from sonotheque.model.identifiers import Isrc


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Déjà-Vu", Query((Word("deja"), Word("vu")))),
        (
            'artist:"The Band" rain',
            Query((Word("the", "artist"), Word("band", "artist"), Word("rain"))),
        ),
        ("TITLE:été", Query((Word("ete", "title"),))),
        ("year:1999 rain", Query((Word("rain"),), (1999,))),
        ("year:199x", Query(impossible=True)),
        ("isrc:FR-Z03-14-00123 x", Query((Word("x"),), isrcs=(Isrc("FRZ031400123"),))),
        ("isrc:nonsense x", Query((Word("x"),), impossible=True)),
        ("fr z03 14 00123", Query(isrcs=(Isrc("FRZ031400123"),))),
        ("千本桜", Query((Word("千"), Word("本"), Word("桜")))),
        ("unknown:field", Query((Word("unknown"), Word("field")))),
        ("  .* ", Query()),
    ],
)
def test_queries(text: str, wanted: Query) -> None:
    assert parse_query(text) == wanted


def test_what_can_find_nothing_is_false() -> None:
    assert not parse_query("")
    assert not parse_query("isrc:nonsense rain")
    assert parse_query("year:1999")
    assert len(parse_query("word " * 50).words) == QUERY_WORDS_MAX
