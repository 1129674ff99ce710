"""What leaves the archive as proof of its ledger, and checks with nothing else of it. Pure.

`InclusionProof` is a `.tlog-proof` (https://c2sp.org/tlog-proof): that an entry is in the log.
`ConsistencyProof` is that a log only grew between two checkpoints; it is written as what a
witness is sent (https://c2sp.org/tlog-witness).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sonotheque.errors import BadInput, Corrupt
from sonotheque.rights import proof
from sonotheque.store import signing

PROOF_SUFFIX = ".tlog-proof"
HEADER = "c2sp.org/tlog-proof@v1"
_HASHES_MAX = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That entry `index` (from 0) is in the log of `checkpoint`, a signed note.

    `extra` is not authenticated by the format; here its first line is the entry itself, whose
    hash the path starts from.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def text(self) -> str:
        """As a file."""
        extra = [f"extra {base64.b64encode(self.extra).decode()}"] if self.extra else []
        lines = [HEADER, *extra, f"index {self.index}", *map(proof.hash_text, self.path)]
        return "\n".join(lines) + f"\n\n{self.checkpoint}"

    @property
    def entry(self) -> bytes:
        return self.extra.partition(b"\n")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That the log of `checkpoint`, a signed note, begins with the `old` entries of before."""

    old: int
    path: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        """As a file, and as the request to a witness."""
        lines = [f"old {self.old}", *map(proof.hash_text, self.path)]
        return "\n".join(lines) + f"\n\n{self.checkpoint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint whose signature was verified. `note` is all of it, `cosigned` the names of
    the witnesses that were asked for, with their times (seconds since 1970)."""

    origin: str
    size: int
    root: bytes
    note: str
    cosigned: tuple[tuple[str, int], ...] = ()


def parse_inclusion(text: str) -> InclusionProof:
    """Read a `.tlog-proof`. Raises ValueError, which says what is wrong with it."""
    head, checkpoint = _parted(text)
    if not head or head[0] != HEADER:
        raise ValueError(f"it does not begin with {HEADER}")
    extra = b""
    rest = head[1:]
    if rest and rest[0].startswith("extra "):
        extra = _base64(rest.pop(0).removeprefix("extra "))
    if not rest or not rest[0].startswith("index "):
        raise ValueError("the line that gives its index is missing")
    return InclusionProof(
        index=proof.parse_number(rest[0].removeprefix("index ")),
        path=_hashes(rest[1:]),
        checkpoint=checkpoint,
        extra=extra,
    )


def parse_consistency(text: str) -> ConsistencyProof:
    """Read a consistency proof. Raises ValueError, which says what is wrong with it."""
    head, checkpoint = _parted(text)
    if not head or not head[0].startswith("old "):
        raise ValueError("it does not begin with the size of before")
    old = proof.parse_number(head[0].removeprefix("old "))
    return ConsistencyProof(old=old, path=_hashes(head[1:]), checkpoint=checkpoint)


def verify_checkpoint(
    note: str, keys: Sequence[signing.Verifier], witnesses: Sequence[signing.Verifier] = ()
) -> Checkpoint:
    """`note` as a checkpoint that one of `keys` has signed, and every one of `witnesses` cosigned.

    Raises Corrupt where it is another log's, where no signature holds, or a witness is missing.
    """
    body, signatures = signing.split_note(note)
    try:
        origin, size, root = proof.parse_checkpoint(body)
    except ValueError as error:
        raise _broken(f"its checkpoint cannot be understood: {error}") from error
    ours = [key for key in keys if key.name == origin]
    if not ours:
        raise Corrupt(
            f"is about the log {origin!r}, not {keys[0].name!r}",
            remedy="give the key of the archive that it came from",
        )
    signed = [key for key in ours if signing.signed_by(note, key)]
    if not signed:
        raise Corrupt(
            f"is of the log {origin!r}, and signed by another key of it"
            if any(line.startswith(f"— {origin} ") for line in signatures)
            else "its checkpoint is not signed",
            remedy="give the key that signed then, or --succession with the notes by which a key"
            " names the next",
        )
    for key in signed:
        signing.verify(note, key)
    cosigned = [(witness.name, _cosigned(note, witness)) for witness in witnesses]
    return Checkpoint(origin=origin, size=size, root=root, note=note, cosigned=tuple(cosigned))


def verify_inclusion(
    found: InclusionProof,
    keys: Sequence[signing.Verifier],
    witnesses: Sequence[signing.Verifier] = (),
) -> Checkpoint:
    """Check that the entry in `found` is in the log; its checkpoint. Raises Corrupt."""
    checkpoint = verify_checkpoint(found.checkpoint, keys, witnesses)
    try:
        root = proof.root_by_inclusion(
            found.index, checkpoint.size, proof.leaf_hash(found.entry), found.path
        )
    except ValueError as error:
        raise _broken(str(error)) from error
    if root != checkpoint.root:
        raise _broken(f"entry {found.index + 1} as it stands here does not lead to the signed root")
    return checkpoint


def verify_consistency(
    found: ConsistencyProof, older: Checkpoint, keys: Sequence[signing.Verifier]
) -> Checkpoint:
    """Check that the log of `found` begins with that of `older`; its checkpoint. Raises Corrupt."""
    newer = verify_checkpoint(found.checkpoint, keys)
    if found.old != older.size:
        raise BadInput(
            f"is about {found.old} entries, and the older checkpoint has {older.size}",
            remedy="give the checkpoint that the proof was made for",
        )
    check_consistent(older.size, older.root, newer.size, newer.root, found.path)
    return newer


def check_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Raises Corrupt where `path` does not show that the log only grew between the two roots."""
    try:
        roots = proof.roots_by_consistency(old, new, old_root, new_root, path)
    except ValueError as error:
        raise _broken(str(error)) from error
    if roots != (old_root, new_root):
        raise Corrupt(
            f"the first {old} entries are not those that were signed before",
            remedy="keep both checkpoints: they prove that the archive has changed its past",
        )


def _cosigned(note: str, witness: signing.Verifier) -> int:
    at_s = signing.cosigned_at(note, witness)
    if at_s is None:
        raise Corrupt(
            f"the witness {witness.name} has not cosigned it",
            remedy="ask for a newer proof, or leave out that --witness",
        )
    return at_s


def _parted(text: str) -> tuple[list[str], str]:
    """The lines before the first empty line, and the checkpoint behind it."""
    head, separator, checkpoint = text.partition("\n\n")
    if not separator or not checkpoint.endswith("\n"):
        raise ValueError("it ends too early")
    return head.split("\n"), checkpoint


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    if len(lines) > _HASHES_MAX:
        raise ValueError(f"it has over {_HASHES_MAX} hashes")
    return tuple(map(proof.parse_hash, lines))


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError("its extra line is not base64") from error


def _broken(what: str) -> Corrupt:
    return Corrupt(what, remedy="do not trust it; ask the archive for the proof again")
