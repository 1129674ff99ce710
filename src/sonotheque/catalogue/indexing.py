"""From ranked buckets to an indexed snapshot, and the switch to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import zstandard

from sonotheque.catalogue import changes, shards
from sonotheque.catalogue.isrc_index import pack_many, write_index
from sonotheque.catalogue.keys import ROWS_MAX, hash_numbers, write_keys
from sonotheque.catalogue.lookup import (
    CHANGES_NAME,
    CURRENT_NAME,
    IDS_NAME,
    ISRC_INDEX_NAME,
    OTHER_ISRCS_NAME,
    SEARCH_NAME,
    SNAPSHOT_NAME,
    SOURCES_NAME,
    UPCS_NAME,
    ImportAbout,
    SnapshotSummary,
    read_summary,
)
from sonotheque.catalogue.minting import numbers_of
from sonotheque.catalogue.plan import Plan
from sonotheque.catalogue.rows import FRAMES_SUFFIX, ROWS_SUFFIX, frames_path, write_rows
from sonotheque.catalogue.sources import IMPORT_NAME, IMPORTS_NAME
from sonotheque.errors import Corrupt, Refused
from sonotheque.store import files
from sonotheque.store.engine import seal

# The stubs cannot follow columns whose type is known only when the program runs.
pc: Any = pyarrow.compute
Column = Any
Progress = Callable[[str, int, int], None]
Numbers = npt.NDArray[np.uint64]

SNAPSHOT_DIRECTORY_NAME = "snapshot"
COUNTS_NAME = "counts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """What came into a bucket and what became of it."""

    rows_in: int
    rows: int
    recordings: int
    changes: dict[str, int]


def write_bucket(
    directory: Path,
    kept: pa.Table,
    *,
    rows_in: int,
    with_isrc: bool,
    new_from: int,
    shard_cuts: tuple[int, ...],
) -> None:
    """Write a bucket's recordings (the query `kept` of build.sql) and what the indexes need.

    Recordings that came with import `new_from` or later are new; 0 for a first snapshot, of which
    no list is made: everything is new.
    """
    rows = len(kept)
    described = kept["described"]
    if not pc.all(described).as_py():
        _write_lines(directory / f"unmatched{ROWS_SUFFIX}", kept.filter(pc.invert(described)))
        kept = kept.filter(described)
    # Compressing the lines takes as long as all the rest.
    with ThreadPoolExecutor(1) as thread:
        lines = thread.submit(_write_lines, directory / f"recordings{ROWS_SUFFIX}", kept)
        recordings = _write_keys_and_documents(directory, kept, with_isrc, shard_cuts)
        lines.result()
    counted = {"added": len(recordings)}
    if new_from:
        counted = _write_changes(directory / "changes.tsv", recordings, new_from)
    files.create(
        directory / COUNTS_NAME,
        msgspec.json.encode(
            _Counts(
                rows_in=rows_in,
                rows=rows,
                recordings=len(recordings),
                changes=counted,
            )
        ),
    )


def _write_keys_and_documents(
    directory: Path, kept: pa.Table, with_isrc: bool, shard_cuts: tuple[int, ...]
) -> pa.Table:
    """Write what the indexes need of a bucket; the describing row of each recording."""
    first = kept["place"].to_numpy() == 1
    numbers = (np.cumsum(first) - 1).astype(np.uint32)
    recordings = kept.filter(pa.array(first))
    ids = numbers_of(_flat(recordings["id"]))
    if with_isrc:
        np.save(directory / "isrcs.npy", pack_many(_flat(recordings["claimant"])))
    np.save(directory / "ids.npy", ids)
    _save_keys(directory / "sources", kept["source_key"].to_numpy(), numbers)
    _save_keys(directory / "upcs", *_upcs(kept, numbers))
    _save_keys(directory / "other-isrcs", *_other_isrcs(kept, numbers))
    _save_keys(directory / "former-ids", *_former_ids(recordings))
    shards.write_documents(directory, recordings, shard_cuts)
    return recordings


def _write_lines(path: Path, kept: pa.Table) -> None:
    lines, offsets = _joined(kept["row_text"])
    write_rows(path, lines, offsets[:-1][kept["place"].to_numpy() == 1])


def _joined(column: Column) -> tuple[memoryview, npt.NDArray[np.int64]]:
    """(the texts of `column` one after the other, where each begins and the last ends)."""
    texts = _flat(column).cast(pa.large_string())
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset :][: len(texts) + 1]
    if not len(texts):
        return memoryview(b""), np.zeros(1, np.int64)
    # The buffer may be longer than what is in it.
    return memoryview(texts.buffers()[2])[int(offsets[0]) : int(offsets[-1])], offsets - offsets[0]


def _flat(column: Column) -> Column:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _save_keys(stem: Path, hashes: Numbers, numbers: npt.NDArray[np.uint32]) -> None:
    if len(hashes):
        np.save(f"{stem}-hashes.npy", hashes)
        np.save(f"{stem}-numbers.npy", numbers)


def _upcs(
    kept: pa.Table, numbers: npt.NDArray[np.uint32]
) -> tuple[Numbers, npt.NDArray[np.uint32]]:
    """UPCs as numbers: a code with leading zeros is the same code (GS1)."""
    given = pc.not_equal(kept["upc"], "").to_numpy()
    codes = kept["upc"].filter(pa.array(given)).cast(pa.uint64()).to_numpy()
    return hash_numbers(codes), numbers[given]


def _other_isrcs(
    kept: pa.Table, numbers: npt.NDArray[np.uint32]
) -> tuple[Numbers, npt.NDArray[np.uint32]]:
    """Every ISRC of a recording but the one that it stands under."""
    has = pc.or_(
        pc.not_equal(kept["other_isrcs"], ""),
        pc.fill_null(pc.not_equal(kept["isrc"], kept["claimant"]), False),
    ).to_numpy()
    chosen = kept.select(["claimant", "isrc", "other_isrcs"]).filter(pa.array(has))
    found, of = [], []
    for row, number in zip(chosen.to_pylist(), numbers[has].tolist(), strict=True):
        for other in {row["isrc"], *row["other_isrcs"].split()} - {row["claimant"], None}:
            found.append(other)
            of.append(number)
    return hash_numbers(pack_many(pa.array(found, pa.string()))), np.array(of, np.uint32)


def _former_ids(recordings: pa.Table) -> tuple[Numbers, npt.NDArray[np.uint32]]:
    has = pc.not_equal(recordings["former_ids"], "").to_numpy()
    found, of = [], []
    former_ids: list[Any] = recordings["former_ids"].to_pylist() if has.any() else []
    for number in np.flatnonzero(has).tolist():
        for former in former_ids[number].split():
            found.append(former)
            of.append(number)
    return numbers_of(pa.array(found, pa.string())), np.array(of, np.uint32)


def _write_changes(path: Path, recordings: pa.Table, new_from: int) -> dict[str, int]:
    """Write what is not as it was in the snapshot before, and count it."""
    kinds = pc.case_when(
        pc.make_struct(
            pc.or_(recordings["is_minted"], pc.greater_equal(recordings["since"], new_from)),
            recordings["merges"],
            recordings["differs"],
        ),
        *changes.KINDS,
    )
    with_kinds = recordings.append_column("change", kinds)
    chosen = with_kinds.filter(pc.is_valid(kinds))
    names = ("id" if name == "recording_id" else name for name in changes.COLUMNS)
    texts = [pc.fill_null(_flat(chosen[name]), "") for name in names]
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*texts, "\t"), "\n", "")
    path.write_bytes(_joined(lines)[0])
    counted = {row["values"]: row["counts"] for row in pc.value_counts(kinds).to_pylist()}
    return {kind: counted.get(kind, 0) for kind in changes.KINDS}


def doubled_buckets(ranked: Path) -> list[Path]:
    """The buckets that hold an identifier that another recording has too."""
    parts = sorted(ranked.glob("*/ids.npy"))
    ids = _gathered(parts, np.uint64)
    ids.sort()
    doubled = ids[1:][ids[1:] == ids[:-1]]
    if not len(doubled):
        return []
    return [path.parent for path in parts if np.isin(np.load(path), doubled).any()]


def index(
    catalogue: Path,
    workspace: Path,
    now: str,
    plan: Plan,
    *,
    progress: Progress | None = None,
) -> SnapshotSummary:
    """Index the ranked buckets below `workspace` into `workspace/snapshot`, and check the sums.

    Raises Corrupt where rows were lost, Refused where there are too many recordings.
    """
    snapshot = workspace / SNAPSHOT_DIRECTORY_NAME
    files.make_directory(snapshot)
    for leftover in snapshot.iterdir():
        if leftover.name != SEARCH_NAME:
            leftover.unlink()
    buckets = sorted((workspace / "ranked").iterdir())
    counts = [
        msgspec.json.decode((bucket / COUNTS_NAME).read_bytes(), type=_Counts) for bucket in buckets
    ]
    _check_sums(workspace, counts, plan)
    parts = {path.name: count.recordings for path, count in zip(buckets, counts, strict=True)}
    firsts = list(accumulate(parts.values(), initial=0))
    for bucket in buckets:
        _link_rows(bucket, snapshot)
    if progress:
        progress("index", 0, 1)
    isrcs, bits = _write_isrc_index(buckets, snapshot)
    _write_key_indexes(buckets, firsts, snapshot)
    if plan.previous:
        _write_changes_file(buckets, snapshot / CHANGES_NAME)
    numbered = list(zip(buckets, firsts, strict=False))
    shards.write_shards(snapshot / SEARCH_NAME, numbered, plan.shards, progress)
    before = read_summary(catalogue / str(plan.previous)) if plan.previous else None
    new = tuple(_import_about(catalogue, number) for number in plan.imports)
    summary = SnapshotSummary(
        number=plan.number,
        built_at=now,
        recordings=firsts[-1],
        isrcs=isrcs,
        rows=sum(count.rows for count in counts),
        rows_replaced=sum(count.rows_in - count.rows for count in counts),
        isrc_index_bits_per_key=round(bits, 2),
        imports=(*before.imports, *new) if before else new,
        parts=parts,
        files={
            str(path.relative_to(snapshot)): path.stat().st_size
            for path in sorted(snapshot.rglob("*"))
            if path.is_file()
        },
        changes={
            kind: sum(count.changes.get(kind, 0) for count in counts) for kind in changes.KINDS
        },
        shards=plan.shards,
        before=(*before.before, before.about()) if before else (),
    )
    files.create(snapshot / SNAPSHOT_NAME, msgspec.json.encode(summary))
    seal(snapshot)
    return summary


def switch(catalogue: Path, workspace: Path, number: int) -> None:
    """Make the indexed snapshot the one in use."""
    final = catalogue / str(number)
    # There only where this build was killed between here and the switch.
    files.remove_tree(final)
    files.move(workspace / SNAPSHOT_DIRECTORY_NAME, final)
    files.replace(catalogue / CURRENT_NAME, f"{number}\n".encode())


def _check_sums(workspace: Path, counts: list[_Counts], plan: Plan) -> None:
    rows_in = sum(count.rows_in for count in counts)
    if rows_in != plan.rows:
        raise Corrupt(
            f"{plan.rows} rows went in and {rows_in} came out",
            where=str(workspace),
            remedy="remove that directory and build again",
        )
    recordings = sum(count.recordings for count in counts)
    if recordings >= ROWS_MAX:
        raise Refused(
            f"{recordings} recordings are more than a snapshot holds",
            where=str(workspace.parent),
            remedy=f"import at most {ROWS_MAX} recordings",
        )


def retire(directory: Path) -> None:
    """Remove what a snapshot holds but for its summary and the list of its changes: readers have
    it open, or have moved on."""
    for path in directory.iterdir():
        if path.name == SEARCH_NAME:
            files.remove_tree(path)
        elif path.name not in (SNAPSHOT_NAME, CHANGES_NAME):
            path.unlink()
    files.sync_directory(directory)


def _import_about(catalogue: Path, number: int) -> ImportAbout:
    about = json.loads((catalogue / IMPORTS_NAME / str(number) / IMPORT_NAME).read_bytes())
    return ImportAbout(number, about["origin"], about["licence"], about["at"])


def _link_rows(bucket: Path, snapshot: Path) -> None:
    # A second name, not a move: until the switch, every step can be run again.
    for stem in ("recordings", "unmatched"):
        rows = bucket / f"{stem}{ROWS_SUFFIX}"
        if rows.exists():
            final = snapshot / f"{stem}-{bucket.name}{ROWS_SUFFIX}"
            final.hardlink_to(rows)
            frames_path(final).hardlink_to(bucket / f"{stem}{FRAMES_SUFFIX}")


def _write_isrc_index(buckets: list[Path], snapshot: Path) -> tuple[int, float]:
    """(keys, bits a key). Raises Corrupt where the rows do not stand in the order of the keys."""
    paths = [bucket / "isrcs.npy" for bucket in buckets]
    keys = _gathered([path for path in paths if path.exists()], np.uint64)
    if (keys[1:] <= keys[:-1]).any():
        raise Corrupt(
            "the recordings are not in the order of their ISRCs",
            where=str(snapshot),
            remedy="remove the directory above it and build again",
        )
    return len(keys), write_index(snapshot / ISRC_INDEX_NAME, keys)


def _write_key_indexes(buckets: list[Path], firsts: list[int], snapshot: Path) -> None:
    ids = _gathered([bucket / "ids.npy" for bucket in buckets], np.uint64)
    numbers = np.arange(len(ids), dtype=np.uint32)
    former, of = _keys_of(buckets, firsts, "former-ids")
    ids = np.concatenate([ids, former])
    # Identifiers are random: the leading of their 63 bits are hash enough.
    ids <<= np.uint64(1)
    write_keys(snapshot / IDS_NAME, ids, np.concatenate([numbers, of]))
    del ids, numbers
    for kind, name in (
        ("sources", SOURCES_NAME),
        ("upcs", UPCS_NAME),
        ("other-isrcs", OTHER_ISRCS_NAME),
    ):
        write_keys(snapshot / name, *_keys_of(buckets, firsts, kind))


def _keys_of(
    buckets: list[Path], firsts: list[int], kind: str
) -> tuple[Numbers, npt.NDArray[np.uint32]]:
    hashes, numbers = [], []
    for bucket, first in zip(buckets, firsts, strict=False):
        path = bucket / f"{kind}-hashes.npy"
        if path.exists():
            hashes.append(path)
            numbers.append((bucket / f"{kind}-numbers.npy", first))
    of = np.empty(0, np.uint32)
    if numbers:
        of = np.concatenate([np.load(path) + np.uint32(first) for path, first in numbers])
    return _gathered(hashes, np.uint64), of


def _gathered(paths: list[Path], kind: type[Any]) -> npt.NDArray[Any]:
    """The arrays at `paths`, one after the other; each is read where it goes."""
    counts = [len(np.load(path, mmap_mode="r")) for path in paths]
    gathered = np.empty(sum(counts), kind)
    at = 0
    for path, count in zip(paths, counts, strict=True):
        gathered[at : at + count] = np.load(path)
        at += count
    return gathered


def _write_changes_file(buckets: list[Path], path: Path) -> None:
    with path.open("wb") as output, zstandard.ZstdCompressor(level=3).stream_writer(output) as zst:
        zst.write("\t".join(changes.COLUMNS).encode() + b"\n")
        for bucket in buckets:
            zst.write((bucket / "changes.tsv").read_bytes())
