"""The NDSA Levels of Digital Preservation, version 2.0: five areas, four levels, 38 criteria.

Source: Levels of Preservation Revisions Working Group, *Levels of Digital Preservation Matrix
V2.0*, National Digital Stewardship Alliance, October 2019 (https://osf.io/2mkwx/). The criteria
are put in our own words (`access/texts`); their areas, levels and number are the matrix's.

Each is *proved* by facts that were just gathered, *attested* by a person whom archive.toml names
with a date, or *failed*. What facts contradict no attestation can mend. An attestation is good
for a year. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sonotheque.assessment.facts import Facts, RootFacts, places
from sonotheque.config import Attestation
from sonotheque.errors import BadInput

LEVELS = (1, 2, 3, 4)
ATTESTATION_DAYS_MAX = 366
AUDIT_DAYS_MAX = 100
"""Every copy within a quarter, and some days for the audit to run."""
SHOWN_MAX = 5
_VOLATILE = frozenset({"tmpfs", "ramfs", "devtmpfs"})


class Area(StrEnum):
    STORAGE = "storage"
    INTEGRITY = "integrity"
    CONTROL = "control"
    METADATA = "metadata"
    CONTENT = "content"


class Standing(StrEnum):
    PROVED = "proved"
    ATTESTED = "attested"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of evidence: the key of its text, and what is filled in."""

    key: str
    values: dict[str, str | int] = field(default_factory=dict)


class Shown(StrEnum):
    """What facts say of a criterion."""

    YES = "yes"
    NOT_BY_FACTS = "not-by-facts"
    """They do not show it; a person may know better."""
    NO = "no"
    """They show the contrary."""


