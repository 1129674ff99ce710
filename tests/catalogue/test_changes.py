"""The list of changes, where there is none and where there is no such snapshot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.changes import changes_since
from sonotheque.errors import NotFound

NOW = "2026-11-23T12:00:00.000000Z"


def test_changes_stay_when_their_snapshot_has_gone(
    take_rows: Callable[..., Any], snapshots: Path
) -> None:
    assert list(changes_since(snapshots, 0)) == []
    with pytest.raises(NotFound, match="no such snapshot"):
        list(changes_since(snapshots, 1))
    for number in range(1, 4):
        take_rows({"source_id": number, "title": f"Títle {number}"})
        build_snapshot(snapshots, NOW, memory_bytes_max=200_000_000)
    listed = [(one.snapshot, one.kind, one.title) for one in changes_since(snapshots, 1)]
    assert listed == [(n, "added", f"Títle {n}") for n in (2, 3)]
    assert [one.snapshot for one in changes_since(snapshots, 0)] == [2, 3]
    assert list(changes_since(snapshots, 3)) == []
    with pytest.raises(NotFound):
        list(changes_since(snapshots, 4))
    # Of the first two, nothing but that is left.
    assert sorted(path.name for path in (snapshots / "2").iterdir()) == [
        "changes.tsv.zst",
        "snapshot.json",
    ]
