"""The sound over HTTP: ranges, refusals, withdrawals, and the guard at the door."""

from __future__ import annotations

import asyncio
import io
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from sonotheque.access.audio import Delivery
from sonotheque.access.guard import Guard, Take
from sonotheque.access.ranges import Span
from sonotheque.access.site import create_app
from sonotheque.archive import create, open_archive
from sonotheque.config import Config, Limits, Root
from sonotheque.deposit import accession
from sonotheque.model.identifiers import RecordingId, holding_id_of
from sonotheque.model.terms import Kind, Use
from sonotheque.store import files
from sonotheque.store.clock import utc_now
from sonotheque.vault.ocfl import object_path

CC_BY = "https://creativecommons.org/licenses/by/4.0/"


def address(room: Any, name: str, what: str = "audio") -> str:
    return f"/recordings/{room.recordings[name]}/{what}"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_range_is_that_slice_of_the_preserved_file(room: Any, data: st.DataObject) -> None:
    content = room.file("plain.flac")
    first = data.draw(st.integers(0, len(content) - 1))
    last = data.draw(st.integers(first, len(content) + 10))
    answer = room.client.get(
        address(room, "plain.flac"), headers={"Range": f"bytes={first}-{last}"}
    )
    end = min(last, len(content) - 1)
    assert answer.status_code == 206
    assert answer.content == content[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{end}/{len(content)}"
    assert answer.headers["content-length"] == str(end - first + 1)


def test_the_whole_file_comes_as_it_is_kept(room: Any) -> None:
    answer = room.client.get(address(room, "plain.flac"))
    assert answer.status_code == 200
    assert answer.content == room.file("plain.flac")
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "no-store"
    assert "content-encoding" not in answer.headers


def test_head_says_the_same_without_the_sound(room: Any) -> None:
    whole = room.client.get(address(room, "plain.flac"))
    head = room.client.head(address(room, "plain.flac"), headers={"Range": "bytes=0-3"})
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]


