"""A witness of other archives' logs, as https://c2sp.org/tlog-witness describes it.

It cosigns a log's checkpoint only if it is shown that the log grew from the one it cosigned
before. That one is all it keeps: a file for each log, on the disk before the answer goes out. A
log that shows two people two pasts cannot have both of them cosigned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sonotheque.errors import Corrupt
from sonotheque.rights import evidence, proof
from sonotheque.rights.published import CHECKPOINT_NAME, read_note
from sonotheque.store import files, signing

REQUEST_BYTES_MAX = 1 << 17
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
_LOCK_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the witness answers, in the terms of HTTP."""

    status: int
    text: str
    media_type: str = TEXT


class Witness:
    """Cosigns by `signer` the logs whose keys are `watched`; `directory` is its memory."""

    def __init__(
        self, directory: Path, signer: signing.Signer, watched: Sequence[signing.Verifier]
    ) -> None:
        self._directory = directory
        self._signer = signer
        self._watched = tuple(watched)

    @property
    def verifier(self) -> signing.Verifier:
        """The key by which others know it."""
        return self._signer.verifier

    def add_checkpoint(self, request: bytes, at_s: int) -> Reply:
        """Answer the request `add-checkpoint`, at `at_s` (seconds since 1970).

        Raises Corrupt where its own memory is damaged: it does not cosign what it cannot compare.
        """
        try:
            asked = evidence.parse_consistency(request.decode())
            origin, size, _ = proof.parse_checkpoint(signing.split_note(asked.checkpoint)[0])
        except ValueError as error:
            return Reply(400, f"not understood: {error}\n")
        keys = [key for key in self._watched if key.name == origin]
        if not keys:
            return Reply(404, "this log is not witnessed here\n")
        try:
            checkpoint = evidence.verify_checkpoint(asked.checkpoint, keys)
        except Corrupt:
            return Reply(403, "not signed by a key that is known of this log\n")
        if asked.old > size:
            return Reply(400, "the old size is more than the checkpoint's\n")
        lock = self._directory.with_name(f".lock-{self._directory.name}")
        files.make_directory(self._directory)
        with files.exclusive(lock, wait_seconds=_LOCK_SECONDS_MAX):
            return self._cosign(asked, checkpoint, keys, at_s)

    def checkpoint(self, origin_hash: str) -> str | None:
        """The newest checkpoint that it cosigned of the log whose name hashes to `origin_hash`
        (SHA-256, lower-case hexadecimal), with its cosignature; None where there is none."""
        for key in self._watched:
            if _hash(key.name) == origin_hash and (path := self._path(key.name)).exists():
                return read_note(path)
        return None

    def sizes(self) -> dict[str, int]:
        """The watched logs, and how many entries of each it has cosigned."""
        return {key.name: self._latest(key.name)[0] for key in self._watched}

    def _cosign(
        self,
        asked: evidence.ConsistencyProof,
        checkpoint: evidence.Checkpoint,
        keys: Sequence[signing.Verifier],
        at_s: int,
    ) -> Reply:
        old, old_root = self._latest(checkpoint.origin)
        if asked.old != old:
            return Reply(409, f"{old}\n", SIZE)
        if checkpoint.size == 0 and checkpoint.root != proof.EMPTY_ROOT:
            return Reply(422, "an empty log has another root\n")
        try:
            evidence.check_consistent(old, old_root, checkpoint.size, checkpoint.root, asked.path)
        except Corrupt as error:
            return Reply(422, f"{error.what}\n")
        body, lines = signing.split_note(checkpoint.note)
        signed = [line for line in lines if _is_of(line, keys)]
        cosignature = self._signer.cosignature(body, at_s)
        note = "".join([body, "\n", *(f"{line}\n" for line in signed), cosignature])
        path = self._path(checkpoint.origin)
        files.make_directory(path.parent)
        for leftover in files.leftovers(path.parent):
            leftover.unlink()
        files.replace(path, note.encode())
        return Reply(200, cosignature)

    def _latest(self, origin: str) -> tuple[int, bytes]:
        """Size and root of what was cosigned last; those of an empty log where nothing was."""
        path = self._path(origin)
        if not path.exists():
            return 0, proof.EMPTY_ROOT
        try:
            note = read_note(path)
            if signing.cosigned_at(note, self.verifier) is None:
                raise ValueError("it is not cosigned by this witness")
            found, size, root = proof.parse_checkpoint(signing.split_note(note)[0])
            if found != origin:
                raise ValueError(f"it is of the log {found}")
        except (ValueError, Corrupt) as error:
            raise Corrupt(
                "what this witness has cosigned cannot be read",
                where=str(path),
                remedy="restore it from your backup; it must not be older than what was cosigned",
            ) from error
        return size, root

    def _path(self, origin: str) -> Path:
        return self._directory / _hash(origin) / CHECKPOINT_NAME


def _hash(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


def _is_of(line: str, keys: Sequence[signing.Verifier]) -> bool:
    return any(signing.signed_by(f"x\n\n{line}\n", key) for key in keys)
