"""Watches: an artist or a label is told when a later deposit sounds like theirs.

Deposits are gone through in the order of their receipts, from where the last telling stopped, so
that a process that dies between a deposit and the telling loses no notice: the next one makes it.
A watch is a person's wish and their address: it is kept with the desk's papers, and not in the
ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from sonotheque.archive import Archive
from sonotheque.deposit.receipts import Receipts
from sonotheque.desk import case as cases
from sonotheque.desk.notices import Outbox, check_target
from sonotheque.errors import BadInput, NotFound
from sonotheque.matching.names import artist_key
from sonotheque.model.holdings import ItemStatus, Receipt
from sonotheque.model.identifiers import DepositId, RecordingId, mint_deposit_id
from sonotheque.model.music import Description, Match
from sonotheque.store import files

_TOLD_NAME = "told.json"
_LOCK_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who wants to know, and of which artist's or label's recordings; one of the two is empty."""

    id: str
    artist: str
    label: str
    contact: str
    since: str

    def is_about(self, description: Description) -> bool:
        """Whether a recording that is so described is theirs, however the name is spelt."""
        if self.artist:
            return artist_key(self.artist) == artist_key(description.artist)
        return artist_key(self.label) == artist_key(description.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchNotice:
    """What a watch is told: `file` of a `deposit` sounds like `recording`, which is theirs, as
    `match` says; `status` says what became of it. `id` is the same each time that it is handed
    over."""

    id: str
    watch: str
    contact: str
    at: str
    recording: RecordingId
    title: str
    artist: str
    deposit: DepositId
    file: str
    status: ItemStatus
    match: Match
    findings: tuple[str, ...]
    """Codes of what the deposit found."""


@dataclass(frozen=True, slots=True)
class _Told:
    """Up to which receipt everybody was told."""

    at: str
    deposit: DepositId


class Watches:
    """The watches of one archive."""

    def __init__(self, archive: Archive) -> None:
        config = archive.config
        check_target(config.desk.notify)
        self._archive = archive
        self._directory = config.desk_directory / "watches"
        self._lock = config.desk_lock
        self.outbox = Outbox(config.desk_directory / "outbox", config.directory, config.desk.notify)

    def each(self) -> list[Watch]:
        """All of them, oldest first."""
        paths = [path for path in self._directory.glob("*.json") if path.name != _TOLD_NAME]
        found = [msgspec.json.decode(path.read_bytes(), type=Watch) for path in paths]
        return sorted(found, key=lambda watch: (watch.since, watch.id))

    def add(self, *, artist: str, label: str, contact: str, now: str) -> Watch:
        """Watch over an artist's recordings or a label's, from now on. Raises BadInput where it is
        not said whose, or not one of the two."""
        if bool(artist.strip()) == bool(label.strip()):
            raise BadInput(
                "names neither an artist nor a label, or both",
                where="the watch",
                remedy="give --artist or --label",
            )
        watch = Watch(
            id=mint_deposit_id(),
            artist=" ".join(artist.split())[: cases.NAME_CHARACTERS_MAX],
            label=" ".join(label.split())[: cases.NAME_CHARACTERS_MAX],
            contact=cases.one_line_of(contact, "the contact", cases.CONTACT_CHARACTERS_MAX),
            since=now,
        )
        with files.exclusive(self._lock, wait_seconds=_LOCK_SECONDS_MAX):
            files.make_directory(self._directory)
            if not self.each():
                # Nobody was waiting for what came before.
                self._save_told(_Told(now, DepositId("")))
            files.replace(
                self._directory / f"{watch.id}.json", msgspec.json.encode(watch), mode=0o600
            )
        return watch

    def remove(self, number: str) -> Watch:
        """End a watch. Raises NotFound."""
        with files.exclusive(self._lock, wait_seconds=_LOCK_SECONDS_MAX):
            for watch in self.each():
                if watch.id == number.strip().upper():
                    (self._directory / f"{watch.id}.json").unlink()
                    files.sync_directory(self._directory)
                    return watch
        raise NotFound(
            "there is no such watch", where=number[:40], remedy="see `sonotheque watch list`"
        )

    def tell(self) -> int:
        """Make the notices of all deposits since the last telling; how many there were.

        They wait in the desk's outbox; `Outbox.deliver` hands them over.
        """
        if not self._directory.exists():
            return 0
        with files.exclusive(self._lock, wait_seconds=_LOCK_SECONDS_MAX):
            watches = self.each()
            if not watches:
                return 0
            told = msgspec.json.decode((self._directory / _TOLD_NAME).read_bytes(), type=_Told)
            count = 0
            receipts = Receipts(self._archive.database)
            for receipt in receipts.after(told.at, told.deposit):
                for notice in self._notices(receipts, receipt, watches):
                    name = f"{notice.at}-{notice.id}"
                    self.outbox.put_document(name, msgspec.json.encode(notice))
                    count += 1
                self._save_told(_Told(receipt.at, receipt.deposit))
            return count

    def _notices(
        self, receipts: Receipts, receipt: Receipt, watches: list[Watch]
    ) -> Iterator[WatchNotice]:
        for position, item in enumerate(receipt.items):
            for match in item.matches:
                known = self._archive.catalogue.get(match.recording)
                before = receipts.about(match.recording)
                # What came with the same delivery is no later deposit.
                if known is None or (before and before[0][0] == receipt.deposit):
                    continue
                for watch in watches:
                    if watch.since <= receipt.at and watch.is_about(known.description):
                        yield WatchNotice(
                            id=f"{receipt.deposit}-{position}-{match.recording}-{watch.id}",
                            watch=watch.id,
                            contact=watch.contact,
                            at=receipt.at,
                            recording=match.recording,
                            title=known.description.title,
                            artist=known.description.artist,
                            deposit=receipt.deposit,
                            file=item.path,
                            status=item.status,
                            match=match,
                            findings=tuple(finding.code for finding in item.findings),
                        )

    def _save_told(self, told: _Told) -> None:
        files.replace(self._directory / _TOLD_NAME, msgspec.json.encode(told), mode=0o600)
