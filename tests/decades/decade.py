"""Ten years of the real vault on disks that fail: what must hold at every audit, whatever happens.

A decade is planned from its seed alone: deposits, audits, reads, and what befalls the disks, at
the published rates (docs/durability.md) times a hardship. Then it is lived: the vault's own code
writes, replicates, audits and heals, told what time it is. `Broken` says which law did not hold;
`shrunk` leaves out whatever is not needed for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from disks import Bucket, Disk, Place, at_the_border
from truth import Acknowledged, Survey, acknowledged_by, survey

from sonotheque.deposit.accession import read_back
from sonotheque.errors import EnvironmentFailure, SonothequeError
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import db
from sonotheque.vault import audit, replicas
from sonotheque.vault.audit import Audit
from sonotheque.vault.fixity import Checked
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import Vault
from sonotheque.vault.ocfl import object_path

DAYS = 3652
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HARDSHIPS = (1, 10, 100)
# A year, for each disk. The first four are published rates, for one disk; a root has several,
# which is one reason more for hardships. What follows them are assumptions: how often people err.
RATES = {
    "death": 0.0157,
    "unreadable": 0.0315,
    "flip": 0.0023,
    "zero": 0.0023,
    "truncate": 0.001,
    "swap": 0.001,
    "vanish": 0.005,
    "deleted": 0.002,
    "stale": 0.005,
    "lies": 0.01,
    "drops": 0.01,
}
FIRES = 0.002
"""A year and location."""
UNCHANGED = {"away": 0.5, "remember": 0.5}
"""A year and disk, whatever the hardship."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happens `where` (a disk or a location) on a day; `salt` decides the rest of it."""

    day: float
    kind: str
    where: str
    salt: int


@dataclass(frozen=True, slots=True)
class Decade:
    """A plan. `disks` is (name, location), the primary root's first; a bucket's name says so."""

    seed: int
    hardship: int
    audit_days: int
    disks: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]


class Broken(AssertionError):
    """A law did not hold."""

    def __init__(self, law: str, what: str) -> None:
        self.law = law
        super().__init__(f"{law}: {what}")


