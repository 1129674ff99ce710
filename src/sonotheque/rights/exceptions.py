"""What some laws let an institution do without asking: the uses, the layer and the countries that
an article can be the ground of. Its conditions are for a person to see to; `conditions` names them.

An article that is not in this list may be one all the same (there are many countries); then the
person who enters it answers for all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sonotheque.model.terms import Layer, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.protection import EUROPEAN_UNION, UNITED_STATES

EEA = tuple(sorted((*EUROPEAN_UNION, *map(Territory, ("IS", "LI", "NO")))))
"""The European Union and the three countries that take over its single market's law."""
US = (UNITED_STATES,)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalException:
    """One article, as it is cited here."""

    article: str
    uses: tuple[Use, ...]
    territories: tuple[Territory, ...]
    conditions: str
    layers: tuple[Layer, ...] = tuple(Layer)


EXCEPTIONS = (
    LegalException(
        article="Directive 2001/29/EC, Article 5(2)(c)",
        uses=(Use.PRESERVE,),
        territories=EEA,
        conditions="specific acts of reproduction by accessible libraries, museums, schools or"
        " archives, for no economic advantage",
    ),
    LegalException(
        article="Directive 2001/29/EC, Article 5(3)(n)",
        uses=(Use.LISTEN_ON_SITE,),
        territories=EEA,
        conditions="for research or private study, at dedicated terminals on the premises, of what"
        " is in the collection and not under other terms of purchase or licence",
    ),
    LegalException(
        article="Directive 2012/28/EU, Article 6",
        uses=(Use.PRESERVE, Use.DESCRIBE, Use.LISTEN_ON_SITE, Use.STREAM),
        territories=EEA,
        conditions="an orphan work, after a diligent search that is recorded, by a public"
        " institution for its public mission, until a rights holder appears",
    ),
    LegalException(
        article="Directive (EU) 2019/790, Article 3",
        uses=(Use.MINE,),
        territories=EEA,
        conditions="text and data mining for scientific research, by research organisations and"
        " cultural heritage institutions, of what they have lawful access to",
    ),
    LegalException(
        article="Directive (EU) 2019/790, Article 4",
        uses=(Use.MINE,),
        territories=EEA,
        conditions="text and data mining of what is lawfully accessible, where the rights holder"
        " has not reserved it",
    ),
    LegalException(
        article="Directive (EU) 2019/790, Article 6",
        uses=(Use.PRESERVE,),
        territories=EEA,
        conditions="copies for preservation, by cultural heritage institutions, of what is"
        " permanently in their collections",
    ),
    LegalException(
        article="Directive (EU) 2019/790, Article 8(2)",
        uses=(Use.DESCRIBE, Use.LISTEN_ON_SITE, Use.STREAM),
        territories=EEA,
        conditions="an out-of-commerce work in the collection, made available for non-commercial"
        " purposes on a non-commercial website, its author named, where no representative"
        " collective society licenses it, six months after it was announced (Article 10), until"
        " its holder excludes it",
    ),
    LegalException(
        article="17 U.S.C. § 108(b)",
        uses=(Use.PRESERVE, Use.LISTEN_ON_SITE),
        territories=US,
        conditions="three copies of an unpublished work in the collection, by a library or archives"
        " open to the public or to researchers; digital ones stay on the premises",
    ),
    LegalException(
        article="17 U.S.C. § 108(c)",
        uses=(Use.PRESERVE, Use.LISTEN_ON_SITE),
        territories=US,
        conditions="three copies to replace one that is damaged, deteriorating, lost, stolen or"
        " obsolete, where no unused one is to be had at a fair price; digital ones stay on the"
        " premises",
    ),
    LegalException(
        article="17 U.S.C. § 108(h)",
        uses=(Use.PRESERVE, Use.LISTEN_ON_SITE),
        territories=US,
        conditions="in the last 20 years of the term, for preservation, scholarship or research, of"
        " what is neither exploited nor to be had at a reasonable price",
    ),
    LegalException(
        article="17 U.S.C. § 1401(c)",
        uses=(Use.PRESERVE, Use.DESCRIBE, Use.LISTEN_ON_SITE, Use.STREAM, Use.DOWNLOAD),
        territories=US,
        conditions="non-commercial use of a recording fixed before 15 February 1972 that is not"
        " exploited, after a good-faith search and 90 days from a notice that nobody opposed; it"
        " says nothing of the work",
        layers=(Layer.RECORDING,),
    ),
)
_EUROPEAN = re.compile(
    r"(?:directive\s*)?\(?(?:EU|EC|CE|UE)?\)?\s*(?P<number>20\d\d/\d+)(?:/E[CU])?\s*,?\s*art(?:icle|\.)?\s*"
    r"(?P<part>\d+(?:\s*\(\w+\))*)",
    re.IGNORECASE,
)
_AMERICAN = re.compile(
    r"17\s*U\.?\s?S\.?\s?C\.?\s*(?:§|sec\.?)?\s*(?P<part>\d+(?:\(\w+\))+)", re.IGNORECASE
)


def find_exception(article: str) -> LegalException | None:
    """The one of EXCEPTIONS that `article` cites, or a part of, however it is abbreviated; None for
    others."""
    cited = _key(article.strip())
    return next((one for one in EXCEPTIONS if cited and _is_in(cited, one)), None)


def _is_in(cited: tuple[str, str], known: LegalException) -> bool:
    law, part = _key(known.article) or ("", "")
    return cited[0] == law and (cited[1] == part or cited[1].startswith(f"{part}("))


def _key(article: str) -> tuple[str, str] | None:
    if match := _AMERICAN.fullmatch(article):
        return "17", match["part"].lower()
    if match := _EUROPEAN.fullmatch(article):
        return match["number"], re.sub(r"\s", "", match["part"]).lower()
    return None
