"""Territories: the countries in which a permission or a refusal holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NewType

from sonotheque.errors import BadInput

Territory = NewType("Territory", str)
"""A country, by its two letters in ISO 3166-1."""

EVERYWHERE = Territory("")
"""Asked for, it is every country at once: what holds only in some does not allow it, and what is
refused in any refuses it."""

# Those that ISO 3166-1 assigns; those it keeps for others (EU, UK) name no country of its own.
_ASSIGNED = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ
    BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM
    DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS
    GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
    KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
    VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(map(Territory, _ASSIGNED.split()))
_CONFUSED = {"UK": "GB", "EL": "GR", "EU": "each of its countries"}


def parse_territory(text: str) -> Territory:
    """The country that `text` names, in either case. Raises BadInput where it names none."""
    code = Territory(text.strip().upper())
    if code in COUNTRIES:
        return code
    meant = _CONFUSED.get(code, "two letters as in ISO 3166-1, such as FR")
    raise BadInput("is no country of ISO 3166-1", where=text.strip(), remedy=f"write {meant}")


def parse_territories(texts: Iterable[str]) -> tuple[Territory, ...]:
    """The countries that `texts` name, in alphabetical order, each once. Raises BadInput."""
    return tuple(sorted({parse_territory(text) for text in texts}))
