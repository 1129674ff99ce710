"""Ours beside its peers, over the same rows and in the same run: the ratio, and who is ahead."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import peers
from bench.finding import Searched, Subject, find_in, searched
from bench.peers import Peer, Unavailable
from bench.table import Row, duration, in_turn, percentile, tell
from sonotheque.model.identifiers import Isrc, RecordingId
from sonotheque.model.music import Description, Recording

PEERS: dict[str, Callable[[Path], AbstractContextManager[Peer]]] = {
    "sqlite": peers.sqlite,
    "postgresql": peers.postgresql,
}

_SEARCH_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Ours:
    """What was measured of the catalogue. `built` is from Parquet rows to a catalogue in use, in
    seconds."""

    rows: int
    served_bytes: int
    built: float
    searches: dict[str, Searched]


def compare(
    ours: Ours, subject: Subject, universe: Path, workspace: Path, *, seconds_max: float
) -> list[Row]:
    """Rows for each peer. One that is not here counts as missed, and says how to get it. No more
    queries of a kind are asked than it answers in `seconds_max`; ours are compared by the same."""
    rows = []
    for name, start in PEERS.items():
        try:
            with start(workspace) as peer:
                found = _beside(peer, ours, subject, universe, seconds_max)
                rows += [replace(row, what=f"to {peer.name}: {row.what}") for row in found]
        except Unavailable as missing:
            tell(f"{name.upper()} WAS SKIPPED, {missing}")
            rows.append(Row(f"to {name}", f"**skipped**: {missing}", "< 1 ×", False))
    return rows


def _beside(
    peer: Peer, ours: Ours, subject: Subject, universe: Path, seconds_max: float
) -> list[Row]:
    tell(f"building the same rows in {peer.name}")
    start = time.perf_counter()
    peer.build(sorted(universe.glob("rows-*.parquet")))
    built = time.perf_counter() - start
    byte_count = peer.bytes_on_disk()
    tell(f"asking {peer.name}")
    # What our look-up gives is a recording made of its rows: theirs is asked for the same value.
    isrcs, theirs, alone = in_turn(
        (
            subject.snapshot.by_isrc,
            lambda isrc: _recording(peer.by_isrc(isrc)),
            peer.by_isrc,
        ),
        subject.isrcs,
    )
    rows = [
        _less(
            "bytes a row", ours.served_bytes / ours.rows, byte_count / ours.rows, "{:.0f}".format
        ),
        _less("Parquet rows to a catalogue in use", ours.built, built),
    ]
    rows += [
        _less(
            f"ISRC to the full record, p{percent}",
            percentile(isrcs, percent),
            percentile(theirs, percent),
        )
        for percent in (50, 99)
    ]
    rows.append(
        Row("… of which its rows as the database gives them, p50", duration(percentile(alone, 50)))
    )
    for kind in ("plain", "prefix"):
        rows += _search(peer, subject, ours.searches[kind], kind, seconds_max)
    start = time.perf_counter()
    if not peer.prepare_typos():
        return [*rows, Row("search, typo", "— (it cannot)")]
    taken = duration(time.perf_counter() - start)
    more = (peer.bytes_on_disk() - byte_count) / ours.rows
    rows += _search(peer, subject, ours.searches["typo"], "typo, by pg_trgm", seconds_max)
    return [*rows, Row("… for which its index took besides", f"{more:.0f} bytes a row, {taken}")]


def _recording(rows: list[Any]) -> Recording:
    """The recording that rows of a peer, in the order of `peers.COLUMNS`, are."""
    best = max(rows, key=lambda row: row[9] or 0)
    _, _, isrc, title, artist, album, label, released, duration_ms, popularity, _, _ = best
    return Recording(
        id=RecordingId(best[1]),
        description=Description(
            title=title,
            artist=artist,
            album=album,
            label=label,
            year=int(str(released)[:4]) if released else None,
            isrcs=(Isrc(isrc),),
        ),
        duration_ms=duration_ms or 0,
        added_at="",
        popularity=popularity or 0,
    )


def _search(
    peer: Peer, subject: Subject, ours: Searched, kind: str, seconds_max: float
) -> list[Row]:
    theirs = searched(
        ours.asked,
        peer.search,
        lambda row: (row[peers.TITLE], row[peers.ARTIST]),
        seconds_max=seconds_max,
    )
    count = len(theirs.asked)
    seconds, their_seconds = in_turn(
        (find_in(subject.catalogue), peer.search), theirs.asked, rounds=_SEARCH_ROUNDS
    )
    same = Searched(seconds, ours.is_meant[:count], ours.is_any[:count], theirs.asked)
    rows = [
        _less(
            f"search, {kind}, {count:,} queries, p{percent}",
            percentile(seconds, percent),
            percentile(their_seconds, percent),
        )
        for percent in (50, 99)
    ]
    shares = f"{same.shares()} to {theirs.shares()}"
    return [*rows, Row("… what was meant is on the first page / anything is found", shares)]


def _less(what: str, ours: float, theirs: float, written: Callable[[float], str] = duration) -> Row:
    ratio = ours / theirs
    digits = 2 if ratio < 10 else 0
    measured = f"{ratio:.{digits}f} × ({written(ours)} to {written(theirs)})"
    return Row(what, measured, "< 1 ×", ratio < 1)
