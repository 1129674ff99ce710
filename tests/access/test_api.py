"""The JSON API, its description and its errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sonotheque.access import reference
from sonotheque.model.music import Recording
from sonotheque.model.terms import Decision, Use
from sonotheque.store import signing

BASE = "/api/v1"


def test_the_archive_tells_its_numbers(room: Any) -> None:
    document = room.client.get(f"{BASE}/archive").json()
    assert document["name"] == room.archive.config.name
    assert document["holding_count"] == len(room.recordings)
    assert document["edition_count"] == 1
    assert signing.parse_verifier(document["key"]) == room.archive.signer.verifier


def test_search_gives_pages_of_recordings_in_one_order(room: Any) -> None:
    whole = room.client.get(f"{BASE}/recordings", params={"q": "Piece"}).json()
    assert whole["total"] == len(whole["recordings"]) >= 4
    parts = [
        room.client.get(f"{BASE}/recordings", params={"q": "Piece", "limit": 2, "offset": n}).json()
        for n in range(0, whole["total"], 2)
    ]
    assert [r for part in parts for r in part["recordings"]] == whole["recordings"]
    for recording in whole["recordings"]:
        msgspec.convert(recording, Recording)


def test_a_recording_comes_with_its_decisions_and_its_past(room: Any) -> None:
    id_ = room.recordings["studio.aiff"]
    document = room.client.get(f"{BASE}/recordings/{id_.lower()}").json()
    assert document["recording"]["id"] == id_
    decisions = msgspec.convert(document["decisions"], tuple[Decision, ...])
    assert [decision.use for decision in decisions] == list(Use)
    assert document["holding"]["files"]
    assert document["deposits"][0]["path"] == "studio.aiff"
    assert {event["root"] for event in document["fixity"]} == {"main", "cellar"}
    assert str(room.archive.config.directory) not in str(document)


def test_decisions_are_answered_on_their_own(room: Any) -> None:
    document = room.client.get(
        f"{BASE}/recordings/{room.recordings['claimed.ogg']}/decisions"
    ).json()
    answers = {decision["use"]: decision["answer"] for decision in document["decisions"]}
    assert answers["preserve"] == "allowed"
    assert answers["stream"] == "unknown"
    numbers = {statement["id"] for statement in document["statements"]}
    reasons = [r for d in document["decisions"] for r in d["reasons"]]
    assert {reason["statement"] for reason in reasons} - {0} <= numbers


def test_an_isrc_gives_its_recordings(room: Any) -> None:
    found = room.client.get(f"{BASE}/isrc/fr-z03-14-00140").json()
    assert [r["id"] for r in found["recordings"]] == [room.recordings["plain.flac"]]
    assert room.client.get(f"{BASE}/isrc/FRZ031499999").json()["recordings"] == []


def test_suggestions_follow_what_is_typed(room: Any) -> None:
    found = room.client.get(f"{BASE}/suggest", params={"q": "ångs"}).json()
    assert room.recordings["plain.flac"] in [r["id"] for r in found["recordings"]]
    assert room.client.get(f"{BASE}/suggest", params={"q": "  "}).json() == {"recordings": []}


def test_an_edition_lists_what_is_in_it_and_what_is_not(room: Any) -> None:
    (summary,) = room.client.get(f"{BASE}/editions").json()["editions"]
    document = room.client.get(summary["url"]).json()
    assert len(document["recordings"]) == summary["recording_count"] == len(room.recordings) - 1
    assert [e["recording"] for e in document["excluded"]] == [room.recordings["claimed.ogg"]]
    for torrent in document["torrents"]:
        assert room.client.get(torrent["url"]).status_code == 200
    assert str(room.archive.config.directory) not in str(document)


def test_the_checkpoint_is_signed(room: Any) -> None:
    document = room.client.get(f"{BASE}/ledger/checkpoint").json()
    body = signing.verify(document["checkpoint"], signing.parse_verifier(document["key"]))
    assert body.splitlines()[1] == str(document["size"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/recordings", 400),
        ("/recordings?q=a&limit=100000", 400),
        ("/recordings/0000000000000", 404),
        ("/recordings/short", 400),
        ("/isrc/1234", 400),
        ("/editions/99", 404),
    ],
)
def test_errors_are_json_with_a_remedy(room: Any, path: str, status: int) -> None:
    answer = room.client.get(BASE + path, headers={"Accept": "text/html", "Host": "evil.example"})
    assert answer.status_code == status
    document = answer.json()
    assert document["status"] == status
    assert document["what"]
    assert document["remedy"]
    assert "evil.example" not in answer.text


def test_the_description_names_every_operation_and_types_every_answer(room: Any) -> None:
    schema = room.client.get("/api/openapi.json").json()
    operations = reference.operations(schema)
    assert len(operations) == 13
    names = {document.name for document in reference.documents(schema)}
    for operation in operations:
        assert operation.summary
        assert operation.returns in names
    page = room.client.get("/api").text
    for operation in operations:
        assert operation.path in page


def test_every_example_of_the_api_page_works(room: Any) -> None:
    schema = room.client.get("/api/openapi.json").json()
    for operation in reference.operations(schema):
        if operation.example:
            assert room.client.get(operation.example).status_code == 200
