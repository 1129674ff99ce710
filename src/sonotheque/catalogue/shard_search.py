"""Searching the shards that `shards` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tantivy

from sonotheque.catalogue.query import FIELDS, How, Query, Word
from sonotheque.catalogue.shards import VOCABULARY_NAME, gathered, register
from sonotheque.catalogue.vocabulary import Vocabulary

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
    """One that may stand for a word, what finding it is `worth`, and how many recordings have it,
    counted once for each field."""

    text: str
    worth: float
    postings: int


Terms = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of recordings, best first, and how many there are in all that was searched."""

    numbers: tuple[int, ...]
    total: int
    looked_at: int = 0
    """How many recordings were looked at one by one."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query with the terms that may stand for each of its words, and as the index is `asked`.
    `before` was asked before, and is not asked for again. `leading`, some words alone, is asked
    first: where few recordings have those, the others are looked for in these themselves.
    `postings_max` bounds how many recordings have the rarest of its words."""

    query: Query
    how: How
    terms: tuple[Terms, ...]
    before: Prepared | None
    asked: tantivy.Query
    leading: tantivy.Query | None
    postings_max: int

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
                terms = [self._exact(word) for word in query.words]
            case How.BEGUN:
                terms = [self._exact(word) for word in query.words[:-1]]
                terms += [self._begun(word) for word in query.words[-1:]]
            case How.LOOSE:
                terms = [self._loose(word) for word in query.words]
        if not all(terms) or (before is not None and tuple(terms) == before.terms):
            return None
        clauses = self._wanted(query, terms, range(len(terms)))
        # What was asked last would have found what was asked before it, too.
        if before:
            clauses.append((tantivy.Occur.MustNot, before.asked))
        return Prepared(
            query=query,
            how=how,
            terms=tuple(terms),
            before=before,
            asked=tantivy.Query.boolean_query(clauses),
            leading=self._leading(query, how, terms),
            # Where only years are asked for, nobody has counted.
            postings_max=min(map(_count, terms), default=1 << 63),
        )

    def _leading(self, query: Query, how: How, terms: list[Terms]) -> tantivy.Query | None:
        if how is How.LOOSE:
            return None
        # The endings of a beginning may be more than its terms.
        is_cut = how is How.BEGUN and len(terms[-1]) >= COMPLETIONS_MAX
        whole = range(len(query.words) - is_cut)
        if not whole or (not is_cut and len(whole) <= LEADING_WORDS_MAX):
            return None
        rarest = sorted(whole, key=lambda place: _count(terms[place]))
        return tantivy.Query.boolean_query(self._wanted(query, terms, rarest[:LEADING_WORDS_MAX]))

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

    def _wanted(
        self, query: Query, terms: Sequence[Terms], places: Iterable[int]
    ) -> list[tuple[tantivy.Occur, tantivy.Query]]:
        """The words at `places` in `query`, and its years."""
        must, schema = tantivy.Occur.Must, self._schema
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

    def _exact(self, word: Word) -> Terms:
        count = self._vocabulary.count(word.text)
        return (Term(word.text, _EXACT, count),) if count else ()

    def _begun(self, word: Word) -> Terms:
        completions = self._vocabulary.completions(word.text, COMPLETIONS_MAX)
        return self._exact(word) + tuple(
            Term(text, _COMPLETED, count) for text, count in completions
        )

    def _loose(self, word: Word) -> Terms:
        terms = self._begun(word)
        known = {term.text for term in terms}
        neighbours = self._vocabulary.neighbours(word.text, NEIGHBOURS_MAX)
        return terms + tuple(
            Term(text, _MISSPELT, count) for text, count in neighbours if text not in known
        )


def _count(terms: Terms) -> int:
    return sum(term.postings for term in terms)


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
