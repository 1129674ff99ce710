"""Decisions and statements in the languages that others read. Pure.

ODRL 2.2 (https://www.w3.org/TR/odrl-vocab/), PREMIS 3 rights
(https://www.loc.gov/standards/premis/v3/), the TDM Reservation Protocol
(https://www.w3.org/community/reports/tdmrep/), and the IETF's AI preferences
(draft-ietf-aipref-vocab and -attach, as of August 2026). docs/rights.md has the tables.

All of it follows from `decide`: what is not allowed is reserved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxml import etree

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import TRAINING, Basis, Decision, Kind, Statement, Status, Use
from sonotheque.rights.validity import LAWFUL
from sonotheque.store.markup import xml_text

PREMIS = "http://www.loc.gov/premis/v3"
_BASES = "http://id.loc.gov/vocabulary/preservation/rightsBasis"
_TDM = "http://www.w3.org/ns/tdmrep#"
_ACTIONS = {
    Use.PRESERVE: "archive",
    Use.DESCRIBE: "index",
    Use.LISTEN_ON_SITE: "play",
    Use.STREAM: "stream",
    Use.DOWNLOAD: "reproduce",
    Use.TORRENT: "distribute",
    Use.MINE: f"{_TDM}mine",
    Use.TRAIN_AI: f"{_TDM}mine",
    Use.TRAIN_GENERATIVE_AI: f"{_TDM}mine",
    Use.IDENTIFY: "index",
}
_REFINED = (*TRAINING, Use.IDENTIFY)
"""What shares an action with another use, and is told from it by its purpose."""
_MINING = (Use.MINE, *TRAINING)
RESERVED = {"Content-Usage": "train-ai=n", "tdm-reservation": "1"}
"""The header fields of what nobody has allowed to be mined or trained on."""


def reservation(decisions: Sequence[Decision]) -> dict[str, str]:
    """The header fields of a recording, of which `decisions` answer every use.

    `train-ai` is training for generation in the newest draft and any training in older ones, so
    it is allowed only where both are. Mining that is not reserved is open to training too (EU
    directive 2019/790, article 4), so the reservation is lifted only where all three are allowed.
    """
    allowed = {decision.use for decision in decisions if decision.allowed}
    fields = dict(RESERVED)
    if allowed.issuperset(TRAINING):
        fields["Content-Usage"] = "train-ai=y"
    if allowed.issuperset(_MINING):
        fields["tdm-reservation"] = "0"
    return fields


def site_reservation() -> list[dict[str, Any]]:
    """`/.well-known/tdmrep.json`: everything is reserved where a header does not say otherwise."""
    return [{"location": "/", "tdm-reservation": 1}]


def robots() -> str:
    """`robots.txt`: everything may be fetched, and nothing trained on."""
    return f"User-agent: *\nAllow: /\nContent-Usage: {RESERVED['Content-Usage']}\n"


def odrl(
    recording: RecordingId, decisions: Sequence[Decision], *, policy: str, target: str
) -> dict[str, Any]:
    """An ODRL policy of type Set: a permission for each use that is allowed, a prohibition for
    each other, with the reasons as comments. `policy` and `target` are the addresses of the policy
    and of the recording."""
    rules: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for decision in decisions:
        rule: dict[str, Any] = {"target": target, "action": _action(decision.use)}
        if decision.territory:
            rule["constraint"] = [_constraint("spatial", f"iso3166:{decision.territory}")]
        rule["comment"] = "; ".join(reason.message for reason in decision.reasons)
        rules[decision.allowed].append(rule)
    document = {
        "@context": [
            "http://www.w3.org/ns/odrl.jsonld",
            {
                "dcterms": "http://purl.org/dc/terms/",
                "comment": "http://www.w3.org/2000/01/rdf-schema#comment",
                "iso3166": "http://www.iso.org/iso-3166/",
            },
        ],
        "@type": "Set",
        "uid": policy,
        "dcterms:identifier": recording,
        "dcterms:issued": decisions[0].at if decisions else "",
        "conflict": "prohibit",
        "permission": rules[True],
        "prohibition": rules[False],
    }
    return {name: value for name, value in document.items() if value}


def _action(use: Use) -> Any:
    if use not in _REFINED:
        return _ACTIONS[use]
    return [
        {"rdf:value": {"@id": _ACTIONS[use]}, "refinement": [_constraint("purpose", use.value)]}
    ]


def _constraint(operand: str, value: str) -> dict[str, str]:
    return {"leftOperand": operand, "operator": "eq", "rightOperand": value}


def premis(recording: RecordingId, statements: Sequence[Statement]) -> bytes:
    """The ledger's entries about `recording` as a PREMIS 3 document of rights.

    What XML cannot say (a control character in a name) is written as U+FFFD.
    """
    root = etree.Element(f"{{{PREMIS}}}premis", {"version": "3.0"}, nsmap={None: PREMIS})
    rights = _below(root, "rights")
    for statement in statements:
        _statement(rights, recording, statement)
    document: bytes = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _statement(rights: Any, recording: RecordingId, said: Statement) -> None:
    entry = _below(rights, "rightsStatement")
    _identified(entry, "rightsStatement", "ledger entry", str(said.id))
    code, label = _basis_of(said)
    basis = _below(entry, "rightsBasis", label)
    basis.set("authority", "rightsBasis")
    basis.set("authorityURI", _BASES)
    basis.set("valueURI", f"{_BASES}/{code}")
    _ground(entry, said, label)
    for use in said.uses:
        granted = _below(entry, "rightsGranted")
        _below(granted, "act", use.value)
        if said.kind is not Kind.GRANT:
            _below(granted, "restriction", said.kind.value)
        for place in said.territories:
            _below(granted, "restriction", f"in {place}")
        for place in said.territories_except:
            _below(granted, "restriction", f"not in {place}")
        for layer in said.layers:
            _below(granted, "restriction", f"for the {layer.value}")
        if said.procedure:
            _below(granted, "restriction", f"after the procedure {said.procedure.value}")
        if said.facts:
            _below(granted, "restriction", "after the terms of protection")
        if said.kind is Kind.GRANT and said.begins_at:
            _term(granted, "termOfGrant", said)
        elif said.begins_at:
            _term(granted, "termOfRestriction", said)
        if said.status is Status.CLAIMED:
            _below(granted, "rightsGrantedNote", "claimed; nobody has verified it")
        if said.kind is Kind.GRANT and said.ends_at and not said.begins_at:
            _below(granted, "rightsGrantedNote", f"until {said.ends_at}")
    link = _below(entry, "linkingObjectIdentifier")
    _below(link, "linkingObjectIdentifierType", "recording")
    _below(link, "linkingObjectIdentifierValue", recording)
    agent = _below(entry, "linkingAgentIdentifier")
    _below(agent, "linkingAgentIdentifierType", "name")
    _below(agent, "linkingAgentIdentifierValue", said.issuer)


def _basis_of(said: Statement) -> tuple[str, str]:
    """(code, label) of the Library of Congress's term."""
    if said.kind is Kind.GRANT and said.basis in LAWFUL:
        return "sta", "statute"
    if said.kind is Kind.GRANT and said.basis is Basis.LICENCE:
        return "lic", "license"
    return "oth", "other"


