"""Fixity events as preserved: lines of JSON, and the same as PREMIS 3.

PREMIS Data Dictionary 3.0 and its XML schema (https://www.loc.gov/standards/premis/v3/); event
types, outcomes and roles are terms of the Library of Congress's preservation vocabularies
(https://id.loc.gov/vocabulary/preservation.html). docs/audit.md has the table, field by field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import msgspec
from lxml import etree

from sonotheque.model.holdings import NOT_READ, FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store.markup import xml_text

NAMESPACE = "http://www.loc.gov/premis/v3"
_TERMS = "http://id.loc.gov/vocabulary/preservation"
# Label, vocabulary, code of the term in it.
_FIXITY_CHECK = ("fixity check", "eventType", "fix")
_INGESTION = ("ingestion", "eventType", "ing")
_EXECUTING = ("executing program", "eventRelatedAgentRole", "exe")
_SOURCE = ("source", "eventRelatedObjectRole", "sou")
_SUCCESS, _WARNING, _FAIL = (
    (label, "eventOutcome", label[:3]) for label in ("success", "warning", "fail")
)
_OUTCOMES = {Outcome.PASS: _SUCCESS, Outcome.HEALED: _WARNING}


def to_line(event: FixityEvent) -> bytes:
    """`event` as one line of JSON, with its line break."""
    return msgspec.json.encode(event) + b"\n"


def from_lines(blocks: Iterable[bytes]) -> Iterator[FixityEvent]:
    """The events of lines that come in blocks of any size. Raises ValueError for other lines."""
    decoder = msgspec.json.Decoder(FixityEvent)
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from map(decoder.decode, lines)
    if rest:
        raise ValueError("the last line is cut short")


def write_xml(run: HoldingId, events: Iterable[FixityEvent], file: BinaryIO) -> int:
    """Write the events of the audit run `run` to `file` as one PREMIS 3 document, as they come;
    how many they were.

    An event's identifier is the run's and the number of its line. What XML cannot say (a control
    character in a name) is written as U+FFFD.
    """
    agents: dict[str, None] = {}
    number = 0
    with etree.xmlfile(file, encoding="utf-8") as xml:
        xml.write_declaration()
        with xml.element(_name("premis"), {"version": "3.0"}, nsmap={None: NAMESPACE}):
            for number, event in enumerate(events, 1):
                agents[event.agent] = None
                xml.write(_event(f"{run}#{number}", event))
            for agent in agents:
                xml.write(_agent(agent))
    return number


def _event(identifier: str, event: FixityEvent) -> Any:
    objects = [("URN", event.holding), ("storage root", event.root)]
    if event.version:
        objects.append(("OCFL version", f"v{event.version}"))
    if event.path:
        objects.append(("OCFL content path", event.path))
    notes = [event.outcome.value, *filter(None, [event.detail])]
    return _element(
        "event",
        _identifier("eventIdentifier", "URI", identifier),
        _term("eventType", _INGESTION if event.method == NOT_READ else _FIXITY_CHECK),
        _element("eventDateTime", event.at),
        *(
            _element("eventDetailInformation", _element("eventDetail", text))
            for text in filter(None, [event.method])
        ),
        _element(
            "eventOutcomeInformation",
            _term("eventOutcome", _OUTCOMES.get(event.outcome, _FAIL)),
            *(
                _element("eventOutcomeDetail", _element("eventOutcomeDetailNote", note))
                for note in notes
            ),
        ),
        _identifier("linkingAgentIdentifier", "local", event.agent, _EXECUTING),
        *(_identifier("linkingObjectIdentifier", *one, _SOURCE) for one in objects),
    )


def _agent(agent: str) -> Any:
    name, _, version = agent.partition(" ")
    return _element(
        "agent",
        _identifier("agentIdentifier", "local", agent),
        _element("agentName", name),
        _element("agentType", "software"),
        _element("agentVersion", version),
    )


def _identifier(name: str, kind: str, value: str, role: tuple[str, str, str] | None = None) -> Any:
    return _element(
        name,
        _element(f"{name}Type", kind),
        _element(f"{name}Value", value),
        *([_term(f"{name.removesuffix('Identifier')}Role", role)] if role else []),
    )


def _term(name: str, term: tuple[str, str, str]) -> Any:
    label, vocabulary, code = term
    element = _element(name, label)
    element.set("authority", vocabulary)
    element.set("authorityURI", f"{_TERMS}/{vocabulary}")
    element.set("valueURI", f"{_TERMS}/{vocabulary}/{code}")
    return element


def _element(name: str, *content: Any) -> Any:
    element = etree.Element(_name(name), nsmap={None: NAMESPACE})
    for part in content:
        if isinstance(part, str):
            element.text = xml_text(part)
        else:
            element.append(part)
    return element


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
