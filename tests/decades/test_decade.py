"""Some decades, and each law broken once by a vault that is broken on purpose."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from decade import Broken, World, lived, report, shrunk
from fate import Decade, Event, plan

from sonotheque.vault import fixity, replicas
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.roots import Root

DISKS = (("root1", "here"), ("root2", "there"))
Mutate = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("seed", [2, 13, 40, 102, 131, 198, 894])
def test_a_decade(seed: int, tmp_path: Path) -> None:
    decade = plan(seed)
    try:
        lived(decade, tmp_path / "world")
    except Broken as broken:
        pytest.fail(report(*shrunk(decade, broken, tmp_path / "again")))


def test_a_seed_tells_the_same_story_again(tmp_path: Path) -> None:
    assert plan(7) == plan(7) != plan(8)
    stories = [lived(plan(2), tmp_path / str(n)) for n in range(2)]
    assert [world.trace for world in stories] == [stories[0].trace] * 2
    assert stories[0].counts == stories[1].counts


def salt(day: int, *, known: bool) -> int:
    """What makes a deposit one of a holding that is there, or of a new one each day."""

    def repeats(seed: int) -> bool:
        chance = random.Random(seed)
        chance.randrange(1 << 60)
        return (chance.random() < 0.4) == known

    return next(seed for seed in count(1000 * day) if repeats(seed))


def story(*happenings: str) -> Decade:
    """A decade of "kind" and "kind where", a day apart; "again" deposits into a known holding."""

    def events() -> Iterator[Event]:
        for day, happening in enumerate(happenings, 1):
            kind, _, where = happening.partition(" ")
            if kind == "again":
                yield Event(day, "deposit", "", salt(day, known=True))
            else:
                yield Event(day, kind, where, day if kind != "deposit" else salt(day, known=False))

    return Decade(0, 1, 90, DISKS, tuple(events()))


ROT = ("deposit", *(f"flip root{1 + n % 2}" for n in range(4)), "audit")
READ = ("deposit", *(["zero root1"] * 12), *(["read"] * 12))
# What is flipped on the fifth day is a file of content.
WRONG = ("deposit", *["remember root1"] * 3, "flip root1", *["read"] * 12)
DROP = ("drops root2", *["deposit"] * 24)
STALE = ("remember root1", "remember root2", "deposit", "stale root1", "stale root2", "audit")
ANEW = ("deposit", "death root1", "replaced root1", "again", "audit")


def _finds_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fixity, "_compare", lambda expected, reading: ([], b""))


def _heals_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fixity, "_restore", lambda *_: {})


def _heals_everything(patch: pytest.MonkeyPatch) -> None:
    restore = fixity._restore

    def all_of_it(roots: Any, expected: Any, root: Any, wrong: Any) -> dict[str, str]:
        whole = [fixity._Wrong(path, wrong[0].outcome) for path in expected.digests]
        return restore(roots, expected, root, whole)

    patch.setattr(fixity, "_restore", all_of_it)


def _says_healed(patch: pytest.MonkeyPatch) -> None:
    """Without a look at what is there now."""
    restore, compare, done = fixity._restore, fixity._compare, set[str]()

    def noted(roots: Any, expected: Any, root: Any, wrong: Any) -> dict[str, str]:
        done.add(root.name)
        return restore(roots, expected, root, wrong)

    def blind(expected: Any, reading: Any) -> Any:
        if reading.root.name in done:
            done.clear()
            return [], b""
        return compare(expected, reading)

    patch.setattr(fixity, "_restore", noted)
    patch.setattr(fixity, "_compare", blind)


def _reads_unchecked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Root, "read", lambda root, holding, path: b"".join(root.place(holding, path).blocks())
    )


def _reads_the_first_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replicas, "_first", lambda roots, get: get(roots[0]))


def _does_not_read_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replicas, "read_back", lambda root, newest, document: None)


def _forgets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FixityLog, "each", lambda log, root: iter(()))


@pytest.mark.parametrize(
    ("mutate", "happenings", "law"),
    [
        (_finds_nothing, ROT, "what one good copy has is in every root after an audit"),
        (_heals_nothing, ROT, "what one good copy has is in every root after an audit"),
        (_heals_everything, ROT, "a copy that verifies is never touched"),
        (
            _says_healed,
            (*["deposit"] * 3, *["zero root2"] * 30, "drops root2", "audit"),
            "what is called healed is whole",
        ),
        (_reads_unchecked, WRONG, "what is read was deposited"),
        (_reads_the_first_alone, READ, "what a root can give is given"),
        (_does_not_read_back, DROP, "what is acknowledged is in every root"),
        (_forgets, STALE, "no loss is silent"),
    ],
)
def test_a_broken_vault_breaks_a_law(
    mutate: Mutate,
    happenings: tuple[str, ...],
    law: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lived(story(*happenings), tmp_path / "sound")
    mutate(monkeypatch)
    with pytest.raises(Broken) as caught:
        lived(story(*happenings), tmp_path / "broken")
    assert caught.value.law == law
    smaller, broken = shrunk(story(*happenings), caught.value, tmp_path / "again")
    assert broken.law == law
    assert len(smaller.events) <= len(happenings)
    assert "day" in report(smaller, broken)


def test_a_primary_made_anew_goes_on_where_the_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def histories(world: World) -> int:
        return world.counts["two histories, left to a person"]

    assert histories(lived(story(*ANEW), tmp_path / "sound")) == 0
    monkeypatch.setattr(replicas, "catch_up", lambda *_, **__: None)
    assert histories(lived(story(*ANEW), tmp_path / "broken")) == 1
