"""Builds: one recording an ISRC, identifiers that stay, no row lost, and resumable at any step."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard

from sonotheque.catalogue import build, shards
from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.changes import changes_since
from sonotheque.catalogue.lookup import (
    Snapshot,
    SnapshotSummary,
    current_number,
    current_snapshot,
)
from sonotheque.catalogue.minting import mint
from sonotheque.catalogue.sources.registry import import_source
from sonotheque.errors import EnvironmentFailure, NotFound, Refused
from sonotheque.model.identifiers import Isrc, RecordingId
from sonotheque.simulation.universe import write_universe
from sonotheque.store import files

NOW = "2026-11-23T12:00:00.000000Z"
LATER = "2026-11-24T12:00:00.000000Z"
A, B, C = Isrc("FRZ031400001"), Isrc("FRZ031400002"), Isrc("USRC17607839")
MEMORY = 200_000_000


def take(catalogue: Path, *rows: dict[str, object], now: str = NOW) -> None:
    catalogue.mkdir(exist_ok=True)
    path = catalogue.parent / "table.csv"
    names = ["source", "source_id", "isrc", "title", "artist", "popularity", "duration_ms"]
    with path.open("w", encoding="utf-8", newline="") as output:
        writer = csv.DictWriter(output, names, restval="")
        writer.writeheader()
        writer.writerows({"source": "s", "title": "T", "artist": "A", **row} for row in rows)
    import_source("table", catalogue, path, origin="the test", licence="CC0-1.0", now=now)


def make(catalogue: Path, now: str = NOW, **how: Any) -> SnapshotSummary:
    return build_snapshot(catalogue, now, memory_bytes_max=how.pop("memory", MEMORY), **how)


def opened(catalogue: Path) -> Snapshot:
    snapshot = current_snapshot(catalogue)
    assert snapshot is not None
    return snapshot


def id_of(catalogue: Path, isrc: Isrc) -> RecordingId:
    [recording] = opened(catalogue).by_isrc(isrc)
    return recording.id


def rows_of(catalogue: Path, kind: str = "recordings") -> list[dict[str, Any]]:
    """The recordings' own lines, in their order; the other rows with `kind` "provenance"."""
    directory = catalogue / str(current_number(catalogue))
    found: list[dict[str, Any]] = []
    for path in sorted(directory.glob("recordings-*.tsv.zst")):
        with path.open("rb") as packed:
            frames = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            lines = frames.read().decode().split("\n")[:-1]
        found += csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    of = ""
    for row in found:
        of = row["recording_id"] or of
        row["of"] = of
        row["isrc"] = row["isrc"] or None
    return [row for row in found if (row["recording_id"] == "") == (kind == "provenance")]


def test_what_most_rows_say_wins_and_the_rest_is_kept(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(
        catalogue,
        {"source_id": 1, "isrc": A, "title": "Mont Blank", "popularity": 90},
        {"source_id": 2, "isrc": A, "title": "MONT BLANC"},
        {"source_id": 3, "isrc": A, "title": "Mont-Blanc!", "popularity": 40},
        {"source_id": 4, "isrc": B, "title": "Other"},
        {"source_id": 5, "title": "Without"},
        {"source_id": 6, "title": "Without"},
    )
    summary = make(catalogue)
    assert (summary.recordings, summary.isrcs, summary.rows) == (4, 2, 6)
    [recording] = opened(catalogue).by_isrc(A)
    assert (recording.description.title, recording.popularity) == ("Mont-Blanc!", 90)
    lost = rows_of(catalogue, "provenance")
    assert {row["source_id"] for row in lost} == {"1", "2"}
    assert len({row["of"] for row in lost}) == 1
    assert [row["isrc"] for row in rows_of(catalogue, "recordings")] == [A, B, None, None]


def test_identifiers_stay_over_rebuilds(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A}, {"source_id": 2, "isrc": B}, {"source_id": 3})
    make(catalogue)
    before = {row["source_id"]: row["recording_id"] for row in rows_of(catalogue, "recordings")}
    take(catalogue, {"source_id": 9, "isrc": A, "title": "New", "popularity": 99}, now=LATER)
    take(catalogue, {"source_id": 2, "isrc": B, "title": "Put right"}, {"source_id": 8, "isrc": C})
    summary = make(catalogue, LATER)
    assert (summary.number, summary.rows, summary.rows_replaced) == (2, 5, 1)
    after = {row["isrc"]: row for row in rows_of(catalogue, "recordings")}
    assert after[A]["recording_id"] == before["1"]
    assert after[B]["recording_id"] == before["2"]
    assert after[B]["title"] == "Put right"
    assert after[None]["recording_id"] == before["3"]
    assert after[C]["recording_id"] not in before.values()
    [recording] = opened(catalogue).by_isrc(A)
    assert recording.added_at == NOW
    assert [about.at for about in summary.imports] == [NOW, LATER, NOW]


