"""Ten years of the real vault on disks that fail: what must hold at every audit, whatever happens.

A decade is planned from its seed alone: deposits, audits, reads, and what befalls the disks, at
the published rates (docs/durability.md) times a hardship. Then it is lived: the vault's own code
writes, replicates, audits and heals, told what time it is. `Broken` says which law did not hold;
`shrunk` leaves out whatever is not needed for it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import shutil
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from disks import Bucket, Disk, Place, at_the_border
from fate import DAYS, Decade, Event
from truth import Acknowledged, Survey, acknowledged_by, survey

from sonotheque.deposit.storing import read_back
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

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Broken(AssertionError):
    """A law did not hold."""

    def __init__(self, law: str, what: str) -> None:
        self.law = law
        super().__init__(f"{law}: {what}")


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
        try:
            replicas.renew(disk.root)
        except SonothequeError as error:
            return f"{disk.name} cannot be replaced: {error}"
        return f"{disk.name} is replaced by an empty one"

    def deposit(self, chance: random.Random) -> None:
        """A new holding, or a new version of one. Law: what is acknowledged is in every root."""
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
                replicas.catch_up(
                    self.primary,
                    self.roots[1:],
                    holding,
                    acknowledged=self.log.acknowledged(object_path(holding), self.primary.name),
                )
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
        self.say(f"deposit of {holding[-13:]} acknowledged")
        promised = acknowledged_by(self.disks[0], object_path(holding))
        for disk in self.disks:
            one = survey(disk, object_path(holding))
            if not promised.continued_by(one) or not set(promised.state.values()) <= one.good:
                raise Broken("what is acknowledged is in every root", f"{holding} in {disk.name}")
        self.acknowledged[holding] = promised

    def read(self, chance: random.Random) -> None:
        """Law: what is read was deposited, and what one root can give is given."""
        named = sorted(holding for holding, known in self.acknowledged.items() if known.state)
        if not named:
            return
        holding = chance.choice(named)
        known = self.acknowledged[holding]
        name = chance.choice(sorted(known.state))
        seen = [survey(disk, object_path(holding)) for disk in self.disks]
        digest = known.state[name]
        # A version that came after, and was refused, may have put bad bytes in their place.
        available = any(
            one.own and one.state.get(name) == digest and one.gives(digest) for one in seen
        )
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
        self._what_is_called_healed_is_whole()
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
        # An inventory whose own sidecars are gone may be vouched for by another root's.
        if not any(known.continued_by(one) for one in (*self.before, *self.after)):
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

    def _what_is_called_healed_is_whole(self) -> None:
        """By the inventory that stands there now: whose history that is, other laws say."""
        for disk, after in zip(self.world.disks, self.after, strict=True):
            for event in self.events:
                if event.outcome is not Outcome.HEALED or event.root != disk.name:
                    continue
                wanted = {
                    one.content[event.path] for one in self.after if event.path in one.content
                }
                if wanted and after.digests.get(event.path) not in wanted:
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
    ) -> Generator[list[Checked], None, None]:
        for source in sources:
            yield from source

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
            f"again: python tests/decades/campaign.py --seed {decade.seed} --decades 1",
        ]
    )
