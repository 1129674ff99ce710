"""Every row of a table is either staged or in the quarantine file, with its line and remedy."""

from __future__ import annotations

import csv
import datetime
import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.sources import ImportSummary
from sonotheque.catalogue.sources.reading import CSV_LINE_BYTES_MAX
from sonotheque.catalogue.sources.registry import import_source
from sonotheque.errors import BadInput, Refused

NOW = "2026-11-23T12:00:00.000000Z"
HEAD = "source_id,isrc,title,artist,release_date,duration_ms,popularity,streams,upc\n"


def take(
    directory: Path, path: Path, *, mapping: str = "", licence: str = "CC0-1.0"
) -> ImportSummary:
    toml = directory / "mapping.toml"
    toml.write_text(mapping, encoding="utf-8")
    return import_source(
        "table",
        directory / "catalogue",
        path,
        origin="the test",
        licence=licence,
        now=NOW,
        mapping=toml if mapping else None,
    )


def take_csv(directory: Path, content: str | bytes, **how: str) -> ImportSummary:
    path = directory / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return take(directory, path, **how)


def staged(summary: ImportSummary) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(
        summary.quarantine.with_name("rows.parquet")
    ).to_pylist()
    return rows


def faults(summary: ImportSummary) -> list[tuple[int, str]]:
    lines = summary.quarantine.read_text(encoding="utf-8").split("\n")[:-1]
    documents = [json.loads(line) for line in lines]
    assert all(document["remedy"] and document["message"] for document in documents)
    assert summary.rows_read == summary.rows_staged + len(documents)
    return [(document["line"], document["code"]) for document in documents]


def test_good_row(tmp_path: Path) -> None:
    row = "7,fr-z03-14-00123, Été ,Ö,2014-05-06,180000,12,99,0012345678905\n"
    summary = take_csv(tmp_path, HEAD + row)
    assert faults(summary) == []
    [found] = staged(summary)
    expected = {
        "source": "the test",
        "source_id": "7",
        "isrc": "FRZ031400123",
        "title": "Été",
        "artist": "Ö",
        "album": "",
        "release_date": datetime.date(2014, 5, 6),
        "year": 2014,
        "duration_ms": 180_000,
        "popularity": 12,
        "streams": 99,
        "upc": "0012345678905",
        "line": 2,
        "import_number": 1,
    }
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("1,FRZO31400123,T,A,,,,,", None),  # an O may stand in a registrant's code
        ("1,FRZ03140O123,T,A,,,,,", "isrc.look-alike"),
        ("1,FRZ0314001I3,T,A,,,,,", "isrc.look-alike"),
        ("1,FRZ03140012,T,A,,,,,", "isrc.broken"),
        ("1,,,A,,,,,", "title.missing"),
        (",,T,A,,,,,", "source-id.missing"),
        ("1,,T,A,2023-02-30,,,,", "date.impossible"),
        ("1,,T,A,2023-13,,,,", "date.impossible"),
        ("1,,T,A,1492,,,,", "date.impossible"),
        ("1,,T,A,2031,,,,", "date.impossible"),
        ("1,,T,A,06/05/2014,,,,", "date.impossible"),
        ("1,,T,A,2014-05,,,,", None),
        ("1,,T,A,,0,,,", "duration.impossible"),
        ("1,,T,A,,-5,,,", "duration.impossible"),
        ("1,,T,A,,999999999,,,", "duration.impossible"),
        ("1,,T,A,,3:05,,,", "duration.impossible"),
        ("1,,T,A,,1.8E+05,,,", "number.scientific"),
        ("1,,T,A,,180000.0,,,", None),
        ("1,,T,A,,,101,,", "popularity.impossible"),
        ("1,,T,A,,,,-1,", "streams.impossible"),
        ("1,,T,A,,,,,6.02557E+11", "number.scientific"),
        ("1,,T,A,,,,,ABC", "upc.broken"),
        ("1,,T,A", "row.columns"),
        (f"1,,{'x' * 10_001},A,,,,,", "text.too-long"),
    ],
)
def test_bad_values_are_quarantined(row: str, code: str | None, tmp_path: Path) -> None:
    summary = take_csv(tmp_path, HEAD + "0,,Good,A,,,,,\n" + row + "\n2,,Good,A,,,,,\n")
    assert faults(summary) == ([(3, code)] if code else [])
    assert [found["line"] for found in staged(summary)] == ([2, 4] if code else [2, 3, 4])


def test_look_alike_names_what_was_meant(tmp_path: Path) -> None:
    summary = take_csv(tmp_path, HEAD + "1,1TZO3-14-OO1I3,T,A,,,,,\n")
    [line] = summary.quarantine.read_text().splitlines()
    assert "ITZO31400113" in json.loads(line)["remedy"]


