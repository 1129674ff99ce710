"""Whose sound it is: same recording, clone, excerpt."""

from __future__ import annotations

from sonotheque.matching.clones import Appraised, appraise
from sonotheque.model.findings import Severity
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Description, Match, MatchKind

FIRST, SECOND = RecordingId("0000000000001"), RecordingId("0000000000002")
NEBULA = Description(title="Nebula", artist="The Alices")


def match(recording: RecordingId = FIRST, kind: MatchKind = MatchKind.SAME_RECORDING) -> Match:
    return Match(recording=recording, kind=kind, similarity=0.973, offset_ms=0, overlap_ms=180_000)


def codes(appraised: Appraised) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in appraised.findings]


def test_no_match_is_a_new_recording() -> None:
    assert appraise(NEBULA, (), {}) == Appraised(same_as=None, findings=())


def test_another_encoding() -> None:
    new = Description(title="nebula", artist="ALICES, THE")
    appraised = appraise(new, [match()], {FIRST: NEBULA})
    assert appraised.same_as == FIRST
    assert codes(appraised) == [("match.same-recording", Severity.INFO)]


def test_another_artist_is_a_clone_and_the_finding_is_evidence() -> None:
    new = Description(title="Nebula", artist="DJ Copy")
    appraised = appraise(new, [match()], {FIRST: NEBULA})
    assert appraised.same_as is None
    assert codes(appraised) == [("clone.other-artist", Severity.ERROR)]
    (finding,) = appraised.findings
    for part in (FIRST, "97.3%", "The Alices", "Nebula", "DJ Copy", "180 s"):
        assert part in finding.message
    assert finding.remedy


def test_the_rightful_artist_is_not_accused_because_a_clone_is_held_too() -> None:
    clone = Description(title="Fog", artist="DJ Copy")
    appraised = appraise(NEBULA, [match(FIRST), match(SECOND)], {FIRST: clone, SECOND: NEBULA})
    assert appraised.same_as == SECOND
    assert codes(appraised) == [
        ("clone.other-artist", Severity.WARNING),
        ("match.same-recording", Severity.INFO),
    ]


def test_another_title_by_the_same_artist() -> None:
    new = Description(title="Track 01", artist="Alices")
    appraised = appraise(new, [match()], {FIRST: NEBULA})
    assert appraised.same_as == FIRST
    assert codes(appraised) == [
        ("clone.other-title", Severity.WARNING),
        ("match.same-recording", Severity.INFO),
    ]


def test_another_version_is_not_merged() -> None:
    new = Description(title="Nebula (Instrumental)", artist="The Alices")
    appraised = appraise(new, [match()], {FIRST: NEBULA})
    assert appraised.same_as is None
    assert codes(appraised) == [("clone.other-title", Severity.WARNING)]


def test_no_artist_is_no_accusation() -> None:
    for new, held in (
        (Description(title="Nebula"), NEBULA),
        (NEBULA, Description(title="Nebula")),
        (Description(), Description()),
    ):
        appraised = appraise(new, [match()], {FIRST: held})
        assert appraised.same_as == FIRST
        assert codes(appraised) == [
            ("clone.no-artist", Severity.WARNING),
            ("match.same-recording", Severity.INFO),
        ]


def test_parts() -> None:
    kinds = [match(FIRST, MatchKind.EXCERPT), match(SECOND, MatchKind.CONTAINS)]
    appraised = appraise(
        NEBULA, kinds, {FIRST: NEBULA, SECOND: Description(title="Fog", artist="Bob")}
    )
    assert appraised.same_as is None
    assert codes(appraised) == [
        ("match.excerpt", Severity.WARNING),
        ("match.contains", Severity.WARNING),
    ]
    assert "another artist" not in appraised.findings[0].message
    assert "another artist" in appraised.findings[1].message


def test_a_match_that_nobody_describes() -> None:
    appraised = appraise(NEBULA, [match()], {})
    assert appraised.same_as == FIRST
    assert ("clone.no-artist", Severity.WARNING) in codes(appraised)
