"""What the tests of the catalogue share: imports into one of their own, and real samples."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sonotheque.catalogue.sources import ImportSummary
from sonotheque.catalogue.sources.registry import import_source

NOW = "2026-11-23T12:00:00.000000Z"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import left behind, read back from the disk."""

    summary: ImportSummary
    rows: list[dict[str, Any]]
    faults: list[dict[str, Any]]

    @property
    def codes(self) -> list[tuple[int, str]]:
        return [(fault["line"], fault["code"]) for fault in self.faults]


Take = Callable[..., Imported]
TakeRows = Callable[..., ImportSummary]
_COLUMNS = (
    *("source", "source_id", "isrc", "title", "artist", "album", "label", "upc", "year"),
    *("popularity", "streams", "duration_ms"),
)


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Imports `path` as `kind`; what is staged and set aside always adds up."""

    def imported(kind: str, path: Path, mapping: str = "") -> Imported:
        toml = tmp_path / "mapping.toml"
        toml.write_text(mapping, encoding="utf-8")
        summary = import_source(
            kind,
            tmp_path / "catalogue",
            path,
            origin="the test",
            licence="CC0-1.0",
            now=NOW,
            mapping=toml if mapping else None,
        )
        rows = pq.read_table(summary.quarantine.with_name("rows.parquet")).to_pylist()
        lines = summary.quarantine.read_text(encoding="utf-8").split("\n")[:-1]
        faults = [json.loads(line) for line in lines]
        assert all(fault["remedy"] and fault["message"] for fault in faults)
        assert (len(rows), len(faults)) == (summary.rows_staged, summary.rows_quarantined)
        assert summary.rows_read == len(rows) + len(faults)
        texts = [value for row in rows for value in row.values() if isinstance(value, str)]
        assert not any(set(text) & set("\t\n\r\0") for text in texts)
        return Imported(summary, rows, faults)

    return imported


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real catalogue data beside the repository; skips where it is missing."""
    directory = Path(__file__).parents[2].parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip("the real catalogue data of ../shared/data is not here")
    return directory


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    directory = tmp_path / "catalogue"
    directory.mkdir()
    return directory


@pytest.fixture
def take_rows(snapshots: Path, tmp_path: Path) -> TakeRows:
    """Import rows, given by column; `kind` is the source."""

    def taken(*rows: dict[str, object], kind: str = "table", now: str = NOW) -> ImportSummary:
        path = tmp_path / "table.csv"
        with path.open("w", encoding="utf-8", newline="") as output:
            names = _COLUMNS if kind == "table" else list(rows[0])
            writer = csv.DictWriter(output, names, restval="")
            writer.writeheader()
            for row in rows:
                said = {"source": "s", "title": "T", "artist": "A"} if kind == "table" else {}
                writer.writerow({**said, **row})
        return import_source(kind, snapshots, path, origin="the test", licence="CC0-1.0", now=now)

    return taken
