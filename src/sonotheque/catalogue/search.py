"""Search by words: any order, accents and case ignored, typos forgiven, prefixes as one types.

Texts are folded before they are indexed and before they are looked for, so the index itself
only splits at spaces. Scripts that put no spaces between words (Chinese, Japanese, Thai …) are
indexed character by character.
"""

from __future__ import annotations

import contextlib
import re
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

from sonotheque.errors import BadInput, EnvironmentFailure
from sonotheque.model.folding import fold
from sonotheque.model.identifiers import RecordingId, parse_isrc
from sonotheque.model.music import Recording
from sonotheque.store import files

FIELDS = ("title", "artist", "album", "label", "year", "isrc")
QUERY_WORDS_MAX = 16
QUERY_CHARACTERS_MAX = 400
TYPO_LENGTH_MIN = 4
"""Shorter words have too many neighbours at one edit to be worth guessing at."""
_WRITER_HEAP_BYTES = 64_000_000
_WRITER_SECONDS_MAX = 30
_FILTER = re.compile(
    r"\b(title|artist|album|label|year|isrc):(?:\"([^\"]*)\"|(\S+))", re.IGNORECASE
)
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of results, best first, and how many there are in all."""

    recordings: tuple[RecordingId, ...]
    total: int


class SearchIndex:
    """The search index in `directory`; derived data, made empty where it is missing or broken."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._schema = _schema()
        try:
            self._index = self._open()
        except ValueError:
            files.remove_tree(directory)
            self._index = self._open()

    def _open(self) -> tantivy.Index:
        files.make_directory(self._directory)
        index = tantivy.Index(self._schema, path=str(self._directory))
        index.register_tokenizer(
            "spaces", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        )
        index.reload()
        return index

    def put(self, recordings: Iterable[Recording], *, anew: bool = False) -> None:
        """Add `recordings`, or replace those that are there; findable when this returns.

        With `anew`, they are all there is. Raises EnvironmentFailure where another process is
        writing the index: at once with `anew`, else where it does not end soon.
        """
        writer = self._writer(0 if anew else _WRITER_SECONDS_MAX)
        if anew:
            writer.delete_all_documents()
        for recording in recordings:
            writer.delete_documents_by_term("id", recording.id)
            writer.add_document(_document(recording))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()

    def _writer(self, seconds_max: float) -> tantivy.IndexWriter:
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                return self._index.writer(heap_size=_WRITER_HEAP_BYTES, num_threads=1)
            except ValueError as error:
                # A reader that found the index behind the records may be mending it.
                if time.monotonic() > deadline:
                    raise EnvironmentFailure(
                        "the search index cannot be written now",
                        where=str(self._directory),
                        remedy="another process may be writing it: try again",
                    ) from error
                time.sleep(0.05)

    def count(self) -> int:
        self._index.reload()
        return int(self._index.searcher().num_docs)

    def find(self, query: str, *, limit: int, offset: int = 0) -> Hits:
        """Recordings that hold every word of `query`, in full, as a prefix, or with one typo.

        `title: artist: album: label: year: isrc:` look in that field alone; a query that is an
        ISRC, as people write it, is looked for as one. Raises BadInput where the query is too
        long to be meant.
        """
        parsed = self._parse(query)
        if parsed is None:
            return Hits((), 0)
        self._index.reload()
        searcher = self._index.searcher()
        there = max(1, searcher.num_docs)
        found: Any = searcher.search(
            parsed, limit=min(max(1, limit), there), offset=min(offset, there), count=True
        )
        ids = [searcher.doc(address).get_first("id") for _, address in found.hits]
        return Hits(tuple(RecordingId(str(id_)) for id_ in ids), int(found.count or 0))

    def _parse(self, query: str) -> tantivy.Query | None:
        if len(query) > QUERY_CHARACTERS_MAX:
            raise BadInput(
                f"the query has {len(query)} characters",
                where=query[:40] + "…",
                remedy=f"use at most {QUERY_CHARACTERS_MAX}",
            )
        wanted: list[tuple[str, str]] = []
        with contextlib.suppress(BadInput):
            wanted = [("isrc", parse_isrc(query).lower())]
            query = ""
        for match in _FILTER.finditer(query):
            field = match[1].lower()
            wanted += [(field, word) for word in _words(match[2] or match[3] or "", field)]
        wanted += [("text", word) for word in _words(_FILTER.sub(" ", query), "text")]
        clauses = [
            (tantivy.Occur.Must, self._word(field, word))
            for field, word in wanted[:QUERY_WORDS_MAX]
        ]
        return tantivy.Query.boolean_query(clauses) if clauses else None

    def _word(self, field: str, word: str) -> tantivy.Query:
        """A word in full is worth most, then as a prefix, then with a typo."""
        exact = tantivy.Query.term_query(self._schema, field, word, "freq")
        if field in ("year", "isrc"):
            return exact
        ways = [tantivy.Query.boost_query(exact, 8.0)]
        if len(word) > 1:
            prefix = tantivy.Query.regex_query(self._schema, field, re.escape(word) + ".*")
            ways.append(tantivy.Query.boost_query(prefix, 2.0))
        if len(word) >= TYPO_LENGTH_MIN:
            typo = tantivy.Query.fuzzy_term_query(self._schema, field, word, 1, True)
            ways.append(tantivy.Query.boost_query(typo, 1.0))
        return tantivy.Query.disjunction_max_query(ways)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    for field in ("text", *FIELDS):
        builder.add_text_field(field, tokenizer_name="spaces", index_option="freq")
    return builder.build()


def _document(recording: Recording) -> tantivy.Document:
    description = recording.description
    texts = {
        "title": description.title,
        "artist": description.artist,
        "album": description.album,
        "label": description.label,
        "year": str(description.year or ""),
        "isrc": " ".join(description.isrcs),
    }
    folded = {field: " ".join(_indexed(text, field)) for field, text in texts.items()}
    return tantivy.Document(id=recording.id, text=" ".join(folded.values()), **folded)


def _indexed(text: str, field: str) -> list[str]:
    """The words of `text`, and those behind an elision: L'Été is found as lete and as ete."""
    words = _words(text, field)
    parted = _words(text.replace("'", " ").replace("’", " "), field)
    return words + [word for word in parted if word not in words]


def _words(text: str, field: str) -> list[str]:
    """`text` as the words that are indexed and looked for."""
    if field == "isrc":
        return fold(text.replace("-", "")).split()
    spaced = "".join(f" {c} " if _is_unspaced(c) else c for c in fold(text))
    return spaced.split()


def _is_unspaced(character: str) -> bool:
    return ord(character) > 0xE00 and unicodedata.name(character, "").startswith(_UNSPACED)
