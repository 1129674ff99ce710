"""Every track of a Discogs dump is staged or set aside, and one broken release alone."""

from __future__ import annotations

import datetime
import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.sources import discogs
from sonotheque.catalogue.sources.discogs import read_discogs
from sonotheque.errors import BadInput


def track(position: str, title: str, duration: str = "", more: str = "") -> str:
    return (
        f"<track><position>{position}</position><title>{title}</title>"
        f"<duration>{duration}</duration>{more}</track>"
    )


def release(number: object, *tracks: str, released: str = "1999-03-00", more: str = "") -> str:
    return (
        f'<release id="{number}" status="Accepted"><artists>'
        "<artist><name>The Persuader (2)</name><anv/><join>,</join></artist>"
        "<artist><name>Cari</name><anv>C. L.</anv><join>Feat.</join></artist>"
        "<artist><name>Nuno</name><anv></anv><join/></artist></artists>"
        "<title>Stock &amp; holm</title>"
        '<labels><label name="Svek (3)"/><label name="Svek (3)"/><label name="Drum"/></labels>'
        f"<released>{released}</released>"
        '<identifiers><identifier type="Matrix / Runout" value="123456789012"/>'
        '<identifier type="Barcode" value="none"/>'
        '<identifier type="Barcode" value="7 24383-14782 3 &gt;"/></identifiers>'
        f"{more}<tracklist>{''.join(tracks)}</tracklist></release>"
    )


def dump(path: Path, *releases: str) -> Path:
    content = "<releases>\n" + "\n".join(releases) + "\n</releases>\n"
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


@pytest.mark.parametrize("name", ["x_releases.xml", "x_releases.xml.gz"])
def test_release(name: str, take: Any, tmp_path: Path) -> None:
    own = "<artists><artist><name>Guest (4)</name></artist></artists>"
    path = dump(tmp_path / name, release(1, track("A", "Öst", "4:45"), track("B#", "V", "", own)))
    found = take("discogs", path)
    assert found.codes == []
    first, second = found.rows
    expected = {
        "source": "discogs",
        "source_id": "1-A",
        "isrc": None,
        "title": "Öst",
        "artist": "The Persuader, C. L. Feat. Nuno",
        "album": "Stock & holm",
        "label": "Svek; Drum",
        "upc": "724383147823",
        "release_date": None,
        "year": 1999,
        "duration_ms": 285_000,
        "line": 2,
    }
    assert {name: first[name] for name in expected} == expected
    assert (second["source_id"], second["artist"]) == ("1-B%23", "Guest")


def test_headings_are_no_tracks_and_sub_tracks_are(take: Any, tmp_path: Path) -> None:
    movements = f"<sub_tracks>{track('2a', 'Allegro', '4:12')}{track('2b', 'Adagio')}</sub_tracks>"
    parts = f"<sub_tracks>{track('', 'One')}{track('', 'Two')}</sub_tracks>"
    with_headings = release(
        1,
        track("", "This Side"),
        track("1", "Song"),
        track("", "Concerto", "9:00", movements),
        track("3", "Medley", "5:00", parts),
        track("", "Hidden", "1:00"),
        track("1", "Song, once more"),
    )
    without_positions = release(2, track("", "First"), track("", "Second"))
    found = take("discogs", dump(tmp_path / "releases.xml", with_headings, without_positions))
    assert [(row["source_id"], row["title"]) for row in found.rows] == [
        ("1-1", "Song"),
        ("1-2a", "Concerto: Allegro"),
        ("1-2b", "Concerto: Adagio"),
        ("1-3", "Medley"),
        ("1-", "Hidden"),
        ("1-1~2", "Song, once more"),
        ("2-", "First"),
        ("2-~2", "Second"),
    ]


BROKEN = [
    (release(2, track("A", "T", "4:75")), "duration.impossible"),
    (release(2, track("A", "T", "445")), "duration.impossible"),
    (release(2, track("A", "T"), released="1999-13-40"), "date.impossible"),
    (release(2, track("A", "T"), released="Unknown"), "date.impossible"),
    (release(2, track("A", "")), "title.missing"),
    (release("", track("A", "T")), "source-id.missing"),
    (release(2), "release.no-tracks"),
    (release(2, track("A", "T\x0b")), "xml.broken"),
    (release(2, track("A", "T&#0;")), "xml.broken"),
    (release(2, track("A", "T&lol;")), "xml.broken"),
    (release(2, track("A", "T")).replace("</title>", "", 1), "xml.broken"),
    (release(2, "<a>" * 300 + "</a>" * 300), "xml.broken"),
    ("stray text " + release(2, track("A", "T")), "xml.broken"),
    ("<master></release>", "xml.broken"),
    ("<master><x></x></master><release></release>", "xml.broken"),
    ("<!DOCTYPE a [<!ENTITY b 'c'>]><release>&b;</release>", "xml.entities"),
]


