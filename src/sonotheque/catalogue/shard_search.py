"""Searching the shards that `shards` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import and_, or_
from pathlib import Path
from typing import Any, NamedTuple

import tantivy

from sonotheque.catalogue.query import FIELDS, How, Query, Word
from sonotheque.catalogue.shards import VOCABULARY_NAME, gathered, register
from sonotheque.catalogue.vocabulary import EVERY_SHARD, Counted, Vocabulary

COMPLETIONS_MAX = 16
NEIGHBOURS_MAX = 16
"""Of a prefix or a misspelt word, the commonest so many words are looked for."""
LEADING_WORDS_MAX = 4
"""Of more words, the rarest so many are asked of the index."""
CANDIDATES_MAX = 128
"""So few recordings of a shard are looked at one by one."""
LOOKED_AT_MAX = 256
"""So many are in all, one way of looking; then what the index says is all there is. It costs some
20 µs each, ten times what asking the index for a bounded number of endings does."""
_FIELD_BOOSTS = {"title": 3.0, "artist": 2.5, "album": 1.0, "label": 0.5}
_EXACT, _COMPLETED, _MISSPELT = 1.0, 0.5, 0.25


class Term(NamedTuple):
    """One that may stand for a word, what finding it is `worth`, how many recordings have it,
    counted once for each field, and in which shards they are."""

    text: str
    worth: float
    postings: int
    shards: int


Terms = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of recordings, best first, and how many there are in all that was searched."""

    numbers: tuple[int, ...]
    total: int
    looked_at: int = 0
    """How many recordings were looked at one by one."""


@dataclass(frozen=True)
class Prepared:
    """A query with the terms that may stand for each of its words. `before` was asked before, and
    is not asked for again. `leading`, some words alone, is asked first: where few recordings have
    those, the others are looked for in these themselves. `postings_max` bounds how many recordings
    have the rarest of its words; `shards` are those that have all of them, each somewhere."""

    query: Query
    how: How
    terms: tuple[Terms, ...]
    before: Prepared | None
    schema: tantivy.Schema
    leading: tantivy.Query | None
    postings_max: int
    shards: int

    @cached_property
    def asked(self) -> tantivy.Query:
        """All of it, as the index is asked: only where the leading words do not suffice."""
        clauses = _wanted(self.schema, self.query, self.terms, range(len(self.terms)))
        # What was asked last would have found what was asked before it, too.
        if self.before:
            clauses.append((tantivy.Occur.MustNot, self.before.asked))
        return tantivy.Query.boolean_query(clauses)

    def is_in(self, shard: int) -> bool:
        """Whether anything can be found in `shard`."""
        return bool(self.shards >> shard & 1)

    def matches(self, fields: dict[str, list[str]]) -> bool:
        """Whether a recording with the words `fields` has every word as it stands, the last one
        perhaps as a beginning."""
        last = len(self.query.words) - 1
        for number, word in enumerate(self.query.words):
            places = [fields[word.field]] if word.field else fields.values()
            begun = self.how is How.BEGUN and number == last
            if not any(
                one == word.text or (begun and one.startswith(word.text))
                for place in places
                for one in place
            ):
                return False
        return True