Check = Callable[[Facts], tuple[Shown, list[Said]]]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One cell's item of the matrix."""

    id: str
    area: Area
    level: int
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the archive stands to one criterion, and on what ground."""

    criterion: str
    area: Area
    level: int
    standing: Standing
    evidence: tuple[Said, ...]
    attestation: Attestation | None = None
    """Also where it does not count: it is too old, or facts contradict it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Every verdict, in the order of the matrix, and the level that each area has reached."""

    at: str
    verdicts: tuple[Verdict, ...]
    levels: dict[Area, int]

    @property
    def level(self) -> int:
        """The level that every area has reached; 0 for none."""
        return min(self.levels.values())


def assess(facts: Facts, attestations: Iterable[Attestation], now: str) -> Assessment:
    """Hold `facts` and `attestations` against every criterion, as of `now` (ISO 8601).

    Raises BadInput for an attestation of no criterion, from the future, or the second of one.
    """
    today = date.fromisoformat(now[:10])
    attested = check_attestations(attestations, now)
    verdicts = tuple(_verdict(one, facts, attested.get(one.id), today) for one in CRITERIA)
    levels = {area: _reached([v for v in verdicts if v.area is area]) for area in Area}
    return Assessment(at=now, verdicts=verdicts, levels=levels)


def check_attestations(attestations: Iterable[Attestation], now: str) -> dict[str, Attestation]:
    """Attestations by their criterion. Raises BadInput as `assess` does."""
    today = date.fromisoformat(now[:10])
    known = {criterion.id for criterion in CRITERIA}
    found: dict[str, Attestation] = {}
    for one in attestations:
        where = f"[[attestation]] of {one.criterion} in archive.toml"
        if one.criterion not in known:
            raise BadInput(
                f"{one.criterion!r} is no criterion",
                where="[[attestation]] in archive.toml",
                remedy="take its name from `sonotheque prove --profile ndsa2`",
            )
        if one.criterion in found:
            raise BadInput("there are two", where=where, remedy="keep the newer one")
        if date.fromisoformat(one.on) > today:
            raise BadInput(f"{one.on} is still to come", where=where, remedy="correct the date")
        found[one.criterion] = one
    return found


def _verdict(
    criterion: Criterion, facts: Facts, attestation: Attestation | None, today: date
) -> Verdict:
    shown, said = criterion.check(facts)
    standing = Standing.FAILED
    if shown is Shown.YES:
        standing, attestation = Standing.PROVED, None
    elif attestation is not None:
        age = (today - date.fromisoformat(attestation.on)).days
        if age > ATTESTATION_DAYS_MAX:
            said = [*said, Said("too-old", {"days": age, "most": ATTESTATION_DAYS_MAX})]
        elif shown is Shown.NO:
            said = [*said, Said("contradicted")]
        else:
            standing = Standing.ATTESTED
    return Verdict(
        criterion=criterion.id,
        area=criterion.area,
        level=criterion.level,
        standing=standing,
        evidence=tuple(said),
        attestation=attestation,
    )


def _reached(verdicts: Sequence[Verdict]) -> int:
    failed = {verdict.level for verdict in verdicts if verdict.standing is Standing.FAILED}
    return min(failed, default=len(LEVELS) + 1) - 1


def _shown(holds: bool) -> Shown:
    return Shown.YES if holds else Shown.NOT_BY_FACTS


def _person(_facts: Facts) -> tuple[Shown, list[Said]]:
    return Shown.NOT_BY_FACTS, [Said("person")]


def _copies(facts: Facts) -> list[Said]:
    """Each root in a sentence: how much of everything it has, and where it stands."""
    said = []
    for root in facts.roots:
        if not root.present:
            said.append(Said("away", {"root": root.name}))
            continue
        key = "copy" if root.location else "copy-nowhere"
        said.append(
            Said(
                key,
                {
                    "root": root.name,
                    "n": root.complete,
                    "of": facts.recordings,
                    "location": root.location,
                },
            )
        )
    stated = {root.location.strip().casefold() for root in facts.complete_roots} - {""}
    if places(facts.complete_roots) < len(stated):
        said.append(Said("one-disk"))
    return said


def _separate_copies(facts: Facts) -> tuple[Shown, list[Said]]:
    number = places(facts.complete_roots)
    return _shown(number >= 2), [*_copies(facts), Said("places", {"n": number})]


def _media_documented(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("medium", {"root": r.name, "medium": r.medium, "location": r.location})
        if r.medium and r.location
        else Said("medium-missing", {"root": r.name})
        for r in facts.roots
    ]
    return _shown(all(r.medium and r.location for r in facts.roots)), said


def _stable(facts: Facts) -> tuple[Shown, list[Said]]:
    volatile = [r for r in facts.roots if r.filesystem in _VOLATILE]
    if volatile:
        return Shown.NO, [
            Said("volatile", {"root": r.name, "kind": r.filesystem}) for r in volatile
        ]
    whole = len(facts.complete_roots) == len(facts.roots)
    said = [
        Said("stands-on", {"root": r.name, "kind": r.filesystem or r.device})
        for r in facts.roots
        if r.present
    ]
    unread = Said("unread", {"n": facts.unread_copies})
    return _shown(whole and not facts.unread_copies), [*_copies(facts), *said, unread]


def _three_copies(facts: Facts) -> tuple[Shown, list[Said]]:
    whole = facts.complete_roots
    devices = {root.device for root in whole}
    number = places(whole)
    said = [
        *_copies(facts),
        Said("places", {"n": number}),
        Said("devices", {"n": len(devices)}),
    ]
    return _shown(len(devices) >= 3 and number >= 2), said


def _apart(one: RootFacts, others: Iterable[RootFacts]) -> bool:
    """Whether the threats of `one` are named, and none of the others' (named too) is among them."""
    return bool(one.threats) and all(
        other.threats and not one.threats & other.threats and places((one, other)) == 2
        for other in others
    )


def _threats(facts: Facts) -> list[Said]:
    return [
        Said("threat", {"root": r.name, "threat": r.threat, "location": r.location})
        if r.threats
        else Said("threat-missing", {"root": r.name})
        for r in facts.roots
    ]


def _another_threat(facts: Facts) -> tuple[Shown, list[Said]]:
    whole = facts.complete_roots
    holds = len(whole) > 1 and any(
        _apart(one, [other for other in whole if other is not one]) for one in whole
    )
    return _shown(holds), _threats(facts)


def _another_medium(facts: Facts) -> tuple[Shown, list[Said]]:
    media = {r.medium.strip().casefold() for r in facts.complete_roots} - {""}
    _, said = _media_documented(facts)
    return _shown(len(media) >= 2), said


def _three_threats(facts: Facts) -> tuple[Shown, list[Said]]:
    apart: list[RootFacts] = []
    for root in facts.complete_roots:
        if _apart(root, apart):
            apart.append(root)
    said = [*_threats(facts), Said("apart", {"n": len(apart)})]
    return _shown(len(apart) >= 3), said


def _diversified(facts: Facts) -> tuple[Shown, list[Said]]:
    number = places(facts.complete_roots)
    said = [Said("places", {"n": number}), Said("person")]
    return Shown.NO if number < 2 else Shown.NOT_BY_FACTS, said


