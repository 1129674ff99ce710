"""Roots in buckets: whole or not visible, wherever it is stopped, and valid OCFL when fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, NotFound, Refused
from sonotheque.model.identifiers import HoldingId
from sonotheque.store.objectstore import PART_BYTES, ObjectStore, open_bucket
from sonotheque.vault import ocfl, replicas
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.objects import KnownFile, Vault

NOW = "2026-11-20T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:" + "Ü /:" * 40)
Validate = Callable[[Vault], None]
Known = Callable[[str, bytes], KnownFile]
Fetched = Callable[[ObjectStore], Vault]


def _tree(vault: Vault) -> dict[str, bytes]:
    return {
        str(path.relative_to(vault.path)): path.read_bytes()
        for path in vault.path.rglob("*")
        if path.is_file()
    }


def _content(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.read(key) or b"" for key in store.list()}


def test_a_copy_in_a_bucket_is_the_primary_byte_for_byte(
    main: Vault, remote: BucketRoot, store: ObjectStore, fetched: Fetched, validate: Validate
) -> None:
    assert remote.present
    validate(fetched(store))
    for number in range(3):
        main.write_version(
            ONE, {"audio/é #.flac": b"%d" % number, "e": b"", "n": b"n"}, message="", now=NOW
        )
        assert replicas.replicate(main, [remote], ONE) == ("main", "remote")
        assert _content(store) == _tree(main)
        validate(fetched(store))
    for content in (b"a", b"b"):
        main.write_version(TWO, {"a": content}, message="", now=NOW)
    replicas.replicate(main, [remote], TWO)
    assert _content(store) == _tree(main)
    validate(fetched(store))
    assert list(remote.object_names()) == list(main.object_names())
    assert list(remote.holdings()) == list(main.holdings())
    assert remote.read(ONE, "audio/é #.flac") == b"2"
    with pytest.raises(NotFound):
        remote.adopt(main, HoldingId("urn:other"))


def test_a_bucket_fills_a_new_primary(main: Vault, copy: Vault, remote: BucketRoot) -> None:
    for holding in (ONE, TWO):
        for number in range(3):
            main.write_version(holding, {"a": b"%d" % number}, message="", now=NOW)
        remote.adopt(main, holding)
        copy.adopt(remote, holding)
    assert _tree(copy) == _tree(main)


def test_large_files_go_in_parts(
    main: Vault, remote: BucketRoot, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"0123456789abcdef" * (PART_BYTES // 16) + b"end"
    main.write_version(ONE, {"audio/a": known("a", content)}, message="", now=NOW)
    in_parts: list[str] = []
    put = obstore.put

    def watched(store: Any, key: str, *rest: Any, **options: Any) -> Any:
        if options["use_multipart"]:
            in_parts.append(key)
        return put(store, key, *rest, **options)

    monkeypatch.setattr(obstore, "put", watched)
    replicas.replicate(main, [remote], ONE)
    assert in_parts == [f"{ocfl.object_path(ONE)}/v1/content/audio/a"]
    place = remote.place(ONE, "audio/a")
    assert b"".join(place.blocks(first=PART_BYTES - 1)) == b"fend"
    assert remote.digest(place.name, place.path) == place.sha512


def test_names_come_in_the_order_of_a_directory(
    main: Vault, remote: BucketRoot, store: ObjectStore
) -> None:
    strange = ("fff/0/0/x", "fff/0/0/x-y", "fff-/0/0/x", "ff/0/0/y", "ff/0/0/x")
    for name in strange:
        (main.path / name).mkdir(parents=True)
        store.write(f"{name}/some/where", [b""], replace=False)
    for number in range(30):
        holding = HoldingId(f"urn:sonotheque:holding:{number:013}")
        main.write_version(holding, {"a": b"a"}, message="", now=NOW)
        remote.adopt(main, holding)
    names = list(main.object_names())
    assert len(names) == 30 + len(strange)
    for place in ["", *names, "ff", "ff/0/0/x-", "0", "8", "fff-", "g"]:
        assert list(remote.object_names(after=place)) == [name for name in names if name > place]


def test_a_source_that_does_not_verify_shows_nothing(main: Vault, remote: BucketRoot) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    main.path_of(ONE, "a").write_bytes(b"b")
    with pytest.raises(Corrupt):
        remote.adopt(main, ONE)
    assert remote.inventory(ONE) is None
    assert remote.holding(ONE) is None
    main.path_of(ONE, "a").write_bytes(b"a")
    remote.adopt(main, ONE)
    main.write_version(ONE, {"z": b"z"}, message="", now=NOW)
    main.path_of(ONE, "z").unlink()
    with pytest.raises(Corrupt, match="not exist"):
        remote.adopt(main, ONE)
    inventory = remote.inventory(ONE)
    assert inventory and inventory.head == 1


def test_another_history_is_refused(main: Vault, copy: Vault, remote: BucketRoot) -> None:
    copy.write_version(ONE, {"a": b"theirs"}, message="", now=NOW)
    remote.adopt(copy, ONE)
    main.write_version(ONE, {"a": b"ours"}, message="", now=NOW)
    for root, source in ((remote, main), (main, remote)):
        with pytest.raises(Corrupt, match="another history"):
            root.adopt(source, ONE)
    assert remote.read(ONE, "a") == b"theirs"


def test_what_reads_back_different_is_not_acknowledged(
    main: Vault, remote: BucketRoot, store: ObjectStore
) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    replicas.replicate(main, [remote], ONE)
    place = remote.place(ONE, "a")
    store.write(f"{place.name}/{place.path}", [b"b"], replace=True)
    with pytest.raises(Corrupt, match="different"):
        replicas.replicate(main, [remote], ONE)
    with pytest.raises(Corrupt, match="digest"):
        remote.read(ONE, "a")


def test_a_file_is_restored_only_by_what_verifies(main: Vault, remote: BucketRoot) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    remote.adopt(main, ONE)
    place = remote.place(ONE, "a")
    with pytest.raises(Corrupt):
        remote.restore_file(place.name, place.path, [b"b"], place.sha512)
    assert remote.read(ONE, "a") == b"a"
    remote.restore_file(place.name, place.path, [b"", b"b"], ocfl.digest_of(b"b"))
    assert b"".join(place.blocks()) == b"b"


# A process that ends at any call.


class Died(BaseException):
    """The process is dead; no `except Exception` of the code under test sees it."""


@contextmanager
def _dying(at: int, *, arrived: bool) -> Iterator[list[str]]:
    """End everything at the PUT of that number, before or after the store has carried it out.

    Gives the keys that were put.
    """
    put, seen = obstore.put, list[str]()

    def dying(store: Any, key: str, *rest: Any, **options: Any) -> Any:
        if len(seen) > at:
            raise Died
        seen.append(key)
        if len(seen) > at and not arrived:
            raise Died
        result = put(store, key, *rest, **options)
        if len(seen) > at:
            raise Died
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(obstore, "put", dying)
        yield seen


def _in_memory() -> ObjectStore:
    memory = MemoryStore()
    return ObjectStore("memory", lambda: memory)


@pytest.mark.parametrize("arrived", [False, True])
@pytest.mark.parametrize("held", [0, 1])
def test_it_ends_whole_wherever_it_is_stopped(
    main: Vault, fetched: Fetched, validate: Validate, held: int, arrived: bool
) -> None:
    versions = (
        {"a": b"first", "b": b"b", "big": bytes(PART_BYTES + 1)},
        {"a": b"second", "c": b""},
        {"a": b"third"},
    )
    main.write_version(ONE, versions[0], message="", now=NOW)
    first = _tree(main)
    for additions in versions[1:]:
        main.write_version(ONE, additions, message="", now=NOW)
    for fault in count():
        store = _in_memory()
        remote = BucketRoot("remote", store)
        remote.create()
        if held:
            for path, content in first.items():
                store.write(path, [content], replace=True)
        before = remote.holding(ONE)
        ended = False
        with _dying(fault, arrived=arrived):
            try:
                remote.adopt(main, ONE)
                ended = True
            except Died:
                pass
        shown = remote.holding(ONE)
        assert shown in (before, main.holding(ONE)), "what is visible is the old or the new"
        if shown:
            for file in shown.files:
                remote.read(ONE, file.path)
        if shown == main.holding(ONE):
            validate(fetched(store))
        remote.settle()
        replicas.replicate(main, [remote], ONE)
        assert _content(store) == _tree(main)
        if ended:
            break
    assert fault >= 10


@pytest.mark.parametrize(("there", "modes"), [(b"a", ["create"]), (b"?", ["create", "overwrite"])])
def test_what_is_in_the_way_of_a_new_version_stays_only_if_it_verifies(
    main: Vault, there: bytes, modes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    remote, put, seen = BucketRoot("remote", store := _in_memory()), obstore.put, list[str]()
    remote.create()
    key = f"{ocfl.object_path(ONE)}/v1/content/a"
    store.write(key, [there], replace=False)

    def watched(client: Any, put_key: str, *rest: Any, **options: Any) -> Any:
        seen.extend([options["mode"]] if put_key == key else [])
        return put(client, put_key, *rest, **options)

    monkeypatch.setattr(obstore, "put", watched)
    replicas.replicate(main, [remote], ONE)
    assert seen == modes
    assert remote.read(ONE, "a") == b"a"


def test_create_can_be_stopped_anywhere(fetched: Fetched, validate: Validate) -> None:
    for fault in count():
        store = _in_memory()
        root, ended = BucketRoot("remote", store), False
        with _dying(fault, arrived=True):
            try:
                root.create()
                ended = True
            except Died:
                assert not root.present or set(_content(store)) == {p for p, _ in ocfl.ROOT_FILES}
        root.create()
        assert root.present
        validate(fetched(store))
        if ended:
            break
    assert fault > 3


def test_what_a_dead_probe_left_is_cleared(remote: BucketRoot, store: ObjectStore) -> None:
    store.write("probe-0123", [b"first"], replace=False)
    remote.create()
    assert set(_content(store)) == {path for path, _ in ocfl.ROOT_FILES}


# Places that are no root.


def test_create_wants_an_empty_place(store: ObjectStore) -> None:
    store.write("photos/1", [b""], replace=False)
    root = BucketRoot("remote", store)
    with pytest.raises(BadInput, match="not empty"):
        root.create()
    assert list(store.list()) == ["photos/1"]
    assert not root.present


def test_create_refuses_a_store_that_overwrites(serve_s3: Callable[..., Any]) -> None:
    with serve_s3("If-None-Match") as endpoint:
        root = BucketRoot("remote", open_bucket("s3://tests/x", endpoint))
        with pytest.raises(Refused, match="silently overwrites"):
            root.create()
        assert not root.present


def test_a_bucket_that_is_away_takes_nothing(main: Vault, serve_s3: Callable[..., Any]) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    with serve_s3() as endpoint:
        root = BucketRoot("remote", open_bucket("s3://tests/x", endpoint))
        with pytest.raises(EnvironmentFailure, match="remote is away"):
            replicas.replicate(main, [root], ONE)
    with pytest.raises(EnvironmentFailure, match="did not answer") as caught:
        replicas.replicate(main, [root], ONE)
    assert caught.value.exit_code == 3


def test_a_server_that_goes_is_no_corruption(main: Vault, serve_s3: Callable[..., Any]) -> None:
    """Files that nobody answers for are not missing."""
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    with serve_s3() as endpoint:
        root = BucketRoot("remote", open_bucket("s3://tests/x", endpoint))
        root.create()
        replicas.replicate(main, [root], ONE)
    for attempt in (
        lambda: root.digest(ocfl.object_path(ONE), "v1/content/a"),
        lambda: root.inventory(ONE),
        lambda: root.read_inventory(ocfl.object_path(ONE)),
        lambda: root.has_object(ocfl.object_path(ONE)),
        lambda: list(root.object_names()),
    ):
        with pytest.raises(EnvironmentFailure):
            attempt()


def test_pace_is_told_of_every_byte(main: Vault, remote: BucketRoot, tmp_path: Path) -> None:
    content = bytes(range(256)) * (9 << 12)
    main.write_version(ONE, {"a": content}, message="", now=NOW)
    remote.adopt(main, ONE)
    read: list[int] = []
    place = remote.place(ONE, "a")
    assert remote.digest(place.name, place.path, read.append) == place.sha512
    assert sum(read) == len(content) and len(read) > 1
    assert remote.digest(place.name, "v1/content/missing") is None
