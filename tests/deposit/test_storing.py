"""Batches of a deposit: everything once, in order, bounded, and in every root."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.archive import Archive
from sonotheque.deposit import accession, storing
from sonotheque.deposit.inspection import Inspection
from sonotheque.deposit.package import PackageFile
from sonotheque.deposit.storing import PlannedItem, batches
from sonotheque.model.holdings import Holding, ItemStatus
from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.model.music import Description, Recording
from sonotheque.vault.objects import Vault, Version

NOW = "2026-11-20T10:00:00.000000Z"


class Music(Protocol):
    def file(self, path: Path, seed: int, *, seconds: float = ..., **tags: Any) -> Path: ...


def _item(number: int, recording: int, byte_count: int) -> PlannedItem:
    """Recording 0 is none: a file that is refused."""
    return PlannedItem(
        file=PackageFile(
            path=Path(f"{number}"), name=f"{number}", safe_name=f"{number}", byte_count=byte_count
        ),
        status=ItemStatus.DEPOSITED if recording else ItemStatus.REFUSED,
        sha512=Sha512(""),
        inspection=Inspection(),
        recording=Recording(
            id=RecordingId(f"{recording}"),
            description=Description(),
            duration_ms=0,
            added_at=NOW,
        )
        if recording
        else None,
        statements=(),
        decisions=(),
        matches=(),
        findings=(),
    )


@given(
    st.lists(
        st.tuples(
            st.integers(0, 300),
            st.sampled_from([1, 1 << 20, storing.BATCH_BYTES_MAX // 2, 1 << 30]),
        ),
        max_size=300,
    )
)
def test_batches_are_everything_in_order_and_bounded(drawn: list[tuple[int, int]]) -> None:
    items = [_item(number, *one) for number, one in enumerate(drawn)]
    found = [*batches(items)]
    assert [item for batch in found for item in batch] == items
    for batch in found:
        assert 0 < len(batch) <= storing.BATCH_ITEMS_MAX
        recordings = Counter(item.recording.id for item in batch if item.recording)
        assert not recordings or max(recordings.values()) == 1
        assert len(batch) == 1 or sum(i.file.byte_count for i in batch) <= storing.BATCH_BYTES_MAX
    # None is smaller than it need be: what begins the next one would not have fitted.
    for batch, after in pairwise(found):
        first = after[0]
        byte_count = sum(item.file.byte_count for item in (*batch, first))
        again = first.recording and first.recording.id in {
            item.recording.id for item in batch if item.recording
        }
        full = len(batch) == storing.BATCH_ITEMS_MAX or byte_count > storing.BATCH_BYTES_MAX
        assert full or again


def test_a_delivery_is_stored_in_batches_and_told_of_file_by_file(
    music: Music, tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    licence = "https://creativecommons.org/licenses/by/4.0/"
    for number, (seed, name) in enumerate(
        [(1, "a.mp3"), (2, "b.mp3"), (1, "c.ogg"), (3, "d.mp3"), (2, "b.mp3")]
    ):
        path = tmp_path / "in" / f"{number}-{name}"
        music.file(path, seed, seconds=8, title=f"{seed}", artist="A", license=licence)
    (tmp_path / "in" / "2-none.mp3").write_bytes(b"not audio at all")
    real, written = Vault.write_versions, []

    def write_versions(vault: Vault, versions: Sequence[Version]) -> list[Holding]:
        written.append(len(versions))
        return real(vault, versions)

    monkeypatch.setattr(Vault, "write_versions", write_versions)
    told: list[tuple[str, int, int]] = []
    receipt = accession.deposit(archive, [tmp_path / "in"], NOW, progress=lambda *t: told.append(t))
    # The third is another encoding of the first; the last has the bytes of the second.
    assert written == [2, 2]
    assert [t for t in told if t[0] == "store"] == [("store", n, 6) for n in range(1, 7)]
    assert [item.path[0] for item in receipt.items] == ["0", "1", "2", "2", "3", "4"]
    assert [item.version for item in receipt.items] == [1, 1, 2, None, 1, 1]
    for item in receipt.items:
        assert item.refused or item.roots == ("main", "copy-1")
        for root in archive.roots if item.holding else ():
            held = root.holding(item.holding)  # type: ignore[arg-type]
            assert held and item.sha512 in {file.sha512 for file in held.audio}
            assert f"deposits/{receipt.deposit}/" in "".join(file.path for file in held.files)
