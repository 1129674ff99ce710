"""Statements as the bytes of ledger entries. Pure."""

from __future__ import annotations

import msgspec

from sonotheque.errors import BadInput, one_line
from sonotheque.model.terms import Statement

ENTRY_BYTES_MAX = 65_535


def encode_entry(statement: Statement) -> bytes:
    """`statement` as the bytes of a ledger entry: JSON, keys sorted, without its number.

    Raises BadInput where it is longer than an entry may be, or holds what is no text.
    """
    document = msgspec.to_builtins(statement)
    del document["id"]
    try:
        entry = msgspec.json.encode(document, order="sorted")
    except UnicodeEncodeError as error:
        raise BadInput(
            "holds a name that is not UTF-8",
            where=f"a statement of {one_line(statement.issuer[:60])}",
            remedy="rename that file, then run the same command again",
        ) from error
    if len(entry) > ENTRY_BYTES_MAX:
        raise BadInput(
            f"the statement is {len(entry)} bytes long",
            where=one_line(statement.issuer[:60]),
            remedy="keep the evidence beside the ledger and name its digest here",
        )
    return entry


def decode_entry(entry: bytes, number: int) -> Statement:
    """The statement of the ledger entry with that number."""
    document = msgspec.json.decode(entry)
    return msgspec.convert({**document, "id": number}, Statement)
