"""Terms of protection: the days that the laws name, and unknown where they or the facts are."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.model.procedures import NEVER, TermFacts
from sonotheque.model.terms import Layer
from sonotheque.model.territories import Territory
from sonotheque.rights.days import year_of
from sonotheque.rights.protection import CHECKED, EUROPEAN_UNION, PROTECTION, UNITED_STATES
from sonotheque.rights.term import fixed_before_1972, term_of

KNOWN = [*PROTECTION, UNITED_STATES]
YEARS = st.integers(1880, 2030)


def _end(layer: Layer, territory: Territory, facts: TermFacts) -> str | tuple[str, ...]:
    term = term_of(layer, territory, facts)
    return term.free_on.isoformat() if term.free_on else term.missing


@pytest.mark.parametrize("territory", ["DE", "FR", "ES", "IT", "GB"])
@pytest.mark.parametrize(
    ("facts", "end"),
    [
        (TermFacts(published="1963"), "2034-01-01"),
        (TermFacts(published="1963-12-31", fixed="1963"), "2034-01-01"),
        (TermFacts(published="1962"), "2013-01-01"),  # free before 1 November 2013, and not revived
        (TermFacts(fixed="1930", published="1955"), "2006-01-01"),
        (TermFacts(fixed="1954", published="1990"), "2061-01-01"),
        # Published over fifty years after its fixation: the right was over by then.
        (TermFacts(fixed="1954", published="2010", communicated=NEVER), "2005-01-01"),
        (TermFacts(fixed="1990", published=NEVER, communicated=NEVER), "2041-01-01"),
        (TermFacts(fixed="1990", published=NEVER, communicated="1995"), "2066-01-01"),
        (TermFacts(fixed="1940", published=NEVER, communicated="1995"), "1991-01-01"),
        (TermFacts(fixed="1990", published=NEVER), ("communicated",)),
        (TermFacts(fixed="1954"), ("published",)),
        (TermFacts(published=NEVER), ("fixed",)),
        (TermFacts(), ("published",)),
    ],
)
def test_recordings_in_the_union_and_the_united_kingdom(
    territory: Territory, facts: TermFacts, end: str | tuple[str, ...]
) -> None:
    assert _end(Layer.RECORDING, territory, facts) == end


@pytest.mark.parametrize(
    ("territory", "facts", "end"),
    [
        ("CA", TermFacts(published="1964"), "2015-01-01"),
        ("CA", TermFacts(published="1965"), "2041-01-01"),
        ("CA", TermFacts(fixed="1930", published="1990"), "2031-01-01"),  # 100 years from fixation
        ("CA", TermFacts(fixed="1970", published=NEVER), "2041-01-01"),
        ("CH", TermFacts(published="1969"), "2020-01-01"),
        ("CH", TermFacts(published="1970"), "2041-01-01"),
        ("JP", TermFacts(fixed="1971", published="1972"), "2043-01-01"),
        ("JP", TermFacts(fixed="1970", published="1972"), ("rule",)),
        ("JP", TermFacts(published="1972"), ("fixed",)),
        ("JP", TermFacts(fixed="1980", published=NEVER), "2051-01-01"),
        ("BR", TermFacts(fixed="1910", published="1911"), ("territory",)),
        ("", TermFacts(fixed="1910", published="1911"), ("territory",)),
    ],
)
def test_recordings_elsewhere(
    territory: Territory, facts: TermFacts, end: str | tuple[str, ...]
) -> None:
    assert _end(Layer.RECORDING, territory, facts) == end


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        (TermFacts(published="1922"), "2022-01-01"),
        (TermFacts(published="1923"), "2024-01-01"),
        (TermFacts(published="1925"), "2026-01-01"),
        (TermFacts(published="1946"), "2047-01-01"),
        (TermFacts(published="1947"), "2058-01-01"),
        (TermFacts(published="1956"), "2067-01-01"),
        (TermFacts(published="1957"), "2067-02-16"),
        (TermFacts(fixed="1972-02-14", published="1973"), "2067-02-16"),
        (TermFacts(fixed="1910", published=NEVER), "2067-02-16"),
        (TermFacts(fixed="1910"), ("published",)),
        # In the year 1972 the day decides, and nothing is guessed.
        (TermFacts(fixed="1972", published="1972"), ("fixed",)),
        (TermFacts(fixed="1972-02-15", published="1972"), "2068-01-01"),
        (TermFacts(fixed="1972-02-15", published=NEVER), ("for_hire",)),
        (TermFacts(fixed="1977", published="1977"), "2073-01-01"),
        (TermFacts(fixed="1977", published="1978"), ("for_hire",)),
        (TermFacts(fixed="1977", published="1978", for_hire=True), "2074-01-01"),
        (TermFacts(fixed="1977", published="1978", for_hire=False), ("rule",)),
        (TermFacts(fixed="1980", published="2020", for_hire=True), "2101-01-01"),
        (TermFacts(fixed="1980", published=NEVER, for_hire=True), "2101-01-01"),
        (TermFacts(fixed="1980", for_hire=True), ("published",)),
        (TermFacts(published="1975"), ("fixed",)),
        (TermFacts(), ("fixed",)),
    ],
)
def test_recordings_in_the_united_states(facts: TermFacts, end: str | tuple[str, ...]) -> None:
    assert _end(Layer.RECORDING, UNITED_STATES, facts) == end


@pytest.mark.parametrize(
    ("territory", "authors", "died", "published", "end"),
    [
        ("DE", 1, (1955,), "1930", "2026-01-01"),
        ("DE", 2, (1937, 1955), "1930", "2026-01-01"),  # the last of words and music
        ("DE", 2, (1937,), "1930", ("died",)),
        ("DE", 0, (), "1930", ("authors",)),
        ("DE", 1, (1955,), "", "2026-01-01"),
        ("ES", 1, (1946,), "1930", "2027-01-01"),  # 80 years
        ("ES", 1, (1988,), "1930", "2059-01-01"),
        ("FR", 1, (1955,), "1950", "2026-01-01"),
        ("FR", 1, (1937,), "1928", ("war",)),
        ("FR", 1, (1937,), "", ("work_published",)),
        ("IT", 1, (1937,), "1928", ("war",)),
        ("GB", 1, (1955,), "1930", "2026-01-01"),
        ("GB", 1, (1955,), "1960", ("rule",)),
        ("GB", 1, (1955,), "", ("work_published",)),
        ("CA", 1, (1971,), "1930", "2022-01-01"),
        ("CA", 1, (1972,), "1930", "2043-01-01"),
        ("CH", 1, (1955,), "1930", "2026-01-01"),
        ("JP", 1, (1920,), "1910", ("rule",)),
        ("US", 1, (1937,), "1930", "2026-01-01"),  # 95 years from publication
        ("US", 0, (), "1977", "2073-01-01"),
        ("US", 1, (1960,), "1980", "2048-01-01"),
        ("US", 1, (1990,), "1980", "2061-01-01"),
        ("US", 1, (1990,), "", ("work_published",)),
        ("US", 1, (1920,), NEVER, "2003-01-01"),
        ("US", 1, (1960,), NEVER, "2031-01-01"),
    ],
)
def test_works(
    territory: Territory,
    authors: int,
    died: tuple[int, ...],
    published: str,
    end: str | tuple[str, ...],
) -> None:
    facts = TermFacts(authors=authors, died=died, work_published=published)
    assert _end(Layer.WORK, territory, facts) == end


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        (TermFacts(fixed="1971"), True),
        (TermFacts(fixed="1972-02-14"), True),
        (TermFacts(fixed="1972"), None),
        (TermFacts(fixed="1972-02-15"), False),
        (TermFacts(fixed="1973"), False),
        (TermFacts(published="1960"), True),
        (TermFacts(published="1980"), None),
        (TermFacts(published=NEVER), None),
        (TermFacts(), None),
    ],
)
def test_before_1972_means_before_15_february(facts: TermFacts, answer: bool | None) -> None:
    assert fixed_before_1972(facts) is answer


@st.composite
def _facts(draw: st.DrawFn) -> TermFacts:
    def when() -> str:
        return draw(st.one_of(st.just(""), st.just(NEVER), YEARS.map(str)))

    died = draw(st.lists(YEARS, max_size=3).map(tuple))
    return TermFacts(
        fixed=draw(st.one_of(st.just(""), YEARS.map(str))),
        published=when(),
        communicated=when(),
        for_hire=draw(st.sampled_from([None, True, False])),
        authors=draw(st.integers(0, 3)),
        died=died,
        work_published=when(),
    )


@settings(deadline=None)
@given(_facts(), st.sampled_from(Layer), st.text(max_size=3))
def test_where_nothing_is_known_nothing_ends(facts: TermFacts, layer: Layer, name: str) -> None:
    if name not in KNOWN:
        term = term_of(layer, Territory(name), facts)
        assert term.missing == ("territory",)
        assert not term.is_free(date.max)


@settings(deadline=None)
@given(_facts(), st.sampled_from(Layer), st.sampled_from(KNOWN))
def test_a_term_has_an_end_or_says_what_is_missing(
    facts: TermFacts, layer: Layer, territory: Territory
) -> None:
    term = term_of(layer, territory, facts)
    assert (term.free_on is None) == bool(term.missing)
    if term.free_on is not None:
        assert term.source
        assert term.is_free(term.free_on)
        assert not term.is_free(date(term.free_on.year - 1, 12, 31))


@settings(deadline=None)
@given(_facts(), st.sampled_from(KNOWN))
def test_no_recording_is_free_sooner_than_half_a_century_after_it_was_made(
    facts: TermFacts, territory: Territory
) -> None:
    term = term_of(Layer.RECORDING, territory, facts)
    fixed = year_of(facts.fixed)
    if term.free_on is not None and fixed is not None:
        published = year_of(facts.published)
        made = fixed if published is None else min(fixed, published)
        assert term.free_on >= date(made + 51, 1, 1)


@settings(deadline=None)
@given(_facts(), YEARS, st.sampled_from(KNOWN))
def test_an_author_who_died_later_never_makes_a_term_shorter(
    facts: TermFacts, later: int, territory: Territory
) -> None:
    if not facts.died or facts.authors > len(facts.died):
        return
    longer = TermFacts(
        authors=facts.authors,
        died=(*facts.died, later),
        work_published=facts.work_published,
    )
    one, other = (term_of(Layer.WORK, territory, given) for given in (facts, longer))
    if one.free_on is not None and other.free_on is not None:
        assert other.free_on >= one.free_on


def test_the_table_names_its_sources_and_its_date() -> None:
    assert date.fromisoformat(CHECKED) >= date(2026, 11, 28)
    rules = [rule for known in PROTECTION.values() for rule in (known.recording, known.work)]
    assert all(rule.source for rule in rules if rule is not None)
    assert all(len(code) == 2 and code.isupper() for code in PROTECTION)
    assert len(EUROPEAN_UNION) == 27
    assert PROTECTION.keys() > EUROPEAN_UNION
