"""A recording that may not be described is nowhere described; what nobody refused, is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sonotheque.model.terms import Kind, Use


@pytest.fixture
def hidden(room: Any) -> Iterator[str]:
    """A recording whose holder wants it not even named, for as long as a test lasts."""
    room.say("plain.flac", Kind.TAKEDOWN, Use.DESCRIBE)
    entry = room.archive.ledger.size()
    yield str(room.recordings["plain.flac"])
    room.say("plain.flac", Kind.REVOCATION, revokes=entry)


def test_it_is_in_no_list_and_on_no_page(room: Any, hidden: str) -> None:
    for path in (
        "/",
        "/search",
        "/search?q=Piece",
        "/search?q=plain",
        "/api/v1/recordings?q=Piece",
        "/api/v1/recordings?q=plain",
        "/api/v1/suggest?q=Piece+pl",
    ):
        text = room.client.get(path).text
        assert "Piece plain.flac" not in text, path
        assert hidden not in text, path
    assert "Piece studio.aiff" in room.client.get("/search?q=Piece").text


def test_its_page_says_why_and_not_what(room: Any, hidden: str) -> None:
    for path in (f"/recordings/{hidden}", f"/api/v1/recordings/{hidden}"):
        answer = room.client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 451
        assert "The artist" in answer.text
        assert "Piece plain.flac" not in answer.text
    for path in ("audio", "download", "odrl.jsonld", "premis.xml"):
        assert room.client.get(f"/recordings/{hidden}/{path}").status_code == 451


def test_an_ordinary_takedown_leaves_it_described(room: Any) -> None:
    answer = room.client.get(f"/recordings/{room.recordings['withdrawn.flac']}")
    assert answer.status_code == 200
    assert "Piece withdrawn.flac" in answer.text
