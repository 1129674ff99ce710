"""Personal data beside the ledger, which holds no more than commitments to them.

An entry that is made in private has `private:` and SHA-256(salt ‖ value) in the place of a name
and of the evidence. Value and salt, 32 random bytes, stand in a file of their own, in one place
and in no holding, edition or mirror. When that file is erased, nobody can tell whose name it
was; the entry, its hash and every proof stay as they are.

One person has one commitment, so that a decision can see that the one who takes something back is
the one who said it. Decisions never look behind a commitment, and so never change by an erasure.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sonotheque.errors import Corrupt
from sonotheque.model.terms import Statement
from sonotheque.store import files

PREFIX = "private:"
SALT_BYTES = 32
_COMMITMENT = re.compile(r"private:[0-9a-f]{64}")
_LOCK_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What stands behind a commitment: the value and the salt (hexadecimal). `person` is the
    commitment to whose data it is. Once erased, it has a time and nothing else."""

    person: str = ""
    salt: str = ""
    value: str = ""
    erased_at: str = ""


def is_private(text: str) -> bool:
    """Whether `text` is a commitment."""
    return _COMMITMENT.fullmatch(text) is not None


def commitment(salt: str, value: str) -> str:
    """The commitment to `value` by `salt` (hexadecimal)."""
    return PREFIX + hashlib.sha256(bytes.fromhex(salt) + value.encode()).hexdigest()


class Commitments:
    """The openings that an archive keeps in `directory`, a file for each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def in_private(self, statement: Statement) -> Statement:
        """`statement` with commitments in the place of its issuer and its evidence, whose values
        are on the disk when this returns. The digest of a document is part of the evidence."""
        evidence = statement.evidence
        if statement.evidence_sha512:
            evidence = f"{evidence} (document with SHA-512 {statement.evidence_sha512})"
        files.make_directory(self._directory)
        with files.exclusive(self._lock, wait_seconds=_LOCK_SECONDS_MAX):
            person = statement.issuer
            if not is_private(person):
                person = self._known_as(person)
            return replace(
                statement,
                issuer=person,
                evidence=self._keep(person, evidence),
                evidence_sha512=None,
            )

    def known_as(self, name: str) -> str:
        """The commitment to the person of that name, made where there is none yet."""
        files.make_directory(self._directory)
        with files.exclusive(self._lock, wait_seconds=_LOCK_SECONDS_MAX):
            return self._known_as(name)

    def _known_as(self, name: str) -> str:
        return self.person(name) or self._keep("", name)

    def person(self, name: str) -> str:
        """The commitment to the person of that name; "" where there is none."""
        for path in sorted(self._directory.glob("*.json")):
            opening = self._read(path)
            made = PREFIX + path.stem
            if opening.person == made and opening.value == name:
                return made
        return ""

    def opening(self, made: str) -> Opening | None:
        """What stands behind the commitment `made`; None where this archive never knew."""
        path = self._path(made)
        return self._read(path) if is_private(made) and path.exists() else None

    def shown(self, statement: Statement) -> Statement:
        """`statement` as the archive's own staff may read it."""
        return replace(
            statement,
            issuer=self._shown(statement.issuer, "a person"),
            evidence=self._shown(statement.evidence, "evidence"),
        )

    def erase(self, person: str, now: str) -> int:
        """Erase the name behind the commitment `person`, and all evidence that came with it; how
        many values that were. What a process left half-written goes too."""
        count = 0
        if not self._directory.exists():
            return count
        with files.exclusive(self._lock, wait_seconds=_LOCK_SECONDS_MAX):
            for leftover in files.leftovers(self._directory):
                leftover.unlink()
            paths = [p for p in self._directory.glob("*.json") if self._read(p).person == person]
            # The name comes last: as long as it is there, the rest is found again.
            for path in sorted(paths, key=lambda path: PREFIX + path.stem == person):
                self._write(path, Opening(erased_at=now))
                count += 1
        return count

    def _shown(self, text: str, what: str) -> str:
        if not is_private(text):
            return text
        opening = self.opening(text)
        if opening is None:
            return f"{what} not known here ({text})"
        if opening.erased_at:
            return f"{what} erased on {opening.erased_at[:10]} ({text})"
        return f"{opening.value} (private)"

    def _keep(self, person: str, value: str) -> str:
        salt = secrets.token_hex(SALT_BYTES)
        made = commitment(salt, value)
        self._write(self._path(made), Opening(person=person or made, salt=salt, value=value))
        return made

    def _write(self, path: Path, opening: Opening) -> None:
        files.replace(path, msgspec.json.encode(opening) + b"\n", mode=0o600)

    def _read(self, path: Path) -> Opening:
        try:
            opening = msgspec.json.decode(path.read_bytes(), type=Opening)
            is_right = opening.erased_at or PREFIX + path.stem == commitment(
                opening.salt, opening.value
            )
        except (OSError, ValueError, msgspec.MsgspecError):
            is_right = False
        if not is_right:
            raise Corrupt(
                "is not what the ledger holds a commitment to",
                where=str(path),
                remedy="restore it from your backup; the ledger itself is whole",
            )
        return opening

    def _path(self, made: str) -> Path:
        return self._directory / f"{made.removeprefix(PREFIX)}.json"

    @property
    def _lock(self) -> Path:
        return self._directory.with_name(f".lock-{self._directory.name}")
