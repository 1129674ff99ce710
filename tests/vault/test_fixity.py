"""Fixity: every damage is found, and healed from where one whole copy is, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sonotheque.errors import EnvironmentFailure
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import fixity, ocfl
from sonotheque.vault.audit import Audit
from sonotheque.vault.objects import KnownFile, Vault
from sonotheque.vault.replicas import replicate

NOW, LATER = "2026-11-20T10:00:00.000000Z", "2026-11-21T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:0000000000002")
Validate = Callable[[Vault], None]
Audited = Callable[..., list[FixityEvent]]
Damage = Callable[[Path], None]


def _fill(main: Vault, copies: Sequence[Vault]) -> None:
    for holding, versions in ((ONE, 3), (TWO, 1)):
        for number in range(1, versions + 1):
            main.write_version(
                holding,
                {"audio/a": b"sound of " + holding.encode() * 50, f"n{number}": b"%d" % number},
                message=f"{number}",
                now=NOW,
            )
        replicate(main, copies, holding)


@pytest.fixture
def roots(main: Vault, copy: Vault) -> tuple[Vault, Vault]:
    _fill(main, [copy])
    return main, copy


def _tree(vault: Vault) -> dict[str, bytes]:
    return {
        str(path.relative_to(vault.path)): path.read_bytes()
        for path in vault.path.rglob("*")
        if path.is_file()
    }


def _identities(vault: Vault) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(vault.path)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in vault.path.rglob("*")
        if path.is_file()
    }


def _outcomes(events: Sequence[FixityEvent]) -> set[Outcome]:
    return {event.outcome for event in events}


@pytest.fixture(params=["first", "later"])
def audited(
    request: pytest.FixtureRequest, roots: tuple[Vault, Vault], audit: Callable[..., Audit]
) -> Audited:
    """The events of an audit: of the first one ever, or of one whose log knows BLAKE3 digests."""
    if request.param == "later":
        assert all(check.by_sha512 for check in audit(roots).run())
        assert not any(check.by_sha512 for check in audit(roots).run())

    def run(roots: Sequence[Vault] = roots, *, heal: bool = False) -> list[FixityEvent]:
        return [event for check in audit(roots, heal=heal).run() for event in check.events]

    return run


def test_whole_copies_pass(roots: tuple[Vault, Vault], audited: Audited) -> None:
    before = [_identities(root) for root in roots]
    for heal in (False, True):
        events = audited(heal=heal)
        assert sorted((e.root, e.holding, e.outcome, e.version) for e in events) == [
            (root.name, holding, Outcome.PASS, version)
            for root in reversed(roots)
            for holding, version in ((ONE, 3), (TWO, 1))
        ]
    assert [_identities(root) for root in roots] == before


def _flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 4]))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _swap(path: Path) -> None:
    """With another file of the object."""
    directory = next(parent for parent in path.parents if (parent / ocfl.OBJECT_MARKER[0]).exists())
    other = next(
        p
        for p in sorted(directory.rglob("*"))
        if p.is_file() and p.read_bytes() != path.read_bytes()
    )
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


DAMAGES: list[Damage] = [_flip, _truncate, _zero, _empty, _lengthen, _swap, Path.unlink]


@pytest.mark.parametrize(
    ("damage", "where"), [*((damage, 0) for damage in DAMAGES), (_flip, 1), (Path.unlink, 1)]
)
def test_every_damaged_file_is_found_and_healed(
    roots: tuple[Vault, Vault], validate: Validate, where: int, damage: Damage, audited: Audited
) -> None:
    root = roots[where]
    whole = _tree(root)
    directory = root.object_path(ONE)
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    # Every file is flipped and removed; the other damages take turns.
    for path in paths if damage in (_flip, Path.unlink) else paths[DAMAGES.index(damage) :: 3]:
        damage(path)
        damaged = {name for name in whole if _tree(root).get(name) != whole[name]}
        assert damaged
        before = [_identities(one) for one in roots]
        found = [event for event in audited() if event.outcome is not Outcome.PASS]
        prefix = f"{ocfl.object_path(ONE)}/"
        assert {f"{prefix}{event.path}" for event in found} == damaged, path
        assert {event.root for event in found} == {root.name}
        assert _outcomes(found) <= {Outcome.CORRUPT, Outcome.MISSING}
        assert [_identities(one) for one in roots] == before, "an audit changes nothing"

        healed = [e for e in audited(heal=True) if e.outcome is not Outcome.PASS]
        assert {f"{prefix}{event.path}" for event in healed} == damaged
        assert _outcomes(healed) == {Outcome.HEALED}
        assert _tree(root) == whole
        after = [_identities(one) for one in roots]
        for old, new in zip(before, after, strict=True):
            touched = {name for name in new if old.get(name) != new[name]}
            assert touched <= damaged, "a file that verified was touched"
    validate(root)
    assert _outcomes(audited()) == {Outcome.PASS}


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("part", ["", "v1", "v2/content", "v3"])
def test_missing_directories_are_found_and_healed(
    roots: tuple[Vault, Vault], validate: Validate, where: int, part: str, audited: Audited
) -> None:
    root = roots[where]
    whole = _tree(root)
    shutil.rmtree(root.object_path(ONE) / part)
    found = [event for event in audited() if event.outcome is not Outcome.PASS]
    assert _outcomes(found) == {Outcome.MISSING}
    assert ([event.path for event in found] == [""]) == (part == "")
    assert _outcomes([e for e in audited(heal=True) if e.outcome is not Outcome.PASS]) == {
        Outcome.HEALED
    }
    assert _tree(root) == whole
    validate(root)


def _directory(path: Path) -> None:
    path.mkdir()
    (path / "whose").write_text("nobody knows")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/nowhere")


def _file(path: Path) -> None:
    path.write_text("nobody knows")


def _beside(root: Vault) -> list[Path]:
    """What was moved out of the way, below the directory beside `root`."""
    return sorted(root.path.with_name(f"{root.path.name}.aside").glob("*/*"))


@pytest.mark.parametrize("instead", [_directory, _pipe, _link])
@pytest.mark.parametrize(
    "path", ["inventory.json", "v1/inventory.json", "v2/content/n2", ocfl.OBJECT_MARKER[0]]
)
def test_what_stands_in_the_place_of_a_file_is_damage(
    roots: tuple[Vault, Vault],
    validate: Validate,
    audited: Audited,
    path: str,
    instead: Damage,
) -> None:
    """It is healed, and what stood there is destroyed by nobody."""
    root = roots[1]
    whole = _tree(root)
    place = root.object_path(ONE) / path
    place.unlink()
    instead(place)
    found = [event for event in audited() if event.outcome is not Outcome.PASS]
    assert {(event.root, event.path) for event in found} == {("copy", path)}
    assert _outcomes(found) <= {Outcome.CORRUPT, Outcome.MISSING}
    assert _beside(root) == []
    (healed,) = [event for event in audited(heal=True) if event.outcome is not Outcome.PASS]
    assert (healed.path, healed.outcome) == (path, Outcome.HEALED)
    assert _tree(root) == whole
    validate(root)
    (aside,) = _beside(root)
    assert healed.detail.endswith(str(aside.relative_to(root.path.parent)))
    if instead is _directory:
        assert (aside / "whose").read_text() == "nobody knows"
    assert _outcomes(audited(heal=True)) == {Outcome.PASS}
    assert len(_beside(root)) == 1


@pytest.mark.parametrize("instead", [_file, _pipe, _link])
@pytest.mark.parametrize("path", ["", "v1", "v2/content", "v3"])
def test_what_stands_in_the_place_of_a_directory_is_damage(
    roots: tuple[Vault, Vault],
    validate: Validate,
    audited: Audited,
    path: str,
    instead: Damage,
) -> None:
    root = roots[1]
    whole = _tree(root)
    place = root.object_path(ONE) / path
    shutil.rmtree(place)
    instead(place)
    found = [event for event in audited() if event.outcome is not Outcome.PASS]
    assert _outcomes(found) == {Outcome.MISSING}
    healed = [event for event in audited(heal=True) if event.outcome is not Outcome.PASS]
    assert _outcomes(healed) == {Outcome.HEALED}
    assert [event.detail.endswith(place.name) for event in healed].count(True) == 1
    assert _tree(root) == whole
    validate(root)
    (aside,) = _beside(root)
    if instead is _file:
        assert aside.read_text() == "nobody knows"
    assert _outcomes(audited(heal=True)) == {Outcome.PASS}


def test_a_version_comes_back_to_where_a_directory_of_its_name_stands(
    roots: tuple[Vault, Vault], audited: Audited
) -> None:
    root = roots[1]
    whole = _tree(root)
    directory = root.object_path(ONE)
    shutil.rmtree(directory / "v3")
    (directory / "v3").mkdir()
    for name in (ocfl.INVENTORY, ocfl.SIDECAR):
        shutil.copyfile(directory / "v2" / name, directory / name)
    assert _outcomes(audited(heal=True)) == {Outcome.PASS, Outcome.HEALED}
    assert _tree(root) == whole


def test_what_no_root_has_leaves_what_stands_in_its_place(
    roots: tuple[Vault, Vault], audited: Audited
) -> None:
    for root in roots:
        place = root.path_of(ONE, "n2")
        place.unlink()
        _directory(place)
    lost = [event for event in audited(heal=True) if event.outcome is not Outcome.PASS]
    assert _outcomes(lost) == {Outcome.LOST}
    assert all((root.path_of(ONE, "n2") / "whose").exists() for root in roots)


@pytest.mark.parametrize("where", [0, 1])
def test_a_copy_that_was_rolled_back_is_found_and_healed(
    roots: tuple[Vault, Vault], validate: Validate, where: int, audited: Audited
) -> None:
    """It verifies in itself, but another root knows more."""
    root = roots[where]
    whole = _tree(root)
    directory = root.object_path(ONE)
    for name in (ocfl.INVENTORY, ocfl.SIDECAR):
        shutil.copy(directory / "v2" / name, directory / name)
    shutil.rmtree(directory / "v3")
    validate(root)
    found = [event for event in audited() if event.outcome is not Outcome.PASS]
    assert [(event.root, event.outcome, event.path) for event in found] == [
        (root.name, Outcome.STALE, "")
    ]
    assert found[0].detail == "version 2 of 3"
    healed = [event for event in audited(heal=True) if event.outcome is not Outcome.PASS]
    assert [(event.outcome, event.path) for event in healed] == [(Outcome.HEALED, "")]
    assert _tree(root) == whole
    validate(root)


def test_an_object_that_took_anothers_place_is_found(
    roots: tuple[Vault, Vault], audited: Audited
) -> None:
    main, _ = roots
    whole = _tree(main)
    shutil.rmtree(main.object_path(ONE))
    shutil.copytree(main.object_path(TWO), main.object_path(ONE))
    assert Outcome.CORRUPT in _outcomes(audited())
    audited(heal=True)
    assert _tree(main) == whole


@pytest.mark.parametrize("damage", [_flip, Path.unlink])
def test_what_is_bad_in_both_is_lost_and_the_rest_is_healed(
    roots: tuple[Vault, Vault], damage: Damage, audited: Audited
) -> None:
    main, copy = roots
    for root in roots:
        damage(root.path_of(ONE, "audio/a"))
    _flip(copy.path_of(ONE, "n2"))
    bad = [_tree(root) for root in roots]
    events = [e for e in audited(heal=True) if e.outcome is not Outcome.PASS]
    assert {(e.root, e.path, e.outcome) for e in events} == {
        ("main", "v1/content/audio/a", Outcome.LOST),
        ("copy", "v1/content/audio/a", Outcome.LOST),
        ("copy", "v2/content/n2", Outcome.HEALED),
    }
    assert _tree(main) == bad[0]
    assert copy.read(ONE, "n2") == b"2"


def test_damage_in_both_at_different_places_is_healed(
    roots: tuple[Vault, Vault], audited: Audited
) -> None:
    main, copy = roots
    whole = _tree(main)
    _flip(main.path_of(ONE, "audio/a"))
    _flip(copy.path_of(ONE, "n1"))
    _flip(main.object_path(ONE) / ocfl.INVENTORY)
    _flip(copy.object_path(ONE) / "v1" / ocfl.SIDECAR)
    audited(heal=True)
    assert _tree(main) == _tree(copy) == whole


@pytest.mark.parametrize("heal", [False, True])
def test_inventories_that_are_bad_in_both_are_told(
    roots: tuple[Vault, Vault], heal: bool, audited: Audited
) -> None:
    for root in roots:
        _flip(root.object_path(ONE) / ocfl.INVENTORY)
        for version in root.object_path(ONE).glob("v*"):
            _flip(version / ocfl.INVENTORY)
    before = [_tree(root) for root in roots]
    events = [e for e in audited(heal=heal) if e.outcome is not Outcome.PASS]
    assert {event.root for event in events} == {"main", "copy"}
    assert _outcomes(events) == {Outcome.LOST if heal else Outcome.CORRUPT}
    assert [_tree(root) for root in roots] == before


@pytest.mark.parametrize("damage", [_flip, _empty, Path.unlink])
def test_an_older_inventory_that_is_bad_in_every_root_is_found(
    roots: tuple[Vault, Vault], damage: Damage, audited: Audited
) -> None:
    for root in roots:
        damage(root.object_path(ONE) / "v1" / ocfl.INVENTORY)
    found = [event for event in audited() if event.outcome is not Outcome.PASS]
    assert {(event.root, event.path) for event in found} == {
        (root.name, "v1/inventory.json") for root in roots
    }
    lost = [e for e in audited(heal=True) if e.outcome is not Outcome.PASS]
    assert _outcomes(lost) == {Outcome.LOST}


def test_an_older_inventory_that_was_rewritten_is_found(
    roots: tuple[Vault, Vault], audited: Audited
) -> None:
    """With its sidecar, so that it verifies in itself, but it is not how the history began."""
    main, copy = roots
    directory = main.object_path(ONE) / "v1"
    forged = (directory / ocfl.INVENTORY).read_bytes().replace(b"2026", b"2025")
    (directory / ocfl.INVENTORY).write_bytes(forged)
    (directory / ocfl.SIDECAR).write_bytes(ocfl.sidecar(forged))
    found = [event for event in audited() if event.outcome is not Outcome.PASS]
    assert {event.root for event in found} == {"main"}
    audited(heal=True)
    assert _tree(main) == _tree(copy)


def test_a_lone_root_finds_and_heals_what_it_has_twice(
    roots: tuple[Vault, Vault], validate: Validate, audited: Audited
) -> None:
    main, _ = roots
    whole = _tree(main)
    for path in ("v3/inventory.json", "v3/inventory.json.sha512", "inventory.json.sha512"):
        _flip(main.object_path(ONE) / path)
        assert Outcome.CORRUPT in _outcomes(audited([main]))
        assert Outcome.HEALED in _outcomes(audited([main], heal=True))
        assert _tree(main) == whole
    _flip(main.path_of(ONE, "audio/a"))
    assert Outcome.LOST in _outcomes(audited([main], heal=True))
    main.path_of(ONE, "audio/a").write_bytes(b"sound of " + ONE.encode() * 50)
    validate(main)


def test_two_histories_are_left_to_a_person(roots: tuple[Vault, Vault], audited: Audited) -> None:
    main, copy = roots
    main.write_version(ONE, {"x": b"ours"}, message="", now=LATER)
    copy.write_version(ONE, {"x": b"theirs"}, message="", now=LATER)
    copy.write_version(ONE, {"y": b"more"}, message="", now=LATER)
    before = [_tree(root) for root in (main, copy)]
    for heal in (False, True):
        events = [e for e in audited(heal=heal) if e.outcome is not Outcome.PASS]
        assert {event.root for event in events} == {"main", "copy"}
        assert all("different histories" in event.detail for event in events)
        assert Outcome.HEALED not in _outcomes(events)
    assert [_tree(root) for root in (main, copy)] == before


def test_an_inventory_that_went_back_alone_is_healed(
    main: Vault, copy: Vault, audited: Audited, validate: Validate
) -> None:
    """The newer version's directory is still there: nothing can be moved to where it stands."""
    _fill(main, [copy])
    main.write_version(ONE, {"audio/b": b"a second encoding"}, message="", now=LATER)
    replicate(main, [copy], ONE)
    whole = _tree(copy)
    for name in (ocfl.INVENTORY, ocfl.SIDECAR):
        shutil.copyfile(copy.object_path(ONE) / "v1" / name, copy.object_path(ONE) / name)
    assert _outcomes(audited(heal=True)) == {Outcome.PASS, Outcome.HEALED}
    assert _tree(copy) == whole
    validate(copy)


