"""Statements of rights that have an address and allow nothing by themselves. Pure.

The twelve of RightsStatements.org (https://rightsstatements.org/page/1.0/) are how an institution
tells its readers what it knows; none is a permission from whoever has the rights. Creative
Commons' retired texts (https://creativecommons.org/retiredlicenses/) give less than a whole copy,
or give it in some countries only, or certify what holds under the law of one. Each is recognised,
so that nobody takes it for prose, and is for a person to read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """A recognised statement; `meaning` says, as the end of a sentence about it, why it allows
    nothing here."""

    identifier: str
    name: str
    meaning: str


_STATEMENTS = {
    notice.identifier: notice
    for notice in (
        Notice("InC", "In Copyright", "says that rights are left, and gives none"),
        Notice(
            "InC-OW-EU",
            "In Copyright – EU Orphan Work",
            "says that a search found nobody to ask; enter the steps of that procedure",
        ),
        Notice(
            "InC-EDU",
            "In Copyright – Educational Use Permitted",
            "speaks of teaching, and an open site is more than that",
        ),
        Notice(
            "InC-NC",
            "In Copyright – Non-Commercial Use Permitted",
            "passes on a permission; enter it in the name of whoever gave it",
        ),
        Notice(
            "InC-RUU",
            "In Copyright – Rights-holder(s) Unlocatable or Unidentifiable",
            "says that nobody was found to ask, and that is no permission",
        ),
        Notice(
            "NoC-CR",
            "No Copyright – Contractual Restrictions",
            "speaks of a contract; enter what it allows",
        ),
        Notice(
            "NoC-NC",
            "No Copyright – Non-Commercial Use Only",
            "speaks of a contract on digitisation; enter what it allows",
        ),
        Notice(
            "NoC-OKLR",
            "No Copyright – Other Known Legal Restrictions",
            "speaks of another law that restricts it; read which",
        ),
        Notice(
            "NoC-US",
            "No Copyright – United States",
            "speaks of the United States alone; enter --basis public-domain --territory US",
        ),
        Notice("CNE", "Copyright Not Evaluated", "says that nobody has looked yet"),
        Notice("UND", "Copyright Undetermined", "says that it was looked into and not found out"),
        Notice("NKC", "No Known Copyright", "is a belief, and no finding that no right is left"),
    )
}
_RETIRED = {
    notice.identifier: notice
    for notice in (
        Notice("sampling", "CC Sampling 1.0", "gives parts of it, and no copy of the whole"),
        Notice(
            "recombo", "CC Sampling 1.0 (recombo)", "gives parts of it, and no copy of the whole"
        ),
        Notice("sampling+", "CC Sampling Plus 1.0", "gives the whole on terms of its own"),
        Notice(
            "nc-sampling+", "CC NonCommercial Sampling Plus 1.0", "gives it on terms of its own"
        ),
        Notice(
            "devnations", "CC Developing Nations 2.0", "gives it in countries of low income alone"
        ),
        Notice(
            "publicdomain",
            "CC Public Domain Dedication or Certification",
            "is either a dedication or a belief, under the law of the United States",
        ),
    )
}
_URL = re.compile(
    r"https?://(?:www\.)?(?:"
    r"rightsstatements\.org/(?:vocab|page|data)/(?P<statement>[A-Z]+(?:-[A-Z]+)*)/1\.0"
    r"|creativecommons\.org/(?:licenses/(?P<retired>(?:nc-)?sampling(?:\+|%2B)|sampling|recombo"
    r"|devnations|publicdomain)(?=/|$|\s)|publicdomain/(?P<certified>certification)/1\.0))"
    r"(?![\w-]|\.\w)",
    re.IGNORECASE | re.ASCII,
)
_BY_LOWER = {identifier.lower(): notice for identifier, notice in _STATEMENTS.items()}


def find_notice(text: str) -> Notice | None:
    """The one statement that `text` names by its address; None for none, or more than one."""
    found = {notice for match in _URL.finditer(text) if (notice := _of(match))}
    if not found and text.strip() == "CC-PDDC":
        return _RETIRED["publicdomain"]
    return found.pop() if len(found) == 1 else None


def _of(match: re.Match[str]) -> Notice | None:
    if match["statement"]:
        return _BY_LOWER.get(match["statement"].lower())
    word = (match["retired"] or "publicdomain").lower().replace("%2b", "+")
    return _RETIRED[word]
