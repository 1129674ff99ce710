"""The words of a snapshot's search index, with how many recordings have each: what somebody who
has typed three letters may go on to, and which words a misspelt one may be.

Asking this list first keeps a search to few terms: a fuzzy or a prefix search of the index itself
walks every matching term of every shard. One Arrow file, mapped: words in the order of their bytes,
counts, shards, and the words' hashes in order, by which the neighbours of a word are looked up.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from sonotheque.catalogue.keys import hash_text
from sonotheque.errors import Corrupt
from sonotheque.store.engine import open_engine

# The stubs cannot follow columns whose type is known only when the program runs.
pc: Any = pyarrow.compute

Counted = tuple[str, int, int]
"""A word, how many recordings have it, counted once for each field that has it, and the shards in
which they are: bit n for shard n."""
EVERY_SHARD = -1
TYPO_LENGTH_MIN = 4
"""Shorter words have too many neighbours at one edit to be worth guessing at."""
_LETTERS_MAX = 64
"""Of one script; the signs of scripts that have more are no letters to mistype."""
_BEYOND = "\U0010ffff"
_ENGINE_BYTES = 2_000_000_000


def write_vocabulary(path: Path, tables: list[pa.Table]) -> None:
    """Write the words of `tables`, one for each shard (`word`, `count`; a word once for each field
    that has it), to `path`."""
    empty = pa.table({"word": pa.array([], pa.large_string()), "count": pa.array([], pa.int64())})
    each = pa.concat_tables(
        table.append_column("shard", pa.array(np.full(len(table), 1 << shard, np.uint32)))
        for shard, table in enumerate(tables or [empty])
    )
    with open_engine(
        memory_bytes_max=_ENGINE_BYTES, spill=path.with_name(path.name + ".spill")
    ) as engine:
        engine.register("each", each)
        summed = engine.sql(
            # What `keys.hash_text` gives, for all words at once.
            "SELECT word, CAST(sum(count) AS BIGINT) AS count, bit_or(shard) AS shards,"
            " md5_number_lower(word) AS hash FROM each GROUP BY word ORDER BY word"
        ).to_arrow_table()
    words: Any = summed["word"].cast(pa.large_string()).combine_chunks()
    hashes = summed["hash"].to_numpy()
    order = np.argsort(hashes)
    letters = json.dumps(_letters(words)).encode()
    table = pa.table(
        {
            "word": words,
            "count": summed["count"].combine_chunks(),
            "shards": summed["shards"].combine_chunks(),
            "hash": hashes[order],
            "at": order.astype(np.uint32),
        }
    ).replace_schema_metadata({"letters": letters})
    with pa.OSFile(str(path), "wb") as output, pa.ipc.new_file(output, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, len(table)))


class Vocabulary:
    """An open vocabulary. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Raises Corrupt where it was written by a version that did not keep the shards."""
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().combine_chunks()
        if "shards" not in table.column_names:
            raise Corrupt(
                "the search index is of an earlier version of sonotheque",
                where=str(path),
                remedy="build the catalogue again",
            )
        self._words: Any = table["word"].chunk(0) if len(table) else pa.array([], pa.large_string())
        self._in_bytes = _Words(self._words)
        self._counts: npt.NDArray[np.int64] = table["count"].to_numpy()
        self._shards: npt.NDArray[np.uint32] = table["shards"].to_numpy()
        hashes: Any = table["hash"].to_numpy()
        at: Any = table["at"].to_numpy()
        self._hashes: npt.NDArray[np.uint64] = hashes
        self._at: npt.NDArray[np.uint32] = at
        # Views that give plain integers: for one word many times as fast as numpy.
        self._hash_of, self._place_of = memoryview(hashes), memoryview(at)
        self._letters: dict[str, str] = json.loads(table.schema.metadata[b"letters"])

    def __len__(self) -> int:
        return len(self._words)

    def look_up(self, word: str) -> Counted | None:
        """`word` with its count and shards; None where no recording has it."""
        hashed, wanted = hash_text(word), word.encode()
        nth = bisect_left(self._hash_of, hashed)
        while nth < len(self) and self._hash_of[nth] == hashed:
            place = self._place_of[nth]
            if self._in_bytes[place] == wanted:
                return word, int(self._counts[place]), int(self._shards[place])
            nth += 1
        return None

    def completions(self, prefix: str, limit: int) -> list[Counted]:
        """The `limit` commonest words that begin with `prefix` and are not it, commonest first."""
        first = self._place(prefix)
        first += self._is_at(first, prefix)
        return self._commonest(np.arange(first, self._place(prefix + _BEYOND)), limit)

    def neighbours(self, word: str, limit: int) -> list[Counted]:
        """The `limit` commonest words at one edit from `word` (a letter more, less, another, or
        two changed over: Damerau 1964), commonest first; none for a short word."""
        if len(word) < TYPO_LENGTH_MIN or not len(self):
            return []
        texts = _at_one_edit(word, self._alphabet(word))
        hashes = np.array([hash_text(text) for text in texts], np.uint64)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self) - 1)
        at = self._at[places[self._hashes[places] == hashes]]
        return self._commonest(at.astype(np.int64), limit)

    def _commonest(self, places: npt.NDArray[np.int64], limit: int) -> list[Counted]:
        counts = self._counts[places]
        if len(places) > limit:
            chosen = np.argpartition(-counts, limit)[:limit]
            places, counts = places[chosen], counts[chosen]
        order = np.lexsort((places, -counts))
        words = [self._in_bytes[place].decode() for place in places[order].tolist()]
        shards = self._shards[places[order]].tolist()
        return list(zip(words, counts[order].tolist(), shards, strict=True))

    def _place(self, word: str) -> int:
        return bisect_left(self._in_bytes, word.encode())

    def _is_at(self, place: int, word: str) -> bool:
        return place < len(self) and self._in_bytes[place] == word.encode()

    def _alphabet(self, word: str) -> str:
        # One digit for another is another number, not a typo.
        scripts = sorted({_script(letter) for letter in word} - {"DIGIT"})
        return "".join(self._letters.get(script, "") for script in scripts)


class _Words:
    """Words as the bytes they are sorted by: four times as fast as through Arrow's values."""

    def __init__(self, words: Any) -> None:
        _, offsets, data = words.buffers()
        self._count = len(words)
        self._first = words.offset
        self._offsets = memoryview(offsets or b"").cast("B").cast("q")
        self._data = memoryview(data or b"").cast("B")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> bytes:
        at = self._first + place
        return bytes(self._data[self._offsets[at] : self._offsets[at + 1]])


