"""From one signing key to the next: a note by which the one names the other, signed by both. Pure.

With the notes, whoever trusts any key of an archive can follow it to all before and after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sonotheque.errors import BadInput, Corrupt
from sonotheque.store import signing

KEYS_NAME = "keys"
"""Below a published ledger: its notes of succession, by number."""
_TITLE = "sonotheque key succession"


def make_note(old: signing.Signer, new: signing.Signer, at: str) -> str:
    """The note by which `old` is followed by `new` at `at` (ISO 8601, UTC)."""
    lines = [_TITLE, old.verifier.name, old.verifier.text(), new.verifier.text(), at]
    text = "\n".join(lines) + "\n"
    return old.sign(text) + new.signature(text)


def read_note(note: str) -> tuple[signing.Verifier, signing.Verifier]:
    """The key that was followed, and the one that follows it. Raises Corrupt where `note` is no
    such note, or not signed by both."""
    lines = signing.split_note(note)[0].split("\n")
    try:
        if len(lines) != 6 or lines[0] != _TITLE:
            raise ValueError("it is no note of that kind")
        old, new = signing.parse_verifier(lines[2]), signing.parse_verifier(lines[3])
        if not lines[1] == old.name == new.name:
            raise ValueError("its keys are of two logs")
        for key in (old, new):
            signing.verify(note, key)
    except (ValueError, BadInput, Corrupt) as error:
        raise Corrupt(
            "is no note by which a key names the next",
            remedy="get it from `keys/` in the archive's ledger",
        ) from error
    return old, new


def related(key: signing.Verifier, notes: Iterable[str]) -> list[signing.Verifier]:
    """`key`, and every key that came before or after it by `notes`. Raises Corrupt."""
    steps: Sequence[tuple[signing.Verifier, signing.Verifier]] = [read_note(n) for n in notes]
    found = [key]
    for known in found:  # grows while it is gone through
        for old, new in steps:
            if known == old and new not in found:
                found.append(new)
            if known == new and old not in found:
                found.append(old)
    return found