def _received(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [Said("bagged", {"n": facts.bagged, "of": facts.deliveries})]
    if facts.deliveries and facts.bagged == facts.deliveries:
        return Shown.YES, said
    # A checksum that came in another form is nothing that a deposit knows of.
    return Shown.NOT_BY_FACTS, [*said, Said("person")]


def _digests(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [Said("digests", {"n": facts.content_files, "recordings": facts.recordings})]
    if facts.unverified:
        return Shown.NO, [*said, Said("unverified", {"n": facts.unverified})]
    return _shown(facts.recordings > 0), said


def _viruses(facts: Facts) -> tuple[Shown, list[Said]]:
    """A file that decodes as music in a confined process is not thereby free of viruses."""
    checked = facts.audio_files - facts.unidentified
    return Shown.NOT_BY_FACTS, [Said("confined", {"n": checked, "of": facts.audio_files})]


def _moving(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("written-checks", {"n": facts.written_checks}),
        Said("unread", {"n": facts.unread_copies}),
    ]
    return _shown(facts.recordings > 0 and not facts.unread_copies), said


def _digests_elsewhere(facts: Facts) -> tuple[Shown, list[Said]]:
    number = places(facts.complete_roots)
    return _shown(number >= 2), [*_copies(facts), Said("inventories", {"n": number})]


def _intervals(facts: Facts) -> tuple[Shown, list[Said]]:
    today = date.fromisoformat(facts.at[:10])
    said, timely = [], bool(facts.recordings)
    for root in facts.roots:
        if root.checked_since is None:
            said.append(Said("never-checked", {"root": root.name}))
            timely = False
            continue
        days = (today - date.fromisoformat(root.checked_since[:10])).days
        said.append(Said("checked-since", {"root": root.name, "at": root.checked_since}))
        timely = timely and days <= AUDIT_DAYS_MAX
    runs = [date.fromisoformat(at[:10]) for at in facts.audits[-2:]]
    regular = len(runs) == 2 and (runs[1] - runs[0]).days <= AUDIT_DAYS_MAX
    said.append(Said("audits", {"n": len(facts.audits), "most": AUDIT_DAYS_MAX}))
    return _shown(timely and regular), said


def _documented(facts: Facts) -> tuple[Shown, list[Said]]:
    if not facts.audits:
        return Shown.NOT_BY_FACTS, [Said("no-audit")]
    said = Said(
        "audit-kept",
        {"n": len(facts.audits), "at": facts.audits[-1], "events": facts.audit_events},
    )
    return _shown(facts.audit_events > 0), [said]


def _on_demand(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [Said("checked-now", {"n": facts.checked_now, "at": facts.at})]
    if facts.failed_now:
        failed = ", ".join(facts.failed_now[:SHOWN_MAX])
        return Shown.NO, [*said, Said("failed-now", {"failed": failed})]
    return _shown(facts.checked_now > 0), said


def _repaired(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("healed", {"n": facts.healed_files}),
        Said("drill") if facts.drill == "healed" else Said("drill-failed", {"why": facts.drill}),
    ]
    if facts.damaged_copies:
        return Shown.NO, [*said, Said("damaged", {"n": facts.damaged_copies})]
    return _shown(facts.drill == "healed"), said


def _write_access(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("owners", {"root": r.name, "owners": ", ".join(r.owners)})
        for r in facts.roots
        if r.owners
    ]
    opened = [path for root in facts.roots for path in root.open_to_others] + [*facts.open_keys]
    number = sum(root.open_count for root in facts.roots) + len(facts.open_keys)
    if number:
        shown = ", ".join(opened[:SHOWN_MAX])
        return Shown.NO, [*said, Said("open", {"n": number, "paths": shown})]
    return Shown.NOT_BY_FACTS, [*said, Said("closed"), Said("person")]


def _logs(facts: Facts) -> tuple[Shown, list[Said]]:
    """The programs are named in every log, and the people in the ledger; who ran a command is
    not, so that a person must say how that is known."""
    said = [
        Said("agents", {"n": facts.versions - facts.anonymous_versions, "of": facts.versions}),
        Said("ledger", {"n": facts.ledger_entries}),
    ]
    if facts.ledger_problem:
        return Shown.NO, [*said, Said("ledger-broken", {"why": facts.ledger_problem})]
    return Shown.NOT_BY_FACTS, [*said, Said("person")]


def _inventory(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("catalogued", {"n": facts.recordings, "missing": facts.uncatalogued}),
        *_copies(facts),
    ]
    located = all(root.location for root in facts.roots)
    return _shown(facts.recordings > 0 and not facts.uncatalogued and located), said


def _described(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("undescribed", {"n": facts.undescribed, "of": facts.recordings}),
        Said("identified", {"n": facts.audio_files - facts.unidentified, "of": facts.audio_files}),
    ]
    return _shown(facts.recordings > 0 and not facts.undescribed and not facts.unidentified), said


def _gaps(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("undescribed", {"n": facts.undescribed, "of": facts.recordings}),
        Said("without-isrc", {"n": facts.without_isrc, "of": facts.recordings}),
        Said("person"),
    ]
    return Shown.NO if facts.undescribed else Shown.NOT_BY_FACTS, said


def _actions(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("agents", {"n": facts.versions - facts.anonymous_versions, "of": facts.versions}),
        Said("audits-kept", {"n": len(facts.audits)}),
    ]
    return _shown(facts.versions > 0 and not facts.anonymous_versions and facts.audit_events > 0), (
        said
    )


def _formats_documented(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [
        Said("identified", {"n": facts.audio_files - facts.unidentified, "of": facts.audio_files}),
        *_formats(facts),
    ]
    return _shown(facts.audio_files > 0 and not facts.unidentified), said


def _formats(facts: Facts) -> list[Said]:
    return [Said("format", {"format": one.name, "n": one.files}) for one in facts.formats]


def _formats_verified(facts: Facts) -> tuple[Shown, list[Said]]:
    said = [Said("undecoded", {"n": facts.undecoded, "of": facts.audio_files})]
    return _shown(facts.audio_files > 0 and not facts.undecoded and not facts.unidentified), said


def _obsolescence(facts: Facts) -> tuple[Shown, list[Said]]:
    broken = [one for one in facts.formats if one.problem]
    if broken:
        return Shown.NO, [
            Said("undecodable", {"format": one.name, "why": one.problem}) for one in broken
        ]
    said = [Said("decodable", {"format": one.name, "n": one.files}) for one in facts.formats]
    return _shown(bool(facts.formats)), said


CRITERIA: tuple[Criterion, ...] = tuple(
    Criterion(f"{area}-{level}-{name}", area, level, check)
    for area, level, name, check in (
        (Area.STORAGE, 1, "copies", _separate_copies),
        (Area.STORAGE, 1, "media", _media_documented),
        (Area.STORAGE, 1, "stable", _stable),
        (Area.STORAGE, 2, "copies", _three_copies),
        (Area.STORAGE, 2, "dependencies", _person),
        (Area.STORAGE, 3, "threat", _another_threat),
        (Area.STORAGE, 3, "media", _another_medium),
        (Area.STORAGE, 3, "obsolescence", _person),
        (Area.STORAGE, 4, "threats", _three_threats),
        (Area.STORAGE, 4, "diversity", _diversified),
        (Area.STORAGE, 4, "renewal", _person),
        (Area.INTEGRITY, 1, "received", _received),
        (Area.INTEGRITY, 1, "digests", _digests),
        (Area.INTEGRITY, 1, "viruses", _viruses),
        (Area.INTEGRITY, 2, "moving", _moving),
        (Area.INTEGRITY, 2, "write-blockers", _person),
        (Area.INTEGRITY, 2, "backup", _digests_elsewhere),
        (Area.INTEGRITY, 3, "intervals", _intervals),
        (Area.INTEGRITY, 3, "documented", _documented),
        (Area.INTEGRITY, 3, "on-demand", _on_demand),
        (Area.INTEGRITY, 4, "events", _moving),
        (Area.INTEGRITY, 4, "repair", _repaired),
        (Area.CONTROL, 1, "agents", _person),
        (Area.CONTROL, 2, "applied", _write_access),
        (Area.CONTROL, 3, "logs", _logs),
        (Area.CONTROL, 4, "review", _person),
        (Area.METADATA, 1, "inventory", _inventory),
        (Area.METADATA, 1, "backup", _digests_elsewhere),
        (Area.METADATA, 2, "enough", _described),
        (Area.METADATA, 3, "standards", _person),
        (Area.METADATA, 3, "gaps", _gaps),
        (Area.METADATA, 4, "actions", _actions),
        (Area.METADATA, 4, "implemented", _person),
        (Area.CONTENT, 1, "formats", _formats_documented),
        (Area.CONTENT, 2, "verified", _formats_verified),
        (Area.CONTENT, 2, "creators", _person),
        (Area.CONTENT, 3, "obsolescence", _obsolescence),
        (Area.CONTENT, 4, "access", _person),
    )
)
