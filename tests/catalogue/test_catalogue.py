"""Records and search together: findable at once, in every process, whatever became of derived/."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sonotheque.catalogue.catalogue import Catalogue
from sonotheque.catalogue.records import Records
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import Description, Recording
from sonotheque.store import db


def recording(number: int, title: str) -> Recording:
    return Recording(
        id=RecordingId(to_crockford(number)),
        description=Description(title=title, artist="Artist"),
        duration_ms=1,
        added_at="2026-11-20",
    )


def opened(directory: Path) -> Catalogue:
    engine = db.open_database(directory / "x.db")
    return Catalogue(engine, directory / "derived", directory / "catalogue")


def test_a_reader_sees_what_a_writer_adds(tmp_path: Path) -> None:
    writer, reader = opened(tmp_path), opened(tmp_path)
    assert reader.find("song").total == 0
    for number in range(1, 4):
        writer.add([recording(number, f"Song {number}")])
        assert reader.find("song").total == number
    assert [one.description.title for one in reader.suggest("son 2")] == ["Song 2"]


def test_another_process_sees_it_too(tmp_path: Path) -> None:
    opened(tmp_path).add([recording(1, "Song")])
    script = (
        "import sys; from pathlib import Path; from sonotheque.store import db\n"
        "from sonotheque.catalogue.catalogue import Catalogue\n"
        "here = Path(sys.argv[1])\n"
        "engine = db.open_database(here / 'x.db')\n"
        "found = Catalogue(engine, here / 'derived', here / 'catalogue').find('song')\n"
        "print(found.total, found.recordings[0].description.title)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "1 Song\n"


@pytest.mark.parametrize("damage", ["gone", "garbage", "a segment gone", "cut", "other"])
def test_a_lost_or_broken_index_is_made_anew(tmp_path: Path, damage: str) -> None:
    opened(tmp_path).add([recording(number, f"Song {number}") for number in range(1, 6)])
    search = tmp_path / "derived" / "search"
    segments = [path for path in search.iterdir() if path.suffix in (".idx", ".store", ".term")]
    assert segments
    match damage:
        case "gone":
            shutil.rmtree(tmp_path / "derived")
        case "garbage":
            (search / "meta.json").write_text("garbage")
        case "a segment gone":
            segments[0].unlink()
        case "cut":
            for path in segments:
                path.write_bytes(path.read_bytes()[:10])
        case "other":
            # The index of another archive, with more in it than there is.
            shutil.rmtree(tmp_path / "derived")
            other = tmp_path / "other"
            other.mkdir()
            opened(other).add([recording(number, f"Song {number}") for number in range(1, 9)])
            shutil.copytree(other / "derived", tmp_path / "derived")
    again = opened(tmp_path)
    assert again.find("song").total == 5
    assert again.find("song 8").total == 0


def test_an_index_that_takes_nothing_more_is_made_anew(tmp_path: Path) -> None:
    """As a power cut left one: a file that the next commit makes is there, and is not in use."""
    opened(tmp_path).add([recording(number, f"Song {number}") for number in range(1, 6)])
    search = tmp_path / "derived" / "search"
    segment = next(search.glob("*.idx"))
    for number in range(100):
        segment.with_suffix(f".{number}.del").touch()
    catalogue = opened(tmp_path)
    catalogue.add([recording(1, "Song the first")])
    assert catalogue.find("first").total == 1
    assert catalogue.find("song").total == opened(tmp_path).find("song").total == 5


def test_records_that_a_dead_writer_did_not_index_are_found(tmp_path: Path) -> None:
    opened(tmp_path).add([recording(1, "Song")])
    Records(db.open_database(tmp_path / "x.db")).put([recording(2, "Song two")])
    assert opened(tmp_path).find("song").total == 2


def test_pages(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.add([recording(number, f"Song {number}") for number in range(1, 26)])
    first, second = (catalogue.find("song", limit=20, offset=offset) for offset in (0, 20))
    assert (len(first.recordings), len(second.recordings)) == (20, 5)
    assert first.total == second.total == 25
    assert not {one.id for one in first.recordings} & {one.id for one in second.recordings}
    assert [one.description.title for one in catalogue.newest(2)] == ["Song 25", "Song 24"]
    assert catalogue.count() == len(list(catalogue.each())) == 25