def _at_one_edit(word: str, alphabet: str) -> set[str]:
    parts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    found = {before + after[1:] for before, after in parts if after}
    found |= {before + after[1] + after[0] + after[2:] for before, after in parts if len(after) > 1}
    found |= {
        before + letter + after[1:] for before, after in parts if after for letter in alphabet
    }
    found |= {before + letter + after for before, after in parts for letter in alphabet}
    return found - {word}


def _letters(words: Any) -> dict[str, str]:
    """The letters of each script that has an alphabet, commonest first."""
    counts = np.zeros(sys.maxunicode + 1, np.int64)
    for first in range(0, len(words), 100_000):
        text = "".join(words[first : first + 100_000].to_pylist())
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        some = np.bincount(codes)
        counts[: len(some)] += some
    scripts: dict[str, list[str]] = {}
    commonest = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    for letter in map(chr, commonest.tolist()):
        scripts.setdefault(_script(letter), []).append(letter)
    return {
        script: "".join(letters[:_LETTERS_MAX])
        for script, letters in scripts.items()
        if script not in ("CJK", "HANGUL", "HIRAGANA", "KATAKANA")
    }


def _script(letter: str) -> str:
    """A letter's script, by the first word of its name (DIGIT for the digits of ASCII)."""
    return unicodedata.name(letter, "?").partition(" ")[0]
