"""Decisions and ledger entries in plain words, in the reader's language. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sonotheque.access.language import Language
from sonotheque.model.terms import Answer, Decision, Reason, Statement, Use
from sonotheque.rights.commitments import is_private
from sonotheque.rights.licences import find_licence, name_of

_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"
_NAME_CHARACTERS_MAX = 120


@dataclass(frozen=True, slots=True)
class Because:
    """One reason as a sentence, and the ledger entry that it rests on (0 for none)."""

    sentence: str
    entry: int
    licence_url: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision as people are told it."""

    use: Use
    answer: Answer
    reasons: tuple[Because, ...]

    @property
    def allowed(self) -> bool:
        return self.answer is Answer.ALLOWED


def explain(decision: Decision, statements: Iterable[Statement], language: Language) -> Explained:
    """`decision` in words; `statements` are the entries about its recording."""
    reasons = sentences(decision.reasons, statements, language)
    return Explained(decision.use, decision.answer, reasons)


def sentences(
    reasons: Iterable[Reason], statements: Iterable[Statement], language: Language
) -> tuple[Because, ...]:
    """`reasons` in words; `statements` are the entries about their recording."""
    by_number = {statement.id: statement for statement in statements}
    return tuple(_because(reason, by_number, language) for reason in reasons)


def withdrawn(decisions: Iterable[Decision]) -> bool:
    """Does a takedown stand against the recording?"""
    return any(reason.code == "takedown" for d in decisions for reason in d.reasons)


def clean(text: str, characters_max: int = 300) -> str:
    """`text` from outside as it may stand on a page: no control or formatting characters (they
    could turn the page's own words around), runs of space as one, cut where it is too long."""
    spaced = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text[: characters_max * 4]
        if unicodedata.category(c) not in ("Cf", "Cs") or c in "\u200c\u200d"
    )
    short = " ".join(spaced.split())
    return short if len(short) <= characters_max else short[: characters_max - 1].rstrip() + "…"


def quoted(text: str) -> str:
    """`text` from outside within a sentence of ours: cleaned, its direction kept to itself."""
    return f"{_ISOLATE}{clean(text, _NAME_CHARACTERS_MAX)}{_END_ISOLATE}"


def named(issuer: str, language: Language) -> str:
    """Who made an entry, within a sentence of ours; a name that is kept private is not told."""
    return language.text("person.private") if is_private(issuer) else quoted(issuer)


def licence_url(licence: str) -> str:
    """Address of a recognised licence's deed; never one that merely stood in a file."""
    known = find_licence(licence)
    return known.url if known else ""


def _because(reason: Reason, statements: Mapping[int, Statement], language: Language) -> Because:
    statement = statements.get(reason.statement)
    key = f"reason.{reason.code}"
    if not language.known(key):
        return Because(reason.message, reason.statement, "")
    if statement is None:
        return Because(language.text(key), 0, "")
    begins = reason.day or statement.begins_at
    if reason.code == "not-begun" and not begins:
        key = "reason.not-begun-no-day"
    sentence = language.text(
        key,
        issuer=named(statement.issuer, language),
        by=ground(statement, language),
        date=language.date(statement.at),
        begins=language.date(begins) if begins else "",
        ends=language.date(statement.ends_at) if statement.ends_at else "",
        where=_where(statement, language),
    )
    sentence = sentence[:1].upper() + sentence[1:]
    return Because(sentence, statement.id, licence_url(statement.licence))


def ground(statement: Statement, language: Language) -> str:
    """What a statement stands on: its licence's name, else its legal basis, with its article."""
    if statement.licence:
        return quoted(name_of(statement.licence))
    basis = language.text(f"basis.{statement.basis or 'word'}")
    if statement.article:
        return f"{basis}{language.text('punctuation.colon')} {quoted(statement.article)}"
    return basis


def _where(statement: Statement, language: Language) -> str:
    """The countries in which a statement holds, as the end of a sentence; "" for everywhere."""
    holds, but = ", ".join(statement.territories), ", ".join(statement.territories_except)
    if holds and but:
        return language.text("where.in_but", countries=holds, **{"except": but})
    if but:
        return language.text("where.but", countries=but)
    return language.text("where.in", countries=holds) if holds else ""