def test_a_range_beyond_the_end_is_416(room: Any) -> None:
    size = len(room.file("plain.flac"))
    answer = room.client.get(address(room, "plain.flac"), headers={"Range": f"bytes={size}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"


def test_if_range_and_if_none_match(room: Any) -> None:
    path = address(room, "plain.flac")
    etag = room.client.head(path).headers["etag"]
    same = room.client.get(path, headers={"Range": "bytes=0-3", "If-Range": etag})
    assert (same.status_code, same.content) == (206, b"fLaC")
    other = room.client.get(path, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert other.status_code == 200
    assert room.client.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_a_download_is_an_attachment_with_its_name(room: Any) -> None:
    answer = room.client.get(address(room, "studio.aiff", "download"))
    assert answer.status_code == 200
    assert answer.content == room.file("studio.aiff")
    assert answer.headers["content-type"] == "audio/aiff"
    assert answer.headers["content-disposition"].startswith('attachment; filename="studio.aiff"')


def test_a_download_may_name_its_file_by_digest_and_nothing_else(room: Any) -> None:
    path = address(room, "plain.flac", "download")
    digest = room.client.head(path).headers["etag"].strip('"')
    assert room.client.head(path, params={"sha512": digest}).status_code == 200
    for wrong in ("0" * 128, "../../archive.toml"):
        assert room.client.get(path, params={"sha512": wrong}).status_code == 404


def test_what_browsers_cannot_play_is_played_from_a_copy(room: Any) -> None:
    answer = room.client.get(address(room, "studio.aiff"))
    assert answer.headers["content-type"] == "audio/ogg"
    assert soundfile.info(io.BytesIO(answer.content)).subtype == "OPUS"
    part = room.client.get(address(room, "studio.aiff"), headers={"Range": "bytes=10-19"})
    assert part.content == answer.content[10:20]


def test_an_identifier_in_other_letters_leads_to_its_own_address(room: Any) -> None:
    path = f"/recordings/{room.recordings['plain.flac'].lower()}/audio"
    answer = room.client.get(path, follow_redirects=False)
    assert answer.status_code == 308
    assert answer.headers["location"] == address(room, "plain.flac")


@pytest.mark.parametrize("what", ["audio", "download"])
def test_what_nobody_has_verified_is_refused_with_the_reason(room: Any, what: str) -> None:
    path = address(room, "claimed.ogg", what)
    page = room.client.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 403
    assert "nobody has verified this yet" in page.text
    told = room.client.get(path, headers={"Accept": "application/json"}).json()
    assert told["status"] == 403
    assert told["decision"]["reasons"][0]["code"] == "claimed"
    assert told["decision"]["reasons"][0]["statement"] > 0
    assert room.client.get(path, headers={"Range": "bytes=0-3"}).status_code == 403


def test_a_withdrawal_holds_from_the_next_request(room: Any) -> None:
    path = address(room, "withdrawn.flac")
    assert room.client.get(path, headers={"Range": "bytes=0-3"}).status_code == 206
    room.say("withdrawn.flac", Kind.TAKEDOWN, Use.STREAM)
    for headers in ({}, {"Range": "bytes=4-7"}, {"If-None-Match": "*"}):
        answer = room.client.get(path, headers=headers)
        assert answer.status_code == 451
        assert answer.headers["cache-control"] == "no-store"
    assert room.client.head(path).status_code == 451
    page = room.client.get(f"/recordings/{room.recordings['withdrawn.flac']}").text
    assert "<audio" not in page
    assert "/download" not in page
    assert "Withdrawn" in page


def test_what_another_process_deposits_is_heard_at_once(
    archive: Any, music: Any, tmp_path: Path
) -> None:
    with TestClient(create_app(archive)) as client:
        assert client.get("/search?q=Piece").status_code == 200
        with open_archive(archive.config.directory) as other:
            path = music.file(tmp_path / "late.flac", 70, seconds=6)
            receipt = accession.deposit(other, [path], utc_now())
        (item,) = receipt.items
        assert client.get(f"/recordings/{item.recording}/audio").content == path.read_bytes()
        assert "Piece 70" in client.get("/search?q=Piece").text


def test_a_replica_serves_while_the_primary_is_damaged(
    archive: Any, music: Any, deposit: Any, tmp_path: Path
) -> None:
    path = music.file(tmp_path / "a.flac", 71, seconds=6)
    recording = deposit(path).items[0].recording
    with TestClient(create_app(archive)) as client:
        name = object_path(holding_id_of(recording))
        main, copy = (Path(root.where, name) for root in archive.roots)
        (main / "inventory.json").write_bytes(b"rot")
        assert client.get(f"/recordings/{recording}/audio").content == path.read_bytes()
        copy.rename(tmp_path / "gone")
        assert client.get(f"/recordings/{recording}/audio").status_code == 503
        page = client.get(f"/recordings/{recording}")
        assert page.status_code == 200
        assert "cannot be read at the moment" in page.text
        assert client.get("/").status_code == 200


def test_a_bucket_serves_while_every_disk_is_damaged(s3: str, music: Any, tmp_path: Path) -> None:
    roots = (
        Root("main", tmp_path / "archive" / "vault"),
        Root("remote", url=f"s3://tests/{tmp_path.name}", endpoint=s3),
    )
    config = Config(directory=tmp_path / "archive", name="T", mandate="M", roots=roots)
    plain = music.file(tmp_path / "a.flac", 71, seconds=6, license=CC_BY)
    other = music.file(tmp_path / "b.wv", 72, seconds=3, license=CC_BY)
    with create(config) as archive:
        receipt = accession.deposit(archive, [plain, other], utc_now())
        recordings = {item.path: item.recording for item in receipt.items}
        shutil.rmtree(archive.vault.path)
        archive.vault.create()
        with TestClient(create_app(archive)) as client:
            place = f"/recordings/{recordings['a.flac']}/audio"
            assert client.get(place).content == plain.read_bytes()
            part = client.get(place, headers={"Range": "bytes=5-99"})
            assert (part.status_code, part.content) == (206, plain.read_bytes()[5:100])
            copy = client.get(f"/recordings/{recordings['b.wv']}/audio")
            assert soundfile.info(io.BytesIO(copy.content)).subtype == "OPUS"


def test_who_takes_too_much_is_told_when_to_come_back(
    room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(room.file("plain.flac"))
    limits = Limits(reader_bytes_per_day=size + 10, reader_recordings_per_day=1)
    config = room.archive.config
    bounded = Config(
        directory=config.directory,
        name=config.name,
        mandate=config.mandate,
        roots=config.roots,
        limits=limits,
    )
    monkeypatch.setattr(room.archive, "config", bounded)
    with TestClient(create_app(room.archive)) as client:
        assert client.get(address(room, "plain.flac")).status_code == 200
        assert client.get(address(room, "second.ogg")).status_code == 429
        answer = client.get(address(room, "plain.flac"), headers={"Accept": "text/html"})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 86_000
        assert "Enough for today" in answer.text
        part = client.get(address(room, "plain.flac"), headers={"Range": "bytes=0-9"})
        assert part.status_code == 206


def deliver(
    path: Path, guard: Guard, *, leave_after: int | None = None, allowed: bool = True
) -> int:
    """Run a Delivery against an ASGI server in memory; the bytes that arrived."""
    size = path.stat().st_size
    take = guard.open("reader", RecordingId("V"), size, 0)
    assert isinstance(take, Take)
    arrived = 0
    gone = asyncio.Event()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal arrived
        arrived += len(message.get("body", b""))
        if leave_after is not None and arrived >= leave_after:
            gone.set()
        await asyncio.sleep(0)

    delivery = Delivery(
        blocks=partial(files.blocks, path),
        span=Span(0, size, size),
        status=200,
        headers={},
        still_allowed=lambda: allowed,
        guard=guard,
        take=take,
        recheck_seconds=0,
    )
    scope: Any = {"type": "http"}
    asyncio.run(asyncio.wait_for(delivery(scope, receive, send), 20))
    return arrived


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(bytes(8 << 20))
    return path


def test_a_withdrawal_stops_what_is_being_sent(large: Path) -> None:
    guard = Guard(bytes_max=8 << 20, recordings_max=1)
    assert deliver(large, guard, allowed=False) == 0
    assert deliver(large, guard) == 8 << 20


def test_only_what_was_sent_counts_when_a_reader_leaves(large: Path) -> None:
    guard = Guard(bytes_max=12 << 20, recordings_max=1)
    for _ in range(2):
        assert deliver(large, guard, leave_after=1 << 20) <= 2 << 20
    assert deliver(large, guard) == 8 << 20
