"""Looking at an archive: everything that can be found out about it without anybody's word.

Every holding's inventories, sizes and records are read, some holdings are audited whole, a file
of each format is decoded, and a scratch copy of the smallest holding is damaged and healed. The
archive itself is only read. Memory is bounded by one holding and the number of formats.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sonotheque.archive import Archive
from sonotheque.assessment import ground
from sonotheque.assessment.facts import Facts, FormatFacts, RootFacts
from sonotheque.deposit.inspection import FUNCTION, inspect
from sonotheque.deposit.recovery import is_deposit_record
from sonotheque.deposit.storing import BAG_DIRECTORY, DepositRecord
from sonotheque.errors import Corrupt, SonothequeError
from sonotheque.model.holdings import NOT_READ, FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId, Sha512, recording_of
from sonotheque.model.music import Recording
from sonotheque.store.sandbox import Sandbox
from sonotheque.vault import audit, fixity, ocfl, replicas
from sonotheque.vault.objects import Vault
from sonotheque.vault.roots import Root

SAMPLE_MAX = 20
"""Holdings that are audited whole at each run; another choice each time."""
Progress = Callable[[str, int, int], None]
"""(stage, done, of how many): "gather"."""
# What no inventory knows lies beside a copy that is whole.
_SOUND = (Outcome.PASS, Outcome.HEALED, Outcome.STRAY)


@dataclass
class _Counts:
    """What is counted while the holdings go by."""

    recordings: int = 0
    unverified: int = 0
    audio_files: int = 0
    byte_count: int = 0
    content_files: int = 0
    versions: int = 0
    anonymous_versions: int = 0
    unread_copies: int = 0
    written_checks: int = 0
    damaged_copies: int = 0
    healed_files: int = 0
    uncatalogued: int = 0
    undescribed: int = 0
    without_isrc: int = 0
    unidentified: int = 0
    undecoded: int = 0
    deliveries: int = 0
    bagged: int = 0


@dataclass
class _Gatherer:
    """Goes once through the vault."""

    archive: Archive
    roots: tuple[Root, ...]
    counts: _Counts = field(default_factory=_Counts)
    complete: dict[str, int] = field(default_factory=dict)
    checked_since: dict[str, str | None] = field(default_factory=dict)
    audits: list[HoldingId] = field(default_factory=list)
    sample: list[HoldingId] = field(default_factory=list)
    smallest: tuple[int, HoldingId] | None = None
    formats: dict[str, list[tuple[HoldingId, str]]] = field(default_factory=dict)
    format_files: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = secrets.SystemRandom()
        for root in self.archive.roots:
            self.complete[root.name] = 0
            self.checked_since[root.name] = None

    def run(self, progress: Progress | None) -> None:
        """Look at every object of every root that is there."""
        for number, name in enumerate(replicas.object_names(self.roots), 1):
            self._look_at(name)
            if progress:
                progress("gather", number, number)
        # What the catalogue has, and the vault has not.
        both = self.counts.recordings - self.counts.uncatalogued
        self.counts.uncatalogued += max(0, self.archive.catalogue.count() - both)

    def _look_at(self, name: str) -> None:
        copies: dict[str, ocfl.Inventory] = {}
        there = [root for root in self.roots if root.has_object(name)]
        for root in there:
            with contextlib.suppress(SonothequeError):
                copies[root.name] = root.read_inventory(name)[0]
        newest = max(copies.values(), key=lambda inventory: inventory.head, default=None)
        if newest is None:
            # Nobody can say what it was; if it was a recording, it cannot be vouched for.
            self.counts.recordings += 1
            self.counts.unverified += 1
            return
        recording = recording_of(newest.id)
        if recording is None:
            if newest.id.startswith(audit.AUDIT_PREFIX):
                self.audits.append(newest.id)
            return
        self.counts.recordings += 1
        self.counts.unverified += len(copies) < len(there)
        self._count_versions(newest)
        self._look_at_copies(name, newest, copies)
        self._read_records(newest)
        self.counts.uncatalogued += self.archive.catalogue.get(recording) is None
        self._remember(newest)

    def _count_versions(self, inventory: ocfl.Inventory) -> None:
        self.counts.versions += inventory.head
        for block in inventory.versions:
            user = block.get("user") or {}
            if not (user.get("name") and block.get("message") and block.get("created")):
                self.counts.anonymous_versions += 1
        self.counts.content_files += len(inventory.content_paths())

    def _look_at_copies(
        self, name: str, newest: ocfl.Inventory, copies: dict[str, ocfl.Inventory]
    ) -> None:
        known = self.archive.fixity.events_of(newest.id)
        events = [event for event in known if event.method != NOT_READ]
        self.counts.healed_files += sum(event.outcome is Outcome.HEALED for event in events)
        self.counts.written_checks += sum(
            bool(event.detail) and event.outcome in _SOUND for event in events
        )
        sizes: dict[str, int | None] = {}
        for root in self.archive.roots:
            checked = _newest_check([event for event in events if event.root == root.name])
            self._note_check(root.name, checked)
            sound = all(event.outcome in _SOUND for event in checked)
            self.counts.damaged_copies += not sound
            made = str(newest.versions[-1]["created"])
            self.counts.unread_copies += not checked or checked[0].at < made
            mine = copies.get(root.name)
            if mine is None or mine.versions != newest.versions:
                continue
            found = {path: root.size(name, path) for path in newest.content_paths()}
            sizes = sizes or found
            if None not in found.values() and found == sizes and checked and sound:
                self.complete[root.name] += 1
        self.counts.byte_count += sum(size or 0 for size in sizes.values())

    def _note_check(self, root: str, checked: Sequence[FixityEvent]) -> None:
        """A root is as well checked as the worst of its holdings."""
        at = checked[0].at if checked else ""
        before = self.checked_since[root]
        if self.counts.recordings == 1:
            self.checked_since[root] = at or None
        elif before is not None:
            self.checked_since[root] = min(before, at) or None

    def _read_records(self, inventory: ocfl.Inventory) -> None:
        """What the holding says of itself: its description, and each file's format."""
        try:
            recording = msgspec.json.decode(
                replicas.read(self.roots, inventory.id, "recording.json"), type=Recording
            )
            described = bool(recording.description.title and recording.description.artist)
            self.counts.without_isrc += not recording.description.isrcs
        except (SonothequeError, OSError, msgspec.MsgspecError):
            described = False
            self.counts.without_isrc += 1
        self.counts.undescribed += not described
        known = dict(self._identified(inventory))
        for path, digest in inventory.state().items():
            if not path.startswith("audio/"):
                continue
            self.counts.audio_files += 1
            name, errors = known.get(digest, ("", 0))
            if not name:
                self.counts.unidentified += 1
                continue
            self.counts.undecoded += errors > 0
            self.format_files[name] = self.format_files.get(name, 0) + 1
            self.formats.setdefault(name, [])
            # One that is chosen by chance, so that each run decodes others.
            if self._chance.random() < 1 / self.format_files[name]:
                self.formats[name] = [(inventory.id, path)]

    def _identified(self, inventory: ocfl.Inventory) -> Iterator[tuple[Sha512, tuple[str, int]]]:
        paths = [path for path in inventory.state() if path.startswith("deposits/")]
        bags = {path.split("/")[1] for path in paths if path.split("/")[2] == BAG_DIRECTORY}
        for path in paths:
            if is_deposit_record(path):
                self.counts.deliveries += 1
                self.counts.bagged += path.split("/")[1] in bags
                with contextlib.suppress(SonothequeError, OSError, msgspec.MsgspecError):
                    content = replicas.read(self.roots, inventory.id, path)
                    item = msgspec.json.decode(content, type=DepositRecord).item
                    if item.sha512 and item.audio:
                        name = f"{item.audio.codec} in {item.audio.container}"
                        yield item.sha512, (name, item.audio.decode_errors)

    def _remember(self, inventory: ocfl.Inventory) -> None:
        """Choose the holdings to audit, each as likely as any other, and the smallest."""
        if len(self.sample) < SAMPLE_MAX:
            self.sample.append(inventory.id)
        elif (place := self._chance.randrange(self.counts.recordings)) < SAMPLE_MAX:
            self.sample[place] = inventory.id
        name = ocfl.object_path(inventory.id)
        size = sum(self.roots[0].size(name, path) or 0 for path in inventory.content_paths())
        if self.smallest is None or size < self.smallest[0]:
            self.smallest = (size, inventory.id)


