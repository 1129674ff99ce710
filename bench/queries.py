"""What people would ask of a catalogue, made of recordings that are in it.

Half of the queries are made of recordings drawn evenly, half of such drawn by popularity. Words are
typed as the catalogue writes them; what the peers are asked is the same.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sonotheque.catalogue.lookup import Snapshot
from sonotheque.model.folding import words_of
from sonotheque.model.music import Recording

Random = np.random.Generator

KINDS = ("plain", "prefix", "typo")
_POOL_PER_QUERY = 10
"""Recordings looked at for one query: of four, one is popular at all."""
_ALPHABETS = ("LATIN", "GREEK", "CYRILLIC", "ARABIC")
_LETTERS_MIN = 5
_AROUND_WORDS = string.punctuation + "–—…"


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and the recording it was made of. `words` are those of the text; of a prefix query,
    the last may be the beginning of one."""

    kind: str
    words: tuple[str, ...]
    meant: Recording
    is_popular: bool

    @property
    def text(self) -> str:
        return " ".join(self.words)


def spelling(title: str, artist: str) -> tuple[list[str], list[str]]:
    """By which two recordings are taken for the same on a page of results."""
    return words_of(title), words_of(artist)


def draw(snapshot: Snapshot, count: int, seed: int) -> dict[str, list[Asked]]:
    """`count` queries of each of KINDS, in no order (fewer where the catalogue is small)."""
    random = np.random.default_rng(seed)
    numbers = random.integers(0, snapshot.count(), _POOL_PER_QUERY * count)
    pool = [snapshot.numbered(number) for number in numbers.tolist()]
    return {kind: _of_kind(random, pool, kind, count) for kind in KINDS}


def _of_kind(random: Random, pool: list[Recording], kind: str, count: int) -> list[Asked]:
    # A weight of nought could not be drawn, should nothing be popular.
    popularity = np.array([recording.popularity for recording in pool]) + 1e-6
    orders: dict[bool, Any] = {
        False: random.permutation(len(pool)),
        True: random.choice(len(pool), len(pool), False, popularity / popularity.sum()),
    }
    found: list[Asked] = []
    for is_popular, order in orders.items():
        wanted = len(found) + count // 2
        for place in order.tolist():
            if len(found) >= wanted:
                break
            words = _WAYS[kind](random, pool[place])
            if words:
                found.append(Asked(kind, tuple(words), pool[place], is_popular))
    return [found[place] for place in random.permutation(len(found)).tolist()]


def _split(text: str) -> list[str]:
    """Words as typed: what stands between spaces, without the brackets and commas around it."""
    return [word for part in text.split() if (word := part.strip(_AROUND_WORDS))]


def _plain(random: Random, recording: Recording) -> list[str]:
    """One to three words of the title, or the title (three words of it) and the artist."""
    title, artist = _split(recording.description.title), _split(recording.description.artist)
    if not title:
        return []
    if artist and random.random() < 0.5:
        return title[:3] + artist
    size = int(random.integers(1, min(3, len(title)) + 1))
    first = int(random.integers(0, len(title) - size + 1))
    return title[first : first + size]


def _prefix(random: Random, recording: Recording) -> list[str]:
    """The title's first two to five letters, or a word of it and one to four letters of the
    next."""
    title = _split(recording.description.title)
    if len(title) > 1 and random.random() < 0.5:
        at = int(random.integers(0, len(title) - 1))
        return [title[at], title[at + 1][: int(random.integers(1, 5))]]
    begun = " ".join(title)[: int(random.integers(2, 6))]
    return begun.split() if len(begun) > 1 else []


def _typo(random: Random, recording: Recording) -> list[str]:
    """A word of five letters at least with one mistake, alone or with another word as it is."""
    words = _split(recording.description.title) + _split(recording.description.artist)
    places = [place for place, word in enumerate(words) if _has_letters(word)]
    if not places:
        return []
    place = int(random.choice(places))
    typed = _mistyped(random, words[place])
    others = words[:place] + words[place + 1 :]
    if not others or random.random() < 0.5:
        return [typed]
    return [str(random.choice(others)), typed]


def _has_letters(word: str) -> bool:
    """Whether one can mistype it: signs for syllables and words are chosen, not spelt."""
    return len(word) >= _LETTERS_MIN and all(
        unicodedata.name(letter, "").startswith(_ALPHABETS) for letter in word
    )


def _mistyped(random: Random, word: str) -> str:
    """`word` with a letter dropped, changed, or swapped with the next; it is another word then."""
    while True:
        at = int(random.integers(0, len(word)))
        before, letter, after = word[:at], word[at], word[at + 1 :]
        ascii_letters = string.ascii_lowercase if letter.isascii() else word
        changed = str(random.choice(list(ascii_letters)))
        typed = str(
            random.choice(
                [before + after, before + changed + after, before + after[:1] + letter + after[1:]]
            )
        )
        if words_of(typed) != words_of(word):
            return typed


_WAYS: dict[str, Callable[[Random, Recording], list[str]]] = {
    "plain": _plain,
    "prefix": _prefix,
    "typo": _typo,
}
