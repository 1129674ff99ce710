"""Every recording and every track of MusicBrainz's documents is staged or set aside."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import lzma
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.sources import musicbrainz
from sonotheque.catalogue.sources.musicbrainz import read_musicbrainz
from sonotheque.errors import BadInput

CREDIT = [
    {"name": "Simon", "joinphrase": " & ", "artist": {"name": "Paul Simon"}},
    {"name": None, "joinphrase": None, "artist": {"name": "Garfunkel"}},
]
RECORDING = {
    "id": "r1",
    "title": "Song",
    "artist-credit": CREDIT,
    "length": 173666,
    "video": False,
    "isrcs": ["USWB10202616", "USWB10101367"],
    "first-release-date": "1977-??-04",
    "relations": [{"type": "performance", "deep": [[[{"x": 1}]]]}],
}


def release(**changed: Any) -> dict[str, Any]:
    tracks = [
        {"id": "t1", "title": "Song (as printed)", "position": 1, "recording": RECORDING},
        {"id": "t2", "title": "Song again", "position": 2, "recording": RECORDING},
        {"id": "t3", "title": "Other", "length": None, "recording": {"id": "r2", "title": None}},
    ]
    return {
        "id": "a1",
        "title": "Album",
        "artist-credit": [{"name": "Various"}],
        "date": "1984-04-24",
        "barcode": "075990301024",
        "status": "Official",
        "label-info": [
            {"label": {"name": "Warner"}},
            {"label": None},
            {"label": {"name": "Warner"}},
            {"label": {"name": "Sire"}},
        ],
        "media": [{"position": 1, "pregap": tracks[0], "tracks": tracks[1:]}],
        **changed,
    }


def write(path: Path, *documents: Any, **how: Any) -> Path:
    lines = [
        d if isinstance(d, str) else json.dumps(d, ensure_ascii=False, **how) for d in documents
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_release(take: Any, tmp_path: Path) -> None:
    found = take("musicbrainz", write(tmp_path / "release.json", release(), indent=1))
    assert found.codes == []
    first, again, other = found.rows
    expected = {
        "source": "musicbrainz",
        "source_id": "r1#a1",
        "isrc": "USWB10101367",
        "other_isrcs": "USWB10202616",
        "title": "Song",
        "artist": "Simon & Garfunkel",
        "album": "Album",
        "label": "Warner; Sire",
        "upc": "075990301024",
        "release_date": datetime.date(1984, 4, 24),
        "duration_ms": 173_666,
        "line": 1,
    }
    assert {name: first[name] for name in expected} == expected
    assert again["source_id"] == "r1#a1.2"
    assert (other["source_id"], other["title"], other["artist"]) == ("r2#a1", "Other", "Various")


def test_recordings(take: Any, tmp_path: Path) -> None:
    on_two = {**RECORDING, "id": "r3", "releases": [release(media=None), {"id": "a2"}]}
    found = take("musicbrainz", write(tmp_path / "recording", RECORDING, on_two))
    assert [row["source_id"] for row in found.rows] == ["r1", "r3#a1", "r3#a2"]
    assert [row["year"] for row in found.rows] == [1977, 1984, None]
    assert [row["album"] for row in found.rows] == ["", "Album", ""]
    assert [row["line"] for row in found.rows] == [1, 2, 2]


def test_lists_of_the_web_service(take: Any, tmp_path: Path) -> None:
    isrcs = [{"id": "USWB10101367"}]
    answers = tmp_path / "answers"
    answers.mkdir()
    write(answers / "1.json", {"recording-count": 1, "recordings": [{**RECORDING, "isrcs": isrcs}]})
    write(answers / "2.json", {"releases": [release(), release(id="a2")]}, indent=2)
    write(answers / "3.json", {"recordings": [], "count": 0})
    found = take("musicbrainz", answers)
    assert [row["source_id"] for row in found.rows][:2] == ["r1", "r1#a1"]
    assert len(found.rows) == 7
    assert found.codes == [(3, "release.no-tracks")]
    assert found.faults[0]["row"]["file"] == "3.json:1"


def archive(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("_", "/"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["plain", "gz", "xz", "tar.xz"])
def test_dumps_as_published(kind: str, take: Any, tmp_path: Path) -> None:
    content = b"".join(json.dumps({**RECORDING, "id": f"r{n}"}).encode() + b"\n" for n in range(50))
    path = tmp_path / f"recording.{kind}"
    if kind == "tar.xz":
        archive(path, COPYING=b"CC0", mbdump_recording=content, mbdump_other=b"x")
    else:
        packs: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress}
        pack = packs.get(kind, bytes)
        path.write_bytes(pack(content))
    found = take("musicbrainz", path)
    assert [(row["source_id"], row["line"]) for row in found.rows] == [
        (f"r{n}", n + 1) for n in range(50)
    ]
    assert found.codes == []


def test_archives_that_are_no_dump(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.xz", mbdump_artist=b"{}\n")
    with pytest.raises(BadInput, match="no recordings and no releases"):
        list(read_musicbrainz(path, year_max=2028))
    path.write_bytes(lzma.compress(lzma.decompress(path.read_bytes())[:600]))
    with pytest.raises(BadInput):
        list(read_musicbrainz(path, year_max=2028))


def test_an_archive_cannot_fill_the_memory(tmp_path: Path) -> None:
    # A name of 8 GB, says its header.
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    content = member.tobuf(tarfile.GNU_FORMAT) + b"x" * 5_000
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(BadInput, match="too large"):
        list(read_musicbrainz(tmp_path / "a.tar", year_max=2028))
    many = [tarfile.TarInfo(f"{n}").tobuf() for n in range(1_100)]
    (tmp_path / "b.tar").write_bytes(b"".join(many) + b"\0" * 1_024)
    with pytest.raises(BadInput, match="too many files"):
        list(read_musicbrainz(tmp_path / "b.tar", year_max=2028))


BROKEN = [
    ('{"id": "r1", "title": "cut', "json.broken"),
    ("{" * 200_000, "json.broken"),
    ('{"id": "x", "video": false, "deep": ' + "[" * 200_000, "json.broken"),
    ('{"id": "x", "title": "\\ud800", "video": false}', "json.broken"),
    ("nonsense", "json.broken"),
    ("[]", "json.unexpected"),
    ("{}", "json.unexpected"),
    ('{"id": "x", "name": "an artist"}', "json.unexpected"),
    ('{"id": "x", "title": 7, "video": false}', "json.unexpected"),
    ('{"id": "x", "title": "T", "length": "long", "video": false}', "duration.impossible"),
    ('{"id": "x", "title": "T", "length": 1e300, "video": false}', "number.scientific"),
    ('{"id": "x", "title": "T", "length": null, "isrcs": ["US"]}', "isrc.broken"),
    ('{"id": "x", "title": "T", "length": 1, "first-release-date": "1999-13"}', "date.impossible"),
    ('{"title": "T", "video": false}', "source-id.missing"),
    ('{"id": "x", "video": false}', "title.missing"),
    ('{"id": "x", "title": "T", "media": []}', "release.no-tracks"),
    ('{"id": "x", "title": "T", "media": [{"tracks": [{"title": "T"}]}]}', "source-id.missing"),
]


@pytest.mark.parametrize(("line", "code"), BROKEN)
def test_broken_lines_are_set_aside_and_the_rest_goes_on(
    line: str, code: str, take: Any, tmp_path: Path
) -> None:
    found = take("musicbrainz", write(tmp_path / "recording", RECORDING, line, RECORDING))
    assert found.codes == [(2, code)]
    assert len(found.rows) == 2
    # And where it stands first, or alone.
    found = take("musicbrainz", write(tmp_path / "recording", line, RECORDING))
    assert found.codes == [(1, code)]
    found = take("musicbrainz", write(tmp_path / "recording", line))
    assert found.codes == [(1, code)]


def test_a_broken_document_on_many_lines_is_one_fault(take: Any, tmp_path: Path) -> None:
    text = json.dumps(release(), indent=1)
    (tmp_path / "a.json").write_text(text[: len(text) // 2])
    assert take("musicbrainz", tmp_path / "a.json").codes == [(1, "json.broken")]


def test_other_encodings(take: Any, tmp_path: Path) -> None:
    good = json.dumps({**RECORDING, "title": "Été\n\0"}, ensure_ascii=False)
    path = tmp_path / "recording"
    path.write_bytes(
        b"\xef\xbb\xbf" + good.encode() + b"\r\n\n" + good.encode("latin-1") + b"\n" + good.encode()
    )
    found = take("musicbrainz", path)
    assert found.codes == [(3, "encoding.broken")]
    assert [(row["title"], row["line"]) for row in found.rows] == [("Été", 1), ("Été", 4)]
    path.write_bytes(good.encode("utf-16"))
    assert {code for _, code in take("musicbrainz", path).codes} <= {
        "encoding.broken",
        "json.broken",
    }


def test_lines_over_the_bound(take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(musicbrainz, "DOCUMENT_BYTES_MAX", 1_000)
    long = {**RECORDING, "annotation": "x" * 5_000}
    found = take("musicbrainz", write(tmp_path / "recording", RECORDING, long, RECORDING))
    assert found.codes == [(2, "line.too-long")]
    assert len(found.rows) == 2
    assert take("musicbrainz", write(tmp_path / "a.json", long)).codes == [(1, "line.too-long")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*RECORDING, *release(), "tracks", "recording", "recordings", "label"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(documents=st.lists(JSON, min_size=1, max_size=5))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_document_is_accounted_for(documents: list[Any], take: Any, tmp_path: Path) -> None:
    found = take("musicbrainz", write(tmp_path / "any", RECORDING, *map(json.dumps, documents)))
    lines = {row["line"] for row in found.rows} | {line for line, _ in found.codes}
    assert lines == set(range(1, len(documents) + 2))


@given(content=st.binary(max_size=200))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_no_trouble(content: bytes, take: Any, tmp_path: Path) -> None:
    path = tmp_path / "any"
    path.write_bytes(json.dumps(RECORDING).encode() + b"\n" + content)
    found = take("musicbrainz", path)
    filled = [n for n, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()]
    assert sorted([r["line"] for r in found.rows] + [line for line, _ in found.codes]) == filled


def test_real_releases(take: Any, shared_data: Path) -> None:
    directory = shared_data / "metadata" / "musicbrainz-ws2-isrc"
    raw = [path.read_text(encoding="utf-8") for path in directory.glob("*.json")]
    # A track is what has a recording; counted without reading the JSON as such.
    tracks = sum(len(re.findall(r'"recording": \{', text)) for text in raw)
    found = take("musicbrainz", directory)
    assert (len(raw), found.summary.rows_read, found.codes) == (21, tracks, [])
    assert len({row["source_id"] for row in found.rows}) == tracks
    isrcs = {code for text in raw for code in re.findall(r'"([A-Z]{2}\w{3}\d{7})"', text)}
    carried = {code for row in found.rows for code in (row["isrc"], *row["other_isrcs"].split())}
    assert carried - {None} == isrcs
    [dreams] = [
        row for row in found.rows if row["title"] == "Dreams" and row["upc"] == "075990301024"
    ]
    assert (dreams["artist"], dreams["album"], dreams["label"], dreams["duration_ms"]) == (
        *("Fleetwood Mac", "Rumours", "Warner Bros. Records"),
        257_000,
    )
    assert dreams["isrc"] == "USRH11802580"
