"""Replicas: what is said to be in every root was read back from every root."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sonotheque import config
from sonotheque.errors import Corrupt, EnvironmentFailure
from sonotheque.model.identifiers import HoldingId
from sonotheque.store.objectstore import open_bucket
from sonotheque.vault import replicas
from sonotheque.vault.buckets import BucketRoot
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
    roots[where].path_of(ONE, "a").unlink()
    assert replicas.read(roots, ONE, "a") == b"a"
    (roots[where].object_path(ONE) / "inventory.json").write_bytes(b"")
    assert replicas.read_holding(roots, ONE) == made
    shutil.rmtree(roots[where].object_path(ONE))
    assert replicas.read_holding(roots, ONE) == made
    assert list(replicas.holdings(roots)) == [made]
    assert replicas.read(roots, ONE, "a") == b"a"


def test_reading_does_not_wait_for_a_bucket_that_is_away(
    main: Vault, serve_s3: Callable[..., Any]
) -> None:
    made = main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    with serve_s3() as endpoint:
        away = BucketRoot("remote", open_bucket("s3://tests/x", endpoint))
    for roots in ([main, away], [away, main]):
        assert replicas.read_holding(roots, ONE) == made
        assert replicas.read(roots, ONE, "a") == b"a"
    with pytest.raises(EnvironmentFailure, match="did not answer"):
        replicas.read_holding([main, away], HoldingId("urn:other"))


# What the copies have in common.

SPREAD = (
    config.Root("main", Path("/a"), location="Studio", threat="fire, theft", medium="disk"),
    config.Root("copy-1", Path("/b"), location="Library", threat="Theft,flood", medium="tape"),
    config.Root("copy-2", url="s3://b/c", location="Paris", threat="bankruptcy", medium="S3"),
)


def test_copies_that_stand_apart_leave_nothing_to_say() -> None:
    found = replicas.spread(SPREAD)
    assert found == replicas.Spread(copies=3, locations=3, threats=3, media=3, findings=())


@pytest.mark.parametrize(
    ("roots", "counts", "codes"),
    [
        (SPREAD[:2], (2, 2, 2, 2), ["roots.few", "roots.same-threat"]),
        (SPREAD[:1], (1, 1, 1, 1), ["roots.few"]),
        ((*SPREAD[:2], replace(SPREAD[2], location=" ")), (3, 2, 3, 3), ["roots.unsaid"]),
        (
            (*SPREAD[:2], replace(SPREAD[2], location="studio")),
            (3, 2, 3, 3),
            ["roots.same-location"],
        ),
        ((*SPREAD[:2], replace(SPREAD[2], medium="tape")), (3, 3, 3, 2), []),
        ((*SPREAD[:2], replace(SPREAD[2], threat="theft")), (3, 3, 3, 3), ["roots.same-threat"]),
        (
            tuple(replace(root, medium="disk") for root in SPREAD),
            (3, 3, 3, 1),
            ["roots.same-medium"],
        ),
        (
            tuple(config.Root(name, Path("/x") / name) for name in "abc"),
            (3, 0, 0, 0),
            ["roots.unsaid"] * 3,
        ),
    ],
)
def test_what_copies_have_in_common_is_found(
    roots: tuple[config.Root, ...], counts: tuple[int, ...], codes: list[str]
) -> None:
    found = replicas.spread(roots)
    assert (found.copies, found.locations, found.threats, found.media) == counts
    assert [finding.code for finding in found.findings] == codes
    assert all(finding.message and finding.remedy for finding in found.findings)


def test_the_message_names_the_copies_and_what_they_share() -> None:
    together = [replace(root, location="Studio", threat="fire") for root in SPREAD]
    said = [finding.message for finding in replicas.spread(together).findings]
    assert said == [
        "main, copy-1 and copy-2 stand in one location: Studio",
        "every copy could be taken by fire",
    ]
