"""Roots: what every kind of storage root answers, by the same words."""

from __future__ import annotations

import pytest

from sonotheque.errors import SonothequeError
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
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
