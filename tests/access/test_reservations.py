"""What machines are told of rights, by each answer and by the files they look for first."""

from __future__ import annotations

import json
import re
from typing import Any

from lxml import etree

from sonotheque.model.terms import TRAINING, Kind, Layer, Use
from sonotheque.rights.expression import PREMIS, RESERVED


def told(answer: Any) -> dict[str, str]:
    return {name: answer.headers[name] for name in RESERVED}


def test_the_site_is_reserved(room: Any) -> None:
    robots = room.client.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert "Content-Usage: train-ai=n" in robots.text.splitlines()
    declared = room.client.get("/.well-known/tdmrep.json")
    assert declared.json() == [{"location": "/", "tdm-reservation": 1}]
    for path in ("/", "/about", "/api/v1/archive", "/no-such-page"):
        assert told(room.client.get(path)) == RESERVED


def test_a_recording_is_reserved_until_all_have_consented(room: Any) -> None:
    name = "studio.aiff"
    page = f"/recordings/{room.recordings[name]}"
    paths = (page, f"{page}/audio", f"{page}/download")
    for path in paths:
        assert told(room.client.get(path)) == RESERVED, path
    mining = (Use.MINE, *TRAINING)
    room.say(name, Kind.GRANT, *mining, layers=tuple(Layer))
    for path in paths:
        open_ = {"Content-Usage": "train-ai=y", "tdm-reservation": "0"}
        assert told(room.client.get(path)) == open_, path
    assert told(room.client.get("/")) == RESERVED
    # The room is everybody's: what was said is taken back, and that counts at once.
    said = [s for s in room.archive.ledger.statements() if Use.TRAIN_AI in s.uses][-1]
    room.say(name, Kind.REVOCATION, revokes=said.id)
    for path in paths:
        assert told(room.client.get(path)) == RESERVED, path


def test_a_recordings_policy_and_its_rights(room: Any) -> None:
    base = f"/recordings/{room.recordings['claimed.ogg']}"
    policy = room.client.get(f"{base}/odrl.jsonld")
    assert policy.headers["content-type"].startswith("application/ld+json")
    archived, indexed, identified = policy.json()["permission"]
    assert [archived["action"], indexed["action"]] == ["archive", "index"]
    assert identified["action"][0]["refinement"][0]["rightOperand"] == "identify"
    document = room.client.get(f"{base}/premis.xml")
    assert document.headers["content-type"].startswith("application/xml")
    root = etree.fromstring(document.content)
    assert root.findtext(f".//{{{PREMIS}}}linkingAgentIdentifierValue") == "A depositor"
    assert room.client.get("/recordings/0000000000000/odrl.jsonld").status_code == 404
    page = room.client.get(base).text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert data["usageInfo"] == f"{base}/odrl.jsonld"
    assert "nobody has verified" in data["conditionsOfAccess"]
