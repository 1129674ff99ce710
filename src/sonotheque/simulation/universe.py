"""A made-up catalogue with the published proportions of the real one (DESIGN.md, section 7).

It lets anyone check this project's claims of scale without protected data; every name in it is
made of random syllables. Streams follow Luminate's 2025 buckets, the tail's exponent chosen so
that 541 k of 253 M recordings make 49.4 % of streams; popularity, rows an ISRC, artists and
albums follow the copied catalogue's counts.

Made in blocks, each from its own random stream, so memory does not grow with the size. A block
holds whole artists, albums and ISRC registrants; only the ranks of popularity are global.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from sonotheque.errors import BadInput
from sonotheque.store import files

# The stubs cannot follow columns whose type is known only when the program runs.
pc: Any = pyarrow.compute
Column = Any
"""A pyarrow array of any type."""
Numbers = npt.NDArray[np.int64]
Random = np.random.Generator

BLOCK_ROWS = 1 << 18
RECORDINGS_MAX = 500_000_000
"""Beyond it the made-up ISRC registrants would run out."""

ROWS_PER_RECORDING = 1.374
"""A little under 1.38 rows an ISRC, because some rows have none."""
ROWS_PER_ARTIST = 16.55
ROWS_PER_ALBUM = 4.37
RECORDINGS_PER_REGISTRANT = 600

# Share of recordings at least this often streamed, most streamed first, as (share, streams);
# above 1,000 a Pareto tail takes over.
_STREAMS_AT = ((0.1154, 1_000.0), (0.2763, 100.5), (0.5237, 10.5), (0.7814, 0.5))
_TAIL_SHARE, _TAIL_EXPONENT = 0.1154, 1.182
# Popularity (0 to 100) by share of recordings that are more popular.
_POPULARITY_AT = ((4e-9, 100.0), (0.00102, 50.0), (0.02, 25.0), (0.1154, 8.0), (0.28, 0.0))

_COUNTRIES = (
    "US QZ QM GB FR DE JP BR IT ES SE NL CA AU KR MX TC CH BE NO DK FI PL RU IN TW ZA AR TH EG"
)
_SPACE_PER_COUNTRY = 36**3
_LAST_DAY = 20_453  # 2025-12-31, days since 1970
_SOURCES: Column = pa.array(["label-feed", "aggregator", "radio", "crowd"])
_LABEL_KINDS: Column = pa.array([" Records", " Music", " Recordings", " Discos", " Tonträger", ""])
_VERSIONS: Column = pa.array(
    [" (Live)", " - Remastered {year}", " (Acoustic)", " (Remix)", " - Radio Edit", " (Demo)"]
)


def _signs(first: int, count: int, step: int) -> str:
    """Every `step`th sign of Unicode from `first` on."""
    return " ".join(chr(first + step * number) for number in range(count))


# (share of artists, syllables, what parts words). Scripts that write by the syllable or the word
# have as many signs as people use every day.
_SCRIPTS: tuple[tuple[float, str, str], ...] = (
    (
        0.70,
        "ka lo mi ren dor sta vel na shi ton bra el mar in us be ty fal go ber ri an sol wa de "
        "cre hu ling ple or",
        " ",
    ),
    (0.10, "ção é ñu är ö lü çe gá ší łó no ma te ria ven ço ê to lã sø re ka", " "),
    (0.04, "ла до ми ре но ста ве ть ка лю бо вь ноч сол це зи ма ра", " "),
    (0.04, f"{_signs(0x3042, 70, 1)} {_signs(0x5000, 300, 11)}", ""),
    (0.03, _signs(0x4E03, 1_500, 13), ""),
    (0.03, _signs(0xAC00, 390, 28), " "),
    (0.02, "حب يا قل بي ليل نو ر سم اء با ح ري", " "),
    (0.01, "รัก ใจ ดาว ฟ้า ฝน ลม คืน เธอ ฉัน", ""),
    (0.02, "α γά πη νύ χτα ου ρα νός θά λα σσα", " "),
    (0.01, "प्या र दि ल रा त चाँ द सा थी", " "),
)
_WORDS_PER_SCRIPT = 160_000
_ZIPF_SHIFT = 2.5
"""Of Mandelbrot's law, p(rank) ∝ 1 / (rank + shift): the most common word is 3 % of all."""

