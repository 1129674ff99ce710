"""Searching the shards that `shards` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

from sonotheque.catalogue.query import FIELDS, How, Query, Word
from sonotheque.catalogue.shards import VOCABULARY_NAME, register
from sonotheque.catalogue.vocabulary import Vocabulary

COMPLETIONS_MAX = 64
NEIGHBOURS_MAX = 16
"""Of a prefix or a misspelt word, the commonest so many words are looked for."""
_FIELD_BOOSTS = {"title": 3.0, "artist": 2.5, "album": 1.0, "label": 0.5}
Terms = tuple[tuple[str, float], ...]
"""Terms that may stand for a word, each with what finding it is worth."""
_EXACT, _COMPLETED, _MISSPELT = 1.0, 0.5, 0.25


@dataclass(frozen=True, slots=True)
class Found:
    """Numbers of recordings, best first, and how many there are in all that was searched."""

    numbers: tuple[int, ...]
    total: int


class ShardSearch:
    """The open search index of a snapshot. Safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        self._vocabulary = Vocabulary(directory / VOCABULARY_NAME)
        self._shards = []
        for path in sorted(directory.glob("[0-9][0-9]")):
            index = tantivy.Index.open(str(path))
            register(index)
            self._shards.append(index)

    def __len__(self) -> int:
        return len(self._shards)

    def prepare(self, query: Query) -> dict[How, Prepared]:
        """`query` as it is asked of each shard, in turn: with every word as it stands; with the
        last one for a beginning; with any for a beginning or a mistake. A way by which, says the
        vocabulary, nothing has every word, is left out."""
        exact = [self._exact(word) for word in query.words]
        begun = [*exact[:-1], *(self._begun(word) for word in query.words[-1:])]
        loose = [self._loose(word) for word in query.words]
        prepared: dict[How, Prepared] = {}
        before: Prepared | None = None
        for how, ways in ((How.EXACT, exact), (How.BEGUN, begun), (How.LOOSE, loose)):
            if all(ways) and (before is None or tuple(ways) != before.terms):
                before = prepared[how] = Prepared(query, tuple(ways), before)
        return prepared

    def find(self, prepared: Prepared, shard: int, limit: int) -> Found:
        """The best `limit` recordings in `shard`."""
        index = self._shards[shard]
        searcher = index.searcher()
        asked = _asked(prepared, index.schema)
        found: Any = searcher.search(asked, limit=limit, count=True, weight_by_field="weight")
        addresses = [address for _, address in found.hits]
        rows: list[Any] = searcher.fast_field_values("row", addresses) if addresses else []
        return Found(tuple(int(row) for row in rows), int(found.count or 0))

    def _exact(self, word: Word) -> Terms:
        return ((word.text, _EXACT),) if self._vocabulary.count(word.text) else ()

    def _begun(self, word: Word) -> Terms:
        completions = self._vocabulary.completions(word.text, COMPLETIONS_MAX)
        return self._exact(word) + tuple((term, _COMPLETED) for term in completions)

    def _loose(self, word: Word) -> Terms:
        terms = self._begun(word)
        known = {term for term, _ in terms}
        neighbours = self._vocabulary.neighbours(word.text, NEIGHBOURS_MAX)
        return terms + tuple((term, _MISSPELT) for term in neighbours if term not in known)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query with the terms that may stand for each of its words. `before` was asked before, and
    is not asked for again."""

    query: Query
    terms: tuple[Terms, ...]
    before: Prepared | None


def _asked(prepared: Prepared, schema: tantivy.Schema) -> tantivy.Query:
    clauses = _wanted(prepared, schema)
    # What was asked last would have found what was asked before it, too.
    if prepared.before:
        before = tantivy.Query.boolean_query(_wanted(prepared.before, schema))
        clauses.append((tantivy.Occur.MustNot, before))
    return tantivy.Query.boolean_query(clauses)


def _wanted(
    prepared: Prepared, schema: tantivy.Schema
) -> list[tuple[tantivy.Occur, tantivy.Query]]:
    must = tantivy.Occur.Must
    clauses = [
        (must, _any_of(schema, word, terms))
        for word, terms in zip(prepared.query.words, prepared.terms, strict=True)
    ]
    for year in prepared.query.years:
        clauses.append((must, tantivy.Query.term_query(schema, "year", year)))
    return clauses


def _any_of(schema: tantivy.Schema, word: Word, terms: Terms) -> tantivy.Query:
    fields = [word.field] if word.field else FIELDS
    ways = [
        (
            tantivy.Occur.Should,
            tantivy.Query.boost_query(
                tantivy.Query.term_query(schema, field, term, "basic"),
                worth * _FIELD_BOOSTS[field],
            ),
        )
        for term, worth in terms
        for field in fields
    ]
    return tantivy.Query.boolean_query(ways)
