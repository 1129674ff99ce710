"""Roots: what every kind of storage root answers, by the same words."""

from __future__ import annotations

import pytest

from sonotheque.errors import SonothequeError
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.objects import Vault

NOW = "2026-11-20T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")


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