def plan(seed: int) -> Decade:
    """The decade of `seed`, and of nothing else."""
    chance = random.Random(f"decade {seed}")
    hardship = chance.choice(HARDSHIPS)
    audit_days = chance.choice((90, 180, 365))
    count = chance.choice((2, 3, 3, 4))
    names = [f"root{number}" for number in range(1, count + 1)]
    # The primary is always a directory; of the others, one in three is a bucket.
    names = [names[0], *(chance.choice((n, n, f"bucket{n[4:]}")) for n in names[1:])]
    disks = tuple((name, f"place{chance.randint(1, count)}") for name in names)
    events = [Event(audit_days * n, "audit", "", 0) for n in range(1, DAYS // audit_days)]
    for kind, yearly in (("deposit", 1.5), ("read", 4.0)):
        events += _happening(chance, kind, "", yearly)
    for name in names:
        for kind, yearly in RATES.items():
            for event in _happening(chance, kind, name, yearly * hardship):
                events += [event, *_consequences(chance, event)]
        for kind, yearly in UNCHANGED.items():
            for event in _happening(chance, kind, name, yearly):
                events += [event, *_consequences(chance, event)]
    for place in sorted({location for _, location in disks}):
        for event in _happening(chance, "fire", place, FIRES * hardship):
            burnt = [name for name, location in disks if location == place]
            replaced = event.day + chance.uniform(30, 300)
            events += [event, *(Event(replaced, "replaced", name, 0) for name in burnt)]
    events.sort(key=lambda event: event.day)
    return Decade(seed, hardship, audit_days, disks, tuple(events))


def _happening(chance: random.Random, kind: str, where: str, yearly: float) -> Iterator[Event]:
    day = chance.expovariate(yearly / 365.25)
    while day < DAYS:
        yield Event(day, kind, where, chance.randrange(1 << 30))
        day += chance.expovariate(yearly / 365.25)


def _consequences(chance: random.Random, event: Event) -> list[Event]:
    """What must follow, some days later: a new disk, the end of an absence, a power cut."""
    follows = {
        "death": ("replaced", 2, 30),
        "deleted": ("replaced", 0, 3),
        "away": ("back", 0.1, 20),
        "lies": ("power cut", 1, 100),
        "drops": ("drops end", 1, 100),
    }
    if event.kind not in follows:
        return []
    kind, least, most = follows[event.kind]
    return [Event(event.day + chance.uniform(least, most), kind, event.where, event.salt + 1)]


@dataclass
class World:
    """An archive's roots on their disks, what was acknowledged, and what has happened so far."""

    decade: Decade
    place: Path
    acknowledged: dict[HoldingId, Acknowledged] = field(default_factory=dict)
    submitted: dict[tuple[HoldingId, str], set[bytes]] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    day: float = 0

    def __post_init__(self) -> None:
        self.disks: list[Place] = [
            Bucket(name, location)
            if name.startswith("bucket")
            else Disk(name, location, self.place / name)
            for name, location in self.decade.disks
        ]
        self.by_name = {disk.name: disk for disk in self.disks}
        self.roots = [disk.root for disk in self.disks]
        for root in self.roots:
            root.create()
        # The database is on none of these disks, and outlives them.
        self.engine = db.open_database(self.place / "fixity.db", missing_ok=True)
        self.log = FixityLog(self.engine)

    @property
    def now(self) -> str:
        return (BEGIN + timedelta(days=self.day)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    @property
    def primary(self) -> Vault:
        root = self.roots[0]
        if not isinstance(root, Vault):
            raise TypeError("the primary root is a directory")
        return root

    @contextlib.contextmanager
    def writing(self, _stopped: object = None) -> Iterator[None]:
        """What an archive does for its one writer."""
        for root in self.roots:
            root.settle()
        yield

    def say(self, what: str) -> None:
        self.trace.append(f"day {self.day:7.1f}  {what}")

    def live(self) -> None:
        """Let everything happen, then bring everything back and audit twice."""
        for event in self.decade.events:
            self.be(event.day)
            self.happen(event)
        self.be(DAYS)
        for disk in self.disks:
            self.happen(Event(self.day, "back", disk.name, 0))
            self.happen(Event(self.day, "replaced", disk.name, 0))
            disk.dropping = False
        # The first may need a person, the second heals after that, the third finds nothing to do.
        for days in (0, 1):
            self.be(DAYS + days)
            self.audit()
        self.be(DAYS + 2)
        self.audit(settled=True)

    def be(self, day: float) -> None:
        """Let it be that day."""
        self.day = day
        for disk in self.disks:
            disk.day = day

    def happen(self, event: Event) -> None:
        """One event, and what it did into the trace."""
        chance = random.Random(event.salt)
        disk = self.by_name.get(event.where)
        match event.kind:
            case "audit":
                self.audit()
            case "deposit":
                self.deposit(chance)
            case "read":
                self.read(chance)
            case "fire":
                burning = [disk for disk in self.disks if disk.location == event.where]
                for disk in burning:
                    disk.lose()
                self.say(f"fire at {event.where}: {', '.join(disk.name for disk in burning)}")
            case _ if disk is not None:
                did = self.befall(disk, event.kind, chance)
                if did:
                    self.counts[event.kind] += 1
                    self.say(did)

    def befall(self, disk: Place, kind: str, chance: random.Random) -> str | None:
        """What happens to one disk; None where it could not."""
        if kind != "replaced":
            return disk.befall(kind, chance)
        if disk.away or disk.root.present:
            return None
        replicas.renew(disk.root)
        return f"{disk.name} is replaced by an empty one"

    def deposit(self, chance: random.Random) -> None:
        """A new holding, or a new version of one; acknowledged only if the vault says so."""
        known = sorted(self.acknowledged)
        holding = HoldingId(f"urn:sonotheque:holding:{chance.randrange(1 << 60):013x}")
        if known and chance.random() < 0.4:
            holding = chance.choice(known)
        names = chance.sample(("audio/a", "audio/b", "recording.json", "deposits/1"), 2)
        additions = {name: chance.randbytes(chance.randint(1, 3000)) for name in names}
        for name, content in additions.items():
            self.submitted.setdefault((holding, name), set()).add(content)
        try:
            with self.writing():
                made = self.primary.write_version(
                    holding, additions, message="a deposit", now=self.now
                )
                held = replicas.replicate(self.primary, self.roots[1:], holding)
                self.log.record(read_back(holding, made.version, n, self.now) for n in held)
        except (SonothequeError, OSError) as error:
            self.counts["deposits refused"] += 1
            self.say(f"deposit of {holding[-13:]} refused: {error}")
            return
        self.counts["deposits acknowledged"] += 1
        self.acknowledged[holding] = acknowledged_by(self.disks[0], object_path(holding))
        self.say(f"deposit of {holding[-13:]} acknowledged")

    def read(self, chance: random.Random) -> None:
        """Law: what is read was deposited, and what one root can give is given."""
        if not self.acknowledged:
            return
        holding = chance.choice(sorted(self.acknowledged))
        known = self.acknowledged[holding]
        name = chance.choice(sorted(known.state))
        seen = [survey(disk, object_path(holding)) for disk in self.disks]
        digest = known.state[name]
        available = any(known.continued_by(one) and digest in one.good for one in seen)
        self.counts["reads"] += 1
        try:
            content = replicas.read(self.roots, holding, name)
        except (SonothequeError, OSError) as error:
            if available:
                raise Broken(
                    "what a root can give is given", f"{holding} {name}: {error}"
                ) from None
            return
        if content not in self.submitted[holding, name]:
            raise Broken("what is read was deposited", f"{holding} {name}")

    def audit(self, *, settled: bool = False) -> None:
        """Audit and heal as the command does, and hold the outcome against the truth."""
        before = self.survey()
        checker = Audit(self.roots, self.log, locked=self.writing, now=lambda: self.now, heal=True)
        try:
            events = [event for check in checker.run() for event in check.events]
            events += replicas.check_root_files(self.roots, self.now, heal=True)
        except EnvironmentFailure as error:
            if all(map(_there, self.disks)):
                raise Broken("an audit ends", str(error)) from error
            self.counts["audits refused"] += 1
            self.say(f"audit refused: {error}")
            return
        except SonothequeError as error:
            raise Broken("an audit ends", str(error)) from error
        self.counts["audits"] += 1
        outcomes = Counter(event.outcome.value for event in events)
        self.say(f"audit: {', '.join(f'{n} {name}' for name, n in sorted(outcomes.items()))}")
        self.counts["healed"] += outcomes[Outcome.HEALED]
        self._judge(before, events)
        # What no inventory knows is left to a person, who does nothing about it here.
        if settled and not outcomes.keys() <= {Outcome.PASS, Outcome.LOST, Outcome.STRAY}:
            raise Broken("a second audit finds nothing to heal", str(dict(outcomes)))
        with contextlib.suppress(SonothequeError, OSError):
            checker.preserve(self.primary, self.roots[1:], self.place)

    def survey(self) -> dict[HoldingId, list[Survey]]:
        keys = {disk.name: disk.keys() for disk in self.disks}
        return {
            holding: [survey(disk, object_path(holding), keys[disk.name]) for disk in self.disks]
            for holding in self.acknowledged
        }

    def _judge(self, before: dict[HoldingId, list[Survey]], events: Sequence[FixityEvent]) -> None:
        after = self.survey()
        wrong = [event for event in events if event.outcome is not Outcome.PASS]
        for holding in list(self.acknowledged):
            about = [e for e in wrong if e.holding in (holding, object_path(holding))]
            Judgement(self, holding, before[holding], after[holding], about).pass_sentence()


@dataclass
class Judgement:
    """One holding's copies before and after an audit, and what the audit said of them."""

    world: World
    holding: HoldingId
    before: list[Survey]
    after: list[Survey]
    events: list[FixityEvent]

    def pass_sentence(self) -> None:
        """Every law about an audit, for this holding."""
        known = self.world.acknowledged[self.holding]
        self._nothing_good_is_touched()
        self._what_is_called_healed_is_whole(known)
        histories = [one for one in self.before if one.versions is not None]
        if any(not one.agrees_with(other) for one in histories for other in histories) or any(
            not known.agrees_with(one) for one in histories
        ):
            if any(not one.agrees_with(other) for one in histories for other in histories):
                self._must_be_said("two histories")
                self.world.counts["two histories, left to a person"] += 1
            else:
                self._must_be_said("another history in every root")
            self._a_person_decides(known)
            return
        if not any(known.continued_by(one) for one in self.before):
            self._must_be_said("no root knows its newest version any more")
            self.world.counts["holdings lost"] += 1
            self.world.say(f"{self.holding[-13:]} is lost")
            del self.world.acknowledged[self.holding]
            return
        lost = set()
        for digest, path in known.content.items():
            if not any(digest in one.good for one in self.before):
                lost.add(digest)
                continue
            for disk, one in zip(self.world.disks, self.after, strict=True):
                if digest not in one.good and not disk.dropping:
                    what = f"{self.holding} {path} in {disk.name}"
                    raise Broken("what one good copy has is in every root after an audit", what)
        for disk, one in zip(self.world.disks, self.after, strict=True):
            if not known.continued_by(one) and not disk.dropping:
                what = f"the inventory of {self.holding} in {disk.name}"
                raise Broken("what one good copy has is in every root after an audit", what)
        if lost:
            self._must_be_said(f"{len(lost)} files are lost")
            self.world.counts["files lost"] += len(lost)
            self.world.say(f"{len(lost)} files of {self.holding[-13:]} are lost")
            self.world.acknowledged[self.holding] = known.without(lost)

    def _must_be_said(self, what: str) -> None:
        bad = (Outcome.LOST, Outcome.CORRUPT, Outcome.MISSING)
        if not any(event.outcome in bad for event in self.events):
            raise Broken("no loss is silent", f"{self.holding}: {what}, and no event says so")

    def _nothing_good_is_touched(self) -> None:
        for disk, before, after in zip(self.world.disks, self.before, self.after, strict=True):
            for path in before.sound:
                if after.identities.get(path) != before.identities[path]:
                    what = f"{self.holding} {path} in {disk.name}"
                    raise Broken("a copy that verifies is never touched", what)

    def _what_is_called_healed_is_whole(self, known: Acknowledged) -> None:
        paths = {path: digest for digest, path in known.content.items()}
        for disk, after in zip(self.world.disks, self.after, strict=True):
            for event in self.events:
                if event.outcome is not Outcome.HEALED or event.root != disk.name:
                    continue
                if event.path in paths and paths[event.path] not in after.good:
                    what = f"{self.holding} {event.path} in {disk.name}"
                    raise Broken("what is called healed is whole", what)

    def _a_person_decides(self, known: Acknowledged) -> None:
        """Does what the message says: compares, and moves the wrong ones out of their roots.

        The one that goes on from what was acknowledged is right; of several, the first.
        """
        kept: Survey | None = None
        for one in self.before:
            if one.versions is None:
                continue
            if known.agrees_with(one) and (kept is None or kept.agrees_with(one)):
                if known.continued_by(one):
                    kept = one
                continue
            one.remove()
        self.world.say(f"a person moves wrong copies of {self.holding[-13:]} away")


def lived(decade: Decade, place: Path) -> World:
    """Live `decade` below the new directory `place`, which is gone again at the end.

    Raises Broken, with the world's trace in `__notes__`.
    """
    world = World(decade, place)
    try:
        with at_the_border(world.disks), _one_thread():
            world.live()
    except Broken as broken:
        broken.add_note("\n".join(world.trace))
        raise
    finally:
        world.engine.dispose()
        shutil.rmtree(place)
    return world


def _there(disk: Place) -> bool:
    return not disk.away and disk.root.present


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Roots are audited one after the other: threads would make each replay another story."""

    def in_turn(
        sources: Sequence[Iterator[list[Checked]]], stop: threading.Event
    ) -> Iterator[list[Checked]]:
        return itertools.chain.from_iterable(sources)

    threads = audit._in_threads
    audit._in_threads = in_turn
    try:
        yield
    finally:
        audit._in_threads = threads


def shrunk(decade: Decade, broken: Broken, place: Path) -> tuple[Decade, Broken]:
    """`decade` without the events that its breaking `broken.law` does not need."""
    size = max(1, len(decade.events) // 2)
    while True:
        at = 0
        while at < len(decade.events):
            fewer = decade.events[:at] + decade.events[at + size :]
            smaller = dataclasses.replace(decade, events=fewer)
            try:
                lived(smaller, place)
            except Broken as again:
                if again.law == broken.law:
                    decade, broken = smaller, again
                    continue
            at += size
        if size == 1:
            return decade, broken
        size //= 2


def report(decade: Decade, broken: Broken) -> str:
    """What to read, and how to see it again."""
    return "\n".join(
        [
            f"{broken}",
            f"seed {decade.seed}, hardship {decade.hardship}, an audit every {decade.audit_days}"
            f" days, {', '.join(f'{name} at {place}' for name, place in decade.disks)}",
            *broken.__notes__,
            f"again: python tests/decades --seed {decade.seed} --decades 1",
        ]
    )