def test_an_identifier_follows_its_row_to_another_isrc(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(
        catalogue,
        {"source_id": 1, "isrc": A},
        {"source_id": 2, "isrc": A},
        {"source_id": 3, "isrc": C},
        {"source_id": 4},
    )
    make(catalogue)
    first, third = id_of(catalogue, A), id_of(catalogue, C)
    [fourth] = [r["recording_id"] for r in rows_of(catalogue, "recordings") if r["isrc"] is None]
    # 1 leaves A, where 2 stays; 3 leaves C for no ISRC, and nobody stays; 4 gets one.
    take(
        catalogue,
        {"source_id": 1, "isrc": B},
        {"source_id": 3},
        {"source_id": 4, "isrc": Isrc("GBAYE0000001")},
    )
    make(catalogue)
    assert id_of(catalogue, A) == first
    assert id_of(catalogue, B) not in (first, third)
    assert opened(catalogue).by_isrc(C) == ()
    moved = opened(catalogue).by_id(third)
    assert moved is not None
    assert moved.description.isrcs == ()
    rows = {row["source_id"]: row["recording_id"] for row in rows_of(catalogue, "recordings")}
    assert rows["4"] == fourth


def test_two_recordings_that_become_one_keep_one_identifier(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A}, {"source_id": 2, "isrc": B})
    make(catalogue)
    kept = id_of(catalogue, A)
    take(catalogue, {"source_id": 2, "isrc": A})
    assert make(catalogue).recordings == 1
    assert id_of(catalogue, A) == kept


def test_repeated_keys_leave_the_last(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "title": "old"}, {"source_id": 1, "title": "new"})
    summary = make(catalogue)
    assert (summary.rows, summary.rows_replaced) == (1, 1)
    assert [row["title"] for row in rows_of(catalogue, "recordings")] == ["new"]


def test_identifiers_drawn_twice_are_drawn_again(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A}, {"source_id": 2, "isrc": B}, {"source_id": 3})
    draws = []

    def unlucky(count: int) -> Any:
        draws.append(count)
        return pa.array(["0000000000007"] * count) if len(draws) < 3 else mint(count)

    make(catalogue, minting=unlucky)
    ids = [row["recording_id"] for row in rows_of(catalogue, "recordings")]
    assert len(set(ids)) == 3
    assert len(draws) > 2


def test_nothing_to_build_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nothing was imported"):
        make(tmp_path)
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1})
    make(catalogue)
    with pytest.raises(Refused, match="since the last build"):
        make(catalogue)
    take(catalogue)
    assert make(catalogue).recordings == 1


def test_an_empty_catalogue_can_be_built(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue)
    assert make(catalogue).recordings == 0
    assert opened(catalogue).by_isrc(A) == ()
    take(catalogue, {"source_id": 1, "isrc": A})
    assert make(catalogue).recordings == 1


def test_readers_go_on_while_the_snapshot_switches(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A, "title": "before"})
    make(catalogue)
    reader = opened(catalogue)
    take(catalogue, {"source_id": 1, "isrc": A, "title": "after"})
    make(catalogue)
    assert reader.by_isrc(A)[0].description.title == "before"
    assert opened(catalogue).by_isrc(A)[0].description.title == "after"


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1})
    with files.exclusive(catalogue / ".lock"), pytest.raises(EnvironmentFailure):
        make(catalogue)


@pytest.fixture(scope="module")
def universe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("universe") / "made"
    write_universe(directory, recordings=20_000, seed=3)
    return directory