def _ground(entry: Any, said: Statement, label: str) -> None:
    if label == "license":
        ground = _below(entry, "licenseInformation")
        _below(ground, "licenseTerms", said.licence or said.evidence)
        _below(ground, "licenseNote", said.evidence)
    elif label == "statute":
        ground = _below(entry, "statuteInformation")
        _below(ground, "statuteJurisdiction", ", ".join(said.territories) or "unknown")
        _below(ground, "statuteCitation", said.article or "unknown")
        _below(ground, "statuteNote", said.evidence)
    else:
        ground = _below(entry, "otherRightsInformation")
        own = said.basis.value if said.kind is Kind.GRANT and said.basis else said.kind.value
        _below(ground, "otherRightsBasis", own)
        takes = f"takes back entry {said.revokes}; " if said.revokes else ""
        _below(ground, "otherRightsNote", f"{takes}{said.evidence}")


def _term(parent: Any, name: str, said: Statement) -> None:
    term = _below(parent, name)
    _below(term, "startDate", said.begins_at)
    if said.ends_at:
        _below(term, "endDate", said.ends_at)


def _identified(parent: Any, name: str, kind: str, value: str) -> None:
    identifier = _below(parent, f"{name}Identifier")
    _below(identifier, f"{name}IdentifierType", kind)
    _below(identifier, f"{name}IdentifierValue", value)


def _below(parent: Any, name: str, text: str = "") -> Any:
    element = etree.SubElement(parent, f"{{{PREMIS}}}{name}")
    if text:
        element.text = xml_text(text)
    return element
