"""Search by words: any order, accents and case ignored, typos forgiven, prefixes as one types.

Texts are folded before they are indexed and before they are looked for, so the index itself
only splits at spaces. Scripts that put no spaces between words (Chinese, Japanese, Thai …) are
indexed character by character.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

from sonotheque.catalogue.query import FIELDS, How, Query, Word
from sonotheque.catalogue.vocabulary import TYPO_LENGTH_MIN
from sonotheque.errors import EnvironmentFailure, one_line
from sonotheque.model.folding import indexed_words_of
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Recording
from sonotheque.store import files

_META_NAME = "meta.json"
"""Replaced at each commit, by tantivy."""
_WRITER_HEAP_BYTES = 64_000_000
_WRITER_SECONDS_MAX = 30
# What tantivy's errors hold, which have no class of their own.
_LOCKED = "LockBusy"
_OF_THE_DISK = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES})
_ERROR_NUMBER = re.compile(r"(?:os error|code:) (\d+)")


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of results, best first, and how many there are in all."""

    recordings: tuple[RecordingId, ...]
    total: int


class Broken(EnvironmentFailure):
    """The index does not take what is put into it, and the disk is not said to be the cause."""


class SearchIndex:
    """The search index in `directory`; derived data, made empty where it is missing or broken."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._schema = _schema()
        self._seen = (0, 0)
        try:
            self._index = self._open()
        except ValueError as error:
            # A disk that fails is no index that is broken.
            number = _ERROR_NUMBER.search(str(error))
            if number and int(number[1]) in _OF_THE_DISK:
                with self._explained():
                    raise
            files.remove_tree(directory)
            with self._explained():
                self._index = self._open()

    def _open(self) -> tantivy.Index:
        files.make_directory(self._directory)
        index = tantivy.Index(self._schema, path=str(self._directory))
        index.register_tokenizer(
            "spaces", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        )
        # What is broken shows itself here.
        index.reload()
        return index

    def put(self, recordings: Iterable[Recording], *, anew: bool = False) -> None:
        """Add `recordings`, or replace those that are there; findable when this returns.

        With `anew`, they are all there is. Raises EnvironmentFailure where another process is
        writing the index (at once with `anew`, else where it does not end soon), and where the
        disk fails or is full; Broken where the index itself may be what fails.
        """
        writer = self._writer(0 if anew else _WRITER_SECONDS_MAX)
        with self._explained():
            if anew:
                writer.delete_all_documents()
            for recording in recordings:
                writer.delete_documents_by_term("id", recording.id)
                writer.add_document(_document(recording))
            writer.commit()
            writer.wait_merging_threads()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """tantivy says whatever the disk does as a ValueError, its number within the text. Raises
        EnvironmentFailure."""
        try:
            yield
        except ValueError as error:
            if match := _ERROR_NUMBER.search(str(error)):
                system = OSError(int(match[1]), os.strerror(int(match[1])))
                raise files.explain(system, self._directory) from error
            raise Broken(
                f"the search index cannot be written ({one_line(str(error))[:200]})",
                where=str(self._directory),
                remedy="check the disk; what is there is derived data, and safe to delete",
            ) from error

    def _writer(self, seconds_max: float) -> tantivy.IndexWriter:
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                with self._explained():
                    return self._index.writer(heap_size=_WRITER_HEAP_BYTES, num_threads=1)
            except EnvironmentFailure as error:
                if _LOCKED not in str(error.__cause__):
                    raise
                # A reader that found the index behind the records may be mending it.
                if time.monotonic() > deadline:
                    raise EnvironmentFailure(
                        "the search index cannot be written now",
                        where=str(self._directory),
                        remedy="another process may be writing it: try again",
                    ) from error
                time.sleep(0.05)

    def count(self) -> int:
        return int(self._reloaded().searcher().num_docs)

    def _reloaded(self) -> tantivy.Index:
        """The index as the last writer left it, whichever process that was."""
        # Where somebody has removed it, what was read goes on.
        with contextlib.suppress(FileNotFoundError):
            written = (self._directory / _META_NAME).stat()
            seen = (written.st_ino, written.st_mtime_ns)
            if seen != self._seen:
                with self._explained():
                    self._index.reload()
                self._seen = seen
        return self._index

    def find(self, query: Query, how: How, limit: int) -> Hits:
        """The best `limit` recordings that hold every word of `query`, and how many there are,
        besides those that are found in a stricter way.

        EXACT takes words as they stand, BEGUN the last one also for a beginning, LOOSE any for a
        beginning or with a typo.
        """
        searcher = self._reloaded().searcher()
        if not searcher.num_docs:
            return Hits((), 0)
        clauses = self._clauses(query, how)
        if how is not How.EXACT:
            stricter = How.EXACT if how is How.BEGUN else How.BEGUN
            before = tantivy.Query.boolean_query(self._clauses(query, stricter))
            clauses.append((tantivy.Occur.MustNot, before))
        found: Any = searcher.search(
            tantivy.Query.boolean_query(clauses), limit=max(1, limit), count=True
        )
        ids = [searcher.doc(address).get_first("id") for _, address in found.hits[:limit]]
        return Hits(tuple(RecordingId(str(id_)) for id_ in ids), int(found.count or 0))

    def _clauses(self, query: Query, how: How) -> list[tuple[tantivy.Occur, tantivy.Query]]:
        exacts = [("year", str(year)) for year in query.years]
        exacts += [("isrc", isrc.lower()) for isrc in query.isrcs]
        queries = [self._term(field, text) for field, text in exacts]
        for number, word in enumerate(query.words, 1):
            is_begun = how is How.LOOSE or (how is How.BEGUN and number == len(query.words))
            is_typo = how is How.LOOSE and len(word.text) >= TYPO_LENGTH_MIN
            queries.append(self._word(word, is_begun=is_begun, is_typo=is_typo))
        return [(tantivy.Occur.Must, asked) for asked in queries]

    def _word(self, word: Word, *, is_begun: bool, is_typo: bool) -> tantivy.Query:
        """A word in full is worth most, then as a prefix, then with a typo."""
        field = word.field or "text"
        ways = [tantivy.Query.boost_query(self._term(field, word.text), 8.0)]
        if is_begun:
            # Of one word, a phrase's beginning is a word's.
            prefix = tantivy.Query.phrase_prefix_query(self._schema, field, [word.text])
            ways.append(tantivy.Query.boost_query(prefix, 2.0))
        if is_typo:
            typo = tantivy.Query.fuzzy_term_query(self._schema, field, word.text, 1, True)
            ways.append(tantivy.Query.boost_query(typo, 1.0))
        return tantivy.Query.disjunction_max_query(ways)

    def _term(self, field: str, text: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, text, "freq")


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    for field in ("text", *FIELDS, "year", "isrc"):
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
    folded = {
        field: text.lower() if field == "isrc" else " ".join(indexed_words_of(text))
        for field, text in texts.items()
    }
    return tantivy.Document(id=recording.id, text=" ".join(folded.values()), **folded)