_ROW_COLUMNS: dict[str, pa.DataType] = {
    "source": pa.string(),
    "source_id": pa.string(),
    "isrc": pa.string(),
    "title": pa.string(),
    "artist": pa.string(),
    "album": pa.string(),
    "label": pa.string(),
    "release_date": pa.date32(),
    "duration_ms": pa.int32(),
    "popularity": pa.int8(),
    "streams": pa.int64(),
    "upc": pa.string(),
}
_ROW_SCHEMA = pa.schema(_ROW_COLUMNS)
_TRUTH_COLUMNS: dict[str, pa.DataType] = {"source_id": pa.string(), "recording": pa.int64()}
_TRUTH_SCHEMA = pa.schema(_TRUTH_COLUMNS)


def write_universe(
    directory: Path,
    *,
    recordings: int,
    seed: int,
    processes: int = os.cpu_count() or 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> None:
    """Write `recordings` rows to the new `directory`: rows-*.parquet and truth.parquet.

    A row is a recording as services list them, 1.38 for an ISRC; truth.parquet says of each
    row, by `source_id`, which sound recording (a number) it really is. The same `recordings`
    and `seed` give the same bytes, by however many `processes`. Memory: some 400 MB a process.
    Raises BadInput for a size that cannot be made, or a directory that already holds something.
    """
    if not 0 < recordings <= RECORDINGS_MAX:
        raise BadInput(
            f"a universe of {recordings} recordings cannot be made",
            remedy=f"ask for 1 to {RECORDINGS_MAX:,}",
        )
    if directory.exists() and any(directory.iterdir()):
        raise BadInput(
            "the directory is not empty", where=str(directory), remedy="name a new directory"
        )
    files.make_directory(directory)
    firsts = range(0, recordings, BLOCK_ROWS)
    blocks = [
        _Block(number, first, min(BLOCK_ROWS, recordings - first), BLOCK_ROWS, recordings, seed)
        for number, first in enumerate(firsts)
    ]
    with contextlib.ExitStack() as stack:
        truth = stack.enter_context(pq.ParquetWriter(directory / "truth.parquet", _TRUTH_SCHEMA))
        spread: Any = map
        if len(blocks) > 1 and processes > 1:
            # Not by fork: Arrow has threads running.
            workers = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
            spread = stack.enter_context(workers).map
        paths = [directory / f"rows-{block.number:05d}.parquet" for block in blocks]
        for done, real in enumerate(spread(_write_block, blocks, paths), 1):
            ids = _source_ids(blocks[done - 1])
            truth.write_table(pa.table([ids, pa.array(real)], schema=_TRUTH_SCHEMA))
            if progress:
                progress("universe", done, len(blocks))


def _write_block(block: _Block, path: Path) -> Numbers:
    """Write the rows of `block`; the true recording of each."""
    table, real = _rows_of(block, _vocabulary())
    # A dictionary only where values come again: elsewhere it is built to be thrown away.
    repeated: Any = ["source", "artist", "album", "label"]
    with pq.ParquetWriter(path, _ROW_SCHEMA, compression="zstd", use_dictionary=repeated) as out:
        out.write_table(table)
    return real


def _source_ids(block: _Block) -> Column:
    numbers = pa.array(np.arange(block.first, block.first + block.rows))
    return pc.binary_join_element_wise("u", pc.cast(numbers, pa.string()), "")


@dataclass(frozen=True, slots=True)
class _Block:
    number: int
    first: int
    """Number of its first row."""
    rows: int
    full: int
    """Rows of every block but the last."""
    of: int
    """Rows of the whole universe."""
    seed: int


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of one script: a pool, most common first, and what parts two of them."""

    pool: Column
    between: str


@dataclass(frozen=True, slots=True)
class _Recordings:
    """The sound recordings of a block, in order of artist; every array has one entry each."""

    title: Column
    artist: Numbers
    year: Numbers
    duration_ms: Numbers
    isrc: Column
    registrant: Numbers
    streams: Numbers
    popularity: Numbers


def _rows_of(block: _Block, words: tuple[_Words, ...]) -> tuple[pa.Table, Numbers]:
    """The rows of `block` in no order, and the true recording of each."""
    random = np.random.default_rng([block.seed, block.number])
    count = _recordings_in(block.rows)
    artist_count = max(1, round(block.rows / ROWS_PER_ARTIST))
    scripts = random.choice(len(words), artist_count, p=[share for share, _, _ in _SCRIPTS])
    artists = _artists(block, random, words, scripts)
    made = _recordings(block, random, words, scripts, count)

    extra = _extra_rows(random, count, block.rows - count)
    real = np.concatenate([np.arange(count), extra])
    album, album_recording, album_late = _albums(random, made, extra, block.rows)
    albums = _phrases(random, words, scripts[made.artist[album_recording]], (1, 2, 3))
    labels = _labels(random, words, int(made.registrant.max()) + 1)

    order = random.permutation(block.rows)
    real, album, is_extra = real[order], album[order], (np.arange(block.rows) >= count)[order]
    isrc = _row_isrcs(random, made, real, is_extra)
    day = (made.year[album_recording] - 1970) * 365.2425 + random.integers(1, 365, len(albums))
    day = day + album_late * random.integers(365, 3_650, len(albums))
    shrink = np.where(is_extra, random.uniform(0.3, 1.0, block.rows), 1.0)
    wobble = np.where(is_extra, random.integers(-900, 900, block.rows), 0)
    upc = _upcs(block.first + np.arange(len(albums)))
    table = pa.table(
        [
            _SOURCES.take(pa.array(random.choice(4, block.rows, p=[0.6, 0.25, 0.05, 0.1]))),
            _source_ids(block),
            isrc,
            _misspelt(random, made.title.take(pa.array(real)), is_extra),
            artists.take(pa.array(made.artist[real])),
            albums.take(pa.array(album)),
            labels.take(pa.array(made.registrant[real])),
            pa.array(np.minimum(day, _LAST_DAY)[album].astype(np.int32)).cast(pa.date32()),
            pa.array((made.duration_ms[real] + wobble).astype(np.int32)),
            pa.array((made.popularity[real] * shrink).astype(np.int8)),
            pa.array((made.streams[real] * shrink).astype(np.int64)),
            upc.take(pa.array(album)),
        ],
        schema=_ROW_SCHEMA,
    )
    return table, real + block.first


def _recordings(
    block: _Block, random: Random, words: tuple[_Words, ...], scripts: Numbers, count: int
) -> _Recordings:
    # Every artist has one recording at least; the rest go mostly to few.
    crowd = (len(scripts) * random.random(max(0, count - len(scripts))) ** 3).astype(np.int64)
    artist = np.sort(np.concatenate([np.arange(min(len(scripts), count)), crowd]))
    registrant, year, serial = _designations(random, count)
    title = _phrases(random, words, scripts[artist], (1, 2, 2, 3, 4))
    duration_ms = np.clip(random.lognormal(12.2, 0.35, count), 20_000, 5_400_000).astype(np.int64)
    title = _versions(random, title, artist, year)
    rank, total = _global_ranks(block, count)
    return _Recordings(
        title=title,
        artist=artist,
        year=year,
        duration_ms=duration_ms,
        isrc=_isrcs(block, registrant, year, serial),
        registrant=registrant,
        streams=_streams(rank, random, total),
        popularity=_popularity(rank),
    )


def _recordings_in(rows: int) -> int:
    return max(1, round(rows / ROWS_PER_RECORDING)) if rows else 0


def _global_ranks(block: _Block, count: int) -> tuple[npt.NDArray[np.float64], int]:
    """(rank of each recording by streams, as a share in (0, 1); recordings in the universe).

    Multiplying by a number without a common factor is a permutation; near the golden section
    it spreads each block evenly over all ranks.
    """
    full_blocks, rest = divmod(block.of, block.full)
    total = full_blocks * _recordings_in(block.full) + _recordings_in(rest)
    factor = int(total * 0.618_033_988_75) | 1
    while math.gcd(factor, total) != 1:
        factor += 2
    # Two products of numbers under 2**29 fit in 63 bits.
    numbers = block.number * _recordings_in(block.full) + np.arange(count)
    return (numbers * factor % total + 0.5) / total, total


def _streams(rank: npt.NDArray[np.float64], random: Random, of: int) -> Numbers:
    shares = np.array([share for share, _ in _STREAMS_AT])
    levels = np.log10([streams for _, streams in _STREAMS_AT])
    body = 10 ** np.interp(rank, shares, levels)
    # In the tail a rank stands for the mean of its slice of the Pareto curve, so that small
    # universes have the tail's weight too.
    power = 1 - 1 / _TAIL_EXPONENT
    upper = np.minimum((rank + 0.5 / of) / _TAIL_SHARE, 1)
    lower = np.maximum((rank - 0.5 / of) / _TAIL_SHARE, 0)
    tail = 1_000 / power * (upper**power - lower**power) / np.maximum(upper - lower, 1e-12)
    streams = np.where(rank < _TAIL_SHARE, tail * random.uniform(0.9, 1.1, len(rank)), body)
    streams = np.where(rank < _TAIL_SHARE, np.maximum(streams, 1_001), streams)
    return np.where(rank > _STREAMS_AT[-1][0], 0, np.rint(streams)).astype(np.int64)


def _popularity(rank: npt.NDArray[np.float64]) -> Numbers:
    shares = np.log10([share for share, _ in _POPULARITY_AT])
    levels = np.array([level for _, level in _POPULARITY_AT])
    popularity: Numbers = np.interp(np.log10(rank), shares, levels).astype(np.int64)
    return popularity


def _designations(random: Random, count: int) -> tuple[Numbers, Numbers, Numbers]:
    """(registrant, year, serial) of each recording: registrants number on within a year, with
    a gap now and then."""
    registrants = max(1, round(count / RECORDINGS_PER_REGISTRANT))
    weights = random.pareto(1.1, registrants) + 0.05
    # No registrant may outgrow the 100,000 designations of one year.
    registrant = np.sort(random.choice(registrants, count, p=weights / weights.sum()))
    first = np.searchsorted(registrant, registrant)
    size = np.searchsorted(registrant, registrant, side="right") - first
    years = random.integers(1, 25, registrants)[registrant]
    turn = np.arange(count) - first
    year = 2025 - (years - 1) + turn * years // size
    gaps = np.where(random.random(count) < 0.03, random.integers(1, 8, count), 0)
    order = np.arange(count) + np.cumsum(gaps)
    run = np.maximum.accumulate(
        np.where(np.diff(registrant * 10_000 + year, prepend=-1) != 0, np.arange(count), 0)
    )
    return registrant, year, order - order[run] + 1


def _isrcs(block: _Block, registrant: Numbers, year: Numbers, serial: Numbers) -> Column:
    """ISRCs of registrants that no other block uses."""
    countries = np.array(_COUNTRIES.split(), "S2").view("S1").reshape(-1, 2)
    space = len(countries) * _SPACE_PER_COUNTRY
    # As many registrants as a full block has at most, spread by a factor without a common one.
    per_block = round(_recordings_in(block.full) / RECORDINGS_PER_REGISTRANT) + 1
    prefix = (block.number * per_block + registrant) * 514_229 % space
    digits = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "S1")
    raw = np.empty((len(registrant), 12), "S1")
    raw[:, :2] = countries[prefix // _SPACE_PER_COUNTRY]
    for place, divisor in enumerate((36 * 36, 36, 1)):
        raw[:, 2 + place] = digits[prefix // divisor % 36]
    designation = year % 100 * 100_000 + serial
    for place in range(7):
        raw[:, 5 + place] = digits[designation // 10 ** (6 - place) % 10]
    return _fixed_width_texts(raw)


def _row_isrcs(random: Random, made: _Recordings, real: Numbers, is_extra: Any) -> Column:
    """The ISRC each row gives: its recording's, but for a few that are wrong or missing."""
    chance = random.random(len(real))
    neighbour = np.minimum(real + 1, len(made.isrc) - 1)
    wrong = is_extra & (chance < 0.004)
    isrc = made.isrc.take(pa.array(np.where(wrong, neighbour, real)))
    return pc.if_else(pa.array(chance > 0.995), pa.scalar(None, pa.string()), isrc)


def _extra_rows(random: Random, count: int, extra: int) -> Numbers:
    """The recordings that appear again on other releases: few, some of them often."""
    return (count * random.random(extra) ** 1.6).astype(np.int64) * 7_919 % count


def _albums(
    random: Random, made: _Recordings, extra: Numbers, rows: int
) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    """(album of each row, a recording of each album, whether it is a compilation)."""
    count = len(made.artist)
    compilations = round(rows / ROWS_PER_ALBUM * 0.15) if len(extra) else 0
    wanted = rows / ROWS_PER_ALBUM - compilations
    new_artist = np.diff(made.artist, prepend=-1) != 0
    chance = max(0.0, (wanted - new_artist.sum()) / max(1, count - new_artist.sum()))
    album = np.cumsum(new_artist | (random.random(count) < chance)) - 1
    own = int(album[-1]) + 1
    leader = np.searchsorted(album, np.arange(own))
    chosen = (
        album[extra] if not compilations else own + random.integers(0, compilations, len(extra))
    )
    curated = random.integers(0, count, compilations)
    late = np.arange(own + compilations) >= own
    return np.concatenate([album, chosen]), np.concatenate([leader, curated]), late


def _versions(random: Random, title: Column, artist: Numbers, year: Numbers) -> Column:
    """One recording in fourteen is another version of its artist's recording before it."""
    count = len(artist)
    version = (random.random(count) < 1 / 14) & (np.diff(artist, prepend=-1) == 0)
    suffix = _VERSIONS.take(pa.array(random.integers(0, len(_VERSIONS), count)))
    years = pc.cast(pa.array(year), pa.string())
    dated = pc.binary_join_element_wise(" - Remastered ", years, "")
    suffix = pc.if_else(pc.match_substring(suffix, "{year}"), dated, suffix)
    before = title.take(pa.array(np.maximum(np.arange(count) - 1, 0)))
    return pc.if_else(pa.array(version), pc.binary_join_element_wise(before, suffix, ""), title)


def _misspelt(random: Random, title: Column, is_extra: Any) -> Column:
    """Repeated rows as other people type them: capitals, a letter lost."""
    chance = random.random(len(title))
    title = pc.if_else(pa.array(is_extra & (chance < 0.10)), pc.utf8_upper(title), title)
    place = random.integers(1, 5, len(title))
    for start in range(1, 5):
        lost = pc.utf8_replace_slice(title, start=start, stop=start + 1, replacement="")
        typo = pa.array(is_extra & (chance > 0.97) & (place == start))
        title = pc.if_else(pc.and_(typo, pc.greater(pc.utf8_length(lost), 0)), lost, title)
    return title


def _artists(block: _Block, random: Random, words: tuple[_Words, ...], scripts: Numbers) -> Column:
    """Names of artists, of two or three words; the last two are the artist's number, spelt, so
    that in large universes too there are as many names as artists."""
    per_block = round(block.full / ROWS_PER_ARTIST) + 1
    names, places = [], []
    for script, vocabulary in enumerate(words):
        chosen = np.flatnonzero(scripts == script)
        size = len(vocabulary.pool)
        number = (block.number * per_block + chosen) * 24_036_583 % size**2
        last = [vocabulary.pool.take(pa.array(part)) for part in (number // size, number % size)]
        short = pc.binary_join_element_wise(*last, vocabulary.between)
        first = vocabulary.pool.take(pa.array(random.integers(0, size, len(chosen))))
        long = pc.binary_join_element_wise(first, short, vocabulary.between)
        names.append(pc.if_else(pa.array(random.random(len(chosen)) < 0.3), long, short))
        places.append(chosen)
    return pa.concat_arrays(names).take(pa.array(np.argsort(np.concatenate(places))))


def _labels(random: Random, words: tuple[_Words, ...], count: int) -> Column:
    names = _phrases(random, words, np.zeros(count, np.int64), (1, 2))
    kinds = _LABEL_KINDS.take(pa.array(random.integers(0, len(_LABEL_KINDS), count)))
    return pc.binary_join_element_wise(names, kinds, "")


def _upcs(album: Numbers) -> Column:
    """UPC-A codes with their check digit (GS1 General Specifications, section 7.9)."""
    digits = album[:, None] + 10_000_000_000 * 8
    digits = digits // 10 ** np.arange(10, -1, -1) % 10
    check = -(digits * np.where(np.arange(11) % 2, 1, 3)).sum(axis=1) % 10
    raw = np.column_stack([digits, check]).astype(np.uint8) + np.uint8(ord("0"))
    return _fixed_width_texts(np.ascontiguousarray(raw).view("S1"))


def _fixed_width_texts(raw: npt.NDArray[np.bytes_]) -> Column:
    """`raw`, one ASCII character an entry, shape (n, width), as n strings."""
    offsets = np.arange(len(raw) + 1, dtype=np.int32) * raw.shape[1]
    return pa.StringArray.from_buffers(
        len(raw), pa.py_buffer(offsets.tobytes()), pa.py_buffer(raw.tobytes())
    )


@cache
def _vocabulary() -> tuple[_Words, ...]:
    """The words of every script, the same in every universe; short words first, as people's most
    common ones are."""
    random = np.random.default_rng(0)
    vocabulary = []
    for _, syllables, between in _SCRIPTS:
        known: Column = pa.array(syllables.split())
        made = [known]
        for size in (2, 3, 4, 5):
            drawn = random.integers(0, len(known), (size, _WORDS_PER_SCRIPT))
            # Few short words: or there would be no long ones in scripts of many signs.
            parts = [known.take(pa.array(part)) for part in drawn[:, : 20 ** (size + 1)]]
            made.append(pc.binary_join_element_wise(*parts, ""))
        pool = pc.unique(pa.concat_arrays(made))[:_WORDS_PER_SCRIPT]
        vocabulary.append(_Words(pc.utf8_capitalize(pool) if between else pool, between))
    return tuple(vocabulary)


def _phrases(
    random: Random, words: tuple[_Words, ...], scripts: Numbers, sizes: tuple[int, ...]
) -> Column:
    """A phrase for each of `scripts` of as many words as one of `sizes`, common words oftener."""
    size = np.array(sizes)[random.integers(0, len(sizes), len(scripts))]
    kinds = scripts * 16 + size
    order = np.argsort(kinds.astype(np.uint8), kind="stable")
    phrases = []
    for kind in np.unique(kinds):
        count = int((kinds == kind).sum())
        script, word_count = divmod(int(kind), 16)
        pool, between = words[script].pool, words[script].between
        drawn = [pool.take(pa.array(_zipf(random, count, len(pool)))) for _ in range(word_count)]
        phrases.append(pc.binary_join_element_wise(*drawn, between))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return pa.concat_arrays(phrases).take(pa.array(places))


def _zipf(random: Random, count: int, words: int) -> Numbers:
    """`count` places in a vocabulary, by Zipf's law as Mandelbrot shifted it."""
    span = math.log((words + _ZIPF_SHIFT) / _ZIPF_SHIFT)
    drawn = _ZIPF_SHIFT * np.exp(random.random(count) * span) - _ZIPF_SHIFT
    return np.minimum(drawn.astype(np.int64), words - 1)
