"""A delivery is checked against the archive: what is somebody else's is named, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagit
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from sonotheque.archive import Archive
from sonotheque.deposit.checking import Checked, Report, check, check_archive
from sonotheque.errors import BadInput
from sonotheque.matching.picture import Laid
from sonotheque.model.findings import Severity
from sonotheque.model.holdings import Receipt
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Kind, Statement, Status, Use

NOW = "2026-11-20T10:00:00.000000Z"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
SPEEDS = (0.85, 0.94, 1.06, 1.12, 1.2)
SECONDS_MIN = 10
Deposit = Callable[..., Receipt]
Kept = Callable[[Archive], dict[str, bytes]]
Samples = NDArray[np.int16]

MESSAGE = """<?xml version="1.0"?><NewReleaseMessage><MessageHeader><MessageId>M1</MessageId>
<MessageSender><PartyId>PADPIDA1</PartyId></MessageSender></MessageHeader><ResourceList>
<SoundRecording><ResourceId><ISRC>FRZ031400123</ISRC></ResourceId>
<ResourceReference>A1</ResourceReference><DisplayTitleText>Stolen</DisplayTitleText>
<DisplayArtistName>Nova Replica</DisplayArtistName></SoundRecording>
<SoundRecording><ResourceId><ISRC>FRZ0314OO124</ISRC></ResourceId>
<ResourceReference>A2</ResourceReference><DisplayTitleText>Mistyped</DisplayTitleText>
<DisplayArtistName>Nova Replica</DisplayArtistName></SoundRecording></ResourceList>
<ReleaseList><Release><ReleaseId><ICPN>3614970000017</ICPN></ReleaseId>
<ReleaseResourceReference>A1</ReleaseResourceReference>
<ReleaseResourceReference>A2</ReleaseResourceReference></Release></ReleaseList>
</NewReleaseMessage>"""


def at_speed(samples: Samples, speed: float) -> Samples:
    places = np.arange(0, len(samples) - 1, speed)
    channels = [np.interp(places, np.arange(len(samples)), one) for one in samples.T]
    return np.stack(channels, axis=1).astype(np.int16)


def named(report: Report) -> set[str]:
    """What somebody must look at."""
    return {i.name for i in report.items if i.severity in (Severity.ERROR, Severity.WARNING)}


def codes(item: Checked) -> set[str]:
    return {finding.code for finding in item.findings}


def all_codes(report: Report) -> set[str]:
    return {f.code for f in report.findings} | {c for item in report.items for c in codes(item)}


def own(sounds: Any, path: Path, sound: Samples, number: int) -> None:
    path.parent.mkdir(exist_ok=True)
    sounds.encode(path, sound)
    sounds.tag(path, title=f"Piece {number}", artist=f"Artist {number}", license=CC_BY)


def five_of_ten(
    delivery: Path, sounds: list[Samples], encode: Callable[..., Path], tag: Callable[..., Path]
) -> set[str]:
    """Ten tracks, the first five renamed, at another speed and as MP3; the names of those."""
    delivery.mkdir()
    for number, sound in enumerate(sounds):
        path = delivery / f"{number}.mp3"
        stolen = number < len(SPEEDS)
        encode(path, at_speed(sound, SPEEDS[number]) if stolen else sound)
        artist = f"Nova Replica {number}" if stolen else f"Artist {number}"
        tag(path, title=f"New {number}" if stolen else f"Piece {number}", artist=artist)
    return {f"{number}.mp3" for number in range(len(SPEEDS))}


def test_five_of_ten_are_named_and_no_other(
    archive: Archive, deposit: Deposit, kept: Kept, tmp_path: Path, sounds: Any
) -> None:
    pieces = [sounds.compose(seed, 20.0) for seed in range(40, 50)]
    for number, piece in enumerate(pieces):
        own(sounds, tmp_path / "in" / f"{number}.flac", piece, number)
    assert deposit(tmp_path / "in").accepted
    before = kept(archive)
    stolen = five_of_ten(tmp_path / "out", pieces, sounds.encode, sounds.tag)
    laid: dict[int, Laid] = {}
    report = check(archive, [tmp_path / "out"], NOW, laid=laid)
    assert named(report) == {report.items[place].name for place in laid} == stolen
    for speed, one in zip(SPEEDS, laid.values(), strict=True):
        assert one.tempo == pytest.approx(speed, rel=0.002)
        assert one.coinciding > 0
    for item in report.items:
        # At × 1.2 one of these pieces, of tones alone, has but one kind of evidence.
        expected = {"clone.modified", "match.suspect"} if item.name in stolen else set()
        assert bool(codes(item) & expected) == (item.name in stolen)
    modified = [f for item in report.items for f in item.findings if f.code == "clone.modified"]
    assert len(modified) >= len(stolen) - 1
    assert all("in the ledger since 2026-11-20" in finding.message for finding in modified)
    assert report.attention
    assert kept(archive) == before
    assert archive.catalogue.count() == len(pieces)


def test_five_of_ten_real_tracks_are_named_and_no_other(
    archive: Archive, deposit: Deposit, tmp_path: Path, shared_audio: Path, sounds: Any
) -> None:
    pieces = []
    for path in sorted((shared_audio / "librosa-data").glob("*.hq.ogg")):
        try:
            sound, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
        except soundfile.LibsndfileError:
            continue
        if len(sound) >= SECONDS_MIN * rate_hz:
            pieces.append(sounds.resampled(sound, rate_hz))
    pieces = sorted(pieces, key=len, reverse=True)[:10]
    if len(pieces) < 10:
        pytest.skip(f"ten real tracks of {SECONDS_MIN} s are needed, {len(pieces)} are here")
    for number, piece in enumerate(pieces):
        own(sounds, tmp_path / "in" / f"{number}.flac", piece, number)
    assert deposit(tmp_path / "in").accepted
    stolen = five_of_ten(tmp_path / "out", pieces, sounds.encode, sounds.tag)
    report = check(archive, [tmp_path / "out"], NOW)
    assert named(report) == stolen
    assert all("clone.modified" in codes(i) for i in report.items if i.name in stolen)


def test_what_the_archive_does_not_know_needs_no_look(
    archive: Archive, music: Any, tmp_path: Path
) -> None:
    music.file(tmp_path / "in" / "a.flac", 1, title="A", artist="B", license=CC_BY)
    report = check(archive, [tmp_path / "in"], NOW)
    assert not report.attention
    assert [item.findings for item in report.items] == [()]


def test_a_bag_is_checked_whole_first(archive: Archive, music: Any, tmp_path: Path) -> None:
    path = music.file(tmp_path / "bag" / "a.flac", 1, title="A", artist="B")
    bagit.make_bag(str(tmp_path / "bag"), checksums=["sha512"])
    assert [i.name for i in check(archive, [tmp_path / "bag"], NOW).items] == ["a.flac"]
    bagged = tmp_path / "bag" / "data" / path.name
    bagged.write_bytes(bytes(bagged.stat().st_size))
    report = check(archive, [tmp_path / "bag"], NOW)
    assert report.items == ()
    assert "bag.digest" in all_codes(report)


def test_a_message_without_sound(
    archive: Archive, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    music.file(
        *(tmp_path / "in" / "a.flac", 1),
        title="Nebula",
        artist="The Alices",
        isrc="FRZ031400123",
        license=CC_BY,
    )
    deposit(tmp_path / "in")
    message = tmp_path / "m.xml"
    message.write_text(MESSAGE, encoding="utf-8")
    for delivery in (message, tmp_path):
        report = check(archive, [delivery], NOW)
        assert report.attention
        assert {"isrc.other-artist", "isrc.look-alike"} <= all_codes(report)
    message.write_text(MESSAGE.replace("NewRelease", "Other"), encoding="utf-8")
    with pytest.raises(BadInput, match="no DDEX message"):
        check(archive, [message], NOW)
    with pytest.raises(BadInput):
        check(archive, [tmp_path / "nowhere"], NOW)


def test_codes_that_cannot_be_and_that_stand_twice(
    archive: Archive, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    said = {"artist": "B", "license": CC_BY}
    music.file(tmp_path / "in" / "held.flac", 9, title="H", isrc="FRZ031400123", **said)
    deposit(tmp_path / "in")
    out = tmp_path / "out"
    music.file(out / "1.flac", 1, title="1", isrc="XXZ031400123", date="3021", **said)
    music.file(out / "2.flac", 2, title="2", isrc="FRZ034500123", **said)
    music.file(out / "3.flac", 3, title="3", isrc="FRZ034500123", **said)
    music.file(out / "4.flac", 4, title="4", isrc="FRZ031400123", **said)
    music.file(out / "5.flac", 9, title="H", isrc="FRZ031400999", **said)
    report = check(archive, [out], NOW)
    found = {item.name: codes(item) for item in report.items}
    assert found["1.flac"] == {"isrc.unallocated", "date.impossible"}
    assert found["2.flac"] == found["3.flac"] == {"isrc.year"}
    assert found["4.flac"] == {"isrc.other-sound"}
    assert found["5.flac"] == {"match.same-recording", "isrc.several"}
    (whole,) = report.findings
    assert whole.code == "isrc.repeated"
    assert "'2.flac', '3.flac'" in whole.message


def test_a_cloned_catalogue_a_padded_release_and_two_formats(
    archive: Archive, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    own = {"artist": "The Alices", "license": CC_BY, "label": "Old"}
    for seed in (1, 2, 3):
        music.file(tmp_path / "in" / f"{seed}.flac", seed, title=f"T{seed}", **own)
    deposit(tmp_path / "in")
    out = tmp_path / "out"
    for seed in (1, 2, 3):
        music.file(out / f"{seed}.mp3", seed, title=f"Other {seed}", artist="Nova Replica")
    music.file(out / "new.flac", 7, title="Rain", artist="C", isrc="FRZ032600001")
    music.file(out / "new.mp3", 7, title="Rain", artist="C", isrc="FRZ032600001")
    report = check(archive, [out], NOW)
    assert [f.code for f in report.findings] == ["clone.catalogue"]
    assert "3 of 5 from 'out' are recordings by 'The Alices'" in report.findings[0].message
    receipt = deposit(out)
    assert "clone.catalogue" in {f.code for f in receipt.findings}
    music.file(out / "again.mp3", 7, title="Sleep", artist="C")
    assert "release.padded" in {f.code for f in check(archive, [out], NOW).findings}


def test_another_label_another_licence_and_a_takedown(
    archive: Archive, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    said = {"title": "T", "artist": "B"}
    music.file(tmp_path / "in" / "a.flac", 1, **said, license=CC_BY, label="Old")
    (item,) = deposit(tmp_path / "in").items
    assert item.recording
    music.file(
        *(tmp_path / "out" / "a.flac", 1),
        **said,
        license="https://creativecommons.org/licenses/by-sa/4.0/",
        label="New",
    )
    (found,) = check(archive, [tmp_path / "out"], NOW).items
    assert codes(found) == {
        *("clone.other-label", "rights.conflicting-licences", "match.same-recording"),
    }
    archive.ledger.append([takedown(item.recording)])
    (found,) = check(archive, [tmp_path / "out"], NOW).items
    assert "match.withdrawn" in codes(found)
    # What may not be sent out may still be kept.
    assert deposit(tmp_path / "out").accepted


def takedown(recording: RecordingId) -> Statement:
    return Statement(
        recording=recording,
        kind=Kind.TAKEDOWN,
        uses=tuple(use for use in Use if use is not Use.PRESERVE),
        status=Status.VERIFIED,
        issuer="B",
        evidence="a letter",
        at=NOW,
    )


def test_the_archive_itself(archive: Archive, deposit: Deposit, music: Any, tmp_path: Path) -> None:
    said = {"title": "T", "license": CC_BY, "isrc": "FRZ031400123"}
    music.file(tmp_path / "a" / "a.flac", 1, artist="B", **said)
    (first,) = deposit(tmp_path / "a").items
    assert not check_archive(archive, NOW).attention
    # Two sounds under one code: each is let in, and both stand.
    music.file(tmp_path / "b" / "b.flac", 2, artist="B", **said)
    (second,) = deposit(tmp_path / "b").items
    report = check_archive(archive, NOW)
    assert report.attention
    assert {item.name for item in report.items} == {first.recording, second.recording}
    assert {"isrc.other-sound", "isrc.repeated"} <= all_codes(report)


def test_in_the_archive_itself_what_is_alike_is_laid_on_what_was_first(
    archive: Archive, deposit: Deposit, tmp_path: Path, sounds: Any
) -> None:
    sound = sounds.compose(60, 40.0)
    own(sounds, tmp_path / "a" / "a.flac", sound, 1)
    own(sounds, tmp_path / "b" / "b.flac", sound[15 * 44_100 : 30 * 44_100], 1)
    deposit(tmp_path / "a")
    (part,) = deposit(tmp_path / "b").items
    laid: dict[int, Laid] = {}
    report = check_archive(archive, NOW, laid=laid)
    assert report.attention
    ((place, one),) = laid.items()
    assert report.items[place].name == part.recording
    assert one.start_ms == pytest.approx(15_000, abs=100)


def test_another_recording_of_the_same_work_is_told_of_and_needs_no_look(
    archive: Archive, deposit: Deposit, music: Any, tmp_path: Path
) -> None:
    said = {"artist": "The Alices", "license": CC_BY}
    music.file(tmp_path / "in" / "a.flac", 1, title="Nebula / Part 1", **said)
    music.file(tmp_path / "in" / "b.flac", 2, title="Fog", **said)
    held = {item.path: item.recording for item in deposit(tmp_path / "in").items}
    music.file(tmp_path / "out" / "live.mp3", 3, title="nebula, part 1 (live)", artist="Alices")
    music.file(tmp_path / "out" / "same.mp3", 2, title="Fog", artist="The Alices")
    music.file(tmp_path / "out" / "other.mp3", 4, title="*" + "w " * 400, artist='"OR ' * 400)
    report = check(archive, [tmp_path / "out"], NOW)
    told = {i.name: [f for f in i.findings if f.code == "match.same-work"] for i in report.items}
    assert (told["same.mp3"], told["other.mp3"]) == ([], [])
    (finding,) = told["live.mp3"]
    assert held["a.flac"] is not None
    assert held["a.flac"] in finding.message
    assert finding.where == "live.mp3"
    assert "live.mp3" not in named(report)
