"""Names: what counts as the same, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.matching.names import artist_key, title_key, versions_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Beatles", "BEATLES, THE"),
        ("Motörhead", "Motorhead"),
        ("AC/DC", "ACDC"),
        ("R.E.M.", "REM"),
        ("Simon & Garfunkel", "Simon and Garfunkel"),
        ("Sigur Rós", "sigur  ros"),
        ("Mø", "MO"),
        ("Straße", "STRASSE"),
        ("L’Impératrice", "L'Imperatrice"),
        ("Les Négresses Vertes", "Négresses Vertes, Les"),
        ("Alice feat. Bob", "Alice"),
        ("Alice (ft. Bob & Carol)", "alice"),
        ("Björk", "Bjo\u0308rk"),
        ("ビートルズ", "ﾋﾞｰﾄﾙｽﾞ"),
    ],
)
def test_one_artist_in_two_spellings(one: str, other: str) -> None:
    assert artist_key(one) == artist_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice", "Bob"),
        ("Soft Cell", "So"),
        ("!!!", "???"),
        ("が", "か"),
        ("The The", ""),
        ("Alice", ""),
        ("Кино", "Kino Duo"),
    ],
)
def test_two_artists(one: str, other: str) -> None:
    assert artist_key(one) != artist_key(other)


@pytest.mark.parametrize(
    ("title", "versions"),
    [
        ("Live and Let Die", set()),
        ("Nebula (Live at the Hall)", {"live"}),
        ("Nebula - Live", {"live"}),
        ("Nebula [Karaoke Version]", {"instrumental"}),
        ("Nebula (Somebody Remix) (Radio Edit)", {"remix", "edit"}),
        ("Nébuleuse (en concert)", {"live"}),
        ("Nebula (Olive)", set()),
        ("Nebula (Remastered 2009)", set()),
        ("", set()),
    ],
)
def test_versions_are_read_from_what_qualifies_a_title(title: str, versions: set[str]) -> None:
    assert versions_of(title) == versions


def test_qualifiers_do_not_make_another_title() -> None:
    assert title_key("Nebula (feat. Bob) [Live]") == title_key("nebula - Remastered 2009")
    assert title_key("(Intro)") == "intro"
    assert title_key("Nebula") != title_key("Nebulae")


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=1))
def test_articles_and_guests_do_not_count(name: str) -> None:
    key = artist_key(f"The {name}")
    assert key == artist_key(f"{name}, the") == artist_key(f"  THE {name} feat. Somebody")


@given(st.text())
def test_any_text_has_keys(text: str) -> None:
    assert bool(artist_key(text)) == bool(title_key(text))
    assert versions_of(text + " (Live)") >= {"live"}
