"""Names as people write them, made comparable: artists, titles, and what marks a version."""

from __future__ import annotations

import re
import unicodedata

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
_ARTICLES = "the|a|an|le|la|les|el|los|las|der|die|das|il|gli|o|os|as"
_LEADING_ARTICLE = re.compile(rf"^(?:(?:{_ARTICLES})\s+|l['’]\s*)(?=\S)")
_TRAILING_ARTICLE = re.compile(rf",\s*(?:{_ARTICLES}|l['’])\s*$")
_GUESTS = re.compile(r"[\s(\[]+(?:feat|ft|featuring)(?:\.\s*|\s+)\S.*$")
_BRACKETED = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_AFTER_DASH = re.compile(r"\s[-–—]\s+(.*)$")

VERSIONS: dict[str, str] = {
    "live": "live|unplugged|en vivo|en direct|en public|in concert|en concert|ao vivo|dal vivo|"
    "ライブ|라이브|现场|現場|концерт",
    "remix": "remix|rmx|mix|rework|bootleg|mashup|dub|リミックス|리믹스|混音|ремикс",
    "instrumental": "instrumental|instrumentale|backing track|karaoke|minus one|off vocal|"
    "カラオケ|伴奏|инструментал",
    "a cappella": "a cappella|acappella|acapella",
    "acoustic": "acoustic|acoustique|stripped",
    "demo": "demo|rehearsal|outtake|alternate|alternative take",
    "edit": "edit|radio version|extended|short version",
    "cover": "cover|tribute|in the style of",
}
_VERSION_PATTERNS = {
    version: re.compile(rf"\b(?:{words})\b") for version, words in VERSIONS.items()
}


def artist_key(name: str) -> str:
    """`name` so that two spellings of one artist are equal: case, accents, punctuation, spaces,
    an article before or after, and featured guests do not count. Empty for an empty name."""
    text = _GUESTS.sub("", _plain(name))
    text = _TRAILING_ARTICLE.sub("", text)
    return _letters_of(_LEADING_ARTICLE.sub("", text)) or _letters_of(text) or text


def title_key(title: str) -> str:
    """`title` so that two spellings of one title are equal; what is in brackets or after a dash
    does not count, nor do featured guests. Empty for an empty title."""
    text = _plain(title)
    bare = _GUESTS.sub("", _AFTER_DASH.sub("", _BRACKETED.sub(" ", text)))
    return _letters_of(bare) or _letters_of(text) or text


def versions_of(title: str) -> frozenset[str]:
    """Which versions `title` says it is: "live", "remix", "instrumental" and the like.

    Only brackets and what follows a dash are read: *Live and Let Die* is not a live version.
    """
    text = _plain(title)
    qualifiers = _BRACKETED.findall(text) + _AFTER_DASH.findall(_BRACKETED.sub(" ", text))
    return frozenset(
        version
        for version, pattern in _VERSION_PATTERNS.items()
        if any(pattern.search(qualifier) for qualifier in qualifiers)
    )


def _plain(text: str) -> str:
    """Lower case without accents, `&` spelt out, one space between words.

    Only the marks of the Latin, Greek and Cyrillic scripts go: in other scripts a mark is part
    of the letter (が is not か).
    """
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f")
    folded = unicodedata.normalize("NFC", bare).translate(_LETTERS).replace("&", " and ")
    return " ".join(folded.split())


def _letters_of(text: str) -> str:
    """The letters, digits and marks of `text`, so that AC/DC is ACDC."""
    return "".join(c for c in text if unicodedata.category(c)[0] in "LNM")
