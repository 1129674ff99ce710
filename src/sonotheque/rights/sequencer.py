"""The entries in the database, in their order: one named function for each query.

`ledger.sql` has the table, which only grows; `ledger` publishes what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Statement
from sonotheque.rights import proof
from sonotheque.rights.entries import decode_entry, encode_entry


def insert(connection: Connection, statements: Sequence[Statement]) -> tuple[Statement, ...]:
    number = size(connection)
    numbered = []
    for statement in statements:
        number += 1
        entry = encode_entry(statement)
        insert_row(connection, number, statement.recording, entry)
        numbered.append(decode_entry(entry, number))
    return tuple(numbered)


def insert_row(connection: Connection, number: int, recording: RecordingId, entry: bytes) -> None:
    connection.execute(
        text("INSERT INTO ledger_entry VALUES (:number, :recording, :entry, :leaf_hash)"),
        {
            "number": number,
            "recording": recording,
            "entry": entry,
            "leaf_hash": proof.leaf_hash(entry),
        },
    )


def size(connection: Connection) -> int:
    found = connection.execute(text("SELECT coalesce(max(number), 0) FROM ledger_entry"))
    return int(found.scalar_one())


def about(connection: Connection, recording: RecordingId) -> tuple[Statement, ...]:
    rows = connection.execute(
        text(
            "SELECT number, entry, leaf_hash FROM ledger_entry"
            " WHERE recording = :recording ORDER BY number"
        ),
        {"recording": recording},
    )
    return tuple(_decided_by(row.entry, row.number, row.leaf_hash) for row in rows)


def _decided_by(entry: bytes, number: int, leaf_hash: bytes) -> Statement:
    """The statement, by which something is going to be allowed or not. Raises ValueError where
    the database has another entry than the one that was hashed."""
    if proof.leaf_hash(entry) != leaf_hash:
        raise ValueError(f"ledger entry {number} does not match its hash")
    return decode_entry(entry, number)


def rows(connection: Connection) -> Iterator[tuple[int, str, bytes, bytes]]:
    rows = connection.execute(
        text("SELECT number, recording, entry, leaf_hash FROM ledger_entry ORDER BY number")
    )
    return ((row.number, row.recording, row.entry, row.leaf_hash) for row in rows)


def entries(connection: Connection, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    rows = connection.execute(
        text(
            "SELECT number, entry FROM ledger_entry"
            " WHERE number > :start AND number <= :end ORDER BY number"
        ),
        {"start": start, "end": end},
    )
    for row in rows:
        yield row.number, row.entry


def is_whole(connection: Connection, start: int, end: int) -> bool:
    """Whether all entries after `start` up to `end` are there, and are those that were hashed."""
    rows = connection.execute(
        text(
            "SELECT number, entry, leaf_hash FROM ledger_entry"
            " WHERE number > :start AND number <= :end ORDER BY number"
        ),
        {"start": start, "end": end},
    )
    number = start
    for row in rows:
        number += 1
        if row.number != number or proof.leaf_hash(row.entry) != row.leaf_hash:
            return False
    return number == end


def leaf_hashes(connection: Connection, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    rows = connection.execute(
        text(
            "SELECT number, leaf_hash FROM ledger_entry"
            " WHERE number > :start AND number <= :end ORDER BY number"
        ),
        {"start": start, "end": end},
    )
    for row in rows:
        yield row.number, row.leaf_hash
