"""Fixity: every damage is found, and healed from where one whole copy is, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sonotheque.errors import EnvironmentFailure
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import db
from sonotheque.vault import fixity, ocfl
from sonotheque.vault.objects import KnownFile, Vault
from sonotheque.vault.replicas import replicate

NOW, LATER = "2026-11-20T10:00:00.000000Z", "2026-11-21T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:0000000000002")
Validate = Callable[[Vault], None]
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


def _audit(roots: Sequence[Vault], *, heal: bool = False) -> list[FixityEvent]:
    return list(fixity.audit(roots, LATER, heal=heal))


def test_whole_copies_pass(roots: tuple[Vault, Vault]) -> None:
    before = [_identities(root) for root in roots]
    for heal in (False, True):
        events = _audit(roots, heal=heal)
        assert [(e.holding, e.root, e.outcome) for e in events] == [
            (holding, root.name, Outcome.PASS)
            for holding in sorted((ONE, TWO), key=ocfl.object_path)
            for root in roots
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
    roots: tuple[Vault, Vault], validate: Validate, where: int, damage: Damage
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
        found = [event for event in _audit(roots) if event.outcome is not Outcome.PASS]
        prefix = f"{ocfl.object_path(ONE)}/"
        assert {f"{prefix}{event.path}" for event in found} == damaged, path
        assert {event.root for event in found} == {root.name}
        assert _outcomes(found) <= {Outcome.CORRUPT, Outcome.MISSING}
        assert [_identities(one) for one in roots] == before, "an audit changes nothing"

        healed = [e for e in _audit(roots, heal=True) if e.outcome is not Outcome.PASS]
        assert {f"{prefix}{event.path}" for event in healed} == damaged
        assert _outcomes(healed) == {Outcome.HEALED}
        assert _tree(root) == whole
        after = [_identities(one) for one in roots]
        for old, new in zip(before, after, strict=True):
            touched = {name for name in new if old.get(name) != new[name]}
            assert touched <= damaged, "a file that verified was touched"
    validate(root)
    assert _outcomes(_audit(roots)) == {Outcome.PASS}


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("part", ["", "v1", "v2/content", "v3"])
def test_missing_directories_are_found_and_healed(
    roots: tuple[Vault, Vault], validate: Validate, where: int, part: str
) -> None:
    root = roots[where]
    whole = _tree(root)
    shutil.rmtree(root.object_path(ONE) / part)
    found = [event for event in _audit(roots) if event.outcome is not Outcome.PASS]
    assert _outcomes(found) == {Outcome.MISSING}
    assert ([event.path for event in found] == [""]) == (part == "")
    assert _outcomes([e for e in _audit(roots, heal=True) if e.outcome is not Outcome.PASS]) == {
        Outcome.HEALED
    }
    assert _tree(root) == whole
    validate(root)


@pytest.mark.parametrize("where", [0, 1])
def test_a_copy_that_was_rolled_back_is_found_and_healed(
    roots: tuple[Vault, Vault], validate: Validate, where: int
) -> None:
    """It verifies in itself, but another root knows more."""
    root = roots[where]
    whole = _tree(root)
    directory = root.object_path(ONE)
    for name in (ocfl.INVENTORY, ocfl.SIDECAR):
        shutil.copy(directory / "v2" / name, directory / name)
    shutil.rmtree(directory / "v3")
    validate(root)
    found = [event for event in _audit(roots) if event.outcome is not Outcome.PASS]
    assert {(event.root, event.outcome) for event in found} == {
        (root.name, Outcome.CORRUPT),
        (root.name, Outcome.MISSING),
    }
    _audit(roots, heal=True)
    assert _tree(root) == whole
    validate(root)


def test_an_object_that_took_anothers_place_is_found(roots: tuple[Vault, Vault]) -> None:
    main, _ = roots
    whole = _tree(main)
    shutil.rmtree(main.object_path(ONE))
    shutil.copytree(main.object_path(TWO), main.object_path(ONE))
    assert Outcome.CORRUPT in _outcomes(_audit(roots))
    _audit(roots, heal=True)
    assert _tree(main) == whole


@pytest.mark.parametrize("damage", [_flip, Path.unlink])
def test_what_is_bad_in_both_is_lost_and_the_rest_is_healed(
    roots: tuple[Vault, Vault], damage: Damage
) -> None:
    main, copy = roots
    for root in roots:
        damage(root.path_of(ONE, "audio/a"))
    _flip(copy.path_of(ONE, "n2"))
    bad = [_tree(root) for root in roots]
    events = [e for e in _audit(roots, heal=True) if e.outcome is not Outcome.PASS]
    assert {(e.root, e.path, e.outcome) for e in events} == {
        ("main", "v1/content/audio/a", Outcome.LOST),
        ("copy", "v1/content/audio/a", Outcome.LOST),
        ("copy", "v2/content/n2", Outcome.HEALED),
    }
    assert _tree(main) == bad[0]
    assert copy.read(ONE, "n2") == b"2"


def test_damage_in_both_at_different_places_is_healed(roots: tuple[Vault, Vault]) -> None:
    main, copy = roots
    whole = _tree(main)
    _flip(main.path_of(ONE, "audio/a"))
    _flip(copy.path_of(ONE, "n1"))
    _flip(main.object_path(ONE) / ocfl.INVENTORY)
    _flip(copy.object_path(ONE) / "v1" / ocfl.SIDECAR)
    _audit(roots, heal=True)
    assert _tree(main) == _tree(copy) == whole


@pytest.mark.parametrize("heal", [False, True])
def test_inventories_that_are_bad_in_both_are_told(roots: tuple[Vault, Vault], heal: bool) -> None:
    for root in roots:
        _flip(root.object_path(ONE) / ocfl.INVENTORY)
    before = [_tree(root) for root in roots]
    events = [e for e in _audit(roots, heal=heal) if e.outcome is not Outcome.PASS]
    assert {event.root for event in events} == {"main", "copy"}
    assert _outcomes(events) == {Outcome.LOST if heal else Outcome.CORRUPT}
    assert [_tree(root) for root in roots] == before


@pytest.mark.parametrize("damage", [_flip, _empty, Path.unlink])
def test_an_older_inventory_that_is_bad_in_every_root_is_found(
    roots: tuple[Vault, Vault], damage: Damage
) -> None:
    for root in roots:
        damage(root.object_path(ONE) / "v1" / ocfl.INVENTORY)
    found = [event for event in _audit(roots) if event.outcome is not Outcome.PASS]
    assert {(event.root, event.path) for event in found} == {
        (root.name, "v1/inventory.json") for root in roots
    }
    lost = [e for e in _audit(roots, heal=True) if e.outcome is not Outcome.PASS]
    assert _outcomes(lost) == {Outcome.LOST}


def test_an_older_inventory_that_was_rewritten_is_found(roots: tuple[Vault, Vault]) -> None:
    """With its sidecar, so that it verifies in itself, but it is not how the history began."""
    main, copy = roots
    directory = main.object_path(ONE) / "v1"
    forged = (directory / ocfl.INVENTORY).read_bytes().replace(b"2026", b"2025")
    (directory / ocfl.INVENTORY).write_bytes(forged)
    (directory / ocfl.SIDECAR).write_bytes(ocfl.sidecar(forged))
    found = [event for event in _audit(roots) if event.outcome is not Outcome.PASS]
    assert {event.root for event in found} == {"main"}
    _audit(roots, heal=True)
    assert _tree(main) == _tree(copy)


def test_a_lone_root_finds_and_heals_what_it_has_twice(main: Vault, validate: Validate) -> None:
    _fill(main, [])
    whole = _tree(main)
    for path in ("v3/inventory.json", "v3/inventory.json.sha512", "inventory.json.sha512"):
        _flip(main.object_path(ONE) / path)
        assert Outcome.CORRUPT in _outcomes(_audit([main]))
        assert Outcome.HEALED in _outcomes(_audit([main], heal=True))
        assert _tree(main) == whole
    _flip(main.path_of(ONE, "audio/a"))
    assert Outcome.LOST in _outcomes(_audit([main], heal=True))
    main.path_of(ONE, "audio/a").write_bytes(b"sound of " + ONE.encode() * 50)
    validate(main)


def test_two_histories_are_left_to_a_person(main: Vault, copy: Vault) -> None:
    _fill(main, [copy])
    main.write_version(ONE, {"x": b"ours"}, message="", now=LATER)
    copy.write_version(ONE, {"x": b"theirs"}, message="", now=LATER)
    copy.write_version(ONE, {"y": b"more"}, message="", now=LATER)
    before = [_tree(root) for root in (main, copy)]
    for heal in (False, True):
        events = [e for e in _audit((main, copy), heal=heal) if e.outcome is not Outcome.PASS]
        assert {event.root for event in events} == {"main", "copy"}
        assert all("different histories" in event.detail for event in events)
        assert Outcome.HEALED not in _outcomes(events)
    assert [_tree(root) for root in (main, copy)] == before


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


def test_a_root_that_is_away_is_not_filled(roots: tuple[Vault, Vault]) -> None:
    """Healing must not write a copy of the vault into an unmounted disk's mount point."""
    main, copy = roots
    shutil.rmtree(copy.path)
    copy.path.mkdir()
    for heal in (False, True):
        with pytest.raises(EnvironmentFailure, match="copy is away"):
            _audit(roots, heal=heal)
    assert list(copy.path.iterdir()) == []
    assert main.holding(ONE)


