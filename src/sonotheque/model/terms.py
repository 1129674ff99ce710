"""Rights: what may be done with a recording, who said so, and the answer with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.model.procedures import Procedure, Step, TermFacts
from sonotheque.model.territories import EVERYWHERE, Territory


class Use(StrEnum):
    """What somebody may want to do with a recording. Their order is that of the bits in a
    clearance: a new one comes last."""

    PRESERVE = "preserve"
    """Keep it, copy it between the archive's own roots, check it."""
    DESCRIBE = "describe"
    """Show and pass on what it is: title, names, codes."""
    LISTEN_ON_SITE = "listen-on-site"
    """Let readers listen on the premises of the institution."""
    STREAM = "stream"
    """Let anyone listen over the net."""
    DOWNLOAD = "download"
    """Give out the preserved file."""
    TORRENT = "torrent"
    """Put it into an edition that anyone may mirror."""
    MINE = "mine"
    """Analyse it by machine for what can be found out of it, and make no model."""
    TRAIN_AI = "train-ai"
    """Train a model that recognises, sorts or measures, and makes no music."""
    TRAIN_GENERATIVE_AI = "train-generative-ai"
    """Train a model that makes music, speech or other content."""
    IDENTIFY = "identify"
    """Tell others by a fingerprint which recording they have."""


KEEPING = (Use.PRESERVE, Use.DESCRIBE, Use.IDENTIFY)
"""What a word is enough for, on either layer: what is not kept is lost, and what nobody recognises
is stolen. No takedown suspends it but by its name (`SUSPENDED_WITH`)."""
SUSPENDED_WITH = {Use.DESCRIBE: (Use.DESCRIBE,), Use.IDENTIFY: (Use.DESCRIBE, Use.IDENTIFY)}
"""A takedown that names one of those suspends this use of KEEPING as well."""
TRAINING = (Use.TRAIN_AI, Use.TRAIN_GENERATIVE_AI)
ON_PREMISES = (Use.PRESERVE, Use.LISTEN_ON_SITE)
"""What happens in the institution's own country and nowhere else."""

ALLOWED_WITH = {
    Use.DESCRIBE: (Use.PRESERVE,),
    Use.LISTEN_ON_SITE: (Use.STREAM,),
    Use.IDENTIFY: (Use.PRESERVE, Use.DESCRIBE),
}
"""Who allows one of those allows this use as well: it is the lesser."""
REFUSED_WITH = {
    Use.LISTEN_ON_SITE: (Use.PRESERVE,),
    Use.STREAM: (Use.PRESERVE, Use.DESCRIBE, Use.LISTEN_ON_SITE),
    Use.DOWNLOAD: (Use.PRESERVE, Use.DESCRIBE),
    Use.TORRENT: (Use.PRESERVE, Use.DESCRIBE),
    Use.MINE: (Use.PRESERVE,),
    Use.TRAIN_AI: (Use.PRESERVE, Use.MINE),
    Use.TRAIN_GENERATIVE_AI: (Use.PRESERVE, Use.MINE, Use.TRAIN_AI),
    Use.IDENTIFY: (Use.PRESERVE, Use.DESCRIBE),
}
"""Who refuses one of those refuses this use as well: it is the greater, or cannot be without."""


class Layer(StrEnum):
    """What rights are in: the recording (its performers and producer) and the work that is heard
    in it (its authors). A use needs a yes in both."""

    RECORDING = "recording"
    WORK = "work"


class Basis(StrEnum):
    """The legal ground a grant stands on."""

    LICENCE = "licence"
    AGREEMENT = "agreement"
    OWN_CONSENT = "own-consent"
    PUBLIC_DOMAIN = "public-domain"
    """No right is left, was ever there, or it was given up: nobody need be asked on that layer."""
    LEGAL_DEPOSIT = "legal-deposit"
    STATUTORY_EXCEPTION = "statutory-exception"
    """A law allows it without asking; `article` says which."""


class Kind(StrEnum):
    """What a statement does."""

    GRANT = "grant"
    REFUSAL = "refusal"
    """The rights holder says no; it stands until the same issuer revokes it."""
    TAKEDOWN = "takedown"
    """Suspends every use but KEEPING at once, and of that what `SUSPENDED_WITH` says."""
    REVOCATION = "revocation"
    """Takes back the statement whose identifier `revokes` names."""
    NOTICE = "notice"
    """Says that a step of a procedure was taken, on the day `begins_at`; allows nothing itself."""


class Status(StrEnum):
    CLAIMED = "claimed"
    """A depositor's word. It allows KEEPING and nothing else."""
    VERIFIED = "verified"
    """Checked by a person, or by a policy of the archive that the evidence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One entry of the ledger. Times are ISO 8601 in UTC and compare as text.

    `id` is the entry's number in the ledger; 0 before it is appended. A field that an older entry
    lacks has its default, which allows no more than the entry did.
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
    layers: tuple[Layer, ...] = ()
    """What a grant is about; empty where it speaks of the track as a whole, and that is both
    layers, but the recording alone for TRAINING. A refusal of one layer refuses the use."""
    territories: tuple[Territory, ...] = ()
    """Where it holds; empty for everywhere."""
    territories_except: tuple[Territory, ...] = ()
    """Where it does not, of those."""
    article: str = ""
    """Of a STATUTORY_EXCEPTION or LEGAL_DEPOSIT: the law and its article."""
    evidence_sha512: Sha512 | None = None
    """Digest of the document that `evidence` names."""
    procedure: Procedure | None = None
    """Of a NOTICE: what `step` is a step of. Of a grant by STATUTORY_EXCEPTION or LICENCE: what has
    to be gone through before it begins."""
    step: Step | None = None
    facts: TermFacts | None = None
    """Of a grant by PUBLIC_DOMAIN: it holds where, and as soon as, the terms of protection that are
    reckoned from these are over. Of a NOTICE: what its procedure needs to know."""


class Answer(StrEnum):
    ALLOWED = "allowed"
    REFUSED = "refused"
    """Somebody with a say has said no."""
    UNKNOWN = "unknown"
    """Nobody has said yes; it is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a decision came out as it did. `code` is stable and is what sites translate;
    `statement` is the number of the ledger entry it rests on, 0 for none; `day` is the day that the
    message names where a clock, and no entry, says it."""

    code: str
    message: str
    statement: int = 0
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """May `recording` be put to `use` at `at` in `territory` (everywhere, where that is empty)?
    Default deny, reasons always."""

    recording: RecordingId
    use: Use
    answer: Answer
    reasons: tuple[Reason, ...]
    at: str
    territory: Territory = EVERYWHERE

    @property
    def allowed(self) -> bool:
        return self.answer is Answer.ALLOWED