def test_a_copy_that_is_behind_gets_no_single_file_of_a_version_it_lacks(
    main: Vault, copy: Vault, known: Callable[[str, bytes], KnownFile], validate: Validate
) -> None:
    """Else the version could not be moved into its place any more: a deposit that was killed
    between the primary and the replica was stuck for ever."""
    _fill(main, [copy])
    sound = known("b", b"a second encoding")
    main.write_version(ONE, {"audio/b": sound}, message="", now=LATER)
    for change in (None, lambda: _flip(main.path_of(ONE, "audio/b"))):
        if change:
            change()
        healed = list(fixity.heal_from((main, copy), ONE, sound, LATER))
        assert {event.root for event in healed} == ({"main"} if change else set())
        validate(copy)
    replicate(main, [copy], ONE)
    assert _tree(copy) == _tree(main)


def test_a_root_that_is_away_is_not_filled(roots: tuple[Vault, Vault], audited: Audited) -> None:
    """Healing must not write a copy of the vault into an unmounted disk's mount point."""
    main, copy = roots
    shutil.rmtree(copy.path)
    copy.path.mkdir()
    for heal in (False, True):
        with pytest.raises(EnvironmentFailure, match="copy is away"):
            audited(heal=heal)
    assert list(copy.path.iterdir()) == []
    assert main.holding(ONE)
