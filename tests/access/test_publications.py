"""What mirrors are given: the list of what was withdrawn."""

from __future__ import annotations

from typing import Any

from sonotheque.model.terms import Kind
from sonotheque.publication.tombstones import parse_list


def test_the_list_for_mirrors_is_as_new_as_the_ledger(room: Any) -> None:
    verifier = room.archive.signer.verifier
    recording_id = room.recordings["second.ogg"]

    def listed() -> Any:
        answer = room.client.get("/tombstones.txt")
        assert answer.headers["content-type"].startswith("text/plain")
        return parse_list(answer.content, verifier, "the site").recordings

    assert recording_id not in listed()
    room.say("second.ogg", Kind.TAKEDOWN)
    assert recording_id in listed()
    room.say("second.ogg", Kind.REVOCATION, revokes=room.archive.ledger.size())
    assert recording_id not in listed()
