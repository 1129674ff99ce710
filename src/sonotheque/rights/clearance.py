"""What `decision.decide` answers, for every recording and every use at once, by the engine.

Entries of the ledger are brought into columns (`write_entries`), one row each; `clear` answers for
all of the recordings of which they say anything, one row each, with the uses as bits in the order
of `Use`. A recording without a row is one for which every use is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sonotheque.model.identifiers import CROCKFORD_DIGITS, RecordingId, from_crockford
from sonotheque.model.terms import (
    ALLOWED_WITH,
    KEEPING,
    ON_PREMISES,
    REFUSED_WITH,
    SUSPENDED_WITH,
    TRAINING,
    Answer,
    Kind,
    Layer,
    Statement,
    Status,
    Use,
)
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.decision import without_clocks
from sonotheque.rights.periods import has_clocks
from sonotheque.store.engine import Engine, quoted, write_parquet

_BIT = {use: 1 << place for place, use in enumerate(Use)}
_LAYER_BIT = {layer: 1 << place for place, layer in enumerate(Layer)}
_CODE = {kind: code for code, kind in enumerate(Kind)}
ENTRY_COLUMNS: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "recording": pa.int64(),
    "kind": pa.uint8(),
    "uses": pa.int64(),
    "verified": pa.bool_(),
    "layers": pa.uint8(),
    "issuer": pa.string(),
    "at": pa.string(),
    "begins_at": pa.string(),
    "ends_at": pa.string(),
    "revokes": pa.int64(),
    "territories": pa.string(),
    "territories_except": pa.string(),
}
"""An entry as a row. `uses` has a bit for each use that the entry allows or restricts, with those
that go along (`ALLOWED_WITH`, `REFUSED_WITH`, a takedown's); countries stand with commas between
them; `recording` is the number behind the identifier."""
_SCHEMA = pa.schema(ENTRY_COLUMNS)
_BATCH_ROWS = 65_536


def bits(uses: Iterable[Use]) -> int:
    """`uses` as a set of bits."""
    return reduce(int.__or__, (_BIT[use] for use in uses), 0)


def write_entries(ledger: Callable[[], Iterable[Statement]], path: Path, now: str) -> int:
    """Write the entries that `ledger` gives, the same each of two times, as rows to the Parquet
    file `path`; how many rows there are.

    What waits for a clock is written as of `now`, so that such rows answer for no other moment; the
    entries about recordings with clocks are in memory meanwhile.
    """
    count = 0
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for batch in _batches(_plain(ledger, now)):
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def clear(
    engine: Engine, entries: Path, out: Path, *, now: str, home: Territory = EVERYWHERE
) -> int:
    """Answer for every recording that the rows of `entries` (Parquet files of ENTRY_COLUMNS, by a
    path or a pattern) still say anything, as `decide_all(statements, recording, now, home)` would.

    Writes the Parquet file `out` with `recording`, `allowed` and `refused` (bits; what is in
    neither is unknown), in no order; how many recordings there were. Whoever needs it durable
    calls `engine.seal`.
    """
    engine.execute(f"CREATE OR REPLACE TEMP VIEW entry AS FROM read_parquet({quoted(entries)})")
    _find_revoked(engine, now)
    write_parquet(engine, _clearance_query(now, home), out)
    counted = engine.execute(f"SELECT count(*) FROM read_parquet({quoted(out)})").fetchone()
    return int(counted[0]) if counted else 0


def spell_out(engine: Engine, cleared: Path, out: Path) -> None:
    """Write what `clear` wrote to `cleared` as a table for people to the Parquet file `out`:
    `recording`, its identifier, in order, and a column for each use with its answer in words."""
    digits = " || ".join(
        f"substr('{CROCKFORD_DIGITS}', 1 + ((recording >> {shift}) & 31)::INTEGER, 1)"
        for shift in range(60, -1, -5)
    )
    uses = ", ".join(
        f"CASE WHEN refused & {_BIT[use]} <> 0 THEN '{Answer.REFUSED}'"
        f" WHEN allowed & {_BIT[use]} <> 0 THEN '{Answer.ALLOWED}'"
        f" ELSE '{Answer.UNKNOWN}' END AS \"{use}\""
        for use in Use
    )
    query = f"SELECT {digits} AS recording, {uses} FROM read_parquet({quoted(cleared)}) ORDER BY 1"
    write_parquet(engine, query, out)


def _plain(ledger: Callable[[], Iterable[Statement]], now: str) -> Iterator[Statement]:
    waiting: dict[RecordingId, list[Statement]] = {
        statement.recording: [] for statement in ledger() if has_clocks([statement])
    }
    for statement in ledger():
        if statement.recording in waiting:
            waiting[statement.recording].append(statement)
        else:
            yield statement
    for statements in waiting.values():
        yield from without_clocks(statements, now)


def _batches(statements: Iterable[Statement]) -> Iterator[pa.RecordBatch]:
    rest = iter(statements)
    while rows := [_row(statement) for statement in islice(rest, _BATCH_ROWS)]:
        yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)


def _row(statement: Statement) -> dict[str, object]:
    return {
        "id": statement.id,
        "recording": from_crockford(statement.recording),
        "kind": _CODE[statement.kind],
        "uses": bits(_reach(statement)),
        "verified": statement.status is Status.VERIFIED,
        "layers": reduce(int.__or__, (_LAYER_BIT[layer] for layer in statement.layers), 0),
        "issuer": statement.issuer,
        "at": statement.at,
        "begins_at": statement.begins_at,
        "ends_at": statement.ends_at,
        "revokes": statement.revokes,
        "territories": ",".join(statement.territories),
        "territories_except": ",".join(statement.territories_except),
    }


def _reach(statement: Statement) -> Iterator[Use]:
    """The uses that `statement` allows or restricts, with those that go along."""
    if statement.kind is Kind.REVOCATION:
        return
    if statement.kind is Kind.TAKEDOWN:
        yield from (use for use in Use if use not in KEEPING)
        for use, names in SUSPENDED_WITH.items():
            if not set(names).isdisjoint(statement.uses):
                yield use
        return
    along = ALLOWED_WITH if statement.kind is Kind.GRANT else REFUSED_WITH
    for use in Use:
        if not {use, *along.get(use, ())}.isdisjoint(statement.uses):
            yield use


def _find_revoked(engine: Engine, now: str) -> None:
    """Make the table `revoked` of the numbers of the entries that were taken back.

    Whether a revocation holds depends on later ones alone. So those that nothing takes back hold;
    what they take back is settled; and so on, until every one is.
    """
    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE taking_back AS
        SELECT back.id, target.id AS target, target.kind = {_CODE[Kind.REVOCATION]} AS of_revocation
        FROM entry AS back JOIN entry AS target
          ON back.kind = {_CODE[Kind.REVOCATION]} AND target.id = back.revokes
         AND target.recording = back.recording AND target.id < back.id
        WHERE target.kind = {_CODE[Kind.GRANT]}
           OR (target.issuer = back.issuer AND back.at <= $now)
        """,
        {"now": now},
    )
    engine.execute("CREATE OR REPLACE TEMP TABLE revoked (id BIGINT)")
    engine.execute("CREATE OR REPLACE TEMP TABLE holding (id BIGINT, target BIGINT)")
    while _settle_revocations(engine):
        pass


