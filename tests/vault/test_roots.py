"""Roots: what every kind of storage root answers, by the same words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from operator import methodcaller
from typing import Any

import pytest

from sonotheque.errors import Corrupt, SonothequeError
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import files
from sonotheque.vault import ocfl, replicas
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.objects import Vault
from sonotheque.vault.ocfl import INVENTORY, SIDECAR

NOW = "2026-11-20T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:0000000000002")
Change = Callable[[Any], object]


def test_names_come_in_order_and_from_anywhere_on(main: Vault) -> None:
    made = {HoldingId(f"urn:sonotheque:holding:{n:013}") for n in range(30)}
    for holding in made:
        main.write_version(holding, {"a": b"a"}, message="", now=NOW)
    # A stranger's directories sort between ours, as texts do and not as directories do.
    for strange in ("fff/0/0/x", "fff-/0/0/x", "ff/0/0/y", "ff/0/0/x"):
        (main.path / strange).mkdir(parents=True)
    names = sorted(
        [*map(ocfl.object_path, made), "fff/0/0/x", "fff-/0/0/x", "ff/0/0/y", "ff/0/0/x"]
    )
    assert list(main.object_names()) == names
    for place in [*names, "", "ff", "ff/0/0/x-", "0", "8", "fff-", "g"]:
        assert list(main.object_names(after=place)) == [name for name in names if name > place]


def test_blocks_are_the_slice_that_was_asked_for(main: Vault) -> None:
    content = bytes(range(256)) * (9 << 10)
    main.write_version(ONE, {"a": content}, message="", now=NOW)
    place = main.place(ONE, "a")
    for first, count in ((0, None), (0, 5), (7, 1 << 20), (len(content) - 3, 9), (5, 0)):
        wanted = content[first:] if count is None else content[first : first + count]
        blocks = list(place.blocks(first=first, byte_count=count))
        assert b"".join(blocks) == wanted
        assert all(0 < len(block) <= 1 << 20 for block in blocks)
    with pytest.raises(SonothequeError):
        list(main.blocks(place.name, "v1/content/missing"))


def test_a_digest_is_of_what_is_there_and_paced_by_the_caller(main: Vault) -> None:
    content = bytes(range(256)) * (9 << 10)
    main.write_version(ONE, {"a": content}, message="", now=NOW)
    place, read = main.place(ONE, "a"), [0]
    assert main.digest(place.name, place.path, read.append) == place.sha512
    assert sum(read) == len(content)
    assert main.digest(place.name, "v1/content/missing") is None
    main.path_of(ONE, "a").write_bytes(b"b")
    assert main.digest(place.name, place.path) == ocfl.digest_of(b"b")


def test_fresh_blocks_are_the_whole_file(main: Vault, remote: BucketRoot) -> None:
    contents = {"e": b"", "one": b"1", "large": bytes(range(256)) * (9 << 10)}
    main.write_version(ONE, contents, message="", now=NOW)
    remote.adopt(main, ONE)
    name = ocfl.object_path(ONE)
    for root in (main, remote):
        for path, content in contents.items():
            assert b"".join(root.fresh_blocks(name, f"v1/content/{path}")) == content
        with pytest.raises(SonothequeError):
            list(root.fresh_blocks(name, "v1/content/missing"))


def test_strays_are_what_stands_beside_the_files(main: Vault, remote: BucketRoot) -> None:
    main.write_version(ONE, {"a/b": b"b"}, message="", now=NOW)
    remote.adopt(main, ONE)
    inventory = main.read_inventory(ocfl.object_path(ONE))[1]
    name, paths = ocfl.object_path(ONE), ocfl.file_paths(inventory)
    for root in (main, remote):
        assert root.strays(name, paths) == []
        for stray in ("x", "v1/content/a/c", "logs/today", "extensions/0009/config"):
            root.restore_file(name, stray, [b"x"], ocfl.digest_of(b"x"))
        assert root.strays(name, paths) == ["v1/content/a/c", "x"]
        assert root.strays(name, [*paths, "x"]) == ["v1/content/a/c"]


# Reading back.


@pytest.mark.parametrize("number", [1, 9])
def test_every_file_is_read_back_once(
    main: Vault, copy: Vault, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1, number + 1):
        holding = HoldingId(f"urn:sonotheque:holding:{n:013}")
        main.write_version(holding, {"a": b"a", "b": b"b", "same": b"a"}, message="", now=NOW)
    read: list[str] = []
    real = files.fresh_blocks

    def fresh_blocks(path: str) -> Iterator[bytes]:
        read.append(path)
        return real(path)

    monkeypatch.setattr(files, "fresh_blocks", fresh_blocks)
    held = [HoldingId(f"urn:sonotheque:holding:{n:013}") for n in range(1, number + 1)]
    replicas.replicate(main, [copy], *held)
    objects = [root.object_path(holding) for root in (main, copy) for holding in held]
    there = [str(path) for place in objects for path in place.rglob("*") if path.is_file()]
    assert sorted(read) == sorted(there)


@pytest.mark.parametrize("wrong", range(9))
def test_of_many_copies_a_wrong_one_is_found(main: Vault, copy: Vault, wrong: int) -> None:
    held = [HoldingId(f"urn:sonotheque:holding:{n:013}") for n in range(9)]
    for holding in held:
        main.write_version(holding, {"a": b"a"}, message="", now=NOW)
    copy.adopt(main, *held)
    copy.path_of(held[wrong], "a").write_bytes(b"b")
    with pytest.raises(Corrupt, match="different") as caught:
        replicas.replicate(main, [copy], *held)
    assert str(copy.object_path(held[wrong])) in caught.value.where


@pytest.mark.parametrize("path", [INVENTORY, SIDECAR, f"v1/{INVENTORY}", f"v1/{SIDECAR}", "0="])
def test_inventories_are_read_back_too(main: Vault, copy: Vault, path: str) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    (wrong,) = copy.object_path(ONE).glob(f"{path}*" if path == "0=" else path)
    wrong.write_bytes(wrong.read_bytes() + b" ")
    with pytest.raises(Corrupt):
        replicas.replicate(main, [copy], ONE)


# Inventories that somebody else wrote.


def _forge(vault: Vault, change: Change) -> None:
    directory = vault.object_path(ONE)
    document = json.loads((directory / ocfl.INVENTORY).read_bytes())
    change(document)
    content = json.dumps(document).encode()
    for place in (directory, directory / "v1"):
        (place / ocfl.INVENTORY).write_bytes(content)
        (place / ocfl.SIDECAR).write_bytes(ocfl.sidecar(content))


def _hostile() -> Iterator[tuple[str, Change]]:
    digest, other = ocfl.digest_of(b"a"), "0" * 128

    def content(path: object) -> Change:
        return lambda document: document["manifest"].update({digest: [path]})

    def logical(path: object) -> Change:
        return lambda document: document["versions"]["v1"]["state"].update({digest: [path]})

    for path in (
        "../../../../etc/passwd", "v1/content/../../../x", "/etc/passwd", "v1/content/",
        "v1/content",
        "v1/a", "v2/content/a", "v0/content/a", "x/content/a", "v1//content/a", "v1/content/./a",
        "", "v1/content/a\0b", 5, None, "v01/content/a",
    ):  # fmt: skip
        yield f"content path {path!r}", content(path)
    for path in ("../x", "/x", "a/../b", "", "a//b", ".", "a/", "a\0b", 5):
        yield f"logical path {path!r}", logical(path)

    def two(content_paths: list[str], logical: str, second: str = other) -> Change:
        def change(document: Any) -> None:
            document["manifest"][second] = content_paths
            document["versions"]["v1"]["state"][second] = [logical]

        return change

    yield "two digests for one content path", two(["v1/content/a"], "b")
    yield "two digests for one logical path", two(["v1/content/b"], "a")
    yield "a file that is also a directory", two(["v1/content/a/b"], "b")
    yield "a logical file that is also a directory", two(["v1/content/b"], "a/b")
    yield "a digest that is none", two(["v1/content/b"], "b", "AB")
    yield (
        "a digest that is not there",
        lambda d: d["versions"]["v1"]["state"].update({other: ["b"]}),
    )
    yield "a digest without a file", lambda d: d["manifest"].update({digest: []})
    yield "a digest nobody uses", lambda d: d["manifest"].update({other: ["v1/content/b"]})
    yield "another algorithm", lambda d: d.update(digestAlgorithm="md5")
    yield "another head", lambda d: d.update(head="v2")
    yield "no version", lambda d: d.update(versions={}, manifest={}, head="v0")
    yield "a gap", lambda d: d["versions"].update(v3=d["versions"]["v1"])
    yield "versions in a list", lambda d: d.update(versions=[])
    yield "states in a list", lambda d: d["versions"]["v1"].update(state=[digest])
    yield "no date", lambda d: d["versions"]["v1"].pop("created")
    yield "a number for a name", lambda d: d.update(id=5)
    yield "another object's name", lambda d: d.update(id=str(TWO))
    for name in ("id", "head", "manifest", "versions", "digestAlgorithm"):
        yield f"no {name}", methodcaller("pop", name)


@pytest.mark.parametrize(("what", "change"), [*_hostile()], ids=[what for what, _ in _hostile()])
def test_hostile_inventories_are_refused(
    main: Vault, copy: Vault, what: str, change: Change
) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    _forge(main, change)
    before = sorted(copy.path.rglob("*"))
    for attempt in (
        lambda: main.holding(ONE),
        lambda: main.read(ONE, "a"),
        lambda: copy.adopt(main, ONE),
        lambda: main.write_version(ONE, {"b": b"b"}, message="", now=NOW),
    ):
        with pytest.raises(Corrupt) as caught:
            attempt()
        assert "\n" not in caught.value.line()
    assert sorted(copy.path.rglob("*")) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b"1" * 9999],
)
def test_what_is_no_inventory_is_refused(main: Vault, content: bytes) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    directory = main.object_path(ONE)
    (directory / ocfl.INVENTORY).write_bytes(content)
    (directory / ocfl.SIDECAR).write_bytes(ocfl.sidecar(content))
    with pytest.raises(Corrupt):
        main.inventory(ONE)
