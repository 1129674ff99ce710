"""A catalogue made of a few rows, in one line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from sonotheque.catalogue.sources import ImportSummary
from sonotheque.catalogue.sources.registry import import_source

NOW = "2026-11-23T12:00:00.000000Z"
COLUMNS = (
    *("source", "source_id", "isrc", "title", "artist", "album", "label", "upc", "year"),
    *("popularity", "streams", "duration_ms"),
)
Take = Callable[..., ImportSummary]


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    directory = tmp_path / "catalogue"
    directory.mkdir()
    return directory


@pytest.fixture
def take(snapshots: Path, tmp_path: Path) -> Take:
    """Import rows, given by column; `kind` is the source."""

    def taken(*rows: dict[str, object], kind: str = "table", now: str = NOW) -> ImportSummary:
        path = tmp_path / "table.csv"
        with path.open("w", encoding="utf-8", newline="") as output:
            names = COLUMNS if kind == "table" else list(rows[0])
            writer = csv.DictWriter(output, names, restval="")
            writer.writeheader()
            for row in rows:
                said = {"source": "s", "title": "T", "artist": "A"} if kind == "table" else {}
                writer.writerow({**said, **row})
        return import_source(kind, snapshots, path, origin="the test", licence="CC0-1.0", now=now)

    return taken