def gather(archive: Archive, now: str, progress: Progress | None = None) -> Facts:
    """Look at everything in `archive`. Changes nothing in it."""
    roots = tuple(root for root in archive.roots if ground.present(root))
    found = _Gatherer(archive, roots)
    found.run(progress)
    counts = found.counts
    audits = sorted(found.audits)
    failed = tuple(_examine(archive, roots, found.sample, now))
    entries, problem = _verify_ledger(archive)
    return Facts(
        at=now,
        roots=tuple(_root(archive, place, found) for place in range(len(archive.roots))),
        audits=tuple(run.removeprefix(audit.AUDIT_PREFIX) for run in audits),
        audit_events=_read_audit(roots, audits[-1]) if audits else 0,
        checked_now=len(found.sample),
        failed_now=failed,
        drill=drill(roots, found.smallest[1], now) if found.smallest else "nothing is held",
        formats=tuple(_decode(archive, found)),
        ledger_entries=entries,
        ledger_problem=problem,
        open_keys=tuple(ground.open_keys(archive.config)),
        **{name: getattr(counts, name) for name in _Counts.__dataclass_fields__},
    )


def _newest_check(events: Sequence[FixityEvent]) -> list[FixityEvent]:
    """The events of one copy that its newest check made."""
    newest = max((event.at for event in events), default="")
    return [event for event in events if event.at == newest]


