"""The terms of protection that this archive knows, territory by territory: data, with its sources.

A territory that is not here is unknown, and nothing becomes allowed there because time passes.
What a law has for rare cases and is not reckoned here is said in `note`; where a rule is simpler
than its law, its term is the longer one.
"""

from __future__ import annotations

from dataclasses import dataclass

from sonotheque.model.territories import Territory

CHECKED = "2026-11-28"
"""When the table was last compared with the laws it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """The rights of producers and performers in a sound recording. Terms run to the end of the
    year that is so many years after the year of the event.

    An unpublished recording is protected for `unpublished_years` from its fixation. One that was
    published within `within_years` of it, for `published_years` from publication, and at most
    `at_most_years` from fixation; one that was only communicated to the public within that time,
    for `communicated_years` from that, 0 where communication does not matter. What was published
    in `lapsed_through` or before was free before the term grew to what it is, after
    `lapsed_years`, and stays so. Recordings fixed before `fixed_from` follow older rules that are
    not here.
    """

    source: str
    published_years: int
    unpublished_years: int
    within_years: int
    communicated_years: int = 0
    at_most_years: int = 0
    lapsed_through: int = 0
    lapsed_years: int = 50
    fixed_from: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRule:
    """The authors' right in a work: `years` from the death of the last of those who made words
    and music. Those who died in `lapsed_through` or before left works that were free before the
    term grew, after `lapsed_years`.

    Authors who died in `longer_through` or before have `longer_years`. Where works published
    before `war_before`, or not known to be later, may have a further term for the years of war,
    it is not reckoned, and the term is unknown. With `lifetime` the rule holds only for works
    published while an author lived.
    """

    source: str
    years: int = 70
    lapsed_through: int = 0
    lapsed_years: int = 50
    longer_through: int = 0
    longer_years: int = 0
    war_before: int = 0
    lifetime: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What is known of one territory; None for a layer whose rules are not here."""

    recording: RecordingRule | None
    work: WorkRule | None
    note: str = ""


_EU_RECORDING = RecordingRule(
    source="Directive 2006/116/EC as amended by 2011/77/EU, art. 3(1), 3(2), 8, 10(5)",
    published_years=70,
    unpublished_years=50,
    within_years=50,
    communicated_years=70,
    lapsed_through=1962,
)
_EU_WORK_SOURCE = "Directive 2006/116/EC as amended by 2011/77/EU, art. 1(1), 1(2), 1(7), 8"
_EU_NOTE = (
    "The comparison of terms for works and recordings from outside the Union (art. 7), which only"
    " shortens, is not reckoned."
)
_EU = Protection(recording=_EU_RECORDING, work=WorkRule(source=_EU_WORK_SOURCE), note=_EU_NOTE)
# The member states whose own laws add nothing that is known here.
_UNIFORM = tuple(
    Territory(code)
    for code in (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "FI", "GR", "HR", "HU", "IE", "LT"),
        *("LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)
_SPAIN = Protection(
    recording=_EU_RECORDING,
    work=WorkRule(
        source=f"{_EU_WORK_SOURCE}, 10(1); Ley de Propiedad Intelectual, 4th transitional"
        " provision: 80 years for authors who died before 7 December 1987",
        longer_through=1987,
        longer_years=80,
    ),
    note=_EU_NOTE,
)
_FRANCE = Protection(
    recording=_EU_RECORDING,
    work=WorkRule(
        source=f"{_EU_WORK_SOURCE}, 10(1); Code de la propriété intellectuelle, art. L123-1,"
        " L123-8 and L123-9",
        war_before=1948,
    ),
    note="The thirty years for authors who died for France (art. L123-10) are not reckoned: enter"
    " their end as a grant of its own.",
)
_ITALY = Protection(
    recording=_EU_RECORDING,
    work=WorkRule(
        source=f"{_EU_WORK_SOURCE}, 10(1); decreto legislativo luogotenenziale 20 luglio 1945,"
        " n. 440",
        war_before=1946,
    ),
    note=_EU_NOTE,
)
_UNITED_KINGDOM = Protection(
    recording=RecordingRule(
        source="Copyright, Designs and Patents Act 1988, s. 13A and 191, as amended by"
        " SI 2013/1782",
        published_years=70,
        unpublished_years=50,
        within_years=50,
        communicated_years=70,
        lapsed_through=1962,
    ),
    work=WorkRule(
        source="Copyright, Designs and Patents Act 1988, s. 12 and 10A, schedule 1",
        lifetime=True,
    ),
    note="Works that were unpublished when their author died may be protected to the end of 2039.",
)
_CANADA = Protection(
    recording=RecordingRule(
        source="Copyright Act (RSC 1985, c. C-42), s. 23(1), 23(1.1), as amended in 2015 and 2020",
        published_years=75,
        unpublished_years=70,
        within_years=70,
        at_most_years=100,
        lapsed_through=1964,
    ),
    work=WorkRule(
        source="Copyright Act (RSC 1985, c. C-42), s. 6 and 9, as amended on 30 December 2022",
        lapsed_through=1971,
        lifetime=True,
    ),
    note="Of works that were unpublished when their author died, and of recordings fixed by 1961"
    " and published later, the shorter terms are not reckoned.",
)
_JAPAN = Protection(
    recording=RecordingRule(
        source="Copyright Act (Act No. 48 of 1970), art. 101, as amended on 30 December 2018",
        published_years=70,
        unpublished_years=70,
        within_years=70,
        fixed_from=1971,
    ),
    work=None,
    note="Recordings fixed before 1971 follow the former act (supplementary provisions, art. 15),"
    " and works may have further years for the war: neither is here.",
)
_SWITZERLAND = Protection(
    recording=RecordingRule(
        source="Copyright Act (SR 231.1), art. 39, as amended on 1 April 2020",
        published_years=70,
        unpublished_years=70,
        within_years=70,
        lapsed_through=1969,
    ),
    work=WorkRule(source="Copyright Act (SR 231.1), art. 29 to 32"),
)

PROTECTION: dict[Territory, Protection] = {
    **dict.fromkeys(_UNIFORM, _EU),
    Territory("CA"): _CANADA,
    Territory("CH"): _SWITZERLAND,
    Territory("ES"): _SPAIN,
    Territory("FR"): _FRANCE,
    Territory("GB"): _UNITED_KINGDOM,
    Territory("IT"): _ITALY,
    Territory("JP"): _JAPAN,
}
"""By ISO 3166-1 code. The United States are reckoned in `term`: their rules have another form."""

UNITED_STATES = Territory("US")
EUROPEAN_UNION = frozenset((*_UNIFORM, *map(Territory, ("ES", "FR", "IT"))))
