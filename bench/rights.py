"""How fast a use is decided, one by one and for the whole catalogue at once.

The ledger is made up, in the shape of one that a distributor's catalogue would have: a verified
licence or deal for most recordings, a claim for the rest, some in a few countries, some over; one
in twenty taken down or refused, and one in fifty of all entries taken back. It has two entries for
each recording. `--rows 256M` is the bar's own size; smaller ones show how it grows.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from bench import withdrawal
from bench.footprint import measured
from bench.table import Row, Watch, duration, size, sizes, tell
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import KEEPING, TRAINING, Kind, Layer, Statement, Status, Use
from sonotheque.rights.clearance import bits, clear
from sonotheque.rights.decision import decide
from sonotheque.rights.licences import PUBLIC_USES
from sonotheque.store.engine import open_engine, quoted, write_parquet

DECISIONS_BAR = 100_000
CLEARANCE_ROWS_BAR = 256_000_000
CLEARANCE_SECONDS_BAR = 600
CLEARANCE_BYTES_BAR = 8_000_000_000
MEMORY_BYTES_MAX = 6_000_000_000
"""What the engine is given: the process needs some besides."""
_DECISIONS = 200_000
_ENTRIES_EACH = 2
_NOW = "2026-11-28T00:00:00.000000Z"
_SEED = 5


def run(words: list[str]) -> list[Row]:
    parser = argparse.ArgumentParser(prog="python -m bench rights")
    parser.add_argument("--rows", type=sizes, default=(1_000_000, 4_000_000), metavar="N[,N…]")
    parser.add_argument("--memory", type=size, default=MEMORY_BYTES_MAX, help="of the engine: 400M")
    parser.add_argument("--dir", type=Path, default=Path(), help="where there is room on the disk")
    options = parser.parse_args(words)
    each = _decisions_a_second()
    rows = [
        Row(
            "decisions a second and core, reasons included, over one to five entries each",
            f"{each:,.0f}",
            f"{DECISIONS_BAR:,}",
            each >= DECISIONS_BAR,
        )
    ]
    with tempfile.TemporaryDirectory(prefix="bench-withdrawal-") as name:
        tell("takes down what is being listened to")
        rows += withdrawal.rows(Path(name).resolve())
    with tempfile.TemporaryDirectory(prefix="bench-rights-", dir=options.dir) as name:
        rows += [
            _clearance(count, options.memory, Path(name).resolve(), each) for count in options.rows
        ]
    return rows


def _decisions_a_second() -> float:
    """Histories of one to five entries, as most recordings have, each asked for every use."""
    chance = random.Random(_SEED)
    recording = RecordingId("0000000000001")
    ledgers = [
        [_entry(chance, recording, number) for number in range(1, chance.randint(1, 5) + 1)]
        for _ in range(_DECISIONS // len(Use))
    ]
    watch = Watch()
    for ledger in ledgers:
        for use in Use:
            decide(ledger, recording, use, _NOW)
    _, cpu = watch.read()
    return len(ledgers) * len(Use) / cpu


def _entry(chance: random.Random, recording: RecordingId, number: int) -> Statement:
    kinds = [Kind.GRANT, Kind.REFUSAL, Kind.TAKEDOWN, Kind.REVOCATION]
    kind = chance.choices(kinds, weights=[16, 2, 1, 1])[0]
    return Statement(
        id=number,
        recording=recording,
        kind=kind,
        uses=chance.choice([PUBLIC_USES, tuple(Use), (Use.PRESERVE, Use.STREAM), TRAINING]),
        status=chance.choice([*Status]),
        issuer=chance.choice(["A label", "An artist"]),
        evidence="a letter",
        at="2026-01-01T00:00:00.000000Z",
        licence=chance.choice(["", "https://creativecommons.org/licenses/by-sa/4.0/"]),
        ends_at=chance.choice(["", "", "", "2026-10-01"]),
        revokes=number - 1 if kind is Kind.REVOCATION else 0,
        layers=chance.choice([(), tuple(Layer), (Layer.RECORDING,)]),
    )


def _clearance(count: int, memory_bytes_max: int, directory: Path, one_by_one: float) -> Row:
    """`one_by_one` is how many decisions a core makes in a second."""
    tell(f"makes a ledger about {count:,} recordings")
    entries = directory / f"entries-{count}.parquet"
    measured(make_ledger, count, entries, directory / "spill")
    tell("clears it")
    out = directory / f"clearance-{count}.parquet"
    cleared, cost = measured(
        cleared_rows, entries, out, directory / "spill", memory_bytes_max, below=directory
    )
    memory = cost.peak.process_bytes
    decided = f"{cleared:,} recordings, {_ENTRIES_EACH * count:,} entries, {len(Use)} uses"
    whole = count >= CLEARANCE_ROWS_BAR
    met = cost.wall <= CLEARANCE_SECONDS_BAR and memory <= CLEARANCE_BYTES_BAR
    each = cost.wall / count * 1e9
    ratio = cleared * len(Use) / cost.cpu / one_by_one
    took = f"{duration(cost.wall)} ({duration(cost.cpu)} of processor)"
    scaled = "" if whole else f"; so {duration(each * CLEARANCE_ROWS_BAR / 1e9)} for 256 M"
    for path in (entries, out):
        path.unlink()
    return Row(
        f"clearance of {decided}",
        f"{took}, {ratio:.0f} × as fast as one by one, {memory / 1e9:.2f} GB of memory,"
        f" {cost.peak.disk_bytes / 1e9:.1f} GB of disk; {each:.0f} ns a recording{scaled}",
        "10 min and 8 GB for 256 M",
        met if whole else None,
    )


def cleared_rows(entries: Path, out: Path, spill: Path, memory_bytes_max: int) -> int:
    """Clear what is in `entries`; how many recordings there are answers for."""
    with open_engine(memory_bytes_max=memory_bytes_max, spill=spill) as engine:
        return clear(engine, entries, out, now=_NOW)


def make_ledger(count: int, path: Path, spill: Path) -> None:
    """Write the rows of a ledger about `count` recordings, in no order of theirs."""
    public, every, some = bits(PUBLIC_USES), bits(Use), bits([*KEEPING, Use.STREAM])
    suspended = bits(set(Use) - set(KEEPING))
    chance = f"hash(id, {_SEED}) % 1000"
    with open_engine(memory_bytes_max=MEMORY_BYTES_MAX, spill=spill) as engine:
        write_parquet(
            engine,
            f"""
            SELECT id, (hash(id % {count}) >> 1)::BIGINT AS recording,
                CASE WHEN chance < 20 THEN 3 WHEN chance < 40 THEN 2 WHEN chance < 70 THEN 1
                     ELSE 0 END::UTINYINT AS kind,
                CASE WHEN chance < 20 THEN 0 WHEN chance < 40 THEN {suspended}
                     WHEN chance < 300 THEN {every} WHEN chance < 900 THEN {public} ELSE {some}
                     END::BIGINT AS uses,
                chance < 800 AS verified,
                CASE WHEN chance < 500 THEN 0 WHEN chance < 900 THEN 3 WHEN chance < 950 THEN 1
                     ELSE 2 END::UTINYINT AS layers,
                'issuer ' || hash(id % {count}, 2) % 100000 AS issuer,
                '2026-0' || (1 + hash(id, 3) % 9) || '-01T00:00:00.000000Z' AS at,
                '' AS begins_at,
                CASE WHEN hash(id, 4) % 10 = 0 THEN '2026-10-01' ELSE '' END AS ends_at,
                CASE WHEN chance < 20 THEN greatest(id - {count}, 0) ELSE 0 END AS revokes,
                CASE WHEN hash(id, 6) % 20 = 0 THEN 'BE,FR' ELSE '' END AS territories,
                CASE WHEN hash(id, 7) % 50 = 0 THEN 'US' ELSE '' END AS territories_except
            FROM (SELECT range + 1 AS id, {chance.replace("id", "range + 1")} AS chance
                  FROM range({_ENTRIES_EACH * count}))
            """,
            path,
        )
        rows = f"SELECT count(*) FROM read_parquet({quoted(path)})"
        written = engine.execute(rows).fetchone()
        if not written or written[0] != _ENTRIES_EACH * count:
            raise SystemExit(f"bench: the ledger has {written} rows")