def taken(catalogue: Path, universe: Path) -> None:
    import_source("table", catalogue, universe, origin="made up", licence="CC0-1.0", now=NOW)


class Stopped(Exception):
    """Stands for a kill between two steps."""


def test_a_build_in_many_buckets_resumes_after_every_step(
    tmp_path: Path, universe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if a row cost so much that 20,000 fill the memory four times.
    monkeypatch.setattr(build, "_ROW_BYTES", 4 * MEMORY // 20_000)
    monkeypatch.setattr(shards, "SMALLEST_SHARD", 500)
    catalogue = tmp_path / "catalogue"
    taken(catalogue, universe)
    monkeypatch.setattr(build, "_PIECE_ROW_BYTES", MEMORY // 7_000)
    told: set[tuple[str, int, int]] = set()

    def stop_at_what_is_new(step: str, done: int, of: int) -> None:
        if (step, done, of) not in told:
            told.add((step, done, of))
            raise Stopped

    while True:
        try:
            summary = make(catalogue, progress=stop_at_what_is_new)
            break
        except Stopped:
            assert current_number(catalogue) is None
    assert {step for step, _, of in told if of > 2} == {"spread", "rank", "search"}
    assert {step for step, _, _ in told} == {"spread", "compare", "rank", "index", "search"}
    assert summary.rows == 20_000
    isrcs = [row["isrc"] for row in rows_of(catalogue, "recordings") if row["isrc"]]
    assert isrcs == sorted(set(isrcs))
    assert len(isrcs) == summary.isrcs
    assert not (catalogue / "build").exists()


@pytest.mark.parametrize("after_seconds", [0.0, 0.5])
def test_a_killed_build_resumes(after_seconds: float, tmp_path: Path, universe: Path) -> None:
    catalogue = tmp_path / "catalogue"
    taken(catalogue, universe)
    script = (
        "import sys; from pathlib import Path\n"
        "from sonotheque.catalogue.build import build_snapshot\n"
        f"build_snapshot(Path(sys.argv[1]), {NOW!r}, memory_bytes_max={MEMORY},"
        " progress=lambda *step: print(step, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(catalogue)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    if current_number(catalogue) is None:
        make(catalogue)
    assert opened(catalogue).summary.rows == 20_000


def test_a_build_killed_after_the_switch_is_cleared_up(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A})

    def drop(_path: Path) -> None:
        raise Stopped

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        original = files.remove_tree
        patch.setattr(files, "remove_tree", lambda p: drop(p) if p.name == "build" else original(p))
        make(catalogue)
    assert current_number(catalogue) == 1
    take(catalogue, {"source_id": 2, "isrc": B})
    assert make(catalogue).recordings == 2


def test_a_build_killed_just_before_the_switch_resumes(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A})
    replace = files.replace

    def stop(path: Path, content: bytes) -> None:
        if path.name == "current":
            raise Stopped
        replace(path, content)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(files, "replace", stop)
        make(catalogue)
    assert current_number(catalogue) is None
    assert make(catalogue).number == 1
    assert len(opened(catalogue).by_isrc(A)) == 1


def test_no_snapshot_yet(tmp_path: Path) -> None:
    assert current_snapshot(tmp_path) is None
    with pytest.raises(NotFound):
        Snapshot.open(tmp_path)


def test_a_recording_with_several_isrcs_is_found_by_each(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(
        catalogue,
        {"source_id": 1, "isrc": f"{B};{A}", "title": "Both"},
        {"source_id": 2, "isrc": B, "title": "Both"},
        {"source_id": 3, "isrc": f"{C};{B}", "title": "Both"},
    )
    assert make(catalogue).recordings == 1
    found = {opened(catalogue).by_isrc(isrc) for isrc in (A, B, C)}
    [[recording]] = found
    assert set(recording.description.isrcs) == {A, B, C}


def test_recordings_found_to_be_one_are_found_by_both_identifiers(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A}, {"source_id": 2, "isrc": B, "popularity": 50})
    make(catalogue)
    ids = {id_of(catalogue, A), id_of(catalogue, B)}
    take(catalogue, {"source_id": 3, "isrc": f"{A};{B}"}, now=LATER)
    summary = make(catalogue, LATER)
    assert (summary.recordings, summary.changes) == (1, {"added": 0, "merged": 1, "changed": 0})
    [recording] = opened(catalogue).by_isrc(B)
    assert recording.id in ids
    assert {opened(catalogue).by_id(one) for one in ids} == {recording}
    # And over the next build, which has nothing to say of it.
    take(catalogue, {"source_id": 9}, now=LATER)
    make(catalogue, LATER)
    assert {opened(catalogue).by_id(one) for one in ids} == {recording}


def test_a_row_that_comes_to_another_recording_brings_no_second_identifier(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(
        catalogue,
        {"source_id": 1, "isrc": A, "popularity": 9},
        {"source_id": 2, "isrc": A},
        {"source_id": 3, "isrc": B},
    )
    make(catalogue)
    first, second = id_of(catalogue, A), id_of(catalogue, B)
    # The describing row moves to B, and 3 to A: each keeps what its ISRC had.
    take(catalogue, {"source_id": 1, "isrc": B}, {"source_id": 3, "isrc": A})
    make(catalogue)
    assert (id_of(catalogue, A), id_of(catalogue, B)) == (first, second)
    assert opened(catalogue).summary.recordings == 2


def test_what_changed_is_listed(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    rows = [{"source_id": 1, "isrc": A, "title": "Old"}, {"source_id": 2, "isrc": B}]
    take(catalogue, *rows)
    assert make(catalogue).changes == {"added": 2, "merged": 0, "changed": 0}
    # The same table again, with one title put right and one row more.
    rows[0]["title"] = "New"
    take(catalogue, *rows, {"source_id": 3, "isrc": C}, now=LATER)
    summary = make(catalogue, LATER)
    assert summary.changes == {"added": 1, "merged": 0, "changed": 1}
    assert [about.number for about in summary.before] == [1]
    listed = [(change.kind, change.title) for change in changes_since(catalogue, 1)]
    assert sorted(listed) == [("added", "T"), ("changed", "New")]
    assert list(changes_since(catalogue, 2)) == []


def test_listens_count_for_recordings_that_somebody_describes(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    take(catalogue, {"source_id": 1, "isrc": A, "title": "Heard"})
    path = tmp_path / "listens.csv"
    path.write_text(f"isrc,listens\n{A},1000\n{B},10\n")
    import_source("listens", catalogue, path, origin="a radio", licence="CC0-1.0", now=NOW)
    summary = make(catalogue)
    assert (summary.recordings, summary.rows) == (1, 3)
    [recording] = opened(catalogue).by_isrc(A)
    assert (recording.description.title, recording.popularity) == ("Heard", 100)
    assert opened(catalogue).by_isrc(B) == ()
    # What was counted before anybody described it counts when somebody does.
    take(catalogue, {"source_id": 2, "isrc": B, "title": "Described later"}, now=LATER)
    summary = make(catalogue, LATER)
    assert (summary.recordings, summary.rows) == (2, 4)
    [recording] = opened(catalogue).by_isrc(B)
    assert 0 < recording.popularity < 100


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk in memory of so many megabytes; asked again, it has been made larger."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk wants root")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mounted(megabytes: int) -> Path:
        how = ["-o", f"remount,size={megabytes}m"] if disk.is_mount() else ["-t", "tmpfs"]
        how += [] if disk.is_mount() else ["-o", f"size={megabytes}m", "tmpfs"]
        done = subprocess.run(["mount", *how, str(disk)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount here: {done.stderr.decode().strip()}")
        return disk

    try:
        yield mounted
    finally:
        # Lazily: what a build that failed still maps is let go of later.
        subprocess.run(["umount", "--lazy", str(disk)], capture_output=True, check=False)


def test_a_full_disk_is_told_and_the_same_command_goes_on(
    small_disk: Callable[[int], Path], universe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SMALLEST_SHARD", 2_000)
    catalogue = small_disk(2) / "catalogue"
    catalogue.mkdir()
    megabytes, failures = 2, 0
    taken(catalogue, universe)
    while True:
        try:
            summary = make(catalogue)
            break
        except EnvironmentFailure as error:
            assert "disk" in error.line(), error.line()
            assert current_number(catalogue) is None
            failures += 1
            megabytes += 1
            small_disk(megabytes)
    assert failures > 2
    assert summary.rows == 20_000
