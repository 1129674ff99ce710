"""What files show when they are held against each other."""

from __future__ import annotations

from sonotheque.matching.forensics import (
    Exhibit,
    across,
    known_code_findings,
    licence_findings,
    same_work_findings,
    several_codes_findings,
)
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, RecordingId
from sonotheque.model.music import Description, Recording

CODE, OTHER = Isrc("FRZ031400123"), Isrc("FRZ031400124")
FIRST = RecordingId("0000000000001")
NEBULA = Description(title="Nebula", artist="The Alices", isrcs=(CODE,))


def recording(description: Description = NEBULA) -> Recording:
    return Recording(id=FIRST, description=description, duration_ms=1, added_at="")


def exhibit(name: str, *, alike: tuple[str, ...] = (), cloned: str = "", **said: object) -> Exhibit:
    description = Description(**{"title": name, **said})  # type: ignore[arg-type]
    return Exhibit(
        name=name,
        description=description,
        alike=alike,
        cloned_from=(cloned,) if cloned else (),
    )


def codes(*exhibits: Exhibit) -> list[str]:
    return [finding.code for finding in across(exhibits, "a sender")]


def test_the_same_work_is_told_by_words_alone() -> None:
    def found(title: str, artist: str, *unlike: Recording) -> tuple[Finding, ...]:
        return same_work_findings(Description(title=title, artist=artist), unlike)

    (finding,) = found("NEBULA (Live in Paris)", "alices, the", recording())
    assert (finding.code, finding.severity) == ("match.same-work", Severity.INFO)
    assert "'Nebula'" in finding.message
    assert FIRST in finding.message
    assert "words alone" in finding.message
    assert "must not be merged" in finding.remedy
    (finding,) = found("Nebula", "The Alices", *[recording()] * 7)
    assert "and 3 more" in finding.message
    for title, artist in (
        *(("Nebula", "Nova"), ("Nebula II", "The Alices"), ("", "The Alices"), ("Nebula", "")),
    ):
        assert found(title, artist, recording()) == ()
    assert found("Nebula", "The Alices") == ()
    short = Description(title="1", artist="The Alices")
    assert found("1", "The Alices", recording(short)) == ()


def test_what_a_code_is_known_for() -> None:
    def found(said: Description, *, held: bool = False, matched: bool = False) -> list[str]:
        findings = known_code_findings(
            said,
            {CODE: [recording()]},
            held=frozenset([FIRST] if held else []),
            matched=frozenset([FIRST] if matched else []),
        )
        return [finding.code for finding in findings]

    assert found(NEBULA) == []
    assert found(NEBULA, held=True, matched=True) == []
    assert found(NEBULA, held=True) == ["isrc.other-sound"]
    assert found(Description(title="Nebula", artist="Nova")) == ["isrc.other-artist"]
    assert found(Description(title="Fog", artist="Alices")) == ["isrc.other-title"]
    # What is not said contradicts nothing.
    assert found(Description()) == []


def test_two_codes_on_one_recording() -> None:
    other = Description(isrcs=(OTHER,))
    assert [f.code for f in several_codes_findings(other, recording())] == ["isrc.several"]
    assert several_codes_findings(NEBULA, recording()) == ()
    assert several_codes_findings(Description(), recording()) == ()
    assert several_codes_findings(other, None) == ()
    both = Description(isrcs=(CODE, OTHER))
    assert [f.code for f in several_codes_findings(both, None)] == ["isrc.several"]


def test_licences() -> None:
    assert licence_findings(["CC BY 4.0"], ["CC BY 4.0", ""], "it") == ()
    assert licence_findings([], ["CC BY 4.0"], "it") == ()
    assert licence_findings(["CC0"], [], "it") == ()
    (finding,) = licence_findings(["CC0"], ["CC BY 4.0"], "it")
    assert finding.code == "rights.conflicting-licences"


def test_a_code_stands_twice_unless_it_is_one_recording() -> None:
    assert codes(exhibit("a", isrcs=(CODE,)), exhibit("b", isrcs=(CODE,))) == ["isrc.repeated"]
    same = exhibit("b", alike=("a",), isrcs=(CODE,), title="a")
    assert codes(exhibit("a", isrcs=(CODE,)), same) == []


def test_padding() -> None:
    a, b = exhibit("a"), exhibit("b", alike=("a",))
    assert codes(a, b, exhibit("c", alike=("b",))) == ["release.padded"]
    assert codes(a, exhibit("a.mp3", alike=("a",), title="A (Live)")) == []
    (finding,) = across([a, b], "s")
    assert "'a', 'b'" in finding.message


def test_a_catalogue_is_cloned_from_three_on() -> None:
    cloned = [exhibit(str(n), cloned="The Alices") for n in range(3)]
    assert codes(*cloned) == ["clone.catalogue"]
    assert codes(*cloned[:2], exhibit("x", cloned="Bob")) == []


def test_one_odd_registrant() -> None:
    release = [
        exhibit(str(n), album="LP", label="L", isrcs=(Isrc(f"FRZ03140012{n}"),)) for n in range(4)
    ]
    odd = exhibit("odd", album="LP", label="L", isrcs=(Isrc("GBAAA1400001"),))
    assert codes(*release, odd) == ["isrc.registrant"]
    assert codes(*release[:2], odd) == []
