"""Folding: the form of a text in which case, accents and punctuation do not count."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """`text` as lower-case words with single spaces between them.

    NFKD, case folded; combining marks and apostrophes go, every other sign that is no letter
    and no digit parts words ("Beyoncé’s – Déjà-Vu" → "beyonces deja vu").
    """
    kept = []
    for character in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()):
        kind = unicodedata.category(character)[0]
        if kind in "LN":
            kept.append(character)
        elif kind != "M" and character not in "'’":
            kept.append(" ")
    return " ".join("".join(kept).split())
