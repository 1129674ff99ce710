"""Can this be entered? What a statement must have, and what no statement can mean at once. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from sonotheque.errors import BadInput
from sonotheque.model.terms import Basis, Kind, Statement
from sonotheque.model.territories import parse_territories

LAWFUL = (Basis.STATUTORY_EXCEPTION, Basis.LEGAL_DEPOSIT)
"""The grounds that a law gives, and no one who has rights."""
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
    if statement.kind is Kind.GRANT:
        _check_ground(statement, where)
    return _in_order(statement, where)


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
    if grant.article and grant.basis not in LAWFUL:
        raise BadInput(
            f"names an article, which a ground such as {grant.basis} does not have",
            where=where,
            remedy=f"leave it out, or give as basis one of {', '.join(LAWFUL)}",
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
