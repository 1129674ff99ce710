"""Replicas that are lost, that are something else, or that come back with old data; and clocks
that are ten years off or run backwards."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path

from commands import Said, Ways, commands, fork, piece
from criteria import check
from tally import Tally

YEARS_DAYS = 3_652
Case = Callable[[Path, random.Random], Iterator[str]]


def run(seed: int, number: int, base: Path, only: tuple[str, str] = ("", "")) -> Tally:
    """Each case `number` times, from a seed of its own."""
    tally = Tally()
    for now in range(seed, seed + number):
        for name, case in CASES.items():
            if only[0] in ("", name):
                place = base / f"{name}-{now}"
                place.mkdir()
                wrong = list(case(place, random.Random(f"{name}/{now}")))
                tally.counts[f"places and clocks: {name}"] += 1
                again = f"--kind {name} --seed {now} --count 1"
                tally.failures += [f"places: {line} {again}" for line in wrong[:1]]
                shutil.rmtree(place)
    return tally


class _Archive:
    """An archive in `base` with the roots vault and copy, and what it has acknowledged."""

    def __init__(self, base: Path, chance: random.Random, pieces: int = 2) -> None:
        self.base, self.chance = base, chance
        self.directory, self.copy = base / "archive", base / "copy"
        self.said: list[Said] = []
        self.number = 0
        self._numbers = count()
        words = ("--name", "Places", "--mandate", "M", "--root", str(self.copy))
        self.do("init", str(self.directory), *words, place=False)
        self.said.clear()
        for _ in range(pieces):
            self.deposit()

    def do(self, *words: str, place: bool = True, ways: Ways | None = None) -> Said:
        number = next(self._numbers)
        ways = ways or Ways(f"{self.base.name}/{number}", days=number)
        line = [*words, *(("--archive", str(self.directory)) if place else ())]
        ran = fork(commands(ways, [line]))
        if ran.problem or not ran.said:
            raise RuntimeError(f"{words}: {ran}")
        self.said.append(ran.said[0])
        return ran.said[0]

    def deposit(self, encoding: int = 1, ways: Ways | None = None) -> Said:
        number = self.chance.randrange(1_000_000) if encoding == 1 else self.number
        self.number = number
        path = piece(self.base / "in" / f"{number}-{encoding}.flac", number, encoding)
        return self.do("deposit", str(path), ways=ways)

    def wrong(self) -> list[str]:
        """What is wrong with what was acknowledged so far."""
        ran = fork(lambda _speaker: check(self.directory, self.said, set(), writer=True))
        return [ran.problem] if ran.problem else list(ran.result)


def _healed(archive: _Archive, *words: str) -> Iterator[str]:
    """A healing and an audit after it leave nothing to be told, and everything is there."""
    archive.do("audit", "--heal", *words)
    second = archive.do("audit")
    if second.code or second.document["events"]:
        yield f"an audit after the healing: {second.error or second.document['events']}"
    yield from archive.wrong()
    yield from _refused(archive.deposit(), ())


def _refused(said: Sequence[Said] | Said, words: Sequence[str]) -> Iterator[str]:
    """`said` is exit 3 with one line that holds all of `words`; or, without `words`, is done."""
    said = said if isinstance(said, Said) else said[-1]
    line = said.error.strip()
    if not words:
        if said.code:
            yield f"{said.words[0]}: exit {said.code}: {line or said.document}"
    elif said.code != 3 or "\n" in line or not all(word in line for word in words):
        yield f"{said.words[0]} should have been refused: exit {said.code}: {line}"


def _lost(base: Path, chance: random.Random) -> Iterator[str]:
    """The replica is gone: nothing is written without it; an empty one is filled on demand."""
    archive = _Archive(base, chance)
    shutil.rmtree(archive.copy)
    yield from _refused(archive.deposit(), ("copy-1", "away"))
    yield from _refused(archive.do("audit", "--heal"), ("copy-1", "away"))
    yield from _healed(archive, "--renew", "copy-1")


def _empty(base: Path, chance: random.Random) -> Iterator[str]:
    """A mount point without its disk: it must not be filled as if it were the disk."""
    archive = _Archive(base, chance)
    disk = archive.copy.rename(base / "disk")
    archive.copy.mkdir()
    yield from _refused(archive.deposit(), ("copy-1", "away"))
    yield from _refused(archive.do("audit", "--heal"), ("copy-1", "away"))
    if any(archive.copy.iterdir()):
        yield "something was written into the mount point"
    archive.copy.rmdir()
    disk.rename(archive.copy)
    yield from _healed(archive)


def _anothers(base: Path, chance: random.Random) -> Iterator[str]:
    """Another archive's root stands where the replica was: what is ours is put into it, and
    what is theirs is not harmed."""
    archive = _Archive(base, chance)
    (base / "other").mkdir()
    other = _Archive(base / "other", chance)
    shutil.rmtree(archive.copy)
    shutil.copytree(other.copy, archive.copy)
    theirs = {p: p.read_bytes() for p in archive.copy.rglob("*") if p.is_file()}
    archive.do("audit", "--heal")
    if any(not p.exists() or p.read_bytes() != content for p, content in theirs.items()):
        yield "another archive's file was changed"
    yield from archive.wrong()


def _wrong(base: Path, chance: random.Random) -> Iterator[str]:
    """The replica can be read, and every byte of it is another's."""
    archive = _Archive(base, chance)
    objects = [path for path in archive.copy.rglob("*") if path.is_file()]
    for path in objects:
        if path.parent != archive.copy:
            path.write_bytes(chance.randbytes(max(1, path.stat().st_size)))
    found = archive.do("audit")
    if found.code != 1 or not found.document["events"]:
        yield f"the audit does not see it: {found.error or found.document['events']}"
    yield from _healed(archive)


