"""Replicas: what is said to be in every root was read back from every root."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import obstore
import pytest

from sonotheque import config
from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, SonothequeError
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store.objectstore import open_bucket
from sonotheque.vault import ocfl, replicas
from sonotheque.vault.audit import Audit
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.objects import Vault
from sonotheque.vault.ocfl import INVENTORY, SIDECAR
from sonotheque.vault.roots import Root

NOW = "2026-11-20T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:0000000000002")


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
def test_a_copy_that_reads_back_different_is_refused(main: Vault, copy: Vault, where: int) -> None:
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


def test_reading_goes_on_where_a_disk_fails(main: Vault, copy: Vault) -> None:
    """Found by living through decades: a sector that could not be read ended the reading."""
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    path = main.path_of(ONE, "a")
    path.unlink()
    # The kernel answers EIO for the first page of it, as for a bad sector.
    path.symlink_to("/proc/self/mem")
    with pytest.raises(SonothequeError):
        main.read(ONE, "a")
    assert replicas.read((main, copy), ONE, "a") == b"a"


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


# Healing, from whatever kind of root to whatever other.


def _read(root: Root) -> dict[str, bytes]:
    """Everything that stands in a root."""
    if isinstance(root, BucketRoot):
        store = root._store
        return {key: b"".join(store.blocks(key)) for key in store.list()}
    files = [path for path in Path(root.where).rglob("*") if path.is_file()]
    return {str(path.relative_to(root.where)): path.read_bytes() for path in files}


def _put(root: Root, changes: Mapping[str, bytes | None]) -> None:
    """Write into a root behind its back; None removes."""
    for key, content in changes.items():
        if isinstance(root, BucketRoot):
            if content is None:
                root._store.delete(key)
            else:
                root._store.write(key, [content], replace=True)
        else:
            path = Path(root.where, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
    if not isinstance(root, BucketRoot):
        for path in sorted(Path(root.where).rglob("*"), reverse=True):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()


@pytest.fixture(params=[0, 1, 2])
def damaged(request: pytest.FixtureRequest, roots: list[Root]) -> Root:
    """Each of `roots` in turn."""
    number: int = request.param
    return roots[number]


@pytest.fixture
def roots(main: Vault, copy: Vault, remote: BucketRoot) -> list[Root]:
    """Two directories and a bucket that hold an object of three versions and one of one."""
    for holding, versions in ((ONE, 3), (TWO, 1)):
        for number in range(1, versions + 1):
            content = {"audio/a": b"sound of " + holding.encode(), f"n{number}": b"%d" % number}
            main.write_version(holding, content, message="", now=NOW)
        replicas.replicate(main, [copy, remote], holding)
    return [main, copy, remote]


@pytest.fixture
def events(audit: Callable[..., Audit]) -> Callable[..., list[FixityEvent]]:
    """Audit roots; what was not whole."""

    def run(roots: Sequence[Root], *, heal: bool = False) -> list[FixityEvent]:
        checks = list(audit(roots, heal=heal).run())
        return [e for check in checks for e in check.events if e.outcome is not Outcome.PASS]

    return run


Events = Callable[..., list[FixityEvent]]


def test_every_damaged_file_of_every_kind_of_root_is_healed(
    roots: list[Root], damaged: Root, events: Events
) -> None:
    assert events(roots) == []
    whole = _read(damaged)
    name = ocfl.object_path(ONE)
    for number, key in enumerate(sorted(key for key in whole if key.startswith(name))):
        content = whole[key]
        damages = [content[:-1] + bytes([content[-1] ^ 4]), content[:-1], b"", None]
        _put(damaged, {key: damages[number % 4]})
        found = events(roots)
        assert {(e.holding, e.root, f"{name}/{e.path}") for e in found} == {
            (ONE, damaged.name, key)
        }
        assert {e.outcome for e in found} <= {Outcome.CORRUPT, Outcome.MISSING}
        others = [_read(root) for root in roots if root is not damaged]
        with _watched() as written:
            healed = events(roots, heal=True)
        assert {(e.root, e.path, e.outcome) for e in healed} == {
            (damaged.name, key.removeprefix(f"{name}/"), Outcome.HEALED)
        }
        assert _read(damaged) == whole
        assert [_read(root) for root in roots if root is not damaged] == others
        assert set(written) <= {key}, "no other object was put"
    assert events(roots) == []


@contextmanager
def _watched() -> Iterator[list[str]]:
    """The keys that are put into buckets meanwhile."""
    put, written = obstore.put, list[str]()

    def watched(store: Any, key: str, *rest: Any, **options: Any) -> Any:
        written.append(key)
        return put(store, key, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(obstore, "put", watched)
        yield written


def _stale(whole: Mapping[str, bytes], name: str, other: str) -> dict[str, bytes | None]:
    """As it was at version 2, which verifies."""
    newer = [key for key in whole if key.startswith(f"{name}/v3/")]
    pair = {f"{name}/{file}": whole[f"{name}/v2/{file}"] for file in (INVENTORY, SIDECAR)}
    return dict.fromkeys(newer) | pair


def _swapped(whole: Mapping[str, bytes], name: str, other: str) -> dict[str, bytes | None]:
    """The other object, whole, where this one belongs."""
    own = [key for key in whole if key.startswith(f"{name}/")]
    theirs = [key for key in whole if key.startswith(f"{other}/")]
    return dict.fromkeys(own) | {key.replace(other, name): whole[key] for key in theirs}


def _swapped_inventory(
    whole: Mapping[str, bytes], name: str, other: str
) -> dict[str, bytes | None]:
    return {f"{name}/{file}": whole[f"{other}/{file}"] for file in (INVENTORY, SIDECAR)}


def _swapped_files(whole: Mapping[str, bytes], name: str, other: str) -> dict[str, bytes | None]:
    one, two = f"{name}/v1/content/n1", f"{name}/v2/content/n2"
    return {one: whole[two], two: whole[one]}


def _emptied(whole: Mapping[str, bytes], name: str, other: str) -> dict[str, bytes | None]:
    return dict.fromkeys(key for key in whole if key.startswith(f"{name}/"))


def _half_made(whole: Mapping[str, bytes], name: str, other: str) -> dict[str, bytes | None]:
    """As a writer leaves it in a bucket that dies before it shows the object."""
    own = [key for key in whole if key.startswith(f"{name}/") and "content" not in key]
    return dict.fromkeys(own)


@pytest.mark.parametrize(
    "case",
    [
        (_stale, {Outcome.STALE}, "version 2 of 3"),
        (_swapped, {Outcome.CORRUPT, Outcome.MISSING}, f"is the inventory of {TWO}"),
        (_swapped_inventory, {Outcome.CORRUPT}, f"is the inventory of {TWO}"),
        (_swapped_files, {Outcome.CORRUPT}, "has the bytes of v2/content/n2"),
        (_emptied, {Outcome.MISSING}, ""),
        (_half_made, {Outcome.MISSING}, ""),
    ],
)
def test_stale_swapped_and_lost_copies_are_told_apart_and_healed(
    roots: list[Root],
    damaged: Root,
    events: Events,
    case: tuple[Callable[..., dict[str, bytes | None]], set[Outcome], str],
) -> None:
    damage, outcomes, detail = case
    assert events(roots) == []
    whole = [_read(root) for root in roots]
    _put(damaged, damage(_read(damaged), ocfl.object_path(ONE), ocfl.object_path(TWO)))
    found = events(roots)
    assert {(e.holding, e.root) for e in found} == {(ONE, damaged.name)}
    assert {e.outcome for e in found} - {Outcome.STRAY} == outcomes
    assert any(detail in e.detail for e in found)
    healed = events(roots, heal=True)
    assert {e.outcome for e in healed} - {Outcome.STRAY} == {Outcome.HEALED}
    after = [_read(root) for root in roots]
    assert all(old.items() <= new.items() for old, new in zip(whole, after, strict=True))
    # What no inventory knows is for a person to move away.
    assert {e.outcome for e in events(roots)} <= {Outcome.STRAY}


def test_what_is_bad_everywhere_is_lost_and_left_as_it_is(
    roots: list[Root], events: Events
) -> None:
    assert events(roots) == []
    key = f"{ocfl.object_path(ONE)}/v1/content/audio/a"
    for root in roots:
        _put(root, {key: b"rot in " + root.name.encode()})
    _put(roots[2], {f"{ocfl.object_path(ONE)}/v2/content/n2": b"rot"})
    before = [_read(root)[key] for root in roots]
    told = events(roots, heal=True)
    assert {(e.root, e.path, e.outcome) for e in told} == {
        *((root.name, "v1/content/audio/a", Outcome.LOST) for root in roots),
        ("remote", "v2/content/n2", Outcome.HEALED),
    }
    assert [_read(root)[key] for root in roots] == before


def test_a_copy_that_is_good_in_one_root_heals_all_others(
    roots: list[Root], events: Events
) -> None:
    """Each root is the only one to have some files whole, an inventory and its sidecars too."""
    whole = _read(roots[0])
    objects = [ocfl.object_path(ONE), ocfl.object_path(TWO)]
    for number, key in enumerate(sorted(key for key in whole if key.startswith(tuple(objects)))):
        for root in roots:
            if root is not roots[number % 3]:
                _put(root, {key: b"rot"})
    events(roots, heal=True)
    assert [_read(root) for root in roots] == [whole] * 3


def test_a_root_that_was_lost_whole_is_made_anew(
    roots: list[Root], damaged: Root, events: Events
) -> None:
    whole = _read(damaged)
    _put(damaged, dict.fromkeys(whole))
    with pytest.raises(EnvironmentFailure, match=f"--renew {damaged.name}"):
        events(roots, heal=True)
    assert _read(damaged) == {}
    replicas.renew(damaged)
    assert len(_read(damaged)) == 3
    assert {(e.root, e.outcome) for e in events(roots, heal=True)} == {
        (damaged.name, Outcome.HEALED)
    }
    assert _read(damaged) == whole
    replicas.renew(damaged)
    assert _read(damaged) == whole


@pytest.mark.parametrize("path", [path for path, _ in ocfl.ROOT_FILES])
@pytest.mark.parametrize("damage", [b"rot", None])
def test_the_files_of_a_root_itself_are_checked_and_healed(
    roots: list[Root], damaged: Root, path: str, damage: bytes | None
) -> None:
    whole = _read(damaged)
    assert list(replicas.check_root_files(roots, NOW, heal=True)) == []
    _put(damaged, {path: damage})
    if (path, damage) == (ocfl.ROOT_MARKER[0], None):
        assert not damaged.present
        replicas.renew(damaged)
    else:
        for heal, outcome in (
            (False, Outcome.CORRUPT if damage else Outcome.MISSING),
            (True, Outcome.HEALED),
        ):
            (event,) = replicas.check_root_files(roots, NOW, heal=heal)
            assert (event.root, event.path, event.outcome) == (damaged.name, path, outcome)
    assert _read(damaged) == whole


def test_a_place_that_holds_other_things_is_not_made_a_root(
    roots: list[Root], damaged: Root
) -> None:
    _put(damaged, {ocfl.ROOT_MARKER[0]: None, "photos/1": b""})
    with pytest.raises(BadInput, match="not empty"):
        replicas.renew(damaged)
    assert "photos/1" in _read(damaged)


def test_what_a_dead_writer_left_in_a_bucket_alone_keeps_nothing_from_being_read(
    roots: list[Root],
) -> None:
    name = ocfl.object_path(HoldingId("urn:sonotheque:holding:0000000000009"))
    _put(roots[2], {f"{name}/v1/content/a": b"a"})
    assert {holding.id for holding in replicas.holdings(roots)} == {ONE, TWO}


@pytest.mark.parametrize("has", ["nothing", "an older version"])
def test_a_primary_catches_up_before_it_goes_on(main: Vault, copy: Vault, has: str) -> None:
    """Made anew, or restored from an older backup, it would begin a second history."""
    main.write_version(ONE, {"a": b"1"}, message="", now=NOW)
    old = shutil.copytree(main.object_path(ONE), main.path.with_name("old"))
    main.write_version(ONE, {"a": b"2"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    shutil.rmtree(main.object_path(ONE))
    if has == "an older version":
        shutil.copytree(old, main.object_path(ONE))
    replicas.catch_up(main, [copy], ONE, acknowledged=2)
    assert main.required(ONE) == copy.required(ONE)
    main.write_version(ONE, {"a": b"3"}, message="", now=NOW)
    assert replicas.replicate(main, [copy], ONE) == ("main", "copy")


def test_nothing_goes_on_from_less_than_was_acknowledged(main: Vault, copy: Vault) -> None:
    main.write_version(ONE, {"a": b"1"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    for root in (main, copy):
        (root.object_path(ONE) / "inventory.json").unlink()
    with pytest.raises(Corrupt):
        replicas.catch_up(main, [copy], ONE, acknowledged=1)
    for root in (main, copy):
        shutil.rmtree(root.object_path(ONE))
    with pytest.raises(Corrupt, match="acknowledged in version 1"):
        replicas.catch_up(main, [copy], ONE, acknowledged=1)
    # Once an audit has told that it is lost, it may come again.
    replicas.catch_up(main, [copy], ONE, acknowledged=0)


def test_the_inventory_in_the_newest_version_heals_the_objects_own(
    roots: list[Root], events: Events
) -> None:
    """Found by living through decades: lost in every root, it was lost for good."""
    whole = [_read(root) for root in roots]
    name = ocfl.object_path(ONE)
    for root in roots:
        _put(root, {f"{name}/{INVENTORY}": None})
    assert {event.outcome for event in events(roots, heal=True)} <= {
        Outcome.HEALED,
        Outcome.STRAY,
    }
    assert [_read(root) for root in roots] == whole


def test_an_inventory_in_a_version_speaks_against_another_history(
    main: Vault, copy: Vault, events: Events
) -> None:
    """Found by living through decades: a fork overwrote what it alone could contradict."""
    copy.write_version(ONE, {"a": b"first"}, message="", now=NOW)
    main.write_version(ONE, {"a": b"other"}, message="", now=NOW)
    (copy.object_path(ONE) / INVENTORY).unlink()
    before = _read(copy)
    told = events([main, copy], heal=True)
    assert {event.outcome for event in told} == {Outcome.LOST}
    assert _read(copy) == before


def test_a_replica_that_stays_as_it_was_is_not_acknowledged(
    main: Vault, copy: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket that drops what it acknowledges has the version before, which is whole."""
    main.write_version(ONE, {"a": b"1"}, message="", now=NOW)
    replicas.replicate(main, [copy], ONE)
    main.write_version(ONE, {"a": b"2"}, message="", now=NOW)
    monkeypatch.setattr(Vault, "adopt", lambda root, source, holding: None)
    with pytest.raises(Corrupt, match="before version 2"):
        replicas.replicate(main, [copy], ONE)