def _settle_revocations(engine: Engine) -> bool:
    """Settle those revocations that no open one takes back; whether there were any."""
    engine.execute(
        """
        CREATE OR REPLACE TEMP TABLE holding AS
        SELECT id, target FROM taking_back
        WHERE id NOT IN (SELECT target FROM taking_back WHERE of_revocation)
        """
    )
    engine.execute("INSERT INTO revoked SELECT DISTINCT target FROM holding")
    engine.execute(
        """
        DELETE FROM taking_back
        WHERE id IN (SELECT id FROM holding) OR id IN (SELECT target FROM holding)
        """
    )
    found = engine.execute("SELECT count(*) FROM holding").fetchone()
    return bool(found and found[0])


def _clearance_query(now: str, home: Territory) -> str:
    """The rows of a clearance. An entry's four sets of bits (refused; allowed on the recording, on
    the work, for keeping) are gathered as one number, sixteen bits each."""
    premises, elsewhere = bits(ON_PREMISES), bits(set(Use) - set(ON_PREMISES))
    there = (
        f"(territories = '' OR contains(territories, {quoted(home)}))"
        f" AND NOT contains(territories_except, {quoted(home)})"
        if home
        else "false"
    )
    # What holds in some countries only: a no counts everywhere, a yes nowhere, and on the premises
    # both count if it holds there.
    no_there = f"CASE WHEN {there} THEN {premises} ELSE 0 END" if home else f"{premises}"
    worldwide = "territories = '' AND territories_except = ''"
    no = f"CASE WHEN {worldwide} THEN uses ELSE uses & ({elsewhere} | {no_there}) END"
    yes = f"CASE WHEN {worldwide} THEN uses WHEN {there} THEN uses & {premises} ELSE 0::BIGINT END"
    recording, work = _LAYER_BIT[Layer.RECORDING], _LAYER_BIT[Layer.WORK]
    keeping, training = bits(KEEPING), bits(TRAINING)
    ordinary = bits(set(Use) - set(KEEPING))
    return f"""
    WITH standing AS (
        SELECT recording, kind, layers, verified, {no} AS no, {yes} AS yes
        FROM entry
        WHERE kind IN ({_CODE[Kind.GRANT]}, {_CODE[Kind.REFUSAL]}, {_CODE[Kind.TAKEDOWN]})
          AND (kind <> {_CODE[Kind.GRANT]} OR entry.at <= {quoted(now)})
          AND (ends_at = '' OR ends_at > {quoted(now)})
          AND (begins_at = '' OR begins_at <= {quoted(now)})
          AND NOT EXISTS (SELECT 1 FROM revoked WHERE revoked.id = entry.id)
    ), gathered AS (
        SELECT recording, bit_or(
            CASE WHEN kind <> {_CODE[Kind.GRANT]} THEN no
            ELSE ((yes & {keeping}) << 48) | CASE WHEN verified THEN
                CASE WHEN layers = 0 OR (layers & {recording}) <> 0 THEN yes << 16 ELSE 0 END
                | CASE WHEN layers = 0 THEN (yes & ~{training}) << 32
                       WHEN (layers & {work}) <> 0 THEN yes << 32 ELSE 0 END
                ELSE 0 END
            END) AS said
        FROM standing GROUP BY recording
    )
    SELECT recording,
        ((((said >> 16) & (said >> 32) & {ordinary}) | ((said >> 48) & {keeping})) & ~said)
            ::USMALLINT AS allowed,
        (said & 65535)::USMALLINT AS refused
    FROM gathered
    """
