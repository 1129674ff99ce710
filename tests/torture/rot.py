"""Rot: what disks and people do to stored bytes, each found by the audit and healed by it.

Objects are damaged one at a time, in some of their files and in some of their roots, so that of
every file one good copy stays. What the audit must say of each damaged file is known, and what
every byte must be afterwards is, too.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import rot_database
from commands import Ways, commands, fork, piece
from sonotheque.archive import Archive, open_archive
from sonotheque.errors import Corrupt
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import db
from sonotheque.vault import ocfl
from sonotheque.vault.audit import Audit
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import Vault
from tally import Tally

NOW = "2026-12-01T00:00:00.000000Z"
_HOLDINGS, _BLOCK_BYTES, _FILES_MAX = 6, 512, 6
ANOTHER = "another object in its place"
_LEDGER_EVERY, _DATABASE_EVERY, _COMMANDS_EVERY = 10, 10, 100
"""One damage to the ledger and to the database for so many audits of an object, and one to the
database that commands meet."""


@dataclass(frozen=True)
class Store:
    """An archive with two copies, what is in it, and how it is audited: one place to change."""

    archive: Archive
    log: FixityLog
    holdings: tuple[HoldingId, ...]

    @property
    def roots(self) -> list[Vault]:
        return [root for root in self.archive.roots if isinstance(root, Vault)]

    def audited(self, holding: HoldingId, *, heal: bool) -> list[FixityEvent]:
        """What an audit of one holding finds that is not whole."""
        audit = Audit(
            self.archive.roots,
            self.log,
            locked=lambda _stopped: contextlib.nullcontext(),
            now=lambda: NOW,
            heal=heal,
        )
        events = [event for check in audit.check(holding) for event in check.events]
        return [event for event in events if event.outcome is not Outcome.PASS]

    def contents(self, holding: HoldingId) -> dict[Path, bytes]:
        """Every file of the holding's copies, and its bytes."""
        places = [root.object_path(holding) for root in self.roots]
        return {p: p.read_bytes() for place in places for p in place.rglob("*") if p.is_file()}


def run(seed: int, number: int, base: Path, only: tuple[str, str] = ("", "")) -> Tally:
    """Inject `number` corruptions, an audit for every few."""
    tally = Tally()
    books = rot_database.make(base / "books")
    with _store(base / "rot") as store:
        whole = {holding: store.contents(holding) for holding in store.holdings}
        for turn in count(seed):
            chance = random.Random(turn)
            wrong = list(_holding(tally, store, whole, chance))
            if turn % _LEDGER_EVERY == 0:
                wrong += _ledger(tally, store.archive, chance)
            if turn % _DATABASE_EVERY == 0:
                wrong += rot_database.turn(tally, books, random.Random(f"database/{turn}"))
            if turn % _COMMANDS_EVERY == 0:
                chance = random.Random(f"commands/{turn}")
                wrong += rot_database.by_commands(tally, books, base / "met", chance)
            tally.failures += [f"rot: {line} --seed {turn} --count 1" for line in wrong]
            tally.tell("corruptions injected", number)
            if tally.counts["corruptions injected"] >= number or len(tally.failures) > 20:
                break
    return tally


@contextlib.contextmanager
def _store(base: Path) -> Iterator[Store]:
    base.mkdir()
    archive = base / "archive"
    words = ("--archive", str(archive))
    lines: list[tuple[str, ...]] = [
        ("init", str(archive), "--name", "Rot", "--mandate", "M", "--root", str(base / "copy"))
    ]
    for number in range(_HOLDINGS):
        for encoding in range(1, 2 + number % 3):
            path = piece(base / "in" / f"{number}-{encoding}.flac", number, encoding)
            lines.append(("deposit", str(path), *words))
    ran = fork(commands(Ways("rot"), lines))
    if ran.problem or any(said.code for said in ran.said):
        raise RuntimeError(f"the store cannot be made: {ran}")
    engine = db.open_database(base / "log.db")
    with open_archive(archive) as opened:
        holdings = tuple(held.id for held in opened.vault.holdings())
        yield Store(opened, FixityLog(engine), holdings)
    engine.dispose()


Whole = dict[HoldingId, dict[Path, bytes]]
Damage = Callable[[Path, bytes, random.Random], None]


def _flip(path: Path, whole: bytes, chance: random.Random) -> None:
    content = bytearray(whole)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _truncate(path: Path, whole: bytes, chance: random.Random) -> None:
    path.write_bytes(whole[: chance.randrange(len(whole))])


def _zero(path: Path, whole: bytes, chance: random.Random) -> None:
    start = chance.randrange(len(whole)) // _BLOCK_BYTES * _BLOCK_BYTES
    length = len(whole[start : start + _BLOCK_BYTES])
    path.write_bytes(whole[:start] + bytes(length) + whole[start + length :])


def _lengthen(path: Path, whole: bytes, chance: random.Random) -> None:
    path.write_bytes(whole + chance.randbytes(chance.randint(1, 600)))


def _remove(path: Path, _whole: bytes, _chance: random.Random) -> None:
    path.unlink()


DAMAGES: dict[str, Damage] = {
    "a bit flipped": _flip,
    "cut short": _truncate,
    "a block of zeros": _zero,
    "bytes added": _lengthen,
    "a file gone": _remove,
}


