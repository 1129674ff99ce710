"""Search as people type: any case, any script, half a word, one typo, and hostile nonsense."""

from __future__ import annotations

import csv
import resource
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.catalogue import shards
from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.catalogue import Catalogue
from sonotheque.catalogue.query import QUERY_CHARACTERS_MAX, How, parse_query
from sonotheque.catalogue.search import SearchIndex
from sonotheque.catalogue.sources.registry import import_source
from sonotheque.errors import BadInput, EnvironmentFailure
from sonotheque.model.identifiers import Isrc, RecordingId, to_crockford
from sonotheque.model.music import Description, Recording
from sonotheque.store import db


def recording(number: int, title: str, artist: str = "Somebody", **said: object) -> Recording:
    description = Description(title=title, artist=artist, **said)  # type: ignore[arg-type]
    return Recording(
        id=RecordingId(to_crockford(number)),
        description=description,
        duration_ms=1_000,
        added_at="2026-11-20",
    )


HELD = (
    recording(1, "Déjà-Vu d’été", "Beyoncé", album="Été", year=2003),
    recording(2, "Smells Like Rain", "The Band", isrcs=(Isrc("FRZ031400123"),)),
    recording(3, "千本桜 の夜", "初音ミク"),
    recording(4, "月亮代表我的心", "鄧麗君"),
    recording(5, "강남 스타일", "싸이"),
    recording(6, "Подмосковные вечера", "Хор"),
    recording(7, "يا مسافر وحدك", "عبد الوهاب"),
    recording(8, "เพลงรัก", "คาราบาว"),
    recording(9, "Rain", "Title", label="Smells", year=1999),
    recording(10, "C++ & (regex) [.*] \\d+ ^$", 'AC/DC "quoted"'),
)


@pytest.fixture(scope="module", params=["deposited", "imported"])
def catalogue(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Catalogue:
    """What is held, once as deposits and once as somebody else's catalogue."""
    directory = tmp_path_factory.mktemp("search")
    engine = db.open_database(directory / "x.db")
    made = Catalogue(engine, directory / "derived", directory / "catalogue")
    if request.param == "deposited":
        made.add(HELD)
    else:
        imported(directory, HELD)
    return made


def imported(directory: Path, recordings: Sequence[Recording]) -> None:
    path = directory / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as output:
        table = csv.writer(output)
        table.writerow(["source_id", "title", "artist", "album", "label", "year", "isrc"])
        for number, one in enumerate(recordings, 1):
            said = one.description
            isrcs = ";".join(said.isrcs)
            texts = [said.title, said.artist, said.album, said.label, said.year or "", isrcs]
            table.writerow([number, *texts])
    snapshots = directory / "catalogue"
    snapshots.mkdir()
    import_source(
        "table", snapshots, path, origin="the test", licence="CC0-1.0", now="2026-11-20T00:00:00Z"
    )
    build_snapshot(snapshots, "2026-11-20T00:00:00Z", memory_bytes_max=200_000_000)


def numbers(catalogue: Catalogue, query: str, limit: int = 20) -> Sequence[int]:
    titles = [held.description.title for held in HELD]
    page = catalogue.find(query, limit=limit)
    return [titles.index(found.description.title) + 1 for found in page.recordings]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("rain", [9, 2]),
        ("RAIN smells", [9, 2]),
        ("smel", [2, 9]),
        ("smalls like", [2]),
        ("like band rain smells", [2]),
        ("deja vu", [1]),
        ("beyonce", [1]),
        ("BEYONCÉ", [1]),
        ("dété", [1]),
        ("d'ete", [1]),
        ("title:été", [1]),
        ("桜", [3]),
        ("初音", [3]),
        ("月亮", [4]),
        ("강남", [5]),
        ("вечера", [6]),
        ("ВЕЧЕР", [6]),
        ("مسافر", [7]),
        ("เพลง", [8]),
        ("title:rain", [9, 2]),
        ("artist:title", [9]),
        ('artist:"the band"', [2]),
        ("label:smells", [9]),
        ("year:1999 rain", [9]),
        ("year:199", []),
        ("isrc:FR-Z03-14-00123", [2]),
        ("FR-Z03-14-00123", [2]),
        ("frz031400123", [2]),
        ("ac/dc", [10]),
        ('"quoted"', [10]),
        ('"quoted', [10]),
        ("regex", [10]),
        ("no such words", []),
        ("", []),
        ("  .* ", []),
        ("title:", [9]),
        ('title:"', []),
        ("😀", []),
    ],
)
def test_queries(catalogue: Catalogue, query: str, wanted: list[int]) -> None:
    assert sorted(numbers(catalogue, query)) == sorted(wanted)
    if query == "RAIN smells" and not catalogue.count():
        # Two words in a title are worth more than one there and one in the label.
        wanted = wanted[::-1]
    if wanted:
        assert numbers(catalogue, query)[0] == wanted[0]


