"""The search index of a snapshot, in shards: the most listened-to recordings first.

A shard holds four times as many recordings as the one before it, up to a bound, and is an index by
itself. A search asks them in turn and ends where it has enough, so that a common word, which has
millions of recordings, costs a few thousand of them; a rare one has few postings anywhere. A
document is a recording's folded words by field and its `number` in the snapshot, scattered: numbers
that ascend tantivy keeps as lines of 512, all of which it reads again for every page of results.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import tantivy

from sonotheque.catalogue.keys import ROWS_MAX
from sonotheque.catalogue.normalise import index_words
from sonotheque.catalogue.query import FIELDS
from sonotheque.catalogue.vocabulary import write_vocabulary
from sonotheque.store import files
from sonotheque.store.engine import seal

# The stubs cannot follow columns whose type is known only when the program runs.
pc: Any = pyarrow.compute
Column = Any
"""A pyarrow array of any type."""
Progress = Callable[[str, int, int], None]
Weights = npt.NDArray[np.uint64]


VOCABULARY_NAME = "vocabulary.arrow"
SMALLEST_SHARD = 1 << 14
LARGEST_SHARD = 1 << 24
_GROWTH = 4
_REPEATED_TEXTS = ["artist", "album", "label"]
# The stubs know of true and false only.
_REPEATING: Any = [*_REPEATED_TEXTS, "popularity", "year"]
"""Columns of documents for which a dictionary is worth its time."""
_STREAMS_MAX = (1 << 40) - 1
_WORDS_NAME = "words.arrow"
_WRITER_HEAP_BYTES = 1_000_000_000
_BATCH_ROWS = 1 << 18
_TEXTS_AT_ONCE = 1 << 13
"""Python holds; for more it asks the system each time, which clears what it gives."""
_INLINE_RECORDINGS_MAX = 300_000
"""Fewer are indexed sooner than another process has started."""
_SCATTER = 0x9E3_779B
"""Odd, so that a product of it, modulo ROWS_MAX, can be undone: by its inverse."""
_GATHER = pow(_SCATTER, -1, ROWS_MAX)
_WEIGHT_BASE = 64
"""A score is multiplied by 64 + popularity: within a shard the words count for more."""


def weights(popularity: Any, streams: Any) -> Weights:
    """How much recordings are listened to, shape (n,): by popularity, then streams, then chance.

    Chance, so that where nobody has said, a shard is still no larger than planned.
    """
    listened = popularity.astype(np.uint64) << np.uint64(40)
    listened |= np.minimum(streams, _STREAMS_MAX).astype(np.uint64)
    chance = np.random.default_rng(len(listened)).integers(0, 1 << 16, len(listened), np.uint64)
    found: Weights = listened << np.uint64(16) | chance
    return found


def cuts(sample: Weights, recordings: int) -> tuple[int, ...]:
    """The least weight of each shard but the last, of about `recordings` like those in `sample`."""
    descending = np.sort(sample)[::-1]
    found: list[int] = []
    size, reached = SMALLEST_SHARD, SMALLEST_SHARD
    while reached < recordings and len(descending):
        found.append(
            int(descending[min(len(descending) - 1, len(descending) * reached // recordings)])
        )
        size = min(_GROWTH * size, LARGEST_SHARD)
        reached += size
    return tuple(found)


def write_documents(directory: Path, recordings: pa.Table, shard_cuts: tuple[int, ...]) -> None:
    """Write a bucket's recordings (columns of the query `kept`) for each shard to index."""
    numbers = pa.array(np.arange(len(recordings), dtype=np.int32))
    table = pa.table(
        [numbers, recordings["popularity_best"], recordings["year"]]
        + [recordings[field] for field in FIELDS],
        names=["row", "popularity", "year", *FIELDS],
    )
    listened = weights(
        recordings["popularity_best"].to_numpy(), recordings["streams_best"].to_numpy()
    )
    ascending = np.array(shard_cuts[::-1], np.uint64)
    shard = len(ascending) - np.searchsorted(ascending, listened, side="right")
    order: Any = np.argsort(shard, kind="stable")
    sorted_by_shard = table.take(order)
    first = 0
    for number, count in zip(*np.unique(shard, return_counts=True), strict=True):
        pq.write_table(
            sorted_by_shard.slice(first, int(count)),
            documents_path(directory, int(number)),
            compression="zstd",
            use_dictionary=_REPEATING,
            # A group is read as one batch, with dictionaries of its own.
            row_group_size=_BATCH_ROWS,
        )
        first += int(count)


def documents_path(directory: Path, shard: int) -> Path:
    return directory / f"documents-{shard:02d}.parquet"


