"""Rows as framed text: every recording by its number, whole for any tool that reads Zstandard."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pytest
import zstandard

from sonotheque.catalogue.rows import (
    COLUMNS,
    FRAME_RECORDINGS,
    HEADER,
    Rows,
    frames_path,
    read_rows,
    write_rows,
)
from sonotheque.errors import Corrupt


def line(number: int, place: int = 1) -> bytes:
    values = dict.fromkeys(COLUMNS, "")
    values |= {"title": f"Títle {number}", "source": "s", "source_id": f"{number}.{place}"}
    values |= {"import_number": "2", "first_import": "1", "year": "1999" if place == 1 else ""}
    if place == 1:
        values |= {"recording_id": f"{number:013d}", "former_ids": "A B", "isrc": "FRZ031400001"}
        values |= {"other_isrcs": "FRZ031400002 FRZ031400003"}
    return "\t".join(values[column] for column in COLUMNS).encode() + b"\n"


def written(path: Path, recordings: int) -> None:
    """Recording n has n % 3 rows more than its own."""
    lines, starts, at = [], [], 0
    for number in range(recordings):
        starts.append(at)
        for place in range(1, 2 + number % 3):
            lines.append(line(number, place))
            at += len(lines[-1])
    write_rows(path, memoryview(b"".join(lines)), np.array(starts, np.int64))


@pytest.fixture
def parts(tmp_path: Path) -> tuple[list[Path], list[int]]:
    counts = [FRAME_RECORDINGS * 3 + 5, FRAME_RECORDINGS, 0, 1]
    paths = [tmp_path / f"recordings-{number}.tsv.zst" for number in range(len(counts))]
    for path, count in zip(paths, counts, strict=True):
        written(path, count)
    return paths, counts


def test_every_number_leads_to_its_recording(parts: tuple[list[Path], list[int]]) -> None:
    paths, counts = parts
    rows = Rows(paths, counts)
    number = 0
    for path, count in zip(paths, counts, strict=True):
        stored = list(read_rows(path))
        assert len(stored) == count
        for within, one in enumerate(stored):
            assert rows.get(number) == one
            assert one.id == f"{within:013d}"
            assert one.former_ids == ("A", "B")
            assert len(one.rows) == 1 + within % 3
            assert one.rows[0].isrcs == ("FRZ031400001", "FRZ031400002", "FRZ031400003")
            assert one.rows[0].year == 1999
            assert [row.source_id for row in one.rows] == [
                f"{within}.{place}" for place in range(1, 2 + within % 3)
            ]
            number += 1
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda n: rows.get(n).rows[0].title, range(number)))) > 1


def test_any_tool_reads_the_whole(parts: tuple[list[Path], list[int]]) -> None:
    path = parts[0][0]
    with path.open("rb") as packed:
        text = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
    assert text.startswith(HEADER)
    assert text.count(b"\n") == 1 + sum(len(one.rows) for one in read_rows(path))
    # As the handbook says.
    [[count, titles]] = duckdb.execute(
        "SELECT count(*), count(DISTINCT title) FROM"
        f" read_csv('{path}', delim = '\\t', quote = '', header = true)"
    ).fetchall()
    assert (count, titles) == (text.count(b"\n") - 1, parts[1][0])


@pytest.mark.parametrize("damage", ["garbage", "fewer"])
def test_broken_frames_are_told(parts: tuple[list[Path], list[int]], damage: str) -> None:
    paths, counts = parts
    if damage == "garbage":
        content = bytearray(paths[0].read_bytes())
        offsets = np.fromfile(frames_path(paths[0]), np.uint64)
        content[int(offsets[0]) : int(offsets[0]) + 40] = b"x" * 40
        paths[0].write_bytes(content)
        wanted = 0
    else:
        counts[0] += 4
        wanted = counts[0] - 1
    with pytest.raises(Corrupt, match="not whole"):
        Rows(paths, counts).get(wanted)
