"""Preserved events: every field is in the line and in the PREMIS 3 document, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import premis

RUN = HoldingId("urn:sonotheque:audit:2026-11-20T10:00:00.000000Z")
P = f"{{{premis.NAMESPACE}}}"
TERMS = "http://id.loc.gov/vocabulary/preservation/"
# What stands in what, and how often at least and at most, in the order of the schema.
CHILDREN = {
    "premis": [("object", 0, 9), ("event", 0, 99), ("agent", 0, 9), ("rights", 0, 9)],
    "event": [
        ("eventIdentifier", 1, 1),
        ("eventType", 1, 1),
        ("eventDateTime", 1, 1),
        ("eventDetailInformation", 0, 9),
        ("eventOutcomeInformation", 0, 9),
        ("linkingAgentIdentifier", 0, 9),
        ("linkingObjectIdentifier", 0, 9),
    ],
    "eventIdentifier": [("eventIdentifierType", 1, 1), ("eventIdentifierValue", 1, 1)],
    "eventDetailInformation": [("eventDetail", 0, 1), ("eventDetailExtension", 0, 9)],
    "eventOutcomeInformation": [("eventOutcome", 0, 1), ("eventOutcomeDetail", 0, 9)],
    "eventOutcomeDetail": [("eventOutcomeDetailNote", 0, 1), ("eventOutcomeDetailExtension", 0, 9)],
    "linkingAgentIdentifier": [
        ("linkingAgentIdentifierType", 1, 1),
        ("linkingAgentIdentifierValue", 1, 1),
        ("linkingAgentRole", 0, 9),
    ],
    "linkingObjectIdentifier": [
        ("linkingObjectIdentifierType", 1, 1),
        ("linkingObjectIdentifierValue", 1, 1),
        ("linkingObjectRole", 0, 9),
    ],
    "agent": [
        ("agentIdentifier", 1, 9),
        ("agentName", 0, 9),
        ("agentType", 0, 1),
        ("agentVersion", 0, 1),
    ],
    "agentIdentifier": [("agentIdentifierType", 1, 1), ("agentIdentifierValue", 1, 1)],
}

texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)
named = texts.filter(bool)
events = st.builds(
    FixityEvent,
    holding=named.map(HoldingId),
    root=named,
    outcome=st.sampled_from(Outcome),
    at=st.just("2026-11-20T10:00:00.000000Z"),
    agent=st.sampled_from(["sonotheque 0.1.0", "sonotheque 2.0"]),
    path=texts,
    detail=texts,
    version=st.integers(0, 10_000),
    method=st.sampled_from(["", "sha512", "blake3"]),
)


def document(*written: FixityEvent) -> etree._Element:
    file = io.BytesIO()
    premis.write_xml(RUN, iter(written), file)
    return etree.fromstring(file.getvalue())


def read(element: etree._Element) -> FixityEvent:
    """The event that an element of PREMIS is made of."""
    about = {
        one.findtext(f"{P}linkingObjectIdentifierType"): one.findtext(
            f"{P}linkingObjectIdentifierValue"
        )
        for one in element.iter(f"{P}linkingObjectIdentifier")
    }
    notes = [note.text for note in element.iter(f"{P}eventOutcomeDetailNote")]
    return FixityEvent(
        holding=HoldingId(about["URN"]),
        root=about["storage root"],
        outcome=Outcome(notes[0]),
        at=element.findtext(f"{P}eventDateTime"),
        agent=element.findtext(f".//{P}linkingAgentIdentifierValue"),
        path=about.get("OCFL content path", ""),
        detail=notes[1] if len(notes) > 1 else "",
        version=int(about.get("OCFL version", "v0")[1:]),
        method=element.findtext(f".//{P}eventDetail", ""),
    )


def faults(element: etree._Element) -> Iterator[str]:
    """Where `element` is not of the structure that the schema asks for."""
    name = etree.QName(element).localname
    names = [etree.QName(child).localname for child in element]
    expected = CHILDREN.get(name, [])
    order = [one for one, _, _ in expected]
    if sorted(names, key=lambda n: order.index(n) if n in order else -1) != names:
        yield f"{name}: {names}"
    for one, least, most in expected:
        if not least <= names.count(one) <= most:
            yield f"{name}: {names.count(one)} {one}"
    if bool(expected) == bool(element.text):
        yield f"{name} has text {element.text!r}"
    for child in element:
        yield from faults(child)


@given(st.lists(events, max_size=5))
def test_every_field_comes_back_from_premis(written: list[FixityEvent]) -> None:
    found = document(*written)
    assert found.tag == f"{P}premis"
    assert dict(found.attrib) == {"version": "3.0"}
    assert [read(element) for element in found.iter(f"{P}event")] == written
    assert [*faults(found)] == []
    assert len({*found.itertext(f"{P}eventIdentifierValue")}) == len(written)


@given(st.lists(events, max_size=5), st.integers(1, 40))
def test_every_field_comes_back_from_lines(written: list[FixityEvent], size: int) -> None:
    lines = b"".join(map(premis.to_line, written))
    blocks = [lines[start : start + size] for start in range(0, len(lines), size)]
    assert [*premis.from_lines(blocks)] == written
    if lines:
        with pytest.raises(ValueError, match=r"cut short|truncated"):
            list(premis.from_lines([lines[:-1]]))


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.PASS, "suc"), (Outcome.HEALED, "war"), (Outcome.LOST, "fai"), (Outcome.STALE, "fai")],
)
def test_terms_are_those_of_the_vocabulary(outcome: Outcome, code: str) -> None:
    event = FixityEvent(holding=RUN, root="main", outcome=outcome, at="t", agent="sonotheque 1.0")
    found = document(event)
    assert {element.get("valueURI") for element in found.iter() if element.get("valueURI")} == {
        f"{TERMS}eventType/fix",
        f"{TERMS}eventOutcome/{code}",
        f"{TERMS}eventRelatedAgentRole/exe",
        f"{TERMS}eventRelatedObjectRole/sou",
    }
    assert found.findtext(f"{P}agent/{P}agentVersion") == "1.0"


def test_what_xml_cannot_say_does_not_stop_the_rest() -> None:
    event = FixityEvent(
        holding=RUN, root="main", outcome=Outcome.STRAY, at="t", agent="a", path="\x01"
    )
    assert read(document(event)).path == "\ufffd"