def _holding(tally: Tally, store: Store, whole: Whole, chance: random.Random) -> Iterator[str]:
    holding = chance.choice(store.holdings)
    kind, damaged = _damage(store, whole, holding, chance)
    tally.counts["corruptions injected"] += len(damaged)
    tally.counts[f"corruptions: {kind}"] += len(damaged)
    tally.counts.update(f"corruptions of {_part(store, path)}" for path in damaged)
    found = store.audited(holding, heal=False)
    missed = [path for path in damaged if not _is_told(store, holding, path, found)]
    tally.counts["corruptions found"] += len(damaged) - len(missed)
    healed = store.audited(holding, heal=True)
    after = store.contents(holding)
    left = [path for path in damaged if after.get(path) != whole[holding].get(path)]
    tally.counts["corruptions healed"] += len(damaged) - len(left)
    yield from (f"{kind}: not found: {path}" for path in missed)
    yield from (f"{kind}: not healed: {path}" for path in left)
    # What no inventory knows is told, and left to a person.
    strays = {event.path for event in healed if event.outcome is Outcome.STRAY}
    if strays and kind != ANOTHER:
        yield f"{kind}: strays {sorted(strays)}"
    lost = [event for event in healed if event.outcome not in (Outcome.HEALED, Outcome.STRAY)]
    if lost:
        yield f"{kind}: {lost[0]}"
    if after != whole[holding]:
        _put_back(store, whole)
    if store.audited(holding, heal=False):
        yield f"{kind}: it is not as it was"


def _damage(
    store: Store, whole: Whole, holding: HoldingId, chance: random.Random
) -> tuple[str, list[Path]]:
    """Do one kind of damage to the holding; its name, and the files that are not what they were."""
    root = chance.choice(store.roots)
    place = root.object_path(holding)
    files = sorted(path for path in whole[holding] if path.is_relative_to(place))
    before = whole[holding]
    match chance.random():
        case x if x < 0.70:
            kind = chance.choice(sorted(DAMAGES))
            for path in _apart(store, holding, whole, chance):
                DAMAGES[kind](path, before[path], chance)
        case x if x < 0.82:
            kind = "two files swapped"
            one, two = chance.sample(files, 2)
            one.write_bytes(before[two])
            two.write_bytes(before[one])
        case x if x < 0.92:
            kind = "rolled back to an older version"
            _roll_back(place, chance)
        case x if x < 0.96:
            kind = ANOTHER
            other = chance.choice([one for one in store.holdings if one != holding])
            shutil.rmtree(place)
            shutil.copytree(root.object_path(other), place)
        case _:
            kind = "an object gone"
            shutil.rmtree(place)
    after = store.contents(holding)
    return kind, sorted(path for path in before if after.get(path) != before[path])


def _part(store: Store, path: Path) -> str:
    """What of an object the file at `path` is, in the primary root or in the other."""
    kinds = {ocfl.INVENTORY: "an inventory", ocfl.SIDECAR: "a sidecar"}
    kind = kinds.get(path.name, "a marker" if path.name.startswith("0=") else "content")
    primary = path.is_relative_to(store.archive.vault.path)
    return f"{kind} in the {'primary root' if primary else 'replica'}"


def _apart(store: Store, holding: HoldingId, whole: Whole, chance: random.Random) -> list[Path]:
    """Files of the holding in any root, no two of which are copies of one another."""
    chosen: dict[bytes, Path] = {}
    files = sorted(whole[holding])
    for path in chance.sample(files, chance.randint(1, min(_FILES_MAX, len(files)))):
        chosen.setdefault(whole[holding][path], path)
    return sorted(chosen.values())


def _roll_back(place: Path, chance: random.Random) -> None:
    """As if the newest version had never arrived, with or without its directory."""
    versions = sorted(path for path in place.iterdir() if path.is_dir())
    if len(versions) == 1:
        shutil.rmtree(place)
        return
    for name in (ocfl.INVENTORY, ocfl.SIDECAR):
        shutil.copyfile(versions[-2] / name, place / name)
    if chance.random() < 0.5:
        shutil.rmtree(versions[-1])


def _is_told(store: Store, holding: HoldingId, path: Path, found: Sequence[FixityEvent]) -> bool:
    """Whether the audit named the file, or all of the copy that it is in."""
    for root in store.roots:
        place = root.object_path(holding)
        if path.is_relative_to(place):
            name = path.relative_to(place).as_posix()
            return any(e.root == root.name and e.path in ("", name) for e in found)
    return False


def _put_back(store: Store, whole: Whole) -> None:
    """Start again from whole copies, so that one failure is told once."""
    for holding, contents in whole.items():
        for root in store.roots:
            shutil.rmtree(root.object_path(holding), ignore_errors=True)
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _ledger(tally: Tally, archive: Archive, chance: random.Random) -> Iterator[str]:
    """Damage one published file of the ledger: the checkpoint, a tile, or a bundle."""
    directory = archive.config.ledger
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    path, kind = chance.choice(files), chance.choice(sorted(DAMAGES))
    whole = path.read_bytes()
    DAMAGES[kind](path, whole, chance)
    if path.exists() and path.read_bytes() == whole:
        return
    name = f"the ledger's {path.relative_to(directory).parts[0]}"
    tally.counts["corruptions injected"] += 1
    tally.counts[f"corruptions: {name}"] += 1
    try:
        archive.ledger.verify()
        yield f"{name}, {kind}: not found: {path}"
    except Corrupt:
        tally.counts["corruptions found"] += 1
    try:
        archive.ledger.heal()
        archive.ledger.publish()
        archive.ledger.verify()
    except Corrupt as error:
        yield f"{name}, {kind}: {error.line()}"
    if path.exists() and path.read_bytes() == whole:
        tally.counts["corruptions healed"] += 1
    else:
        yield f"{name}, {kind}: not healed"
        path.write_bytes(whole)