@pytest.mark.parametrize(("broken", "code"), BROKEN)
def test_one_broken_release_is_set_aside(broken: str, code: str, take: Any, tmp_path: Path) -> None:
    good = release(1, track("A", "T"))
    found = take("discogs", dump(tmp_path / "releases.xml", good, broken, good))
    assert found.codes == [(3, code)]
    assert [row["line"] for row in found.rows] == [2, 4]


def test_what_is_left_before_the_end_is_set_aside(take: Any, tmp_path: Path) -> None:
    good = release(1, track("A", "T"))
    found = take("discogs", dump(tmp_path / "releases.xml", good, "<release id='2'/>"))
    assert found.codes == [(3, "release.no-tracks")]
    assert take("discogs", dump(tmp_path / "releases.xml")).summary.rows_read == 0
    (tmp_path / "releases.xml").write_text("<releases/>")
    assert take("discogs", tmp_path / "releases.xml").summary.rows_read == 0


@pytest.mark.parametrize(
    "content",
    [
        "<releases>" + release(1, track("A", "T")),
        "<masters><master id='1'></master></masters>",
        "<!DOCTYPE releases [<!ENTITY a 'b'>]><releases></releases>",
        "",
        "{}",
        "no XML",
    ],
)
def test_what_is_no_whole_dump_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(content)
    with pytest.raises(BadInput):
        list(read_discogs(path, year_max=2028))
    path.write_bytes(gzip.compress(content.encode())[:-9])
    with pytest.raises(BadInput):
        list(read_discogs(path, year_max=2028))


def test_an_endless_release_is_read_over(
    take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discogs, "RELEASE_BYTES_MAX", 5_000)
    monkeypatch.setattr(discogs, "_BLOCK_BYTES", 700)
    monkeypatch.setattr(discogs, "HEAD_BYTES", 100)
    good = release(1, track("A", "T"))
    long = release(2, track("A", "x\n" * 30_000))
    found = take("discogs", dump(tmp_path / "releases.xml", good, long, good))
    assert found.codes == [(3, "line.too-long")]
    assert [row["line"] for row in found.rows] == [2, 30_004]


@given(
    parts=st.lists(
        st.sampled_from(
            [
                release(1, track("A", "T")),
                release(2, track("A", ""), track("", "H"), track("B", "T")),
                *("<release>", "</release>", "<release/>", "\n", "x", "<releases>", "&", "\0"),
            ]
        ),
        max_size=8,
    ),
    block=st.integers(1, 90),
)
@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_parts_in_any_blocks(parts: list[str], block: int, take: Any, tmp_path: Path) -> None:
    path = tmp_path / "releases.xml"
    content = "<releases>" + "".join(parts) + "</releases>"
    path.write_text(content)
    whole = take("discogs", path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discogs, "_BLOCK_BYTES", block)
        patch.setattr(discogs, "HEAD_BYTES", 20)
        piecemeal = take("discogs", path)
    assert (whole.codes, len(whole.rows)) == (piecemeal.codes, len(piecemeal.rows))
    # Each end of a release ends one that gives something, and so does what is left at the end.
    rest = re.split("</release>", content.removeprefix("<releases>").removesuffix("</releases>"))
    least = len(rest) - 1 + bool(rest[-1].strip())
    assert whole.summary.rows_read >= least


def test_real_dump(take: Any, shared_data: Path) -> None:
    path = shared_data / "metadata" / "discogs-sample" / "discogs_20200806_releases.xml.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    # Tracks, without those that are headings: counted by pattern, release by release.
    tracks = headings = 0
    for content in text.split("</release>")[:-1]:
        tracks += content.count("<track>")
        headings += content.count("<sub_tracks>")
        if "<track><position>" in content:
            headings += len(
                re.findall(
                    "<track><position/>(?:<title/>|<title>[^<]*</title>)<duration/>"
                    "(?:<(?:extra)?artists>(?:(?!</track>|<sub_tracks>).)*)?</track>",
                    content,
                    re.DOTALL,
                )
            )
    found = take("discogs", path)
    assert found.summary.rows_read == tracks - headings
    assert found.codes == []
    assert len({row["source_id"] for row in found.rows}) == len(found.rows)
    rows = {row["source_id"]: row for row in found.rows}
    assert rows["1-A"]["title"] == "Östermalm"
    assert rows["3019999-1-5.1"]["title"] == "Medley: Blues For L.W."
    dated = [row for row in found.rows if row["release_date"]]
    assert min(row["release_date"] for row in dated) > datetime.date(1950, 1, 1)


@pytest.mark.parametrize("what", ["artists", "labels", "masters"])
def test_real_dumps_of_other_things_are_refused(what: str, shared_data: Path) -> None:
    path = shared_data / "metadata" / "discogs-sample" / f"discogs_20200806_{what}.xml.gz"
    with pytest.raises(BadInput, match=f"a dump of {what}.*give the dump of releases"):
        list(read_discogs(path, year_max=2028))