class ShardSearch:
    """The open search index of a snapshot. Safe to share between threads."""

    def __init__(self, directory: Path, words_of: Callable[[int], dict[str, list[str]]]) -> None:
        """`words_of` gives the words of a recording, field by field, by its number."""
        self._words_of = words_of
        self._vocabulary = Vocabulary(directory / VOCABULARY_NAME)
        indexes = [tantivy.Index.open(str(path)) for path in sorted(directory.glob("[0-9][0-9]"))]
        for index in indexes:
            register(index)
        # One schema for all: what is asked of one shard can be asked of each.
        self._schema = indexes[0].schema
        self._searchers = [index.searcher() for index in indexes]

    def __len__(self) -> int:
        return len(self._searchers)

    def prepare(self, query: Query, how: How, before: Prepared | None) -> Prepared | None:
        """`query` as it is asked of each shard, so that what `before` asked for is left out; None
        where, says the vocabulary, nothing more can be found so."""
        match how:
            case How.EXACT:
                terms = tuple([self._exact(word) for word in query.words])
            case How.BEGUN:
                exact = before.terms if before else tuple(map(self._exact, query.words))
                begun = [self._begun(word, exact[-1]) for word in query.words[-1:]]
                terms = (*exact[:-1], *begun)
            case How.LOOSE:
                terms = tuple([self._loose(word) for word in query.words])
        if not all(terms) or (before is not None and terms == before.terms):
            return None
        return Prepared(
            query=query,
            how=how,
            terms=terms,
            before=before,
            schema=self._schema,
            leading=self._leading(query, how, terms),
            # Where only years are asked for, nobody has counted.
            postings_max=min(map(_count, terms), default=1 << 63),
            shards=reduce(and_, map(_shards, terms), EVERY_SHARD),
        )

    def _leading(self, query: Query, how: How, terms: tuple[Terms, ...]) -> tantivy.Query | None:
        if how is How.LOOSE:
            return None
        # The endings of a beginning may be more than its terms.
        is_cut = how is How.BEGUN and len(terms[-1]) >= COMPLETIONS_MAX
        whole = range(len(query.words) - is_cut)
        if not whole or (not is_cut and len(whole) <= LEADING_WORDS_MAX):
            return None
        rarest = sorted(whole, key=lambda place: _count(terms[place]))[:LEADING_WORDS_MAX]
        return tantivy.Query.boolean_query(_wanted(self._schema, query, terms, rarest))

    def find(self, prepared: Prepared, shard: int, limit: int, candidates_max: int) -> Found:
        """The best `limit` recordings in `shard`, where so few as `candidates_max` have the leading
        words by looking at each."""
        searcher = self._searchers[shard]
        candidates_max = min(candidates_max, CANDIDATES_MAX)
        if prepared.leading and candidates_max > 0:
            candidates = self._search(searcher, prepared.leading, candidates_max)
            if candidates.total <= candidates_max:
                found = [one for one in candidates.numbers if self._is_wanted(prepared, one)]
                return Found(tuple(found[:limit]), len(found), candidates.total)
        return self._search(searcher, prepared.asked, limit)

    def _is_wanted(self, prepared: Prepared, number: int) -> bool:
        fields = self._words_of(number)
        was_asked = prepared.before is not None and prepared.before.matches(fields)
        return prepared.matches(fields) and not was_asked

    def _search(self, searcher: tantivy.Searcher, asked: tantivy.Query, limit: int) -> Found:
        found: Any = searcher.search(asked, limit=limit, count=True, weight_by_field="weight")
        addresses = [address for _, address in found.hits]
        numbers: list[Any] = searcher.fast_field_values("number", addresses) if addresses else []
        return Found(tuple([gathered(number) for number in numbers]), int(found.count or 0))

    def _exact(self, word: Word) -> Terms:
        found = self._vocabulary.look_up(word.text)
        return _terms(_EXACT, [found] if found else [])

    def _begun(self, word: Word, exact: Terms) -> Terms:
        completions = self._vocabulary.completions(word.text, COMPLETIONS_MAX)
        return exact + _terms(_COMPLETED, completions)

    def _loose(self, word: Word) -> Terms:
        terms = self._begun(word, self._exact(word))
        known = {term.text for term in terms}
        neighbours = self._vocabulary.neighbours(word.text, NEIGHBOURS_MAX)
        return terms + _terms(_MISSPELT, [one for one in neighbours if one[0] not in known])


def _terms(worth: float, counted: Iterable[Counted]) -> Terms:
    return tuple([Term(text, worth, count, shards) for text, count, shards in counted])


def _count(terms: Terms) -> int:
    return sum(term.postings for term in terms)


def _shards(terms: Terms) -> int:
    return reduce(or_, [term.shards for term in terms])


def _wanted(
    schema: tantivy.Schema, query: Query, terms: Sequence[Terms], places: Iterable[int]
) -> list[tuple[tantivy.Occur, tantivy.Query]]:
    """The words at `places` in `query`, and its years."""
    must = tantivy.Occur.Must
    ways = [_ways(schema, query.words[place], terms[place]) for place in places]
    clauses = [(must, tantivy.Query.boolean_query(way)) for way in ways]
    if len(ways) > 1:
        # Few recordings have several words: to find them, nothing needs a score, and what has
        # all of them is scored by the same terms, as a wish. Four times as fast.
        clauses = [(must, tantivy.Query.const_score_query(one, 0.0)) for _, one in clauses]
        clauses += [wish for way in ways for wish in way]
    for year in query.years:
        clauses.append((must, tantivy.Query.term_query(schema, "year", year)))
    return clauses


def _ways(
    schema: tantivy.Schema, word: Word, terms: Terms
) -> list[tuple[tantivy.Occur, tantivy.Query]]:
    """What may stand for `word`, term by term and field by field."""
    fields = [word.field] if word.field else FIELDS
    return [
        (
            tantivy.Occur.Should,
            tantivy.Query.boost_query(
                tantivy.Query.term_query(schema, field, term.text, "basic"),
                term.worth * _FIELD_BOOSTS[field],
            ),
        )
        for term in terms
        for field in fields
    ]
