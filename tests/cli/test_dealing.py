"""`rights read`: what a DDEX message says, and entering it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
Run = Callable[..., tuple[int, str, str]]
MESSAGE = """<NewReleaseMessage><MessageHeader><MessageId>M1</MessageId><MessageSender>
<PartyName><FullName>A Label</FullName></PartyName></MessageSender><MessageRecipient>
<PartyId>PADPIDA2</PartyId></MessageRecipient>
<MessageCreatedDateTime>2026-11-01T00:00:00Z</MessageCreatedDateTime></MessageHeader><ResourceList>
<SoundRecording><ResourceId><ISRC>FRZ031400123</ISRC></ResourceId>
<ResourceReference>A1</ResourceReference></SoundRecording></ResourceList><ReleaseList><Release>
<ReleaseId><ICPN>3614970000017</ICPN></ReleaseId><ReleaseReference>R0</ReleaseReference>
<ReleaseResourceReference>A1</ReleaseResourceReference></Release></ReleaseList><DealList>
<ReleaseDeal><DealReleaseReference>R0</DealReleaseReference><Deal><DealTerms>
<CommercialModelType>FreeOfChargeModel</CommercialModelType><UseType>Stream</UseType>
<TerritoryCode>Worldwide</TerritoryCode></DealTerms></Deal></ReleaseDeal></DealList>
</NewReleaseMessage>"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    path = tmp_path / "m.xml"
    path.write_text(MESSAGE, encoding="utf-8")
    return path


def test_reading_needs_no_archive_and_enters_nothing(run: Run, told: Path) -> None:
    code, out, _ = run("rights", "read", told, "--json")
    document = json.loads(out)
    assert (code, document["entered"]) == (0, [])
    assert document["message"]["said"][0]["statement"]["uses"] == ["stream"]
    told.write_text(MESSAGE.replace("Worldwide", "QZ"), encoding="utf-8")
    code, out, _ = run("rights", "read", told)
    assert code == 0
    assert "[deal.territory]" in out
    told.write_text(MESSAGE.replace("M1", ""), encoding="utf-8")
    assert run("rights", "read", told)[0] == 1


def test_entering(run: Run, told: Path, music: Any, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    assert run("init", archive, "--name", "Test", "--mandate", "Test Act")[0] == 0
    music.file(tmp_path / "in" / "a.flac", 1, isrc="FRZ031400123", license=CC_BY)
    assert run("deposit", tmp_path / "in", "--archive", archive)[0] == 0
    enter = ("rights", "read", told, "--enter", "--party", "PADPIDA2", "--archive", archive)
    code, out, err = run(*enter, "--json")
    assert (code, err) == (0, "")
    (entered,) = json.loads(out)["entered"]
    assert (entered["status"], entered["layers"]) == ("claimed", ["recording"])
    assert len(entered["evidence_sha512"]) == 128
    assert "Entered: 0" in run(*enter)[1]


def test_a_takedown_in_a_message_is_told_to_mirrors(
    run: Run, told: Path, music: Any, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    assert run("init", archive, "--name", "Test", "--mandate", "Test Act")[0] == 0
    music.file(tmp_path / "in" / "a.flac", 1, isrc="FRZ031400123", license=CC_BY)
    assert run("deposit", tmp_path / "in", "--archive", archive)[0] == 0
    assert run("publish", "--archive", archive)[0] == 0
    listed = archive / "editions" / "tombstones.txt"
    (recording,) = json.loads(run("find", "isrc:FRZ031400123", "--json", "--archive", archive)[1])[
        "recordings"
    ]
    assert recording["id"] not in listed.read_text()
    down = "<TakeDown>true</TakeDown>"
    told.write_text(MESSAGE.replace("<DealTerms>", f"<DealTerms>{down}"), encoding="utf-8")
    enter = ("rights", "read", told, "--enter", "--party", "PADPIDA2", "--archive", archive)
    assert run(*enter)[0] == 0
    assert recording["id"] in listed.read_text()


def test_a_message_for_another_is_not_entered(fails: Callable[..., str], told: Path) -> None:
    line = fails(2, "rights", "read", told, "--enter")
    assert "--party" in line
    line = fails(2, "rights", "read", told, "--enter", "--party", "PADPIDA9")
    assert "is for PADPIDA2" in line
    assert "m.xml" in fails(2, "rights", "read", told.parent / "m.xml.gone")


def test_a_licence_that_does_not_exist_is_not_entered(fails: Callable[..., str]) -> None:
    by = ("--by", "A", "--evidence", "a letter")
    url = "https://creativecommons.org/licenses/by/9.0/"
    assert "no public licence" in fails(2, "rights", "claim", "X", *by, "--licence", url)
