"""Rights: what may be done with a recording, who said so, and the answer with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sonotheque.model.identifiers import RecordingId


class Use(StrEnum):
    """What somebody may want to do with a recording."""

    PRESERVE = "preserve"
    STREAM = "stream"
    DOWNLOAD = "download"
    TORRENT = "torrent"
    TRAIN_AI = "train-ai"


class Basis(StrEnum):
    """The legal ground a grant stands on."""

    LICENCE = "licence"
    AGREEMENT = "agreement"
    OWN_CONSENT = "own-consent"
    PUBLIC_DOMAIN = "public-domain"
    LEGAL_DEPOSIT = "legal-deposit"
    STATUTORY_EXCEPTION = "statutory-exception"


class Kind(StrEnum):
    """What a statement does."""

    GRANT = "grant"
    REFUSAL = "refusal"
    """The rights holder says no; it stands until the same issuer revokes it."""
    TAKEDOWN = "takedown"
    """Suspends every use but PRESERVE at once."""
    REVOCATION = "revocation"
    """Takes back the statement whose identifier `revokes` names."""


class Status(StrEnum):
    CLAIMED = "claimed"
    """A depositor's word. It allows PRESERVE and nothing else."""
    VERIFIED = "verified"
    """Checked by a person, or by a policy of the archive that the evidence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One entry of the ledger. Times are ISO 8601 in UTC and compare as text.

    `id` is the entry's number in the ledger; 0 before it is appended.
    """

    recording: RecordingId
    kind: Kind
    uses: tuple[Use, ...]
    status: Status
    issuer: str
    evidence: str
    at: str
    id: int = 0
    basis: Basis | None = None
    licence: str = ""
    """URL or SPDX identifier of the licence."""
    begins_at: str = ""
    ends_at: str = ""
    revokes: int = 0


class Answer(StrEnum):
    ALLOWED = "allowed"
    REFUSED = "refused"
    """Somebody with a say has said no."""
    UNKNOWN = "unknown"
    """Nobody has said yes; it is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a decision came out as it did. `code` is stable and is what sites translate;
    `statement` is the number of the ledger entry it rests on, 0 for none."""

    code: str
    message: str
    statement: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """May `recording` be put to `use` at `at`? Default deny, reasons always."""

    recording: RecordingId
    use: Use
    answer: Answer
    reasons: tuple[Reason, ...]
    at: str

    @property
    def allowed(self) -> bool:
        return self.answer is Answer.ALLOWED
