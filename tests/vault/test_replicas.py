"""Replicas: what is said to be in every root was read back from every root."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sonotheque.errors import Corrupt, EnvironmentFailure
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import replicas
from sonotheque.vault.objects import Vault

NOW = "2026-11-20T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")


def test_every_root_holds_it_and_is_valid(
    main: Vault, copy: Vault, tmp_path: Path, validate: Callable[[Vault], None]
) -> None:
    third = Vault("third", tmp_path / "third")
    third.create()
    for number in range(3):
        main.write_version(ONE, {"a": b"%d" % number}, message="", now=NOW)
        assert replicas.replicate(main, [copy, third], ONE) == ("main", "copy", "third")
        for root in (main, copy, third):
            assert root.read(ONE, "a") == b"%d" % number
            validate(root)


def test_a_root_that_is_away_takes_nothing(main: Vault, copy: Vault) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    shutil.rmtree(copy.path)
    with pytest.raises(EnvironmentFailure, match="copy is away"):
        replicas.replicate(main, [copy], ONE)
    assert not copy.path.exists()


@pytest.mark.parametrize("where", [0, 1])
def test_a_copy_that_reads_back_different_is_not_acknowledged(
    main: Vault, copy: Vault, where: int
) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    (main, copy)[where].path_of(ONE, "a").write_bytes(b"b")
    with pytest.raises(Corrupt, match="different"):
        replicas.replicate(main, [copy], ONE)


def test_a_copy_with_another_history_is_not_acknowledged(main: Vault, copy: Vault) -> None:
    """As where the primary was restored from an older backup and went on."""
    for root, content in ((main, b"ours"), (copy, b"theirs")):
        root.write_version(ONE, {"a": content}, message="", now=NOW)
    with pytest.raises(Corrupt, match="another history"):
        replicas.replicate(main, [copy], ONE)
    assert copy.read(ONE, "a") == b"theirs"


@pytest.mark.parametrize("where", [0, 1])
def test_reading_goes_to_the_root_that_is_whole(main: Vault, copy: Vault, where: int) -> None:
    roots = (main, copy)
    assert replicas.read_holding(roots, ONE) is None
    made = main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    roots[where].path_of(ONE, "a").write_bytes(b"b")
    assert replicas.read(roots, ONE, "a") == b"a"
    (roots[where].object_path(ONE) / "inventory.json").write_bytes(b"")
    assert replicas.read_holding(roots, ONE) == made
    shutil.rmtree(roots[where].object_path(ONE))
    assert replicas.read_holding(roots, ONE) == made
    assert list(replicas.holdings(roots)) == [made]
    assert replicas.read(roots, ONE, "a") == b"a"


@pytest.mark.parametrize("what", ["content", "whole root"])
def test_reading_goes_on_where_a_disk_fails(main: Vault, copy: Vault, what: str) -> None:
    """Found by living through decades: a sector that could not be read ended the reading."""
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    if what == "content":
        path = main.path_of(ONE, "a")
        path.unlink()
        # The kernel answers EIO for the first page of it, as for a bad sector.
        path.symlink_to("/proc/self/mem")
        with pytest.raises(EnvironmentFailure):
            main.read(ONE, "a")
    else:
        shutil.rmtree(main.path)
    assert replicas.read((main, copy), ONE, "a") == b"a"
