"""Ed25519 keys, C2SP signed notes (https://c2sp.org/signed-note) and the cosignatures of
witnesses (https://c2sp.org/tlog-cosignature).

A signed note is text, an empty line, then one line a signature: `— NAME BASE64(hash ‖ sig)`,
where hash is the first four bytes of SHA-256(NAME ‖ 0x0A ‖ kind ‖ public key). In a cosignature
(kind 0x04), sig is the time as eight bytes, seconds since 1970, then a signature over two lines
that say that time and the text.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sonotheque.errors import BadInput, Corrupt, Refused
from sonotheque.store import files

PRIVATE_KEY_NAME = "signing.key"
PUBLIC_KEY_NAME = "signing.pub"
NEXT_PRIVATE_KEY_NAME = "next.key"
NEXT_PUBLIC_KEY_NAME = "next.pub"
WITNESS_PRIVATE_KEY_NAME = "witness.key"
WITNESS_PUBLIC_KEY_NAME = "witness.pub"
NOTE_BYTES_MAX = 1 << 20
_LOST = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM})
"""With these the key is not there for us; with others the disk has failed."""
"""Longer than any note that somebody means; what is longer is not looked into."""


class Kind(Enum):
    """What a key signs: the byte of its signature type."""

    NOTE = b"\x01"
    COSIGNATURE = b"\x04"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under the name it signs by."""

    name: str
    public_key: bytes
    kind: Kind = Kind.NOTE

    @property
    def key_hash(self) -> bytes:
        named = self.name.encode() + b"\n" + self.kind.value + self.public_key
        return hashlib.sha256(named).digest()[:4]

    def text(self) -> str:
        """The key as a C2SP verifier key, `NAME+HASH+BASE64`."""
        encoded = base64.b64encode(self.kind.value + self.public_key).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key; keep it off mirrors and out of logs."""

    verifier: Verifier
    private_key: Ed25519PrivateKey

    def sign(self, text: str) -> str:
        """`text` (which ends in a newline) as a signed note."""
        return f"{text}\n{self.signature(text)}"

    def signature(self, text: str) -> str:
        """The line of a note on `text` that holds this key's signature."""
        return self._line(self.private_key.sign(text.encode()))

    def cosignature(self, text: str, at_s: int) -> str:
        """The line that says: at `at_s` (seconds since 1970) this was the newest checkpoint."""
        signature = self.private_key.sign(_cosigned(text, at_s))
        return self._line(at_s.to_bytes(8, "big") + signature)

    def _line(self, signature: bytes) -> str:
        encoded = base64.b64encode(self.verifier.key_hash + signature).decode()
        return f"— {self.verifier.name} {encoded}\n"


def create_key(directory: Path, name: str) -> Signer:
    """Make a key pair in `directory`, the private half readable by this user alone.

    `name` is reduced to what a signed note allows: no spaces, no plus sign. Raises Refused
    where there is a key already.
    """
    if (directory / PRIVATE_KEY_NAME).exists():
        raise Refused(
            "holds a signing key already",
            where=str(directory),
            remedy="keep it: what it has signed can be verified with no other",
        )
    signer = _generate(_key_name(name), Kind.NOTE)
    _keep(directory, signer, PRIVATE_KEY_NAME, PUBLIC_KEY_NAME)
    return signer


def read_key(directory: Path) -> Signer:
    """The key pair that `create_key` made. Raises BadInput where it is missing or broken."""
    return _read(directory / PRIVATE_KEY_NAME, Kind.NOTE)


def next_key(directory: Path, name: str) -> Signer:
    """The key pair in `directory` that is going to follow, made where there is none, for the same
    `name`. Raises BadInput where it is broken."""
    path = directory / NEXT_PRIVATE_KEY_NAME
    if path.exists():
        return _read(path, Kind.NOTE)
    signer = _generate(name, Kind.NOTE)
    _keep(directory, signer, NEXT_PRIVATE_KEY_NAME, NEXT_PUBLIC_KEY_NAME)
    return signer


def promote(directory: Path, successor: Signer) -> None:
    """Put the key that follows in the place of the one that signs now, which is gone then."""
    _keep(directory, successor, PRIVATE_KEY_NAME, PUBLIC_KEY_NAME)
    for name in (NEXT_PRIVATE_KEY_NAME, NEXT_PUBLIC_KEY_NAME):
        (directory / name).unlink(missing_ok=True)
    files.sync_directory(directory)


def witness_key(directory: Path, name: str) -> Signer:
    """The key pair in `directory` by which others' checkpoints are cosigned, made where there is
    none. It is never the archive's own: a key signs one kind of thing. Raises BadInput where it
    is broken."""
    path = directory / WITNESS_PRIVATE_KEY_NAME
    if path.exists():
        return _read(path, Kind.COSIGNATURE)
    signer = _generate(f"{name}/witness", Kind.COSIGNATURE)
    _keep(directory, signer, WITNESS_PRIVATE_KEY_NAME, WITNESS_PUBLIC_KEY_NAME)
    return signer


def _generate(name: str, kind: Kind) -> Signer:
    private = Ed25519PrivateKey.generate()
    return Signer(Verifier(name, private.public_key().public_bytes_raw(), kind), private)


