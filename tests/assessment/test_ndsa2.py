"""The 38 criteria: what proves each, what disproves it, and what an attestation can mend."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.assessment import ndsa2
from sonotheque.assessment.facts import Facts, FormatFacts, RootFacts
from sonotheque.assessment.ndsa2 import CRITERIA, Area, Assessment, Standing, assess
from sonotheque.config import Attestation
from sonotheque.errors import BadInput

NOW = "2026-11-20T10:00:00.000000Z"
IDS = [criterion.id for criterion in CRITERIA]
NO_PROGRAM_CAN_SEE = {
    *("storage-2-dependencies", "storage-3-obsolescence", "storage-4-diversity"),
    *("storage-4-renewal", "integrity-1-viruses"),
    *("integrity-2-write-blockers", "control-1-agents", "control-2-applied", "control-3-logs"),
    *("control-4-review", "metadata-3-standards", "metadata-3-gaps", "metadata-4-implemented"),
    *("content-2-creators", "content-4-access"),
}


def root(number: int, **changes: Any) -> RootFacts:
    good = RootFacts(
        name=f"root-{number}",
        location=f"place {number}",
        threat=f"threat {number}",
        medium=f"medium {number}",
        present=True,
        device=f"8:{number}",
        filesystem="ext4",
        complete=7,
        checked_since="2026-10-01T00:00:00.000000Z",
        owners=("archive",),
        open_count=0,
        open_to_others=(),
    )
    return dataclasses.replace(good, **changes)


def facts(**changes: Any) -> Facts:
    """Those of an archive about which nothing can be said against."""
    good = Facts(
        at=NOW,
        roots=(root(1), root(2), root(3)),
        recordings=7,
        unverified=0,
        audio_files=8,
        byte_count=1000,
        content_files=40,
        versions=8,
        anonymous_versions=0,
        unread_copies=0,
        written_checks=24,
        damaged_copies=0,
        healed_files=2,
        audits=("2026-07-10T00:00:00.000000Z", "2026-10-01T00:00:00.000000Z"),
        audit_events=21,
        checked_now=7,
        failed_now=(),
        drill="healed",
        uncatalogued=0,
        undescribed=0,
        without_isrc=3,
        unidentified=0,
        undecoded=0,
        deliveries=8,
        bagged=8,
        formats=(FormatFacts(name="flac in flac", files=8, problem=""),),
        ledger_entries=9,
        ledger_problem="",
        open_keys=(),
    )
    return dataclasses.replace(good, **changes)


def word(criterion: str, on: str = "2026-06-01") -> Attestation:
    return Attestation(criterion, "Ada, archivist", on, "I have seen it")


def standings(found: Assessment) -> dict[str, Standing]:
    return {verdict.criterion: verdict.standing for verdict in found.verdicts}


def failing(**changes: Any) -> set[str]:
    """What such facts leave unproved, of what facts can prove."""
    found = standings(assess(facts(**changes), (), NOW))
    return {name for name, one in found.items() if one is Standing.FAILED} - NO_PROGRAM_CAN_SEE


def test_the_matrix() -> None:
    """Version 2.0: five areas, four levels, so many criteria in each cell."""
    cells = Counter((criterion.area, criterion.level) for criterion in CRITERIA)
    assert {area: tuple(cells[area, level] for level in (1, 2, 3, 4)) for area in Area} == {
        Area.STORAGE: (3, 2, 3, 3),
        Area.INTEGRITY: (3, 3, 3, 2),
        Area.CONTROL: (1, 1, 1, 1),
        Area.METADATA: (2, 1, 2, 2),
        Area.CONTENT: (1, 2, 1, 1),
    }
    assert len(IDS) == len(set(IDS)) == 38


def test_a_good_archive_proves_what_can_be_proved_and_no_more() -> None:
    found = standings(assess(facts(), (), NOW))
    assert {name for name, one in found.items() if one is Standing.FAILED} == NO_PROGRAM_CAN_SEE
    assert Standing.ATTESTED not in found.values()
    assert sum(one is Standing.PROVED for one in found.values()) == 23


def test_every_verdict_has_evidence() -> None:
    for made in (facts(), facts(roots=(root(1),), recordings=0, audits=(), drill="nothing")):
        assert all(verdict.evidence for verdict in assess(made, (), NOW).verdicts)


def test_an_empty_archive_proves_nothing_of_its_content() -> None:
    empty = facts(
        roots=(root(1, complete=0, checked_since=None), root(2, complete=0, checked_since=None)),
        recordings=0,
        audio_files=0,
        content_files=0,
        versions=0,
        written_checks=0,
        audits=(),
        audit_events=0,
        checked_now=0,
        drill="nothing is held",
        deliveries=0,
        bagged=0,
        formats=(),
    )
    found = standings(assess(empty, (), NOW))
    assert {name for name, one in found.items() if one is Standing.PROVED} == {"storage-1-media"}
    assert assess(empty, (), NOW).level == 0


@pytest.mark.parametrize(
    ("changes", "unproved"),
    [
        (
            {"roots": (root(1), root(2, location="place 1"))},
            "storage-1-copies storage-2-copies storage-3-threat storage-4-threats"
            " integrity-2-backup metadata-1-backup",
        ),
        (
            {"roots": (root(1), root(2), root(3, device="8:1"))},
            "storage-2-copies storage-4-threats",
        ),
        (
            {"roots": (root(1), root(2, complete=6), root(3, present=False))},
            "storage-1-copies storage-1-stable storage-2-copies storage-3-threat storage-3-media"
            " storage-4-threats integrity-2-backup metadata-1-backup",
        ),
        (
            {"roots": (root(1), root(2), root(3, location=""))},
            "storage-1-media storage-3-threat storage-4-threats metadata-1-inventory",
        ),
        ({"roots": (root(1), root(2), root(3, medium=""))}, "storage-1-media"),
        (
            {"roots": (root(1), root(2), root(3, filesystem="tmpfs"))},
            "storage-1-stable",
        ),
        (
            {"roots": tuple(root(n, threat="Fire, threat 9") for n in (1, 2, 3))},
            "storage-3-threat storage-4-threats",
        ),
        ({"roots": (root(1), root(2), root(3, threat="threat 1 , x"))}, "storage-4-threats"),
        ({"roots": tuple(root(n, medium="disk") for n in (1, 2, 3))}, "storage-3-media"),
        ({"roots": (root(1), root(2), root(3, checked_since=None))}, "integrity-3-intervals"),
        (
            {"roots": (root(1), root(2), root(3, checked_since="2026-08-01T00:00:00.000000Z"))},
            "integrity-3-intervals",
        ),
        ({"audits": ("2026-10-01T00:00:00.000000Z",)}, "integrity-3-intervals"),
        (
            {"audits": ("2026-06-01T00:00:00.000000Z", "2026-10-01T00:00:00.000000Z")},
            "integrity-3-intervals",
        ),
        (
            {"audits": (), "audit_events": 0},
            "integrity-3-intervals integrity-3-documented metadata-4-actions",
        ),
        ({"audit_events": 0}, "integrity-3-documented metadata-4-actions"),
        ({"unverified": 1}, "integrity-1-digests"),
        ({"unread_copies": 1}, "storage-1-stable integrity-2-moving integrity-4-events"),
        ({"failed_now": ("root-1: x",)}, "integrity-3-on-demand"),
        ({"damaged_copies": 1}, "integrity-4-repair"),
        ({"drill": "the damage was not healed"}, "integrity-4-repair"),
        ({"uncatalogued": 1}, "metadata-1-inventory"),
        ({"undescribed": 1}, "metadata-2-enough"),
        ({"unidentified": 1}, "metadata-2-enough content-1-formats content-2-verified"),
        ({"undecoded": 1}, "content-2-verified"),
        ({"bagged": 7}, "integrity-1-received"),
        ({"anonymous_versions": 1}, "metadata-4-actions"),
        ({"formats": (FormatFacts(name="x", files=8, problem="?"),)}, "content-3-obsolescence"),
    ],
)
def test_what_each_fact_takes_away(changes: dict[str, Any], unproved: str) -> None:
    assert failing(**changes) == set(unproved.split())


def test_checksums_that_came_are_verified_where_everything_came_in_bags() -> None:
    for deliveries, bagged, proved in ((8, 8, True), (8, 7, False), (0, 0, False)):
        found = assess(facts(deliveries=deliveries, bagged=bagged), [], NOW)
        (one,) = [v for v in found.verdicts if v.criterion == "integrity-1-received"]
        assert (one.standing is Standing.PROVED) == proved
        assert one.evidence[0].values == {"n": bagged, "of": deliveries}


def test_attestations_stand_for_what_no_program_can_see() -> None:
    found = assess(facts(), [word(name) for name in NO_PROGRAM_CAN_SEE], NOW)
    assert found.level == 4
    assert set(found.levels.values()) == {4}
    assert {v.standing for v in found.verdicts} == {Standing.PROVED, Standing.ATTESTED}
    assert sum(v.standing is Standing.ATTESTED for v in found.verdicts) == 15


@pytest.mark.parametrize(
    ("changes", "criterion"),
    [
        ({"damaged_copies": 1}, "integrity-4-repair"),
        ({"unverified": 1}, "integrity-1-digests"),
        ({"failed_now": ("root-1: x",)}, "integrity-3-on-demand"),
        ({"open_keys": ("keys/private.key",)}, "control-2-applied"),
        ({"roots": (root(1, open_count=1, open_to_others=("x",)),)}, "control-2-applied"),
        ({"ledger_problem": "it does not hash"}, "control-3-logs"),
        ({"undescribed": 1}, "metadata-3-gaps"),
        ({"roots": (root(1, filesystem="tmpfs"), root(2))}, "storage-1-stable"),
        ({"roots": (root(1), root(2, device="8:1"))}, "storage-4-diversity"),
        ({"formats": (FormatFacts(name="x", files=1, problem="?"),)}, "content-3-obsolescence"),
    ],
)
def test_no_word_mends_what_facts_contradict(changes: dict[str, Any], criterion: str) -> None:
    found = assess(facts(**changes), [word(criterion)], NOW)
    verdict = next(v for v in found.verdicts if v.criterion == criterion)
    assert verdict.standing is Standing.FAILED
    assert verdict.attestation == word(criterion)
    assert "contradicted" in {said.key for said in verdict.evidence}


def test_a_word_that_no_fact_contradicts_helps_where_facts_do_not_show_it() -> None:
    """A copy that is no root of this archive, say."""
    found = assess(facts(roots=(root(1),)), [word("storage-1-copies")], NOW)
    assert standings(found)["storage-1-copies"] is Standing.ATTESTED


@pytest.mark.parametrize(("on", "holds"), [("2025-11-19", True), ("2025-11-18", False)])
def test_a_word_is_good_for_a_year(on: str, holds: bool) -> None:
    found = assess(facts(), [word("control-1-agents", on)], NOW)
    verdict = next(v for v in found.verdicts if v.criterion == "control-1-agents")
    assert (verdict.standing is Standing.ATTESTED) == holds
    assert ("too-old" in {said.key for said in verdict.evidence}) != holds


def test_a_proof_needs_no_word() -> None:
    found = assess(facts(), [word("integrity-1-digests")], NOW)
    verdict = next(v for v in found.verdicts if v.criterion == "integrity-1-digests")
    assert (verdict.standing, verdict.attestation) == (Standing.PROVED, None)


@pytest.mark.parametrize(
    ("attestations", "what"),
    [
        ([word("storage-5-moon")], "is no criterion"),
        ([word(IDS[0]), word(IDS[0])], "there are two"),
        ([word(IDS[0], "2026-11-21")], "is still to come"),
    ],
)
def test_attestations_that_cannot_be_meant(attestations: list[Attestation], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        assess(facts(), attestations, NOW)


@given(st.sets(st.sampled_from(IDS)), st.sampled_from(IDS))
def test_another_word_never_lowers_a_level(words: set[str], another: str) -> None:
    before = assess(facts(roots=(root(1), root(2))), map(word, words), NOW)
    after = assess(facts(roots=(root(1), root(2))), map(word, words | {another}), NOW)
    assert all(before.levels[area] <= after.levels[area] for area in Area)
    assert before.level == min(before.levels.values()) <= after.level


@given(st.sets(st.sampled_from(sorted(NO_PROGRAM_CAN_SEE))))
def test_a_level_is_reached_when_all_up_to_it_hold(words: set[str]) -> None:
    found = assess(facts(), map(word, words), NOW)
    for area, reached in found.levels.items():
        here = [v for v in found.verdicts if v.area is area]
        assert all(v.standing is not Standing.FAILED for v in here if v.level <= reached)
        assert reached == 4 or any(
            v.standing is Standing.FAILED for v in here if v.level == reached + 1
        )


def test_the_evidence_shows_no_endless_lists() -> None:
    many = tuple(f"/ledger/{n}" for n in range(1000))
    found = assess(facts(open_keys=many), (), NOW)
    said = next(v for v in found.verdicts if v.criterion == "control-2-applied").evidence
    values = next(one.values for one in said if one.key == "open")
    assert values["n"] == 1000
    assert str(values["paths"]).count(",") == ndsa2.SHOWN_MAX - 1
