"""When does the protection of a recording or a work end, in one territory? Pure.

The answer is a day, or what is missing to name one. It is never earlier than the law's: where a
rule here is simpler than its law, it gives the longer term (see `protection`). A territory that is
not in the table, and a fact that nobody has entered, make it unknown, and unknown never becomes
allowed because time passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sonotheque.model.procedures import NEVER, TermFacts
from sonotheque.model.terms import Layer
from sonotheque.model.territories import Territory
from sonotheque.rights.days import new_year_after, year_of
from sonotheque.rights.protection import PROTECTION, UNITED_STATES, RecordingRule, WorkRule

_US_PRE_1972 = "17 USC 1401(a)(2)"
_US_RECORDING = "17 USC 302(a), 302(c), 304, 305"
_US_WORK = "17 USC 302 to 305"
FEDERAL_PROTECTION_BEGAN = "1972-02-15"
"""Recordings fixed before it are protected in the United States by chapter 14 alone."""
_PRE_1972_END = date(2067, 2, 16)
"""No prohibition of 17 USC 1401(a) applies after 15 February 2067."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """The end of protection of one layer in one territory.

    `free_on` is the first day without protection; None where that is unknown, and then `missing`
    says why: each a fact that nobody has entered, by the name of its field in TermFacts, or one
    of `territory`, `rule`, `war`.
    """

    territory: Territory
    layer: Layer
    source: str = ""
    free_on: date | None = None
    missing: tuple[str, ...] = ()

    def is_free(self, at: date) -> bool:
        return self.free_on is not None and self.free_on <= at


def term_of(layer: Layer, territory: Territory, facts: TermFacts) -> Term:
    """The term of `layer` in `territory` (ISO 3166-1, two letters), as far as `facts` tell."""
    recording = layer is Layer.RECORDING
    if territory == UNITED_STATES:
        source, end = _us_recording(facts) if recording else (_US_WORK, _us_work(facts))
    else:
        known = PROTECTION.get(territory)
        if known is None:
            return Term(territory=territory, layer=layer, missing=("territory",))
        rule = known.recording if recording else known.work
        if rule is None:
            return Term(territory=territory, layer=layer, missing=("rule",))
        source = rule.source
        end = _recording(rule, facts) if isinstance(rule, RecordingRule) else _work(rule, facts)
    if isinstance(end, date):
        return Term(territory=territory, layer=layer, source=source, free_on=end)
    return Term(territory=territory, layer=layer, source=source, missing=end)


def _recording(rule: RecordingRule, facts: TermFacts) -> date | tuple[str, ...]:
    fixed, published = year_of(facts.fixed), year_of(facts.published)
    if rule.fixed_from:
        if fixed is None:
            return ("fixed",)
        if fixed < rule.fixed_from:
            return ("rule",)
    if published is not None and (fixed is None or published <= fixed + rule.within_years):
        return _published(rule, fixed, published)
    if published is None and facts.published != NEVER:
        return ("published",)
    return ("fixed",) if fixed is None else _unpublished(rule, fixed, facts)


def _unpublished(rule: RecordingRule, fixed: int, facts: TermFacts) -> date | tuple[str, ...]:
    """Not published, or only when the right had ended."""
    ends = [fixed + rule.unpublished_years]
    if rule.communicated_years:
        communicated = year_of(facts.communicated)
        if communicated is None and facts.communicated != NEVER:
            return ("communicated",)
        if communicated is not None and communicated <= fixed + rule.within_years:
            ends.append(communicated + rule.communicated_years)
    return new_year_after(max(ends))


def _published(rule: RecordingRule, fixed: int | None, published: int) -> date:
    """Published within the time that counts, or, where the fixation is not known, at the most."""
    if published <= rule.lapsed_through:
        return new_year_after(published, rule.lapsed_years)
    end = published + rule.published_years
    if rule.at_most_years and fixed is not None:
        end = min(end, fixed + rule.at_most_years)
    return new_year_after(end)


def _work(rule: WorkRule, facts: TermFacts) -> date | tuple[str, ...]:
    if missing := _deaths_missing(facts):
        return missing
    died, published = max(facts.died), year_of(facts.work_published)
    if rule.war_before and (published is None or published < rule.war_before):
        return ("work_published",) if published is None else ("war",)
    if rule.lifetime:
        if published is None:
            return ("work_published",)
        if published > died:
            return ("rule",)
    if died <= rule.lapsed_through:
        return new_year_after(died, rule.lapsed_years)
    ends = [new_year_after(died, rule.years)]
    ends += [new_year_after(y, rule.longer_years) for y in facts.died if y <= rule.longer_through]
    return max(ends)


def _deaths_missing(facts: TermFacts) -> tuple[str, ...]:
    if not facts.authors:
        return ("authors",)
    return ("died",) if len(facts.died) < facts.authors else ()


def _us_recording(facts: TermFacts) -> tuple[str, date | tuple[str, ...]]:
    """Before 15 February 1972 chapter 14, since then copyright (17 USC 301(c))."""
    earlier = fixed_before_1972(facts)
    if earlier is None:
        return _US_RECORDING, ("fixed",)
    if earlier:
        return _US_PRE_1972, _us_pre_1972(facts)
    return _US_RECORDING, _us_copyright(facts)


def fixed_before_1972(facts: TermFacts) -> bool | None:
    """Whether the recording was fixed before 15 February 1972; None where that is not known.

    What was published before that day was fixed before it.
    """
    for text in (facts.fixed, facts.published):
        if text and text != NEVER and _latest(text) < FEDERAL_PROTECTION_BEGAN:
            return True
    if facts.fixed and _earliest(facts.fixed) >= FEDERAL_PROTECTION_BEGAN:
        return False
    return None


def _latest(text: str) -> str:
    return text if len(text) > 4 else f"{text}-12-31"


def _earliest(text: str) -> str:
    return text if len(text) > 4 else f"{text}-01-01"


def _us_pre_1972(facts: TermFacts) -> date | tuple[str, ...]:
    """17 USC 1401(a)(2): 95 years from publication, and a transition after that."""
    published = year_of(facts.published)
    if published is None:
        return _PRE_1972_END if facts.published == NEVER else ("published",)
    if published < 1923:
        return date(2022, 1, 1)  # (B)(i): three years after the year of enactment, 2018
    if published <= 1946:
        return new_year_after(published, 95 + 5)  # (B)(ii)
    if published <= 1956:
        return new_year_after(published, 95 + 15)  # (B)(iii)
    return _PRE_1972_END  # (B)(iv)


def _us_copyright(facts: TermFacts) -> date | tuple[str, ...]:
    """95 years from publication or 120 from fixation where it was made for hire, whichever ends
    first; 70 years from the death of whoever made it otherwise, which is not reckoned: their
    deaths are no fact of TermFacts. What was published before 1978 has 95 years in any case."""
    fixed, published = year_of(facts.fixed), year_of(facts.published)
    if fixed is None:
        return ("fixed",)
    if published is not None and published < 1978:
        return new_year_after(published, 95)
    if facts.for_hire is None:
        return ("for_hire",)
    if not facts.for_hire:
        return ("rule",)
    if published is not None:
        return new_year_after(min(published + 95, fixed + 120))
    return new_year_after(fixed, 120) if facts.published == NEVER else ("published",)


def _us_work(facts: TermFacts) -> date | tuple[str, ...]:
    """95 years from a publication before 1978 (a record was none: 17 USC 303(b)); 70 years from
    the last death since, and for what was older and unpublished in 1978 not before 2048."""
    published = year_of(facts.work_published)
    if published is not None and published < 1978:
        return new_year_after(published, 95)
    if published is None and facts.work_published != NEVER:
        return ("work_published",)
    if missing := _deaths_missing(facts):
        return missing
    died = max(facts.died)
    return max(new_year_after(died, 70), date(2048, 1, 1) if published else date(2003, 1, 1))