def test_broken_bytes_and_endless_lines(tmp_path: Path) -> None:
    content = (
        "﻿".encode()
        + HEAD.encode()
        + b"1,,Caf\xe9,A,,,,,\n"
        + b"2,,"
        + b"x" * (2 * CSV_LINE_BYTES_MAX)
        + b"\n"
        + b'3,,"two\nlines",A,,,,,\n'
        + b"4,,nul\x00,A,,,,,\n"
        + b"\n"
        + b'5,,"unclosed,A,,,,,\n'
    )
    summary = take_csv(tmp_path, content)
    assert faults(summary)[:2] == [(2, "encoding.broken"), (3, "line.too-long")]
    found = {row["source_id"]: row for row in staged(summary)}
    assert (found["3"]["title"], found["3"]["line"]) == ("two lines", 4)
    assert found["4"]["line"] == 6
    assert "5" not in found


def test_columns_are_mapped(tmp_path: Path) -> None:
    mapping = (
        'source = "shop"\ndelimiter = ";"\n[columns]\nsource_id = "No"\ntitle = "Song; name"\n'
    )
    summary = take_csv(tmp_path, 'No;"Song; name";extra\n9;Mélodie;x\n', mapping=mapping)
    [found] = staged(summary)
    assert (found["source"], found["source_id"], found["title"]) == ("shop", "9", "Mélodie")


@pytest.mark.parametrize(
    "mapping",
    ['[columns]\ntitel = "x"', '[columns]\ntitle = ""', 'delimiter = ";;"', "colour = 1", "= 3"],
)
def test_bad_mapping_is_refused(mapping: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        take_csv(tmp_path, HEAD, mapping=mapping)


def test_missing_column_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="source_id"):
        take_csv(tmp_path, "title\nx\n")
    assert list((tmp_path / "catalogue" / "imports").iterdir()) == []


@pytest.mark.parametrize("licence", ["", "  ", "all mine"])
def test_no_licence_no_import(licence: str, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        take_csv(tmp_path, HEAD, licence=licence)
    with pytest.raises(Refused):
        path = tmp_path / "table.csv"
        import_source("table", tmp_path, path, origin=" ", licence="CC0-1.0", now=NOW)


def test_parquet_with_types_and_broken_text(tmp_path: Path) -> None:
    titles: Any = pa.array([b"good", b"b\xffd", b"late", None, b"n"], pa.binary())
    table = pa.table(
        {
            "source_id": pa.array([1, 2, 3, 4, 5], pa.uint32()),
            # What a careless writer leaves: bytes that are not UTF-8 in a text column.
            "title": pa.StringArray.from_buffers(5, titles.buffers()[1], titles.buffers()[2]),
            "release_date": pa.array([datetime.datetime(2001, 2, 3, 4, 5)] * 5),
            "duration_ms": pa.array([1000.0, 1000.0, -4.0, 5.0, 6.5]),
            "artist": pa.array(["A"] * 5).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    summary = take(tmp_path, tmp_path / "t.parquet")
    assert faults(summary) == [
        (2, "encoding.broken"),
        (3, "duration.impossible"),
        (4, "title.missing"),
        (5, "duration.impossible"),
    ]
    [found] = staged(summary)
    assert (found["title"], found["year"], found["duration_ms"]) == ("good", 2001, 1000)


def test_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "a b?.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE tracks (source_id, title, duration_ms, upc)")
    connection.executemany(
        "INSERT INTO tracks VALUES (?, ?, ?, ?)",
        [(1, "Ünder", 1000, 602557123456), (2, b"\xff", 1000.0, None), (3, "T", 1.5, "")],
    )
    connection.execute("CREATE TABLE other (x)")
    connection.commit()
    connection.close()
    with pytest.raises(BadInput, match="2 tables"):
        take(tmp_path, path)
    summary = take(tmp_path, path, mapping='table = "tracks"')
    assert faults(summary) == [(2, "encoding.broken"), (3, "duration.impossible")]
    assert [(row["title"], row["upc"]) for row in staged(summary)] == [("Ünder", "602557123456")]


def test_truncated_parquet_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"source_id": ["1"] * 9, "title": ["x"] * 9}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput):
        take(tmp_path, path)
    assert list((tmp_path / "catalogue" / "imports").iterdir()) == []


def test_missing_file_and_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none.csv", tmp_path / "empty"):
        with pytest.raises(BadInput):
            take(tmp_path, path)


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["", "USRC17607839", "2014-02-30", "1e5", "0", "-1", "9" * 30, "2014"]),
)


@given(rows=st.lists(st.lists(CELLS, min_size=9, max_size=9), max_size=8))
@settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_row_is_lost(rows: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as output:
        output.write(HEAD)
        csv.writer(output).writerows(rows)
    summary = take(tmp_path, path)
    faults(summary)
    assert summary.rows_read == len(rows)


@given(
    content=st.one_of(st.binary(max_size=80), st.text('a,"\n\r\0é', max_size=40)),
    head=st.booleans(),
)
@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_bytes_are_no_trouble(content: bytes | str, head: bool, tmp_path: Path) -> None:
    any_bytes = content if isinstance(content, bytes) else content.encode()
    try:
        faults(take_csv(tmp_path, HEAD.encode() + any_bytes if head else any_bytes))
    except BadInput:
        assert not head