def test_a_query_too_long_to_be_meant(catalogue: Catalogue) -> None:
    with pytest.raises(BadInput):
        catalogue.find("a" * 10_000, limit=1)
    assert catalogue.find("rain " * (QUERY_CHARACTERS_MAX // 5), limit=9).total == 2


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    query=st.text(max_size=60)
    | st.text(alphabet="title:artist\"'*.?+[](){}|^$\\~-/ ab\0\n", max_size=60),
    limit=st.integers(0, 1 << 70),
    offset=st.integers(0, 1 << 70),
)
def test_no_query_breaks_it(catalogue: Catalogue, query: str, limit: int, offset: int) -> None:
    page = catalogue.find(query, limit=limit, offset=offset)
    assert len(page.recordings) <= page.total <= len(HELD)


def test_every_word_of_a_title_finds_it(catalogue: Catalogue) -> None:
    for number, held in enumerate(HELD, 1):
        for word in held.description.title.split():
            if any(character.isalnum() for character in word):
                assert number in numbers(catalogue, word), word


@pytest.mark.parametrize("kind", ["deposited", "imported"])
def test_pages_are_stable_and_complete(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small that a search goes through several, the last two at a time.
    monkeypatch.setattr(shards, "SMALLEST_SHARD", 1)
    engine = db.open_database(tmp_path / "x.db")
    catalogue = Catalogue(engine, tmp_path / "derived", tmp_path / "catalogue")
    many = [recording(number, f"Song {number}") for number in range(1, 106)]
    if kind == "deposited":
        for start in range(0, len(many), 20):
            catalogue.add(many[start : start + 20])
    else:
        imported(tmp_path, many)
        assert len(catalogue.snapshots()[0].search) == 5
    for query in ("song", "son", "sonh"):
        pages = [catalogue.find(query, limit=10, offset=offset) for offset in range(0, 120, 10)]
        found = [one.id for page in pages for one in page.recordings]
        assert len(found) == len(set(found)) == 105
        assert [one.id for one in catalogue.find(query, limit=200).recordings] == found
        assert pages[-1].total == 105
        assert pages[-1].total_is_exact
        assert all(page.total >= len(found[: 10 * n]) for n, page in enumerate(pages, 1))


def test_what_is_put_again_is_replaced(tmp_path: Path) -> None:
    index = SearchIndex(tmp_path)

    def total(text: str) -> int:
        return index.find(parse_query(text), How.EXACT, 5).total

    index.put([recording(1, "Old"), recording(2, "Other")])
    index.put([recording(1, "New")])
    assert (total("old"), total("new")) == (0, 1)
    assert index.count() == 2
    index.put([recording(3, "Third")], anew=True)
    assert index.count() == 1


def test_a_disk_that_takes_nothing_more_is_told_at_once(tmp_path: Path) -> None:
    """It was called another process that may be writing, after half a minute, or our mistake."""
    index = SearchIndex(tmp_path)
    index.put(HELD[:1])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        with pytest.raises(EnvironmentFailure, match=r"too large|cannot be written") as caught:
            index.put(HELD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    line = caught.value.line()
    del caught  # the traceback in it holds the writer, and the writer its lock
    assert str(tmp_path) in line
    assert "\n" not in line
    index.put(HELD)
    assert index.count() == len(HELD)
