"""Folding: the form of a text in which case, accents and punctuation do not count."""

from __future__ import annotations

import re
import unicodedata

UNSPACED = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # 々〆〇
    (0x3041, 0x30FA),  # Hiragana, Katakana
    (0x30FC, 0x30FF),  # ー and the iteration marks
    (0x31F0, 0x31FF),  # Katakana of Ainu
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0x20000, 0x323AF),  # Han, further extensions
)
"""Code points (first, last) of scripts that put no spaces between words, as they are after NFKD
(Unicode 15, Blocks.txt)."""
_SIGNS = "".join(f"{chr(a)}-{chr(b)}" for a, b in UNSPACED)
_WORD = re.compile(f"[{_SIGNS}]|[^{_SIGNS} ]+")


_ASCII_WORD = re.compile("[a-z0-9]+")


def fold(text: str) -> str:
    """`text` as lower-case words with single spaces between them.

    NFKD, case folded; combining marks and apostrophes go, every other sign that is no letter
    and no digit parts words ("Beyoncé’s – Déjà-Vu" → "beyonces deja vu").
    """
    if text.isascii():
        # Most texts are: the same result, ten times as fast.
        return " ".join(_ASCII_WORD.findall(text.lower().replace("'", "")))
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join(folded.translate(_KEPT).split())


class _Kept(dict[int, str]):
    """What becomes of a character, by its code point; worked out once for each."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)[0]
        kept = character if kind in "LN" else "" if kind == "M" or character in "'’" else " "
        self[code] = kept
        return kept


_KEPT = _Kept()


def words_of(text: str) -> list[str]:
    """`text` as the words it is looked for by: folded, unspaced scripts sign by sign."""
    return _WORD.findall(fold(text))


def indexed_words_of(text: str) -> list[str]:
    """The words by which `text` is found: also those behind an elision (L'Été: lete, l, ete)."""
    words = words_of(text)
    if "'" not in text and "’" not in text:
        return words
    parted = words_of(text.replace("'", " ").replace("’", " "))
    return words + [word for word in parted if word not in words]
