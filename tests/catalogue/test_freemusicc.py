"""Every track of freemusi.cc is staged with its release's licence, or set aside."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from sonotheque.catalogue.sources import freemusicc
from sonotheque.catalogue.sources.freemusicc import read_freemusicc
from sonotheque.errors import BadInput

BY = "http://creativecommons.org/licenses/by/3.0/"
RELEASE = {
    "id": "r#1",
    "album": "Album",
    "artist": "Various Artists",
    "label": "Net",
    "licenseurl": BY,
    "year": "2010",
    "rating": "3.0",
}
TRACK = {
    "id": "r#1",
    "disc": "1",
    "track": "7",
    "title": "Song",
    "trackartist": "",
    "trackurl": "http://example.org/7.mp3",
    "duration": "245",
}


def write(directory: Path, name: str, *rows: dict[str, str]) -> None:
    with (directory / name).open("w", encoding="utf-8", newline="") as output:
        writer = csv.DictWriter(output, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_track(take: Any, tmp_path: Path) -> None:
    write(tmp_path, "releases.csv", RELEASE)
    write(tmp_path, "tracks.csv", TRACK, {**TRACK, "title": "Other, same number"}, TRACK)
    found = take("freemusicc", tmp_path)
    assert found.codes == []
    first, other, again = found.rows
    expected = {
        "source": "freemusicc",
        "isrc": None,
        "title": "Song",
        "artist": "Various Artists",
        "album": "Album",
        "label": "Net",
        "licence": BY,
        "year": 2010,
        "duration_ms": 245_000,
        "line": 2,
    }
    assert {name: first[name] for name in expected} == expected
    # Stable from import to import: a key that changed would be a new recording.
    assert first["source_id"] == "r%231/1-7/1e6dbb52b1f2"
    assert first["source_id"] == again["source_id"] != other["source_id"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"id": "unknown"}, "release.unknown"),
        ({"title": " "}, "title.missing"),
        ({"duration": "4:05"}, "duration.impossible"),
        ({"duration": "2.5E+02"}, "duration.impossible"),
        ({"duration": "0"}, "duration.impossible"),
        ({"duration": "200000"}, "duration.impossible"),
    ],
)
def test_bad_tracks_are_set_aside(
    changed: dict[str, str], code: str, take: Any, tmp_path: Path
) -> None:
    write(tmp_path, "releases.csv", RELEASE)
    write(tmp_path, "tracks.csv", TRACK, {**TRACK, **changed}, TRACK)
    found = take("freemusicc", tmp_path)
    assert found.codes == [(3, code)]
    assert len(found.rows) == 2


def test_bad_releases_are_set_aside_with_their_tracks(take: Any, tmp_path: Path) -> None:
    write(tmp_path, "releases.csv", RELEASE, {**RELEASE, "album": "Later"}, {**RELEASE, "id": "r2"})
    with (tmp_path / "releases.csv").open("ab") as output:
        output.write(b"r3,\xff,A,L,,2010,1\nr4\n")
    write(tmp_path, "tracks.csv", TRACK, *({**TRACK, "id": f"r{n}"} for n in (2, 3, 4)))
    found = take("freemusicc", tmp_path)
    assert sorted(found.codes) == [
        (4, "release.unknown"),
        (5, "encoding.broken"),
        (5, "release.unknown"),
        (6, "row.columns"),
    ]
    assert [row["album"] for row in found.rows] == ["Later", "Album"]


def test_what_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, match: str) -> None:
        with pytest.raises(BadInput, match=match):
            list(read_freemusicc(path, year_max=2028))

    refused(tmp_path / "nowhere", "does not exist")
    refused(tmp_path, r"releases\.csv: does not exist")
    write(tmp_path, "releases.csv", {"id": "r1", "album": "A"})
    refused(tmp_path / "releases.csv", "is not a directory")
    refused(tmp_path, "has no column 'artist'")
    write(tmp_path, "releases.csv", *({**RELEASE, "id": str(n)} for n in range(4)))
    refused(tmp_path, r"tracks\.csv: does not exist")
    monkeypatch.setattr(freemusicc, "RELEASES_MAX", 3)
    refused(tmp_path, "more than 3 releases")


def test_real_database(take: Any, shared_data: Path) -> None:
    directory = shared_data / "metadata" / "freemusicc"
    # No text of it has a line break: a line is a track; the title is the sixth value.
    content = (directory / "tracks.csv").read_bytes()
    lines = content.count(b"\n") - 1
    untitled = len(re.findall(rb"^(?:[^,\n]*,){5} *,", content, re.MULTILINE))
    found = take("freemusicc", directory)
    assert found.summary.rows_read == lines == 21_502
    assert {code for _, code in found.codes} == {"title.missing"}
    assert found.summary.rows_quarantined == untitled == 20
    # 26 tracks are listed twice, with another mood or rating.
    assert len(found.rows) - len({row["source_id"] for row in found.rows}) == 26
    licensed = sum(row["licence"].startswith("http://creativecommons.org/") for row in found.rows)
    assert licensed > 18_000
    [row] = [row for row in found.rows if row["title"] == "Orange Horizon"]
    assert (row["artist"], row["album"], row["label"], row["year"], row["duration_ms"]) == (
        *("(Val)liam", "Early Reflections", "Dewtone"),
        *(2005, 245_000),
    )
