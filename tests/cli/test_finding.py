"""`match --svg`: a picture of the best match, or one line that says why there is none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("code", ["en", "fr"])
def test_a_match_is_drawn(run: Run, music: Any, filled: Path, tmp_path: Path, code: str) -> None:
    song = music.file(tmp_path / "theirs.mp3", 2, title="Mine", artist="Nova Replica")
    picture = tmp_path / "out.svg"
    command = ("match", song, "--svg", picture, "--language", code, "--archive", filled)
    assert run(*command, "--json")[0] == 1
    root = ElementTree.fromstring(picture.read_bytes())
    assert root.attrib["lang"] == code
    shown = " ".join(root.itertext())
    assert "theirs.mp3" in shown
    assert "千本桜の夜に咲く花" in shown
    (document,) = json.loads(run(*command, "--json")[1])
    assert document["picture"] == str(picture)
    assert document["matches"][0]["kind"] == "same-recording"
    assert "drawn in" in run(*command)[1]


def test_names_need_not_be_unicode(run: Run, music: Any, filled: Path, tmp_path: Path) -> None:
    song = music.file(tmp_path / "theirs.mp3", 2).rename(tmp_path / os.fsdecode(b"\xff.mp3"))
    picture = tmp_path / os.fsdecode(b"\xfe.svg")
    code, out, _ = run("match", song, "--svg", picture, "--archive", filled, "--json")
    assert code == 1
    (document,) = json.loads(out)
    assert document["file"].endswith("\\udcff.mp3")
    assert "\\udcff.mp3" in "".join(ElementTree.fromstring(picture.read_bytes()).itertext())


def test_where_there_is_nothing_to_draw_nothing_is_written(
    fails: Callable[..., str], music: Any, filled: Path, tmp_path: Path
) -> None:
    own = music.file(tmp_path / "own.flac", 30, title="Own", artist="Me")
    picture = tmp_path / "out.svg"
    picture.write_text("older")
    at = ("--archive", filled)
    assert "nothing to draw" in fails(2, "match", own, "--svg", picture, *at)
    assert "one file at a time" in fails(2, "match", own, own, "--svg", picture, *at)
    assert picture.read_text() == "older"
    assert "end in .svg" in fails(2, "match", own, "--svg", tmp_path / "out.png", *at)
    assert "is not a file" in fails(2, "match", tmp_path, "--svg", picture, *at)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.svg", "own.flac"]


def test_a_picture_goes_where_it_can(
    fails: Callable[..., str], music: Any, filled: Path, tmp_path: Path
) -> None:
    song = music.file(tmp_path / "theirs.mp3", 2)
    away = tmp_path / "away" / "out.svg"
    assert str(away.parent) in fails(2, "match", song, "--svg", away, "--archive", filled)


def test_another_recording_of_the_same_work_is_told_of_and_is_no_match(
    run: Run, music: Any, filled: Path, tmp_path: Path
) -> None:
    said = {"title": "千本桜の夜に咲く花" * 9 + " (live)", "artist": "初音" * 30}
    song = music.file(tmp_path / "live.mp3", 31, **said)
    code, out, _ = run("match", song, "--archive", filled, "--json")
    (document,) = json.loads(out)
    assert (code, document["matches"]) == (0, [])
    assert [finding["code"] for finding in document["findings"]] == ["match.same-work"]
    assert document["audio"]["iscc"].startswith("ISCC:EIA")
    assert "match.same-work" in run("match", song, "--archive", filled)[1]