def _back(base: Path, chance: random.Random, which: str) -> Iterator[str]:
    """A root comes back as it was before the last versions and holdings."""
    archive = _Archive(base, chance)
    place = archive.copy if which == "copy" else archive.directory / "vault"
    old = shutil.copytree(place, base / "old")
    archive.deposit(encoding=2)
    archive.deposit()
    shutil.rmtree(place)
    shutil.copytree(old, place)
    if chance.random() < 0.5:
        yield from _refused(archive.deposit(encoding=2), ())
        yield from _refused(archive.deposit(encoding=3), ())
    found = archive.do("audit")
    if found.code != 1 or not found.document["events"]:
        yield f"the audit does not see it: {found.error or found.document['events']}"
    yield from _healed(archive)


def _old_copy(base: Path, chance: random.Random) -> Iterator[str]:
    yield from _back(base, chance, "copy")


def _old_primary(base: Path, chance: random.Random) -> Iterator[str]:
    yield from _back(base, chance, "vault")


def _clocks(base: Path, chance: random.Random) -> Iterator[str]:
    """Whatever the clock says, deposits, audits and statements are kept, and in order."""
    archive = _Archive(base, chance)
    for number in range(6):
        days = chance.choice((-YEARS_DAYS, -1, 0, 1, YEARS_DAYS))
        step = timedelta(seconds=chance.choice((-86_400, -1, 0, 1)))
        ways = Ways(f"{base.name}/clock/{number}", days=days, step=step)
        match number % 3:
            case 0:
                yield from _refused(archive.deposit(ways=ways), ())
            case 1:
                yield from _refused(archive.deposit(encoding=2 + number, ways=ways), ())
            case _:
                yield from _refused(archive.do("audit", "--heal", ways=ways), ())
                yield from _refused(archive.do("audit", "--within", "30d", ways=ways), ())
    yield from archive.wrong()
    damaged = next((archive.copy).rglob("*.flac"))
    damaged.write_bytes(b"rot")
    # Before every clock above, for one that agrees with it did check the copy a moment ago.
    past = Ways(f"{base.name}/past", days=-2 * YEARS_DAYS, step=timedelta(seconds=-1))
    found = archive.do("audit", "--within", "30d", ways=past)
    if found.code != 1 or not found.document["events"]:
        yield "an audit by a clock that is twenty years back passes over rot"
    yield from _healed(archive)


CASES: dict[str, Case] = {
    "lost": _lost,
    "empty": _empty,
    "anothers": _anothers,
    "wrong": _wrong,
    "old-copy": _old_copy,
    "old-primary": _old_primary,
    "clocks": _clocks,
}
