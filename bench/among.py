"""What it takes to look a recording up among very many, most of which nobody made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import NamedTuple

from bench.crowd import SECONDS, SHARD_MAX, Crowd
from bench.table import Row, Seconds, duration, percentile, tell, timed
from sonotheque.matching import shard as shards
from sonotheque.matching.search import Query, entry_of, find, plain_stage
from sonotheque.matching.shard import Shard
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import Fingerprints

P50_BAR_S, P99_BAR_S, FULL_BAR_S = 2e-3, 20e-3, 2.0
TIMES_JUDGED = 1_000_000
"""Of more recordings, the times have no bar."""
FULL = 86_000_000
LOOKUP_BYTES_BAR = 600
_PLAIN_QUERIES, _FULL_QUERIES = 400, 24
_MS_MIN, _MS_MAX = 180_000, 240_000


class Asked(NamedTuple):
    """A copy, `prints`, of one of a `family` of copies, and the recording that it was made of."""

    family: str
    recording: Fingerprints
    prints: Fingerprints


def run(
    liked: Sequence[Fingerprints],
    asked: Sequence[Fingerprints],
    count: int,
    directory: Path,
    *,
    copies: Sequence[Asked],
    recall_bars: Mapping[str, float],
) -> list[Row]:
    """Look `asked` up among `count` recordings made of `liked`, which none of `asked` is like; and
    `copies`, of which so many of each family are to be found."""
    crowd = Crowd(directory, liked)
    rows: list[Row] = []
    held: list[Shard] = []
    seen: list[_PlainStage] = []
    for size in sorted({max(1, count // 16), max(1, count // 4), count}):
        tell(f"a crowd of {size:,}")
        held = _held(crowd, size, with_quints=size == count and count <= SHARD_MAX)
        seen.append(_PlainStage.of(held, size, asked))
        rows += _plain(seen[-1])
    if count <= SHARD_MAX:
        rows += _whole(held, count, asked)
        rows += _copies(held, count, copies, recall_bars)
    elif len(seen) > 1:
        rows.append(_reckoned(*seen[-2:]))
    return rows


def _held(crowd: Crowd, count: int, *, with_quints: bool) -> list[Shard]:
    return [
        crowd.shard(min(SHARD_MAX, count - begin), 1 << 40 | begin, with_quints=with_quints)
        for begin in range(0, count, SHARD_MAX)
    ]


class _PlainStage(NamedTuple):
    """What the plain stage costs among `count` recordings: seconds, and bytes of each that it looks
    into."""

    recordings: int
    queries: int
    p50: float
    p99: float
    each: float

    @classmethod
    def of(cls, held: Sequence[Shard], count: int, asked: Sequence[Fingerprints]) -> _PlainStage:
        queries = [Query(prints) for prints in asked if prints.duration_ms >= _MS_MIN]
        queries = (queries * (1 + _PLAIN_QUERIES // max(1, len(queries))))[:_PLAIN_QUERIES]
        seconds: Seconds = timed(lambda query: list(plain_stage(query, held)), queries)
        each = sum(shard.lookup_bytes for shard in held) / count
        return cls(count, len(queries), percentile(seconds, 50), percentile(seconds, 99), each)


def _plain(one: _PlainStage) -> list[Row]:
    is_judged = one.recordings <= TIMES_JUDGED
    return [
        Row(
            f"plain stage among {one.recordings:,}, {one.queries} queries, p50 / p99",
            f"{duration(one.p50)} / {duration(one.p99)}",
            f"≤ {duration(P50_BAR_S)} / {duration(P99_BAR_S)}" if is_judged else "",
            one.p50 <= P50_BAR_S and one.p99 <= P99_BAR_S if is_judged else None,
        ),
        Row(
            f"what it looks into, of a recording of {SECONDS} s",
            f"{one.each:.0f} B",
            f"≤ {LOOKUP_BYTES_BAR} B",
            one.each <= LOOKUP_BYTES_BAR,
        ),
    ]


def _reckoned(before: _PlainStage, last: _PlainStage) -> Row:
    """What FULL would take, growing further as it grew between the two largest."""
    a_recording = (last.p50 - before.p50) / (last.recordings - before.recordings)
    p50 = last.p50 + a_recording * (FULL - last.recordings)
    return Row(
        f"reckoned for {FULL:,}, no measurement: p50, and what is looked into",
        f"{duration(p50)}, {last.each * FULL / 1e9:.0f} GB",
    )


def _whole(held: Sequence[Shard], count: int, asked: Sequence[Fingerprints]) -> list[Row]:
    """All stages, for recordings that are not there and then for the same when they are."""
    chosen = [prints for prints in asked if _MS_MIN <= prints.duration_ms <= _MS_MAX]
    chosen = chosen[:_FULL_QUERIES]
    strange, wrong = _checked(held, [(prints, None) for prints in chosen])
    real, numbers = _real(chosen)
    known, found = _checked([*held, real], list(zip(chosen, numbers, strict=True)))
    worst = percentile(strange, 100)
    return [
        Row(
            f"all stages among {count:,}, for {len(chosen)} of 3 to 4 min that are not there,"
            " processor time, median / worst",
            f"{duration(percentile(strange, 50))} / {duration(worst)}",
            f"≤ {duration(FULL_BAR_S)}",
            worst <= FULL_BAR_S,
        ),
        Row("… taken for one of the crowd", f"{wrong}", "0", wrong == 0),
        Row(
            "… for the same when they are there",
            f"{duration(percentile(known, 50))} / {duration(percentile(known, 100))}",
        ),
        Row("… found", f"{found} of {len(chosen)}", "all", found == len(chosen)),
    ]


def _copies(
    held: Sequence[Shard], count: int, copies: Sequence[Asked], recall_bars: Mapping[str, float]
) -> list[Row]:
    """All stages, for copies of recordings that are there besides the others."""
    recordings = {id(copy.recording): copy.recording for copy in copies}
    real, numbers = _real(list(recordings.values()))
    number_of = dict(zip(recordings, numbers, strict=True))
    rows = []
    for family, bar in recall_bars.items():
        asked = [
            (copy.prints, number_of[id(copy.recording)]) for copy in copies if copy.family == family
        ]
        cost, found = _checked([*held, real], asked)
        rows.append(
            Row(
                f"found among {count:,}: {family}, {len(asked)} copies of {len(recordings)}"
                " recordings; processor time, median / worst",
                f"{found}; {duration(percentile(cost, 50))} / {duration(percentile(cost, 100))}",
                f"≥ {bar:.0%}",
                found >= bar * len(asked),
            )
        )
    return rows


def _real(recordings: Sequence[Fingerprints]) -> tuple[Shard, list[RecordingId]]:
    """A shard of `recordings`, and what each is called there."""
    real = shards.build([entry_of(number, prints) for number, prints in enumerate(recordings)])
    return real, [RecordingId(to_crockford(number)) for number in range(len(recordings))]


def _checked(
    held: Sequence[Shard], asked: Sequence[tuple[Fingerprints, RecordingId | None]]
) -> tuple[Seconds, int]:
    """Processor seconds of each of `asked`, and of how many the recording beside it is found, or
    any at all where it says None: suspects do not count."""
    found: list[bool] = []

    def check(one: tuple[Fingerprints, RecordingId | None]) -> None:
        prints, wanted = one
        matches = find(Query(prints), held, lambda place, number: True)
        found.append(any(not m.is_suspect and wanted in (None, m.recording) for m in matches))

    return timed(check, asked, clock=process_time), sum(found)
