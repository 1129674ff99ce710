"""Every sound recording of a DDEX message is staged or set aside; other messages are named."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonotheque.catalogue.sources import ddex
from sonotheque.catalogue.sources.ddex import NamedFile, read_ddex, read_tracks
from sonotheque.errors import BadInput

HEADER = (
    "<MessageHeader><MessageId>M1</MessageId><MessageSender><PartyId>PADPIDA1</PartyId>"
    "</MessageSender></MessageHeader>"
)


def message(version: str, resources: str, releases: str, parties: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ern:NewReleaseMessage xmlns:ern="http://ddex.net/'
        f'xml/ern/{version}">{HEADER}<PartyList>{parties}</PartyList><ResourceList>{resources}'
        f"</ResourceList><ReleaseList>{releases}</ReleaseList></ern:NewReleaseMessage>"
    )


OLD = message(
    "382",
    "<SoundRecording><SoundRecordingId><ISRC>US-RC1-76-07839</ISRC></SoundRecordingId>"
    "<ResourceReference>A1</ResourceReference><ReferenceTitle><TitleText>Song</TitleText>"
    "<SubTitle>Live</SubTitle></ReferenceTitle><Duration>PT3M45.5S</Duration>"
    "<SoundRecordingDetailsByTerritory><TerritoryCode>MX</TerritoryCode>"
    "<DisplayArtistName>El Grupo</DisplayArtistName></SoundRecordingDetailsByTerritory>"
    "<SoundRecordingDetailsByTerritory><TerritoryCode>Worldwide</TerritoryCode>"
    "<DisplayArtist><PartyName><FullName>The Group</FullName></PartyName>"
    "<ArtistRole>MainArtist</ArtistRole></DisplayArtist><DisplayArtist><PartyName><FullName>A Lady"
    "</FullName></PartyName><ArtistRole>MainArtist</ArtistRole></DisplayArtist><DisplayArtist>"
    "<PartyName><FullName>A Writer</FullName></PartyName><ArtistRole>Composer</ArtistRole>"
    "</DisplayArtist><PLine><Year>1976</Year><PLineText>(P) 1976 Old Label</PLineText></PLine>"
    "</SoundRecordingDetailsByTerritory></SoundRecording>",
    "<Release><ReleaseId><ISRC>USRC17607839</ISRC></ReleaseId><ReleaseReference>R1"
    "</ReleaseReference><ReleaseResourceReferenceList><ReleaseResourceReference>A1"
    "</ReleaseResourceReference></ReleaseResourceReferenceList><ReleaseType>TrackRelease"
    "</ReleaseType></Release><Release IsMainRelease='true'><ReleaseId><ICPN IsEan='true'>"
    "0721620118165</ICPN></ReleaseId><ReferenceTitle><TitleText>Album</TitleText></ReferenceTitle>"
    "<ReleaseResourceReferenceList><ReleaseResourceReference>A1</ReleaseResourceReference>"
    "</ReleaseResourceReferenceList><GlobalReleaseDate>2010-05-06</GlobalReleaseDate></Release>",
)
NEW = message(
    "43",
    "<SoundRecording><ResourceReference>A1</ResourceReference><SoundRecordingEdition><ResourceId>"
    "<ISRC>USRC17607839</ISRC></ResourceId><PLine><Year>1976</Year><PLineText>℗ 1976 Old Label"
    "</PLineText></PLine></SoundRecordingEdition><DisplayTitleText>Song (Live)</DisplayTitleText>"
    "<DisplayArtist SequenceNumber='1'><ArtistPartyReference>P1</ArtistPartyReference>"
    "<DisplayArtistRole>MainArtist</DisplayArtistRole></DisplayArtist>"
    "<Duration>PT1H3M45S</Duration></SoundRecording>",
    "<Release><ReleaseReference>R0</ReleaseReference><ReleaseId><GRid>A10302B0003814379B</GRid>"
    "<ICPN>0721620118165</ICPN></ReleaseId><DisplayTitleText>Album</DisplayTitleText>"
    "<ReleaseLabelReference>P2</ReleaseLabelReference><ReleaseDate>2010-05-06T00:00:00"
    "</ReleaseDate><ResourceGroup><ResourceGroup><ResourceGroupContentItem>"
    "<ReleaseResourceReference>A1</ReleaseResourceReference></ResourceGroupContentItem>"
    "</ResourceGroup></ResourceGroup></Release><TrackRelease><ReleaseResourceReference>A1"
    "</ReleaseResourceReference></TrackRelease>",
    "<Party><PartyReference>P1</PartyReference><PartyName><FullName>The Group</FullName>"
    "</PartyName></Party><Party><PartyReference>P2</PartyReference><PartyName><FullName>New Label"
    "</FullName></PartyName></Party>",
)


OF_OLD = {"artist": "The Group, A Lady", "label": "Old Label", "duration_ms": 225_500}
OF_NEW = {"artist": "The Group", "label": "New Label", "duration_ms": 3_825_000}


@pytest.mark.parametrize(("text", "own"), [(OLD, OF_OLD), (NEW, OF_NEW)])
def test_message(text: str, own: dict[str, Any], take: Any, tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text(text)
    found = take("ddex", tmp_path / "m.xml")
    assert found.codes == []
    [row] = found.rows
    expected = {
        "source": "ddex:PADPIDA1",
        "source_id": "USRC17607839#0721620118165",
        "isrc": "USRC17607839",
        "title": "Song (Live)",
        "album": "Album",
        "upc": "0721620118165",
        "release_date": datetime.date(2010, 5, 6),
        "line": 2,
        **own,
    }
    assert {name: row[name] for name in expected} == expected


def recording(identifiers: str, reference: str = "A1", more: str = "") -> str:
    return (
        f"<SoundRecording><SoundRecordingId>{identifiers}</SoundRecordingId><ResourceReference>"
        f"{reference}</ResourceReference><DisplayTitleText>T</DisplayTitleText>{more}"
        "</SoundRecording>"
    )


OWN = "<ProprietaryId Namespace='N'>7#8</ProprietaryId>"
ON_GRID = (
    "<Release><ReleaseId><GRid>G1</GRid></ReleaseId><ReleaseResourceReferenceList>"
    "<ReleaseResourceReference>A1</ReleaseResourceReference></ReleaseResourceReferenceList></Release>"
)


@pytest.mark.parametrize(
    ("resources", "releases", "keys"),
    [
        (recording(OWN), ON_GRID, ["N:7%238#G1"]),
        (recording(""), ON_GRID, ["G1/A1#G1"]),
        (recording(""), "", ["M1/A1#"]),
        (recording(OWN) + recording(OWN, "A2"), ON_GRID, ["N:7%238#G1", "N:7%238#"]),
        (recording(OWN) + recording(OWN), ON_GRID, ["N:7%238#G1", "N:7%238~2#G1"]),
        (recording("", ""), "", []),
    ],
)
def test_keys_where_there_is_no_isrc(
    resources: str, releases: str, keys: list[str], take: Any, tmp_path: Path
) -> None:
    (tmp_path / "m.xml").write_text(message("41", resources, releases))
    found = take("ddex", tmp_path / "m.xml")
    assert [row["source_id"] for row in found.rows] == keys
    assert [code for _, code in found.codes] == ([] if keys else ["source-id.missing"])


def test_the_main_release_goes_before_others(take: Any, tmp_path: Path) -> None:
    other = ON_GRID.replace("G1", "G2")
    for first, second in ((ON_GRID, other), (other, ON_GRID)):
        main = second.replace("<Release>", "<Release IsMainRelease='true'>")
        (tmp_path / "m.xml").write_text(message("41", recording(OWN), first + main))
        [row] = take("ddex", tmp_path / "m.xml").rows
        assert row["source_id"].endswith("#G2" if second is other else "#G1")


def test_without_a_sender_the_origin_is_the_source(take: Any, tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text(OLD.replace("<PartyId>PADPIDA1</PartyId>", ""))
    assert [row["source"] for row in take("ddex", tmp_path / "m.xml").rows] == ["the test"]


BROKEN = [
    (message("41", recording(OWN, more="<Duration>3:45</Duration>"), ""), "duration.impossible"),
    (message("41", recording(OWN, more="<Duration>PT</Duration>"), ""), "duration.impossible"),
    (message("41", recording(OWN, more="<Duration>225</Duration>"), ""), "duration.impossible"),
    (message("41", recording("<ISRC>USRC176O7839</ISRC>"), ""), "isrc.look-alike"),
    (message("41", "<Video/>", ""), "release.no-tracks"),
    ("<x:PurgeReleaseMessage xmlns:x='http://ddex.net/xml/ern/382'/>", "message.other"),
    ("<ManifestMessage/>", "message.other"),
    ("<html></html>", "message.other"),
    (OLD[:-5], "xml.broken"),
    (OLD.replace("Song", "S\x0bng"), "xml.broken"),
    ("", "xml.broken"),
    (
        OLD.replace("?>", "?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/hostname'>]>"),
        "xml.entities",
    ),
]


@pytest.mark.parametrize(("text", "code"), BROKEN)
def test_broken_messages_are_set_aside_and_the_rest_goes_on(
    text: str, code: str, take: Any, tmp_path: Path
) -> None:
    directory = tmp_path / "batch"
    directory.mkdir()
    for name, content in (("1.xml", OLD), ("2.xml", text), ("3.xml", NEW)):
        (directory / name).write_text(content)
    found = take("ddex", directory)
    assert [fault["code"] for fault in found.faults] == [code]
    assert found.faults[0]["row"]["file"].startswith("2.xml")
    assert [row["duration_ms"] for row in found.rows] == [225_500, 3_825_000]
    # What comes later holds: its line is larger, whatever it is in its own file.
    assert found.rows[0]["line"] < found.faults[0]["line"] < found.rows[1]["line"]


def test_large_messages_and_empty_directories(
    take: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=r"holds no \*\.xml"):
        list(read_ddex(tmp_path, origin="o", year_max=2028))
    monkeypatch.setattr(ddex, "MESSAGE_BYTES_MAX", 500)
    (tmp_path / "m.xml").write_text(OLD)
    assert take("ddex", tmp_path / "m.xml").codes == [(1, "document.too-large")]


TAGS = ("SoundRecording", "ResourceList", "ISRC", "Duration", "Title", "TitleText", "DisplayArtist")


@given(
    places=st.lists(st.tuples(st.integers(0, len(OLD)), st.integers(0, 30)), max_size=3),
    tags=st.lists(st.sampled_from(TAGS), max_size=3),
)
@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_is_no_trouble(
    places: list[tuple[int, int]], tags: list[str], take: Any, tmp_path: Path
) -> None:
    text = OLD
    for tag in tags:
        text = text.replace(tag, "X" + tag)
    for begin, count in places:
        text = text[:begin] + text[begin + count :]
    (tmp_path / "m.xml").write_text(text)
    assert take("ddex", tmp_path / "m.xml").summary.rows_read >= 1


def test_real_messages(take: Any, shared_data: Path) -> None:
    paths = sorted((shared_data / "ddex").rglob("*.xml"))
    texts = {path: path.read_text(encoding="utf-8-sig") for path in paths}
    # Counted by pattern; a message without any gives one fault.
    counts = {path: len(re.findall(r"<SoundRecording[ >]", text)) for path, text in texts.items()}
    found = take("ddex", shared_data / "ddex")
    assert len(found.rows) == sum(counts.values()) > 60
    empty = [path for path, count in counts.items() if not count]
    assert sorted(fault["row"]["file"] for fault in found.faults) == sorted(
        path.relative_to(shared_data / "ddex").as_posix() for path in empty
    )
    other = [fault["row"]["message"] for fault in found.faults if fault["code"] == "message.other"]
    assert sorted(other) == ["MeadMessage", "PurgeReleaseMessage"]
    isrcs = {row["isrc"] for row in found.rows if row["isrc"]}
    assert isrcs == {
        code
        for path, text in texts.items()
        for block in re.findall(r"<SoundRecording[ >].*?</SoundRecording>", text, re.DOTALL)
        for code in re.findall(r"<ISRC>\s*(\w+)\s*</ISRC>", block)
    }
    rows = {row["source_id"]: row for row in found.rows}
    mix = rows["DEC611000908#05099907138655"]
    assert (mix["title"], mix["artist"], mix["album"], mix["label"], mix["duration_ms"]) == (
        *("DJ Mix (Medley)", "Anna-Maria Zimmermann", "Einfach Anna!", "EMI"),
        244_000,
    )
    # An update comes after what it updates.
    example = [
        r for r in found.rows if "Example Song" in r["title"] and "1234567890" in r["source"]
    ]
    assert example[0]["title"] == "Example Song"
    assert example[1]["title"] == "Updated Example Song"


def test_tracks_are_the_rows_with_the_files_they_name(tmp_path: Path) -> None:
    path = tmp_path / "m.xml"
    named = (
        "<TechnicalDetails><IsPreview>true</IsPreview><File><FileName>p.mp3</FileName></File>"
        "</TechnicalDetails><TechnicalDetails><DeliveryFile><File><URI>a/b.wav</URI><HashSum>"
        "<Algorithm>MD5</Algorithm><HashSumValue>00</HashSumValue></HashSum></File></DeliveryFile>"
        "</TechnicalDetails>"
    )
    path.write_text(NEW.replace("<Duration>", f"{named}<Duration>"), encoding="utf-8")
    (track,) = read_tracks(path, origin="m", year_max=2026)
    assert track.files == (
        NamedFile("p.mp3", clip=True),
        NamedFile("a/b.wav", (("MD5", "00"),)),
    )
    (piece,) = read_ddex(path, origin="m", year_max=2026)
    (row,) = piece.rows.to_pylist()
    assert {**track.row, "line": track.line} == row
    # Two on one line are told apart, also where one of them is set aside.
    one = NEW.index("<SoundRecording>"), NEW.index("</ResourceList>")
    bad = NEW[slice(*one)].replace("Song (Live)", "").replace("A1", "A2")
    path.write_text(NEW[: one[1]] + bad + NEW[one[1] :], encoding="utf-8")
    first, second = read_tracks(path, origin="m", year_max=2026)
    assert (first.fault, second.row) == (None, {})
    assert second.fault
    assert first.line == second.line == second.fault.line
