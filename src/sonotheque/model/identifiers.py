"""Identifiers, each its own type so that one cannot be taken for another."""

from __future__ import annotations

import re
import secrets
from typing import NewType

from sonotheque.errors import BadInput

RecordingId = NewType("RecordingId", str)
"""Key of a recording: 63 random bits minted once, as 13 Crockford base32 digits (canonical)."""

HoldingId = NewType("HoldingId", str)
"""OCFL object identifier, `urn:sonotheque:…`."""

DepositId = NewType("DepositId", str)
"""Key of one deposit, as 13 Crockford base32 digits."""

Isrc = NewType("Isrc", str)
"""International Standard Recording Code (ISO 3901), 12 characters, no hyphens, upper case."""

Sha512 = NewType("Sha512", str)
"""SHA-512 digest of some bytes, 128 lower-case hexadecimal digits."""

CROCKFORD_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Crockford's decoding: case is ignored, O reads as 0, I and L as 1, hyphens are for the eye.
_CROCKFORD_READ = str.maketrans("OIL", "011", "-")
_DIGITS = 13
_ID_BITS = 63
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_LETTERS_MEANT = str.maketrans("01", "OI")
_DIGITS_MEANT = str.maketrans("OIL", "011")
OWN_PREFIX = "urn:sonotheque:"
HOLDING_PREFIX = f"{OWN_PREFIX}holding:"
ADOPTION_PREFIX = f"{OWN_PREFIX}adoption:"
"""Before the identifier of an object that came from another storage root: what is kept of that."""


def mint_recording_id() -> RecordingId:
    """A new RecordingId; 63 bits, so that it is also a signed 64-bit column."""
    return RecordingId(to_crockford(secrets.randbits(_ID_BITS)))


def mint_deposit_id() -> DepositId:
    return DepositId(to_crockford(secrets.randbits(_ID_BITS)))


def to_crockford(number: int) -> str:
    """`number` (0 ≤ number < 2**64) as 13 Crockford base32 digits (https://www.crockford.com/base32.html)."""
    if not 0 <= number < 1 << 64:
        raise ValueError(f"{number} is not an unsigned 64-bit number")
    return "".join(CROCKFORD_DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def from_crockford(text: str) -> int:
    """The number `text` stands for; raises ValueError where it is no 13-digit Crockford number."""
    canonical = text.upper().translate(_CROCKFORD_READ)
    # Some letters that are not ASCII have an upper case that is.
    if len(canonical) != _DIGITS or not text.isascii():
        raise ValueError(f"{text!r} does not have {_DIGITS} digits")
    number = 0
    for digit in canonical:
        number = number << 5 | CROCKFORD_DIGITS.index(digit)
    if number >= 1 << 64:
        raise ValueError(f"{text!r} is over 64 bits")
    return number


def parse_recording_id(text: str) -> RecordingId:
    """Read a RecordingId as people write it. Raises BadInput."""
    try:
        number = from_crockford(text.strip())
        if number >= 1 << _ID_BITS:
            raise ValueError(f"{text!r} is over {_ID_BITS} bits")
        return RecordingId(to_crockford(number))
    except ValueError:
        raise BadInput(
            "is not a recording identifier",
            where=text[:60],
            remedy="give the 13 characters that `sonotheque find` prints",
        ) from None


def parse_isrc(text: str) -> Isrc:
    """Read an ISRC as people write it (spaces, hyphens, an `ISRC ` prefix). Raises BadInput.

    Checks the syntax of ISO 3901:2019, country, registrant, year, designation; whether the code was
    ever assigned, syntax cannot say.
    """
    code = re.sub(r"[\s\-‐-―]", "", text)
    code = code.upper() if code.isascii() else ""
    if len(code) > 12:  # in twelve, ISRC is Iceland's registrant RC…
        code = code.removeprefix("ISRC").removeprefix(":")
    if not _ISRC.fullmatch(code):
        raise BadInput(
            "is not an ISRC",
            where=text[:60],
            remedy="two letters, three letters or digits, seven digits: FR-Z03-14-00123",
        )
    return Isrc(code)


def look_alike(code: str) -> str:
    """The ISRC that `code`, bare and in upper case, is with O for 0, I for 1 or the like put right;
    empty where it is one already, or none even so."""
    meant = code[:2].translate(_LETTERS_MEANT) + code[2:5] + code[5:].translate(_DIGITS_MEANT)
    return meant if meant != code and _ISRC.fullmatch(meant) else ""


def format_isrc(isrc: Isrc) -> str:
    """`isrc` with hyphens, as it is printed."""
    return f"{isrc[:2]}-{isrc[2:5]}-{isrc[5:7]}-{isrc[7:]}"


def holding_id_of(recording: RecordingId) -> HoldingId:
    return HoldingId(HOLDING_PREFIX + recording)


def adoption_id_of(holding: HoldingId) -> HoldingId:
    """The holding that tells how `holding` was adopted, if it was."""
    return HoldingId(ADOPTION_PREFIX + holding)


def recording_of(holding: HoldingId) -> RecordingId | None:
    """The recording that `holding` preserves; None for a holding of another kind."""
    if not holding.startswith(HOLDING_PREFIX):
        return None
    return RecordingId(holding.removeprefix(HOLDING_PREFIX))
