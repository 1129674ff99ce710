"""Object storage: against a real S3 server, and against one in memory that does the same."""

from __future__ import annotations

import itertools
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from obstore.store import MemoryStore

from sonotheque.errors import BadInput, EnvironmentFailure, NotFound, Refused
from sonotheque.store import objectstore
from sonotheque.store.objectstore import PART_BYTES, RANGE_BYTES, ObjectStore, open_bucket


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "s3":
        endpoint = request.getfixturevalue("s3")
        return open_bucket(f"s3://tests/{secrets.token_hex(8)}", endpoint)
    memory = MemoryStore()
    return ObjectStore("memory", lambda: memory)


NAMES = [
    "a/0=ocfl_object_1.1",
    'urn%3asonotheque%3aholding%3a1/v1/content/é ü#?*~^|<>[]{}`\\".flac',
    "+&=;@$,'()!",
    "%25",
    "\u00a0/\u4e00",
]


def test_what_was_written_is_read_under_its_own_name(store: ObjectStore) -> None:
    for number, name in enumerate(NAMES):
        assert (store.read(name), store.size(name)) == (None, None)
        assert store.write(name, [b"%d" % number], replace=False)
        assert store.read(name) == b"%d" % number
        assert store.size(name) == 1
    assert list(store.list()) == sorted(NAMES)
    for place in (*NAMES, "b", ""):
        assert list(store.list(after=place)) == [name for name in sorted(NAMES) if name > place]
    store.delete(NAMES[0])
    assert store.read(NAMES[0]) is None


def test_a_name_that_is_taken_stays_taken_unless_it_may_be_replaced(store: ObjectStore) -> None:
    assert store.write("a", [b"first"], replace=False)
    assert not store.write("a", [b"second"], replace=False)
    assert store.read("a") == b"first"
    assert store.write("a", [b"sec", b"ond"], replace=True)
    assert store.read("a") == b"second"


def _many(blocks: int) -> Iterator[bytes]:
    return (bytes([number % 251]) * (1 << 20) for number in range(blocks))


PART_BLOCKS = PART_BYTES >> 20
MEMORY_PARTS_MAX = 8


@pytest.mark.parametrize("blocks", [0, 1, PART_BLOCKS, PART_BLOCKS + 1, 2 * PART_BLOCKS + 3])
def test_every_size_arrives_whole_and_is_read_in_ranges(store: ObjectStore, blocks: int) -> None:
    content = b"".join(_many(blocks))
    assert store.write("x", _many(blocks), replace=False)
    assert not store.write("x", _many(blocks), replace=False)
    assert store.size("x") == len(content)
    read = list(store.blocks("x"))
    assert b"".join(read) == content
    assert all(0 < len(block) <= RANGE_BYTES for block in read)
    for first, count in itertools.product((0, 1, RANGE_BYTES, len(content)), (None, 0, 1, 9 << 20)):
        wanted = content[first:] if count is None else content[first : first + count]
        assert b"".join(store.blocks("x", first=first, byte_count=count)) == wanted


@pytest.mark.parametrize("blocks", [1, PART_BLOCKS + 2])
def test_content_that_breaks_off_writes_nothing(store: ObjectStore, blocks: int) -> None:
    def broken() -> Iterator[bytes]:
        yield from _many(blocks)
        raise NotFound("gone")

    for replace in (False, True):
        with pytest.raises(NotFound, match="gone"):
            store.write("x", broken(), replace=replace)
        assert store.size("x") is None
    store.write("x", [b"whole"], replace=False)
    with pytest.raises(NotFound, match="gone"):
        store.write("x", broken(), replace=True)
    assert store.read("x") == b"whole"


def test_what_is_missing(store: ObjectStore) -> None:
    with pytest.raises(NotFound):
        list(store.blocks("x"))
    assert list(store.list()) == []


_STREAM = """
import re, sys
from pathlib import Path
from sonotheque.store.objectstore import PART_BYTES, open_bucket
store = open_bucket("s3://tests/large", sys.argv[1])
store.write("warm", [b"x"], replace=True)
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
held = peak()
block = bytes(1 << 20)
store.write("x", (block for _ in range(20 * PART_BYTES >> 20)), replace=True)
assert sum(map(len, store.blocks("x"))) == 20 * PART_BYTES
store.delete("x")
print((peak() - held) // PART_BYTES)
"""


def test_memory_is_a_few_parts_whatever_the_size(s3: str) -> None:
    command = [sys.executable, "-c", _STREAM, s3]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0 < int(ran.stdout) <= MEMORY_PARTS_MAX


# Stores that cannot be trusted, or that are not there.


def test_a_store_that_does_what_is_asked_passes_the_probe(store: ObjectStore) -> None:
    store.write("other", [b""], replace=False)
    store.probe()
    assert list(store.list()) == ["other"]


@pytest.mark.parametrize(
    ("header", "reason"), [("If-None-Match", "silently overwrites"), ("Range", "ranged read")]
)
def test_a_store_that_disregards_what_is_asked_is_refused(
    serve_s3: Callable[..., Any], header: str, reason: str
) -> None:
    with serve_s3(header) as endpoint:
        store = open_bucket("s3://tests/x", endpoint)
        with pytest.raises(Refused, match=reason) as caught:
            store.probe()
        assert "\n" not in caught.value.line()
        assert list(store.list()) == []


def _everything(store: ObjectStore) -> list[Callable[[], object]]:
    return [
        lambda: store.write("x", [b""], replace=False),
        lambda: store.write("x", _many(PART_BLOCKS + 1), replace=True),
        lambda: list(store.list()),
        store.probe,
    ]


def test_a_bucket_that_is_not_there(s3: str) -> None:
    store = open_bucket("s3://missing/x", s3)
    for attempt in _everything(store):
        with pytest.raises(EnvironmentFailure) as caught:
            attempt()
        assert caught.value.exit_code == 3
        assert "\n" not in caught.value.line()
        assert caught.value.what == "there is no such bucket"


def test_a_server_that_is_away(serve_s3: Callable[..., Any]) -> None:
    with serve_s3() as endpoint:
        store = open_bucket("s3://tests/x", endpoint)
        store.write("a", [b"a"], replace=False)
    for attempt in (lambda: store.read("a"), lambda: store.size("a"), *_everything(store)[:1]):
        with pytest.raises(EnvironmentFailure, match="did not answer") as caught:
            attempt()
        assert "\n" not in caught.value.line()
        assert len(caught.value.line()) < 300


@pytest.mark.parametrize("name", objectstore._CREDENTIALS)
def test_credentials_come_from_the_environment_or_not_at_all(
    s3: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(EnvironmentFailure, match=f"{name} is not set"):
        open_bucket("s3://tests/x", s3).read("a")


def test_a_name_that_no_store_takes(store: ObjectStore) -> None:
    for name in ("a//b", "../x"):
        with pytest.raises(BadInput, match="no key"):
            store.write(name, [b""], replace=False)