def write_shards(
    directory: Path,
    buckets: list[tuple[Path, int]],
    shard_cuts: tuple[int, ...],
    progress: Progress | None,
) -> None:
    """Index the documents of `buckets` (a directory, and the number of its first recording) into
    `directory`, a shard a core at a time; shards that are there already stay."""
    files.make_directory(directory)
    tasks = []
    for shard in range(len(shard_cuts) + 1):
        if not (directory / f"{shard:02d}").exists():
            parts = [
                (path, first)
                for bucket, first in buckets
                if (path := documents_path(bucket, shard)).exists()
            ]
            rows = sum(pq.read_metadata(path).num_rows for path, _ in parts)
            tasks.append((rows, directory / f"{shard:02d}", parts))
    largest_first = sorted(tasks, key=lambda task: task[0], reverse=True)
    for done, _ in enumerate(_each_done(largest_first), 1):
        if progress:
            progress("search", done, len(tasks))
    names = sorted(directory.glob(f"*/{_WORDS_NAME}"))
    tables = [pa.ipc.open_file(pa.memory_map(str(name))).read_all() for name in names]
    write_vocabulary(directory / VOCABULARY_NAME, tables)
    for name in names:
        name.unlink()


def _each_done(tasks: list[tuple[int, Path, list[tuple[Path, int]]]]) -> Iterator[None]:
    if sum(rows for rows, _, _ in tasks) <= _INLINE_RECORDINGS_MAX:
        for _, final, parts in tasks:
            _write_shard(final, parts)
            yield
        return
    # Not by fork: Arrow and DuckDB have threads running.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as workers:
        running = [workers.submit(_write_shard, final, parts) for _, final, parts in tasks]
        for task in as_completed(running):
            yield task.result()


def _write_shard(final: Path, parts: list[tuple[Path, int]]) -> None:
    unfinished = final.with_name(final.name + ".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        table = _index_documents(unfinished, parts)
    except ValueError as error:
        # All that tantivy tells of the disk is a sentence.
        if "No space left" not in str(error):
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(unfinished)) from error
    with (
        pa.OSFile(str(unfinished / _WORDS_NAME), "wb") as output,
        pa.ipc.new_file(output, table.schema) as ipc,
    ):
        ipc.write_table(table)
    seal(unfinished)
    files.move(unfinished, final)


def _index_documents(directory: Path, parts: list[tuple[Path, int]]) -> pa.Table:
    """Index the documents in `parts`; their words with counts (see `_words`)."""
    index = tantivy.Index(_schema(), path=str(directory))
    register(index)
    rows = sum(pq.read_metadata(path).num_rows for path, _ in parts)
    heap = _WRITER_HEAP_BYTES if rows > _INLINE_RECORDINGS_MAX else _WRITER_HEAP_BYTES // 20
    writer = index.writer(heap_size=heap, num_threads=1)
    for path, first in parts:
        # What comes again is read, and folded, once.
        documents = pq.ParquetFile(path, read_dictionary=_REPEATED_TEXTS)
        for batch in documents.iter_batches(_BATCH_ROWS):
            made = _documents(batch, first)
            for at in range(0, len(made), _TEXTS_AT_ONCE):
                for document in made.slice(at, _TEXTS_AT_ONCE).to_pylist():
                    writer.add_json(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return _words(index.searcher())


def _words(searcher: tantivy.Searcher) -> pa.Table:
    """`word`, `count`: each word of each field, and how many documents have it there."""
    tables = []
    for field in FIELDS:
        counted = searcher.terms_with_prefix(field, "")
        words = pa.array([word for word, _ in counted], pa.large_string())
        counts = pa.array([count for _, count in counted], pa.int64())
        tables.append(pa.table({"word": words, "count": counts}))
    return pa.concat_tables(tables)


def register(index: tantivy.Index) -> None:
    """Let `index` split texts, which are folded already, at spaces."""
    analyser = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    index.register_tokenizer("spaces", analyser)


def gathered(scattered: int) -> int:
    """The number of the recording whose document says `scattered`."""
    return scattered * _GATHER % ROWS_MAX


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for field in FIELDS:
        builder.add_text_field(field, tokenizer_name="spaces", index_option="basic")
    builder.add_integer_field("year", indexed=True)
    builder.add_integer_field("number", fast=True)
    builder.add_integer_field("weight", fast=True)
    return builder.build()


def _documents(batch: pa.RecordBatch, first: int) -> Any:
    """The documents as JSON: folded words hold no sign that would want escaping."""
    numbers = pc.add(pc.cast(batch.column("row"), pa.int64()), first)
    scattered = pc.bit_wise_and(pc.multiply(numbers, _SCATTER), ROWS_MAX - 1)
    weight = pc.cast(
        pc.add(pc.cast(batch.column("popularity"), pa.int16()), _WEIGHT_BASE), pa.string()
    )
    year = pc.binary_join_element_wise(',"year":', pc.cast(batch.column("year"), pa.string()), "")
    parts = [
        '{"number":',
        pc.cast(scattered, pa.string()),
        ',"weight":',
        weight,
        pc.fill_null(year, ""),
    ]
    for field in FIELDS:
        parts += [f',"{field}":"', index_words(batch.column(field)), '"']
    return pc.binary_join_element_wise(*parts, "}", "")