def _root(archive: Archive, place: int, found: _Gatherer) -> RootFacts:
    root, described = archive.roots[place], archive.config.roots[place]
    stands = ground.stands(described)
    return RootFacts(
        name=root.name,
        location=described.location,
        threat=described.threat,
        medium=described.medium,
        present=root in found.roots,
        device=stands.device,
        filesystem=stands.filesystem,
        complete=found.complete[root.name],
        checked_since=found.checked_since[root.name],
        owners=stands.owners,
        open_count=stands.open_count,
        open_to_others=stands.open_to_others,
    )


def _examine(
    archive: Archive, roots: Sequence[Root], sample: Sequence[HoldingId], now: str
) -> Iterator[str]:
    """Read these holdings whole in every root, by SHA-512 and from the medium; which files of
    which copies were not as they should be."""
    for holding in sample:
        name = ocfl.object_path(holding)
        try:
            expected = fixity.expect(roots, name)
        except Corrupt as error:
            yield f"{holding}: {error.what}"
            continue
        for root in roots:
            known, _ = archive.fixity.known(name, root.name)
            for event in fixity.examine(expected, root, now, known=known).events:
                if event.outcome is not Outcome.PASS:
                    yield f"{root.name}: {holding} {event.path} {event.outcome.value}"


def _read_audit(roots: Sequence[Root], run: HoldingId) -> int:
    with contextlib.suppress(SonothequeError, OSError, msgspec.MsgspecError):
        return sum(1 for _ in audit.preserved_events(roots, run))
    return 0


def _verify_ledger(archive: Archive) -> tuple[int, str]:
    try:
        return archive.ledger.verify(), ""
    except SonothequeError as error:
        return 0, error.what


def _decode(archive: Archive, found: _Gatherer) -> Iterator[FormatFacts]:
    """Decode one file of each format, in a confined process, from beginning to end."""
    limits = archive.config.limits
    if not found.formats:
        return
    with (
        tempfile.TemporaryDirectory(prefix="sonotheque-") as directory,
        Sandbox(
            FUNCTION,
            memory_bytes_max=limits.inspection_memory_bytes_max,
            seconds_max=limits.inspection_seconds_max,
        ) as sandbox,
    ):
        for name, chosen in sorted(found.formats.items()):
            holding, path = chosen[0]
            scratch = Path(directory, "sample")
            try:
                scratch.write_bytes(replicas.read(found.roots, holding, path))
                problem = inspect(sandbox, scratch).problem
            except (SonothequeError, OSError) as error:
                problem = str(error)
            yield FormatFacts(name=name, files=found.format_files[name], problem=problem)


def drill(roots: Sequence[Root], holding: HoldingId, now: str) -> str:
    """Copy `holding` into two scratch roots, damage one, heal it, and compare: "healed", or what
    went wrong."""
    with tempfile.TemporaryDirectory(prefix="sonotheque-") as directory:
        scratch = [Vault(name, Path(directory, name)) for name in ("one", "other")]
        try:
            source = next(root for root in roots if root.holding(holding))
            for root in scratch:
                root.create()
                root.adopt(source, holding)
            place = scratch[0].object_path(holding)
            path = next(iter(scratch[0].required(holding).content_paths()))
            content = bytearray((place / path).read_bytes()) or bytearray(1)
            content[len(content) // 2] ^= 1
            (place / path).write_bytes(content)
            expected = fixity.expect(scratch, ocfl.object_path(holding))
            healed = fixity.heal(scratch, expected, scratch[0], now)
            again = [fixity.examine(expected, root, now) for root in scratch]
        except (SonothequeError, OSError, StopIteration) as error:
            return str(error) or "no root has a holding to try it on"
    if [(event.path, event.outcome) for event in healed.events] != [(path, Outcome.HEALED)]:
        return "the damage was not healed"
    if not all(check.passed for check in again):
        return "what was healed does not verify"
    return "healed"
