"""Ed25519 keys and C2SP signed notes (https://c2sp.org/signed-note).

A signed note is text, an empty line, then one line a signature: `— NAME BASE64(hash ‖ sig)`,
where hash is the first four bytes of SHA-256(NAME ‖ 0x0A ‖ 0x01 ‖ public key).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sonotheque.errors import BadInput, Corrupt, Refused
from sonotheque.store import files

_ED25519 = b"\x01"
PRIVATE_KEY_NAME = "signing.key"
PUBLIC_KEY_NAME = "signing.pub"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under the name it signs by."""

    name: str
    public_key: bytes

    @property
    def key_hash(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:4]

    def text(self) -> str:
        """The key as a C2SP verifier key, `NAME+HASH+BASE64`."""
        encoded = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key; keep it off mirrors and out of logs."""

    verifier: Verifier
    private_key: Ed25519PrivateKey

    def sign(self, text: str) -> str:
        """`text` (which ends in a newline) as a signed note."""
        signature = self.private_key.sign(text.encode())
        encoded = base64.b64encode(self.verifier.key_hash + signature).decode()
        return f"{text}\n— {self.verifier.name} {encoded}\n"


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
    private = Ed25519PrivateKey.generate()
    signer = Signer(Verifier(_key_name(name), private.public_key().public_bytes_raw()), private)
    files.make_directory(directory)
    seed = base64.b64encode(private.private_bytes_raw()).decode()
    secret = f"{signer.verifier.name} {seed}\n".encode()
    # The private half comes last: where it is, the pair is whole.
    files.replace(directory / PUBLIC_KEY_NAME, (signer.verifier.text() + "\n").encode())
    files.replace(directory / PRIVATE_KEY_NAME, secret, mode=0o600)
    return signer


def read_key(directory: Path) -> Signer:
    """The key pair that `create_key` made. Raises BadInput where it is missing or broken."""
    path = directory / PRIVATE_KEY_NAME
    try:
        name, seed = path.read_text(encoding="utf-8").split()
        private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed, validate=True))
    except (OSError, ValueError) as error:
        raise BadInput(
            "the archive's signing key cannot be read",
            where=str(path),
            remedy="restore it from your own backup; without it nothing new can be signed",
        ) from error
    return Signer(Verifier(name, private.public_key().public_bytes_raw()), private)


def parse_verifier(text: str) -> Verifier:
    """Read a C2SP verifier key. Raises BadInput."""
    try:
        name, hash_, encoded = text.strip().split("+", 2)
        decoded = base64.b64decode(encoded, validate=True)
        verifier = Verifier(name, decoded[1:])
        well_formed = (
            decoded[:1] == _ED25519
            and len(decoded) == 33
            and verifier.key_hash.hex() == hash_.lower()
        )
    except (ValueError, binascii.Error):
        well_formed = False
    if not well_formed:
        raise BadInput(
            "is not an Ed25519 verifier key", where=text[:60], remedy="give NAME+HASH+KEY"
        )
    return verifier


def verify(note: str, verifier: Verifier) -> str:
    """The text of the signed `note`, without its signatures. Raises Corrupt where none is ours."""
    text, separator, signatures = note.rpartition("\n\n")
    if separator and signatures.endswith("\n"):
        text += "\n"
        for line in signatures.split("\n"):
            mark, _, rest = line.partition(" ")
            name, _, encoded = rest.partition(" ")
            if mark == "—" and name == verifier.name and _holds(verifier, text, encoded):
                return text
    raise Corrupt(
        "the signature does not hold",
        where=f"note signed by {verifier.name}",
        remedy="fetch it again from another mirror; do not use this one",
    )


def _holds(verifier: Verifier, text: str, encoded: str) -> bool:
    try:
        decoded = base64.b64decode(encoded, validate=True)
        # base64 has spare bits: only the one spelling that `sign` writes counts.
        if base64.b64encode(decoded).decode() != encoded or decoded[:4] != verifier.key_hash:
            return False
        Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(decoded[4:], text.encode())
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True


def _key_name(name: str) -> str:
    words = "".join(c if c.isalnum() and c.isascii() else " " for c in name).split()
    return ("-".join(words).lower() or "archive") + "." + os.urandom(4).hex()