def _keep(directory: Path, signer: Signer, private_name: str, public_name: str) -> None:
    files.make_directory(directory)
    seed = base64.b64encode(signer.private_key.private_bytes_raw()).decode()
    secret = f"{signer.verifier.name} {seed}\n".encode()
    # The private half comes last: where it is, the pair is whole.
    files.replace(directory / public_name, (signer.verifier.text() + "\n").encode())
    files.replace(directory / private_name, secret, mode=0o600)


def _read(path: Path, kind: Kind) -> Signer:
    try:
        name, seed = path.read_text(encoding="utf-8").split()
        private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed, validate=True))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in _LOST:
            raise files.explain(error, path) from error
        raise BadInput(
            "the archive's signing key cannot be read",
            where=str(path),
            remedy="restore it from your own backup; without it nothing new can be signed",
        ) from error
    return Signer(Verifier(name, private.public_key().public_bytes_raw(), kind), private)


def parse_verifier(text: str, kind: Kind = Kind.NOTE) -> Verifier:
    """Read a C2SP verifier key of that kind. Raises BadInput."""
    try:
        name, hash_, encoded = text.strip().split("+", 2)
        decoded = base64.b64decode(encoded, validate=True)
        verifier = Verifier(name, decoded[1:], kind)
        well_formed = (
            decoded[:1] == kind.value
            and len(decoded) == 33
            and verifier.key_hash.hex() == hash_.lower()
        )
    except (ValueError, binascii.Error):
        well_formed = False
    if not well_formed:
        what = "witness's" if kind is Kind.COSIGNATURE else "verifier"
        raise BadInput(
            f"is not an Ed25519 {what} key", where=text[:60], remedy="give NAME+HASH+KEY"
        )
    return verifier


def verify(note: str, verifier: Verifier) -> str:
    """The text of the signed `note`, without its signatures.

    Signatures of other keys are passed over. Raises Corrupt where there is none of this key, or
    one that does not hold.
    """
    text, signatures = split_note(note)
    ours = [one for line in signatures if (one := _signature(line, verifier)) is not None]
    if not ours or not all(_holds(verifier, text, signature) for signature in ours):
        raise Corrupt(
            "the signature does not hold",
            where=f"note signed by {verifier.name}",
            remedy="fetch it again from another mirror; do not use this one",
        )
    return text


def cosigned_at(note: str, witness: Verifier) -> int | None:
    """When `witness` cosigned `note`, in seconds since 1970; None where it has not.

    Raises Corrupt where its cosignature does not hold.
    """
    text, signatures = split_note(note)
    times = []
    for line in signatures:
        signature = _signature(line, witness)
        if signature is not None:
            if not _holds(witness, text, signature):
                raise Corrupt(
                    "the cosignature does not hold",
                    where=f"checkpoint cosigned by {witness.name}",
                    remedy="fetch it again from another mirror; do not use this one",
                )
            times.append(int.from_bytes(signature[:8], "big"))
    return max(times, default=None)


def signed_by(note: str, verifier: Verifier) -> bool:
    """Whether `note` has a line of this key, be it right or wrong."""
    return any(_signature(line, verifier) is not None for line in split_note(note)[1])


def with_lines(note: str, lines: Iterable[str]) -> str:
    """`note` with further signatures; one of a key that has signed it already takes its place."""
    text, present = split_note(note)
    kept = {_signer_of(line): line for line in (*present, *(line.rstrip("\n") for line in lines))}
    return f"{text}\n" + "".join(f"{line}\n" for line in kept.values())


def split_note(note: str) -> tuple[str, list[str]]:
    """The text of a note and the lines of its signatures, unverified; no lines where it is none."""
    text, separator, signatures = note.rpartition("\n\n")
    controls = any(character < " " and character != "\n" for character in signatures)
    if not separator or not signatures.endswith("\n") or controls:
        return "", []
    return text + "\n", signatures.split("\n")[:-1]


def _signer_of(line: str) -> tuple[str, str]:
    """Name and hash of the key whose line it is, the hash in base64."""
    name, _, encoded = line.removeprefix("— ").partition(" ")
    return name, encoded[:5]


def _signature(line: str, verifier: Verifier) -> bytes | None:
    """What `line` holds behind the key's hash; None where it is a line of another key."""
    mark, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if mark != "—" or name != verifier.name:
        return None
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        return None
    if decoded[:4] != verifier.key_hash:
        return None
    # base64 has spare bits: only the one spelling that a signer writes counts.
    return decoded[4:] if base64.b64encode(decoded).decode() == encoded else b""


def _holds(verifier: Verifier, text: str, signature: bytes) -> bool:
    message = text.encode()
    if verifier.kind is Kind.COSIGNATURE:
        message = _cosigned(text, int.from_bytes(signature[:8], "big"))
        signature = signature[8:]
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def _cosigned(text: str, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def _key_name(name: str) -> str:
    words = "".join(c if c.isalnum() and c.isascii() else " " for c in name).split()
    return ("-".join(words).lower() or "archive") + "." + os.urandom(4).hex()
