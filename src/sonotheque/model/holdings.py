"""Holdings: what the archive keeps, and what happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import DepositId, HoldingId, RecordingId, Sha512
from sonotheque.model.music import AudioProperties, Match
from sonotheque.model.terms import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """One file of a holding's newest version. `path` is its OCFL logical path."""

    path: str
    sha512: Sha512
    byte_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The preserved object of a recording; one OCFL object."""

    id: HoldingId
    version: int
    created_at: str
    files: tuple[HeldFile, ...]

    @property
    def audio(self) -> tuple[HeldFile, ...]:
        """The audio files, oldest first; each is one encoding of the recording."""
        return tuple(file for file in self.files if file.path.startswith("audio/"))


class Outcome(StrEnum):
    """Outcome of a fixity check (PREMIS eventOutcomeDetailNote)."""

    PASS = "pass"
    CORRUPT = "corrupt"
    MISSING = "missing"
    STALE = "stale"
    """Whole in itself, but an older version than is known of."""
    STRAY = "stray"
    """No inventory knows it. It is left to a person."""
    HEALED = "healed"
    LOST = "lost"
    """Wrong here, and no other root has a copy that verifies."""


NOT_READ = "not read back"
"""In the place of a digest's name: nothing was compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixityEvent:
    """One check of one holding in one root. `path` names the file that is wrong, if one is.
    Where `method` is NOT_READ, it was written, and no record tells of a check.

    `version` is the one that was asked for, 0 where no inventory says; `method` names the
    digests that were compared. All events of one check have one `at`.
    """

    holding: HoldingId
    root: str
    outcome: Outcome
    at: str
    agent: str
    path: str = ""
    detail: str = ""
    version: int = 0
    method: str = ""


class ItemStatus(StrEnum):
    DEPOSITED = "deposited"
    """A new holding, or a new encoding of a recording that is already held."""
    ALREADY_HELD = "already-held"
    """The same bytes are in the vault."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptItem:
    """What became of one file of a deposit."""

    path: str
    status: ItemStatus
    recording: RecordingId | None = None
    holding: HoldingId | None = None
    version: int | None = None
    sha512: Sha512 | None = None
    byte_count: int = 0
    audio: AudioProperties | None = None
    roots: tuple[str, ...] = ()
    """The roots in which the holding was written and read back."""
    decisions: tuple[Decision, ...] = ()
    matches: tuple[Match, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def refused(self) -> bool:
        return self.status is ItemStatus.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the archive acknowledges of one deposit. What it lists is on disk and synced."""

    deposit: DepositId
    at: str
    source: str
    items: tuple[ReceiptItem, ...]
    findings: tuple[Finding, ...] = ()
    """Findings about the delivery as a whole."""

    @property
    def accepted(self) -> bool:
        """Nothing in the delivery was refused."""
        everything = [*self.findings, *(f for item in self.items for f in item.findings)]
        return bool(self.items) and not (
            any(item.refused for item in self.items)
            or any(finding.severity is Severity.ERROR for finding in everything)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionRecord:
    """What is kept of an adoption beside each object, as adoption.json. `roots` are those in
    which its versions were going to be written and read back, `wanting` the warnings (W…) of the
    specification that it came with; `as_it_was` says that it was taken byte for byte."""

    object: HoldingId
    at: str
    agent: str
    origin: str
    layout: str
    path: str
    spec: str
    digest_algorithm: str
    versions: int
    as_it_was: bool
    roots: tuple[str, ...]
    wanting: tuple[str, ...]
