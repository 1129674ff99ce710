"""Our decisions in others' languages: what is not allowed is reserved in each of them."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from histories import OURS, TIMES, history
from sonotheque.model.terms import TRAINING, Basis, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.decision import decide_all
from sonotheque.rights.expression import (
    PREMIS,
    RESERVED,
    odrl,
    premis,
    reservation,
    robots,
    site_reservation,
)

NOW = TIMES[-1]
SEEDS = st.integers(0, 2**32).map(Random)
# What stands in what, in the order of the schema's sequences (PREMIS 3, premis-v3-0.xsd).
ORDER = {
    "rights": ["rightsStatement"],
    "rightsStatement": [
        "rightsStatementIdentifier",
        "rightsBasis",
        "licenseInformation",
        "statuteInformation",
        "otherRightsInformation",
        "rightsGranted",
        "linkingObjectIdentifier",
        "linkingAgentIdentifier",
    ],
    "rightsStatementIdentifier": [
        "rightsStatementIdentifierType",
        "rightsStatementIdentifierValue",
    ],
    "licenseInformation": ["licenseTerms", "licenseNote"],
    "statuteInformation": ["statuteJurisdiction", "statuteCitation", "statuteNote"],
    "otherRightsInformation": ["otherRightsBasis", "otherRightsNote"],
    "rightsGranted": [
        "act",
        "restriction",
        "termOfGrant",
        "termOfRestriction",
        "rightsGrantedNote",
    ],
    "termOfGrant": ["startDate", "endDate"],
    "termOfRestriction": ["startDate", "endDate"],
    "linkingObjectIdentifier": ["linkingObjectIdentifierType", "linkingObjectIdentifierValue"],
    "linkingAgentIdentifier": ["linkingAgentIdentifierType", "linkingAgentIdentifierValue"],
}


def grant(*uses: Use, **more: Any) -> Statement:
    said = Statement(
        id=1,
        recording=OURS,
        kind=Kind.GRANT,
        uses=uses,
        status=Status.VERIFIED,
        issuer="A",
        evidence="a letter",
        at=TIMES[0],
        basis=Basis.OWN_CONSENT,
        layers=tuple(Layer),
    )
    return replace(said, **more)


def fields(*statements: Statement) -> dict[str, str]:
    return reservation(decide_all(statements, OURS, NOW))


def test_everything_is_reserved_by_default() -> None:
    assert fields() == RESERVED == {"Content-Usage": "train-ai=n", "tdm-reservation": "1"}
    assert site_reservation() == [{"location": "/", "tdm-reservation": 1}]
    assert robots().splitlines() == ["User-agent: *", "Allow: /", "Content-Usage: train-ai=n"]


@pytest.mark.parametrize("missing", [Use.MINE, *TRAINING])
def test_a_reservation_is_lifted_only_where_all_of_it_is_allowed(missing: Use) -> None:
    mining = (Use.MINE, *TRAINING)
    assert fields(grant(*mining)) == {"Content-Usage": "train-ai=y", "tdm-reservation": "0"}
    some = grant(*(use for use in mining if use is not missing))
    trained = "y" if missing is Use.MINE else "n"
    assert fields(some) == {"Content-Usage": f"train-ai={trained}", "tdm-reservation": "1"}
    refusal = grant(missing, id=2, kind=Kind.REFUSAL, basis=None)
    assert fields(grant(*mining), refusal)["tdm-reservation"] == "1"
    assert fields(grant(*mining, status=Status.CLAIMED)) == RESERVED
    assert fields(grant(*mining, territories=(Territory("FR"),))) == RESERVED


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_every_language_says_what_was_decided(random: Random) -> None:
    said = history(random)
    decisions = decide_all(said, OURS, NOW, Territory("FR"))
    allowed = {decision.use for decision in decisions if decision.allowed}
    told = reservation(decisions)
    assert (told["Content-Usage"] == "train-ai=y") == allowed.issuperset(TRAINING)
    assert (told["tdm-reservation"] == "0") == allowed.issuperset({Use.MINE, *TRAINING})
    policy = odrl(OURS, decisions, policy="/p", target="/t")
    assert json.loads(json.dumps(policy)) == policy
    assert len(policy.get("permission", [])) == len(allowed)
    assert len(policy.get("prohibition", [])) == len(Use) - len(allowed)


def test_a_policy_names_action_purpose_place_and_reason() -> None:
    decisions = decide_all(
        [grant(Use.PRESERVE, territories=(Territory("FR"),))], OURS, NOW, Territory("FR")
    )
    policy = odrl(OURS, decisions, policy="/p", target="/t")
    assert policy["@type"] == "Set"
    assert policy["conflict"] == "prohibit"
    kept, *_ = policy["permission"]
    assert (kept["action"], kept["target"]) == ("archive", "/t")
    assert kept["constraint"][0]["rightOperand"] == "iso3166:FR"
    trained, named = policy["prohibition"][-2:]
    assert trained["action"][0]["refinement"][0]["rightOperand"] == "train-generative-ai"
    assert "consented to training" in trained["comment"]
    # Both index: that others are told nothing forbids no catalogue.
    assert named["action"][0]["rdf:value"] == {"@id": "index"}
    assert named["action"][0]["refinement"][0]["rightOperand"] == "identify"


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_the_ledger_as_premis(random: Random) -> None:
    said = history(random, (OURS,))
    root = etree.fromstring(premis(OURS, said))
    assert root.tag == f"{{{PREMIS}}}premis"
    entries = root.findall(f"{{{PREMIS}}}rights/{{{PREMIS}}}rightsStatement")
    assert len(entries) == len(said)
    for element in root.iter():
        name = etree.QName(element).localname
        below = [ORDER[name].index(etree.QName(e).localname) for e in element if name in ORDER]
        assert below == sorted(below)
    for entry, statement in zip(entries, said, strict=True):
        granted = entry.findall(f"{{{PREMIS}}}rightsGranted")
        acts = [one.findtext(f"{{{PREMIS}}}act") for one in granted]
        assert acts == [use.value for use in statement.uses]
        for one in granted:
            restrictions = [r.text for r in one.findall(f"{{{PREMIS}}}restriction")]
            assert (statement.kind.value in restrictions) == (statement.kind is not Kind.GRANT)
            notes = [n.text or "" for n in one.findall(f"{{{PREMIS}}}rightsGrantedNote")]
            claimed = any(note.startswith("claimed") for note in notes)
            assert claimed == (statement.status is Status.CLAIMED)


def test_what_xml_cannot_say() -> None:
    document = premis(OURS, [grant(Use.STREAM, issuer="A\x00\ud800&<")])
    assert "A\ufffd\ufffd&amp;&lt;" in document.decode()