def test_one_object_alone(roots: tuple[Vault, Vault]) -> None:
    _flip(roots[0].path_of(TWO, "audio/a"))
    assert _outcomes(list(fixity.audit(roots, LATER, only=ONE))) == {Outcome.PASS}
    assert Outcome.CORRUPT in _outcomes(list(fixity.audit(roots, LATER, only=TWO)))


def test_an_audit_run_is_kept_in_every_root(roots: tuple[Vault, Vault], validate: Validate) -> None:
    main, copy = roots
    events = _audit(roots)
    holding = fixity.preserve(main, [copy], events, LATER)
    assert fixity.preserved_events(roots, holding) == events
    shutil.rmtree(main.object_path(holding))
    assert fixity.preserved_events(roots, holding) == events
    validate(copy)


def test_the_log_answers(tmp_path: Path) -> None:
    engine = db.open_database(tmp_path / "x.db")
    log = fixity.FixityLog(engine)
    assert log.last_audit_at() is None
    assert log.counts() == {}
    log.record([])

    def event(root: str, outcome: Outcome, at: str) -> FixityEvent:
        return FixityEvent(holding=ONE, root=root, outcome=outcome, at=at, agent="a", path="p")

    bad, good = event("main", Outcome.CORRUPT, NOW), event("main", Outcome.HEALED, LATER)
    other = event("copy", Outcome.PASS, NOW)
    log.record([bad, other])
    log.record([good])
    assert log.events_of(ONE) == (good, other, bad)
    assert log.events_of(TWO) == ()
    assert log.last_audit_at() == LATER
    assert log.counts() == {"healed": 1, "pass": 1}
    engine.dispose()
