"""Facts about an archive: what was found by looking, with no opinion on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFacts:
    """One storage root. What archive.toml says of it, and what was found.

    `device` tells whether two roots share a disk or a bucket; `filesystem` is its kind, empty for
    a bucket. `complete` counts the recordings whose newest version is all there by name and size
    and passed its newest check; `checked_since` is the oldest of all newest checks, None where a
    recording was never checked here. `open_to_others` names files and directories that every
    user of the machine may change: a few of the `open_count`.
    """

    name: str
    location: str
    threat: str
    medium: str
    present: bool
    device: str
    filesystem: str
    complete: int
    checked_since: str | None
    owners: tuple[str, ...]
    open_count: int
    open_to_others: tuple[str, ...]

    @property
    def threats(self) -> frozenset[str]:
        """The threats that archive.toml names, apart by commas, in lower case."""
        named = (word.strip().casefold() for word in self.threat.split(","))
        return frozenset(word for word in named if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatFacts:
    """A format that is held, and whether one file of it was decoded just now; `problem` if not."""

    name: str
    files: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the criteria are held against, as of `at`."""

    at: str
    roots: tuple[RootFacts, ...]
    recordings: int
    """Holdings of recordings, in any root that is there."""
    unverified: int
    """Of them, those without an inventory that verifies, in a root that has them."""
    audio_files: int
    byte_count: int
    content_files: int
    """Files of all versions, each with its SHA-512 in an inventory that verifies."""
    versions: int
    anonymous_versions: int
    """Versions that do not say who made them, when, and what for."""
    unread_copies: int
    """Copies (of a recording in a root) without any check since their newest version was made."""
    written_checks: int
    """Checks that were made because something was written: read back, or healed."""
    damaged_copies: int
    """Copies whose newest check found something that was not healed."""
    healed_files: int
    audits: tuple[str, ...]
    """When audits ran, oldest first, of those that the vault keeps."""
    audit_events: int
    """Events of the newest of them, read back just now; 0 where they cannot be read."""
    checked_now: int
    failed_now: tuple[str, ...]
    drill: str
    """What came of damaging and healing a scratch copy just now: "healed", else what went wrong."""
    uncatalogued: int
    """Recordings in the vault that the catalogue does not have, and the other way round."""
    undescribed: int
    """Recordings without a title or an artist."""
    without_isrc: int
    unidentified: int
    """Audio files without a record of their format and properties."""
    undecoded: int
    """Audio files that did not decode without an error when they came."""
    deliveries: int
    """Records of deposits: one for each audio file that came."""
    bagged: int
    """Of them, those of files that came in a bag, which is taken in only once all its digests are
    verified."""
    formats: tuple[FormatFacts, ...]
    ledger_entries: int
    ledger_problem: str
    open_keys: tuple[str, ...]
    """Private keys that more than their owner may read, ledger files that others may change."""

    @property
    def complete_roots(self) -> tuple[RootFacts, ...]:
        """The roots that hold every recording whole."""
        if not self.recordings:
            return ()
        return tuple(r for r in self.roots if r.present and r.complete == self.recordings)


def places(roots: Sequence[RootFacts]) -> int:
    """How many places `roots` stand in: one location is one place, and one disk is one place,
    whatever archive.toml says; a root that names no location adds none."""
    groups: list[tuple[set[str], set[str]]] = []
    for root in roots:
        location = root.location.strip().casefold()
        if not location:
            continue
        locations, devices = {location}, {root.device}
        apart = []
        for group in groups:
            if locations & group[0] or devices & group[1]:
                locations |= group[0]
                devices |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (locations, devices)]
    return len(groups)
