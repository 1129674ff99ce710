"""Search as people type: any case, any script, half a word, one typo, and hostile nonsense."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.search import QUERY_CHARACTERS_MAX, SearchIndex
from sonotheque.errors import BadInput
from sonotheque.model.identifiers import Isrc, RecordingId, to_crockford
from sonotheque.model.music import Description, Recording


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


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    made = SearchIndex(tmp_path_factory.mktemp("search"))
    made.put(HELD)
    return made


def numbers(index: SearchIndex, query: str) -> Sequence[int]:
    ids = [held.id for held in HELD]
    return [ids.index(id_) + 1 for id_ in index.find(query, limit=20).recordings]


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
def test_queries(index: SearchIndex, query: str, wanted: list[int]) -> None:
    assert sorted(numbers(index, query)) == sorted(wanted)
    if wanted:
        assert numbers(index, query)[0] == wanted[0]


def test_a_query_too_long_to_be_meant(index: SearchIndex) -> None:
    with pytest.raises(BadInput):
        index.find("a" * 10_000, limit=1)
    assert index.find("rain " * (QUERY_CHARACTERS_MAX // 5), limit=9).total == 2


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    query=st.text(max_size=60)
    | st.text(alphabet="title:artist\"'*.?+[](){}|^$\\~-/ ab\0\n", max_size=60),
    limit=st.integers(0, 1 << 70),
    offset=st.integers(0, 1 << 70),
)
def test_no_query_breaks_it(index: SearchIndex, query: str, limit: int, offset: int) -> None:
    hits = index.find(query, limit=limit, offset=offset)
    assert len(hits.recordings) <= hits.total <= len(HELD)


def test_every_word_of_a_title_finds_it(index: SearchIndex) -> None:
    for number, held in enumerate(HELD, 1):
        for word in held.description.title.split():
            if any(character.isalnum() for character in word):
                assert number in numbers(index, word), word


def test_pages_are_stable_and_complete(tmp_path: Path) -> None:
    index = SearchIndex(tmp_path)
    many = [recording(number, f"Song {number}") for number in range(1, 106)]
    for start in range(0, len(many), 20):
        index.put(many[start : start + 20])
    pages = [index.find("song", limit=10, offset=offset) for offset in range(0, 110, 10)]
    found = [id_ for page in pages for id_ in page.recordings]
    assert {page.total for page in pages} == {105}
    assert len(found) == len(set(found)) == 105
    assert index.find("song", limit=200).recordings == tuple(found)


def test_what_is_put_again_is_replaced(tmp_path: Path) -> None:
    index = SearchIndex(tmp_path)
    index.put([recording(1, "Old"), recording(2, "Other")])
    index.put([recording(1, "New")])
    assert (index.find("old", limit=5).total, index.find("new", limit=5).total) == (0, 1)
    assert index.count() == 2
    index.put([recording(3, "Third")], anew=True)
    assert index.count() == 1
