"""AcoustID's clients are answered as by AcoustID's server, and told no more than may be told."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sonotheque.access.acoustid import BODY_BYTES_MAX, FINGERPRINTS_MAX
from sonotheque.access.site import create_app
from sonotheque.archive import Archive
from sonotheque.model.holdings import Receipt
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Kind, Statement, Status, Use
from sonotheque.store.clock import utc_now

CC_BY = "https://creativecommons.org/licenses/by/4.0/"

Asked = dict[str, str | int]


@dataclass(frozen=True)
class ReadingRoom:
    """A site over an archive with two pieces of 15 s: what is shorter than 8 s is no evidence."""

    archive: Archive
    client: TestClient[Litestar]
    recording: RecordingId


@pytest.fixture
def room(
    archive: Archive, deposit: Callable[..., Receipt], music: Any, tmp_path: Path
) -> Iterator[ReadingRoom]:
    said = {"artist": "Ada Ångström", "album": "LP", "license": CC_BY}
    for seed, name in ((40, "plain"), (41, "other")):
        music.file(tmp_path / "in" / f"{name}.flac", seed, seconds=15, title=name, **said)
    held = {item.path: item.recording for item in deposit(tmp_path / "in").items}
    recording = held["plain.flac"]
    assert recording is not None
    with TestClient(create_app(archive)) as client:
        yield ReadingRoom(archive, client, recording)


@pytest.fixture(scope="module")
def asked(music: Any, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """What a client asks of a WAV of the piece that plain.flac is."""
    if not shutil.which("fpcalc"):
        pytest.skip("NOT TESTED: fpcalc (libchromaprint-tools) is not here")
    return printed(music.bare(tmp_path_factory.mktemp("asked") / "a.wav", 40, seconds=15))


def printed(path: Path) -> Asked:
    done = subprocess.run(["fpcalc", "-json", str(path)], capture_output=True, check=False)
    found = json.loads(done.stdout)
    return {
        "client": "key",
        "duration": round(found["duration"]),
        "fingerprint": found["fingerprint"],
    }


def results(room: ReadingRoom, fields: Asked) -> list[dict[str, Any]]:
    response = room.client.get("/v2/lookup", params=fields)
    assert response.status_code == 200, response.text
    document = response.json()
    assert document["status"] == "ok"
    found: list[dict[str, Any]] = document["results"]
    return found


def test_a_fingerprint_is_known(room: ReadingRoom, asked: Asked) -> None:
    (result,) = results(room, asked)
    assert 0.9 < result["score"] <= 1
    assert "recordings" not in result
    (again,) = results(room, asked | {"meta": "recordings releasegroups"})
    (recording,) = again["recordings"]
    assert again["id"] == result["id"]
    assert recording["sonotheque"] == room.recording
    assert recording["title"] == "plain"
    assert [artist["name"] for artist in recording["artists"]] == ["Ada Ångström"]
    assert recording["duration"] == 15


def test_releases_stand_where_clients_look_for_them(room: ReadingRoom, asked: Asked) -> None:
    for meta, in_group in (
        ("recordings releases", False),
        # As Picard asks: it reads `releases` of each group, and `mediums` of each of these.
        ("recordings releasegroups releases tracks compress sources", True),
    ):
        (result,) = results(room, asked | {"meta": meta})
        (recording,) = result["recordings"]
        (holder,) = recording["releasegroups"] if in_group else [recording]
        (release,) = holder["releases"]
        assert (release["title"], release["mediums"]) == ("LP", [])
        assert ("releasegroups" in recording) == in_group
    (result,) = results(room, asked | {"meta": "recordings releasegroups"})
    assert result["recordings"][0]["releasegroups"][0].keys() == {"id", "title"}


def test_posted_as_pyacoustid_does_and_several_at_once(room: ReadingRoom, asked: Asked) -> None:
    many = {f"{name}.{n}": asked[name] for name in ("duration", "fingerprint") for n in (0, 7)}
    for fields, key in ((asked, "results"), ({"client": "key"} | many, "fingerprints")):
        body = gzip.compress(urlencode(fields | {"meta": "recordings"}).encode())
        headers = {
            "Content-Encoding": "gzip",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = room.client.post("/v2/lookup", content=body, headers=headers)
        assert response.status_code == 200
        found = response.json()[key]
        if key == "fingerprints":
            assert [one["index"] for one in found] == ["0", "7"]
            found = found[1]["results"]
        assert found[0]["recordings"][0]["sonotheque"] == room.recording


@pytest.mark.parametrize("use", [Use.DESCRIBE, Use.IDENTIFY, Use.PRESERVE])
def test_what_may_not_be_identified_is_not_named(room: ReadingRoom, asked: Asked, use: Use) -> None:
    assert results(room, asked)
    refusal = Statement(
        recording=room.recording,
        kind=Kind.REFUSAL,
        uses=(use,),
        status=Status.VERIFIED,
        issuer="The artist",
        evidence="a letter",
        at=utc_now(),
    )
    room.archive.ledger.append([refusal])
    assert results(room, asked) == []


def test_the_guard_bounds_what_one_client_is_told_of(
    room: ReadingRoom, music: Any, tmp_path: Path, asked: Asked
) -> None:
    other = printed(music.bare(tmp_path / "b.wav", 41, seconds=15))
    limits = replace(room.archive.config.limits, reader_recordings_per_day=1)
    room.archive.config = replace(room.archive.config, limits=limits)
    with TestClient(create_app(room.archive)) as client:
        for _ in range(2):
            assert client.get("/v2/lookup", params=asked).json()["results"]
        response = client.get("/v2/lookup", params=other)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == 14


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"format": "xml"}, 1),
        ({"client": ""}, 2),
        ({"fingerprint": ""}, 2),
        ({"duration": ""}, 2),
        ({"fingerprint": "AQAA"}, 3),
        ({"fingerprint": "AQ____8A"}, 3),
        ({"duration": "x"}, 8),
        ({"duration": "0"}, 8),
        ({"duration": "999999"}, 8),
        ({f"fingerprint.{n}": "A" for n in range(FINGERPRINTS_MAX + 1)}, 3),
    ],
)
def test_errors_are_numbered_as_acoustid_does(room: ReadingRoom, changed: Asked, code: int) -> None:
    fields: Asked = {"client": "key", "duration": "6", "fingerprint": "AQAAAQA"}
    response = room.client.get("/v2/lookup", params=fields | changed)
    assert response.status_code == 400
    document = response.json()
    assert (document["status"], document["error"]["code"]) == ("error", code)


def test_a_bomb_is_not_unpacked(room: ReadingRoom) -> None:
    headers = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b"fingerprint=" + b"A" * 40 * BODY_BYTES_MAX)
    assert len(bomb) < BODY_BYTES_MAX
    for body, status in ((bomb, 413), (bomb[:-9], 413), (b"no gzip", 400)):
        response = room.client.post("/v2/lookup", content=body, headers=headers)
        assert response.status_code == status
        assert response.json()["error"]["code"] == 3
    large = room.client.post("/v2/lookup", content=b"a" * (BODY_BYTES_MAX + 1))
    assert large.status_code == 413
    many = "&".join(f"x{n}=1" for n in range(1_000))
    assert room.client.get(f"/v2/lookup?{many}").status_code == 400
