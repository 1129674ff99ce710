"""Can this be entered? What a statement must have, and what no statement can mean at once. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from sonotheque.errors import BadInput
from sonotheque.model.procedures import TermFacts
from sonotheque.model.terms import KEEPING, Basis, Kind, Layer, Statement
from sonotheque.model.territories import parse_territories
from sonotheque.rights.clocks import PROCEDURES
from sonotheque.rights.days import is_partial, year_of
from sonotheque.rights.exceptions import LegalException, find_exception

LAWFUL = (Basis.STATUTORY_EXCEPTION, Basis.LEGAL_DEPOSIT)
"""The grounds that a law gives, and no one who has rights."""
_DATED = ("fixed", "published", "communicated", "work_published")
_SHA512 = re.compile(r"[0-9a-f]{128}")


def checked(statement: Statement, where: str) -> Statement:
    """`statement` as it may be entered, its territories in order.

    Raises BadInput, at `where`, for what contradicts itself or lacks its ground.
    """
    if not statement.issuer.strip() or not statement.evidence.strip():
        raise BadInput("has no issuer or no evidence", where=where, remedy="say who, and why")
    if statement.begins_at and statement.ends_at and statement.ends_at <= statement.begins_at:
        raise BadInput("ends before it begins", where=where, remedy="correct the dates")
    if statement.evidence_sha512 and not _SHA512.fullmatch(statement.evidence_sha512):
        raise BadInput(
            "has an evidence_sha512 that is no SHA-512",
            where=where,
            remedy="give the 128 hexadecimal digits that `sha512sum` prints for the document",
        )
    statement = _in_order(statement, where)
    if statement.kind is Kind.GRANT:
        _check_ground(statement, where)
        _check_clock(statement, where)
    if statement.kind is Kind.NOTICE:
        _check_notice(statement, where)
    if statement.facts is not None:
        _check_facts(statement.facts, statement.at, where)
    return statement


def _check_ground(grant: Statement, where: str) -> None:
    if not grant.uses:
        raise BadInput("allows nothing", where=where, remedy="name a licence or some uses")
    if grant.basis is None:
        raise BadInput(
            "has no legal basis",
            where=where,
            remedy=f"give a licence, or as basis one of {', '.join(Basis)}",
        )
    if grant.basis is Basis.STATUTORY_EXCEPTION and not grant.article.strip():
        raise BadInput(
            "is a statutory exception of no law",
            where=where,
            remedy="give its article, such as 'Directive (EU) 2019/790, Article 6'",
        )
    is_exception = grant.basis is Basis.STATUTORY_EXCEPTION
    # Of one that waits for a procedure, the procedure says where it holds and what it opens.
    if is_exception and not grant.procedure and (law := find_exception(grant.article)):
        _check_law(grant, law, where)
    if grant.article and grant.basis not in LAWFUL:
        raise BadInput(
            f"names an article, which a ground such as {grant.basis} does not have",
            where=where,
            remedy=f"leave it out, or give as basis one of {', '.join(LAWFUL)}",
        )


def _check_law(grant: Statement, law: LegalException, where: str) -> None:
    """That `grant` claims no more than its article says. What an article lets be shown is kept
    besides, for which anybody's claim is enough: that needs no article."""
    opened = set(grant.uses) - ({*KEEPING} - {*law.uses})
    if not opened:
        return
    if beyond := opened - {*law.uses}:
        raise BadInput(
            f"names a use that {law.article} does not allow: {', '.join(sorted(beyond))}",
            where=where,
            remedy=f"it is for {', '.join(law.uses)}: {law.conditions}",
        )
    if not set(grant.layers or Layer) <= set(law.layers):
        raise BadInput(
            f"speaks of the work, of which {law.article} does not",
            where=where,
            remedy=f"name the layer {' and '.join(law.layers)} alone, and ask for the work",
        )
    if not grant.territories or not set(grant.territories) <= set(law.territories):
        raise BadInput(
            f"holds where {law.article} does not",
            where=where,
            remedy=f"name territories among {', '.join(law.territories)}",
        )


def _check_clock(grant: Statement, where: str) -> None:
    if grant.procedure is not None:
        opened = (*KEEPING, *PROCEDURES[grant.procedure].uses)
        if grant.basis not in (Basis.STATUTORY_EXCEPTION, Basis.LICENCE):
            raise BadInput(
                f"waits for a procedure, which a ground such as {grant.basis} does not",
                where=where,
                remedy=f"give as basis {Basis.STATUTORY_EXCEPTION} or {Basis.LICENCE}",
            )
        if beyond := [use for use in grant.uses if use not in opened]:
            raise BadInput(
                f"allows {beyond[0]}, which the procedure {grant.procedure} does not open",
                where=where,
                remedy=f"name uses of these: {', '.join(opened)}",
            )
    elif grant.facts is not None and grant.basis is not Basis.PUBLIC_DOMAIN:
        raise BadInput(
            "has facts about a term of protection, and another ground than its end",
            where=where,
            remedy=f"leave them out, or give as basis {Basis.PUBLIC_DOMAIN}",
        )


def _check_notice(notice: Statement, where: str) -> None:
    if notice.procedure is None or notice.step is None or not notice.begins_at:
        raise BadInput(
            "is a notice of nothing",
            where=where,
            remedy="name the procedure, the step, and the day on which it was taken",
        )
    if notice.begins_at[:10] > notice.at[:10]:
        raise BadInput(
            f"says that a step was taken on {notice.begins_at[:10]}, which is to come",
            where=where,
            remedy="enter it when it was taken",
        )
    steps = PROCEDURES[notice.procedure].possible
    if notice.step not in steps:
        raise BadInput(
            f"names the step {notice.step}, which {notice.procedure} does not have",
            where=where,
            remedy=f"name one of {', '.join(steps)}",
        )


def _check_facts(facts: TermFacts, at: str, where: str) -> None:
    for name in _DATED:
        day = getattr(facts, name)
        if day and not is_partial(day, never=name != "fixed"):
            raise BadInput(
                f"has {day!r} for {name}, which is no date",
                where=where,
                remedy="write a year or a day, 1955 or 1955-03-01"
                + ("" if name == "fixed" else ", or 'never'"),
            )
    years = [year_of(getattr(facts, name)) for name in _DATED] + [*facts.died]
    if late := [year for year in years if year is not None and year > int(at[:4])]:
        raise BadInput(
            f"names the year {late[0]}, which is to come",
            where=where,
            remedy="correct it, or leave it out: what has not happened is no fact",
        )
    if facts.authors < len(facts.died):
        raise BadInput(
            f"names {len(facts.died)} deaths of {facts.authors} authors",
            where=where,
            remedy="give how many people wrote words and music, and the deaths of those who died",
        )


def _in_order(statement: Statement, where: str) -> Statement:
    try:
        places = parse_territories(statement.territories)
        but = parse_territories(statement.territories_except)
    except BadInput as error:
        raise BadInput(f"{error.where!r} {error.what}", where=where, remedy=error.remedy) from None
    if places and not set(places) - set(but):
        raise BadInput(
            "holds in no country: all of its territories are excepted",
            where=where,
            remedy="correct its territories",
        )
    return replace(statement, territories=places, territories_except=but)
