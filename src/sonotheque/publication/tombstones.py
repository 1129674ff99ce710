"""Tombstones: what was published and may not be shared any more, signed, for mirrors to honour.

`tombstones.txt` stands beside the editions: a signed note with a line for each recording that some
edition holds and that no decision allows in an edition now, with the digests of its files. It is
made from the ledger and the editions alone, so it can always be made again. Two lists of one
archive are in order by the size of the ledger and the time they were made at: what knows less, or
is older, is a rollback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sonotheque.archive import Archive
from sonotheque.errors import BadInput, Corrupt, Refused
from sonotheque.model.identifiers import RecordingId, Sha512, parse_recording_id
from sonotheque.model.terms import Use
from sonotheque.publication.edition import Edition, editions
from sonotheque.store import files, signing

TOMBSTONES_NAME = "tombstones.txt"
BYTES_MAX = 256_000_000
"""A list longer than that is not read: it has room for a million recordings."""
_TITLE = "sonotheque tombstones"
_SHA512 = re.compile(r"[0-9a-f]{128}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_LOCK_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """A recording that was published and may not be shared any more: `since` its newest ledger
    entry that says so, empty where no entry does (a permission ended). `files` are the digests
    under which editions hold it."""

    recording: RecordingId
    since: str
    files: tuple[Sha512, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstones:
    """The whole list, made at `at` from `ledger_size` entries."""

    archive: str
    ledger_size: int
    at: str
    tombstones: tuple[Tombstone, ...]

    @property
    def recordings(self) -> frozenset[RecordingId]:
        return frozenset(tombstone.recording for tombstone in self.tombstones)

    def text(self) -> str:
        lines = [
            _TITLE,
            f"archive: {self.archive}",
            f"ledger-size: {self.ledger_size}",
            f"at: {self.at}",
            f"recordings: {len(self.tombstones)}",
        ]
        lines += [" ".join((t.recording, t.since or "-", *t.files)) for t in self.tombstones]
        return "\n".join(lines) + "\n"


def tombstones_of(archive: Archive, published: Iterable[Edition], now: str) -> Tombstones:
    """Decide at `now` about every recording that is in one of the `published` editions."""
    # Read first: entries that come while this is made are for the next list.
    size = archive.ledger.size()
    digests: dict[RecordingId, set[Sha512]] = {}
    for edition in published:
        by_place: dict[str, set[Sha512]] = {}
        for file in edition.files:
            by_place.setdefault(file.path.rpartition("/")[0], set()).add(file.sha512)
        for recording in edition.recordings:
            digests.setdefault(recording, set()).update(by_place.get(f"audio/{recording}", ()))
    found = []
    for recording in sorted(digests):
        decision = archive.decide(recording, Use.TORRENT, now)
        if not decision.allowed:
            said = (archive.ledger.statement(r.statement) for r in decision.reasons if r.statement)
            since = max((entry.at for entry in said if entry), default="")
            found.append(
                Tombstone(recording=recording, since=since, files=tuple(sorted(digests[recording])))
            )
    return Tombstones(
        archive=" ".join(archive.config.name.split()),
        ledger_size=size,
        at=now,
        tombstones=tuple(found),
    )


def publish_tombstones(archive: Archive, now: str) -> Tombstones | None:
    """Write the signed list beside the editions; None where there is no edition.

    Waits for no edition that is being built. A list that is there already and knows more stays.
    """
    published = editions(archive.config)
    if not published:
        return None
    path = archive.config.editions / TOMBSTONES_NAME
    with files.exclusive(archive.config.tombstones_lock, wait_seconds=_LOCK_SECONDS_MAX):
        made = tombstones_of(archive, published, now)
        if path.exists() and is_rollback(read_list(path, archive.signer.verifier), made):
            return None
        files.replace(path, archive.signer.sign(made.text()).encode())
    return made


def read_list(path: Path, verifier: signing.Verifier) -> Tombstones:
    """The list in the file `path`, signed by `verifier`. Raises Corrupt, and BadInput where there
    is no such file."""
    try:
        if path.stat().st_size > BYTES_MAX:
            raise _unreadable(str(path))
        note = path.read_bytes()
    except OSError as error:
        raise files.explain(error, path) from error
    return parse_list(note, verifier, str(path))


def parse_list(note: bytes, verifier: signing.Verifier, where: str) -> Tombstones:
    """The list that the signed `note` is. Raises Corrupt, at `where`."""
    try:
        lines = signing.verify(note.decode(), verifier).splitlines()
        title, archive, size, at, count, *rows = lines
        made = Tombstones(
            archive=_value(archive, "archive"),
            ledger_size=int(_value(size, "ledger-size")),
            at=_value(at, "at"),
            tombstones=tuple(_row(row) for row in rows),
        )
        whole = int(_value(count, "recordings")) == len(rows)
        if title != _TITLE or not whole or not _TIME.fullmatch(made.at):
            raise ValueError(title)
    except Corrupt as error:
        raise Corrupt(error.what, where=where, remedy=error.remedy) from error
    except ValueError as error:
        raise _unreadable(where) from error
    return made


def is_rollback(known: Tombstones, offered: Tombstones) -> bool:
    """Whether `offered` knows less than `known`, or is older."""
    return offered.ledger_size < known.ledger_size or offered.at < known.at


def refuse_rollback(known: Tombstones, offered: Tombstones, where: str) -> None:
    """Raises Refused where `offered`, from `where`, is older than the list that is `known`."""
    if is_rollback(known, offered):
        raise Refused(
            f"is older than the list that is honoured here ({offered.at}, not {known.at})",
            where=where,
            remedy="fetch the newest from the archive itself; the one that is here stays in force",
        )


def _value(line: str, name: str) -> str:
    key, colon, value = line.partition(": ")
    if key != name or not colon:
        raise ValueError(line)
    return value


def _row(line: str) -> Tombstone:
    recording, since, *digests = line.split(" ")
    good = all(_SHA512.fullmatch(digest) for digest in digests)
    if not good or not (since == "-" or _TIME.fullmatch(since)):
        raise ValueError(line)
    return Tombstone(
        recording=_recording(recording),
        since="" if since == "-" else since,
        files=tuple(Sha512(digest) for digest in digests),
    )


def _recording(text: str) -> RecordingId:
    # Only the one spelling that is written here may pass.
    try:
        if parse_recording_id(text) == text:
            return RecordingId(text)
    except BadInput as error:
        raise ValueError(text) from error
    raise ValueError(text)


def _unreadable(where: str) -> Corrupt:
    return Corrupt(
        "is no list of tombstones", where=where, remedy="fetch it again from the archive itself"
    )
