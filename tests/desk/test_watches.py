"""Who watches is told of later deposits like theirs: each once, and of no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sonotheque.archive import Archive
from sonotheque.desk.watches import Watches
from sonotheque.errors import BadInput, NotFound
from sonotheque.model.holdings import Receipt

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
ADDED = "2026-11-21T10:00:00.000000Z"
LATER = "2026-11-22T10:00:00.000000Z"
Deposit = Callable[..., Receipt]


@pytest.fixture
def watched(archive: Archive) -> Watches:
    """The watches of an archive whose notices go into a file beside it."""
    desk = replace(archive.config.desk, notify="mailbox:mail.jsonl")
    archive.config = replace(archive.config, desk=desk)
    return Watches(archive)


def mail(archive: Archive) -> list[dict[str, Any]]:
    path = archive.config.directory / "mail.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_clone_is_told_once_to_those_whose_it_is(
    archive: Archive, watched: Watches, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    said = {"license": CC_BY, "label": "Old Label"}
    music.file(tmp_path / "a" / "a.flac", 1, title="Nebula", artist="The Alices", **said)
    (first,) = deposit(tmp_path / "a").items
    artist = watched.add(artist="alices, the", label="", contact="a@example.org", now=ADDED)
    label = watched.add(artist="", label="OLD LABEL", contact="l@example.org", now=ADDED)
    watched.add(artist="Somebody Else", label="", contact="s@example.org", now=ADDED)
    # What came before is not told of.
    assert watched.tell() == 0
    music.file(tmp_path / "b" / "b.mp3", 1, title="Fog", artist="Nova", license=CC_BY)
    music.file(tmp_path / "b" / "new.mp3", 2, title="New", artist="Nova", license=CC_BY)
    receipt = deposit(tmp_path / "b", now=LATER)
    assert watched.tell() == 2
    assert watched.tell() == 0
    watched.outbox.deliver()
    told = mail(archive)
    assert {notice["watch"] for notice in told} == {artist.id, label.id}
    for notice in told:
        assert notice["recording"] == first.recording
        assert (notice["file"], notice["status"]) == ("b.mp3", "refused")
        assert (notice["deposit"], notice["at"]) == (receipt.deposit, LATER)
        assert notice["match"]["kind"] == "same-recording"
        assert "clone.other-artist" in notice["findings"]


def test_two_files_of_one_delivery_are_no_later_deposit(
    watched: Watches, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    watched.add(artist="The Alices", label="", contact="a@example.org", now=ADDED)
    said = {"title": "Nebula", "artist": "The Alices", "license": CC_BY}
    music.file(tmp_path / "a" / "a.flac", 1, **said)
    music.file(tmp_path / "a" / "a.mp3", 1, **said)
    deposit(tmp_path / "a", now=LATER)
    assert watched.tell() == 0


def test_who_takes_it_back_is_told_no_more(
    archive: Archive, watched: Watches, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    said = {"title": "Nebula", "artist": "The Alices", "license": CC_BY}
    music.file(tmp_path / "a" / "a.flac", 1, **said)
    deposit(tmp_path / "a")
    watch = watched.add(artist="The Alices", label="", contact="a@example.org", now=ADDED)
    assert watched.each() == [watch]
    watched.remove(watch.id)
    assert watched.each() == []
    music.file(tmp_path / "b" / "a.mp3", 1, **said)
    deposit(tmp_path / "b", now=LATER)
    assert watched.tell() == 0
    with pytest.raises(NotFound):
        watched.remove(watch.id)


def test_a_watch_is_over_an_artist_or_a_label(watched: Watches) -> None:
    for artist, label in (("", " "), ("A", "B")):
        with pytest.raises(BadInput):
            watched.add(artist=artist, label=label, contact="x", now=ADDED)
    with pytest.raises(BadInput):
        watched.add(artist="A", label="", contact="", now=ADDED)
