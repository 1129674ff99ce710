"""What a message names is the file that it describes, and nothing outside the delivery ever is."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonotheque.archive import Archive, open_archive
from sonotheque.deposit import accession
from sonotheque.deposit.checking import Report, check
from sonotheque.deposit.messages import KEPT_BYTES_MAX, find_messages, join
from sonotheque.deposit.package import read_package
from sonotheque.deposit.recovery import rebuild
from sonotheque.errors import BadInput
from sonotheque.export import execute, plan_export
from sonotheque.model.holdings import Receipt

NOW = "2026-11-20T10:00:00.000000Z"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
ISRCS = ("FRZ031400123", "FRZ031400124", "FRZ031400125")
Deposit = Callable[..., Receipt]


def file_382(name: str, sums: str = "") -> str:
    directory, _, own = name.rpartition("/")
    path = f"<FilePath>{directory}/</FilePath>" if directory else ""
    return (
        "<TechnicalSoundRecordingDetails><IsPreview>false</IsPreview><File>"
        f"<FileName>{own}</FileName>{path}{sums}</File></TechnicalSoundRecordingDetails>"
    )


def file_4(name: str, sums: str = "") -> str:
    return f"<TechnicalDetails><File><URI>{name}</URI>{sums}</File></TechnicalDetails>"


def file_43(name: str, sums: str = "") -> str:
    return (
        f"<TechnicalDetails><DeliveryFile><File><URI>{name}</URI>{sums}</File></DeliveryFile>"
        "</TechnicalDetails>"
    )


def sum_382(digest: str) -> str:
    return (
        f"<HashSum><HashSum>{digest}</HashSum><HashSumAlgorithmType>MD5</HashSumAlgorithmType>"
        "</HashSum>"
    )


def sum_4(digest: str) -> str:
    return f"<HashSum><Algorithm>SHA-1</Algorithm><HashSumValue>{digest}</HashSumValue></HashSum>"


def message(version: str, *files: str, id_: str = "M1", duration: str = "PT8S") -> str:
    old = version == "382"
    recordings = ""
    for number, file in enumerate(files, 1):
        isrc = f"<ISRC>{ISRCS[number - 1]}</ISRC>"
        names = (
            f"<SoundRecordingId>{isrc}</SoundRecordingId><ResourceReference>A{number}"
            f"</ResourceReference><ReferenceTitle><TitleText>Song {number}</TitleText>"
            f"</ReferenceTitle><Duration>{duration}</Duration><SoundRecordingDetailsByTerritory>"
            "<TerritoryCode>Worldwide</TerritoryCode><DisplayArtistName>The Group"
            f"</DisplayArtistName>{file}</SoundRecordingDetailsByTerritory>"
        )
        if not old:
            names = (
                f"<ResourceReference>A{number}</ResourceReference><ResourceId>{isrc}</ResourceId>"
                f"<DisplayTitleText>Song {number}</DisplayTitleText><DisplayArtistName>The Group"
                f"</DisplayArtistName><Duration>{duration}</Duration>{file}"
            )
        recordings += f"<SoundRecording>{names}</SoundRecording>"
    references = "".join(
        f"<ReleaseResourceReference>A{number}</ReleaseResourceReference>"
        for number in range(1, len(files) + 1)
    )
    return (
        f'<ern:NewReleaseMessage xmlns:ern="http://ddex.net/xml/ern/{version}"><MessageHeader>'
        f"<MessageId>{id_}</MessageId><MessageSender><PartyId>PADPIDA1</PartyId></MessageSender>"
        f"</MessageHeader><ResourceList>{recordings}</ResourceList><ReleaseList><Release>"
        "<ReleaseId><ICPN>3614970000017</ICPN></ReleaseId><ReferenceTitle><TitleText>Album"
        "</TitleText></ReferenceTitle><LabelName>Label</LabelName><GlobalReleaseDate>2010-05-06"
        f"</GlobalReleaseDate>{references}</Release></ReleaseList></ern:NewReleaseMessage>"
    )


def codes(report: Report) -> dict[str, set[str]]:
    return {item.name.split("/")[-1]: {f.code for f in item.findings} for item in report.items}


@pytest.fixture
def sound(music: Any, tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, seed: int = 1, **tags: str) -> Path:
        path: Path = tmp_path / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        said = {"title": "Tag", "artist": "Tagged", "license": CC_BY}
        music.file(path, seed, **(said | tags))
        return path

    return make


@pytest.mark.parametrize(
    "case",
    [
        ("382", file_382, sum_382, "md5"),
        ("42", file_4, sum_4, "sha1"),
        ("43", file_43, sum_4, "sha1"),
    ],
)
def test_one_entry_with_the_words_of_the_message_and_the_sound_of_the_file(
    case: tuple[str, Any, Any, str], archive: Archive, deposit: Deposit, sound: Any, tmp_path: Path
) -> None:
    version, file, hashed, algorithm = case
    path = sound("resources/a.flac", genre="Jazz")
    digest = hashlib.new(algorithm, path.read_bytes()).hexdigest().upper()
    text = message(version, file("resources/a.flac", hashed(digest)))
    (tmp_path / "d" / "m.xml").write_text(text, encoding="utf-8")
    report = check(archive, [tmp_path / "d"], NOW)
    (item,) = report.items
    said = item.description
    assert item.audio
    assert (said.title, said.artist, said.album, said.label, said.year, said.isrcs, said.genre) == (
        *("Song 1", "The Group", "Album", "Label", 2010, (ISRCS[0],), "Jazz"),
    )
    assert {f.code for f in item.findings} == {"message.describes"}
    assert not report.attention
    (taken,) = deposit(tmp_path / "d").items
    assert taken.recording
    assert taken.holding
    held = archive.catalogue.get(taken.recording)
    assert held
    assert held.description == said
    holding = archive.vault.holding(taken.holding)
    assert holding
    names = [each.path for each in holding.files]
    assert [name.split("/", 2)[2] for name in names if name.endswith(".xml")] == ["message/m.xml"]
    # Nothing of its rights was read: the only statement is that of the tags.
    assert len(archive.ledger.statements_about(taken.recording)) == 1


def test_a_message_outlives_the_database_and_goes_along_with_an_export(
    archive: Archive,
    deposit: Deposit,
    sound: Any,
    tmp_path: Path,
    make_archive: Callable[[Path], Archive],
) -> None:
    sound("a.flac")
    text = message("43", file_43("a.flac")).encode()
    (tmp_path / "d" / "m.xml").write_bytes(text)
    (taken,) = deposit(tmp_path / "d").items
    assert taken.recording
    assert taken.holding
    before = archive.catalogue.get(taken.recording)
    assert before and before.description.title == "Song 1"
    directory = archive.config.directory
    archive.close()
    for path in directory.glob("sonotheque.db*"):
        path.unlink()
    rebuild(directory)
    with open_archive(directory) as restored, make_archive(tmp_path / "other") as other:
        assert restored.catalogue.get(taken.recording) == before
        plan = plan_export(restored, [taken.holding], tmp_path / "out", NOW)
        (bag,) = execute(restored, plan, NOW)
        (kept,) = (bag.directory / "metadata" / "holding").rglob("message/m.xml")
        assert kept.read_bytes() == text
        (arrived,) = accession.deposit(other, [bag.directory], NOW).items
        assert arrived.recording
        there = other.catalogue.get(arrived.recording)
        assert there and there.description == before.description


def test_what_disagrees_or_is_lacking_is_named(
    archive: Archive, deposit: Deposit, sound: Any, tmp_path: Path
) -> None:
    sound("a.flac", 1, isrc="FRZ031400999")
    sound("b.flac", 2)
    sound("c.flac", 3)
    named = [file_4("a.flac", sum_4("x")), file_4("b.flac", sum_4("0" * 40)), file_4("no.flac")]
    text = message("42", *named, duration="PT3M")
    (tmp_path / "d" / "m.xml").write_text(text, encoding="utf-8")
    found = codes(check(archive, [tmp_path / "d"], NOW))
    told = {"message.describes", "message.other-duration"}
    assert found == {
        "a.flac": told | {"isrc.several", "message.hash-unknown"},
        "b.flac": told | {"message.hash"},
        "c.flac": {"message.file-unnamed"},
        "m.xml:1": {"message.file-missing"},
    }
    receipt = deposit(tmp_path / "d")
    assert [item.status for item in receipt.items] == ["deposited", "refused", "deposited"]
    assert {f.code for f in receipt.findings} == {"message.file-missing"}


@pytest.mark.parametrize(
    "name", ["../o.flac", "/etc/o.flac", "https://example.org/o.flac", "file:o.flac", "C:\\o.flac",
             "a/..%2F../o.flac", "x\\..\\..\\o.flac"],
)  # fmt: skip
def test_a_message_does_not_reach_outside(
    name: str, archive: Archive, sound: Any, tmp_path: Path
) -> None:
    sound("a.flac")
    sound("../o.flac", 2)
    (tmp_path / "d" / "m.xml").write_text(message("42", file_4(name)), encoding="utf-8")
    found = codes(check(archive, [tmp_path / "d"], NOW))
    # What leads out only once it is decoded is a name that no file has.
    code = "message.file-missing" if "%" in name else "message.file-outside"
    assert found["m.xml:1"] == {code}
    assert "message.describes" not in found["a.flac"]


def test_a_link_is_not_what_a_message_names(sound: Any, tmp_path: Path) -> None:
    sound("a.flac")
    (tmp_path / "d" / "b.flac").symlink_to(sound("../o.flac", 2))
    (tmp_path / "d" / "m.xml").write_text(message("42", file_4("b.flac")), encoding="utf-8")
    (tmp_path / "d" / "n.xml").symlink_to("m.xml")
    messages = find_messages(tmp_path / "d")
    assert [one.name for one in messages] == ["m.xml"]
    joined = join(read_package([tmp_path / "d"]), messages, NOW)
    assert [file.told for file in joined.package.files] == [None]
    assert [f.code for f in joined.unheard[0].findings] == ["message.file-missing"]


def test_names_in_another_case_or_composition_or_directory(sound: Any, tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "été.flac")
    sound("resources/Été.flac".replace("É", "E\u0301").replace("é", "e\u0301"), 1)
    sound("resources/my song.flac", 2)
    sound("audio/deep/c.flac", 3)
    named = [
        *(file_382(f"Resources/{composed}"), file_382("resources/my%20song.flac")),
        file_382("elsewhere/c.flac"),
    ]
    (tmp_path / "d" / "m.xml").write_text(message("382", *named), encoding="utf-8")
    joined = join(read_package([tmp_path / "d"]), find_messages(tmp_path / "d"), NOW)
    told = {f.safe_name: f.told and f.told.description.title for f in joined.package.files}
    assert told == {
        "Ét\u00e9.flac": "Song 1",
        "my song.flac": "Song 2",
        "c.flac": "Song 3",
    }
    assert joined.unheard == ()


def test_a_name_that_two_files_have_in_another_case_is_neither(sound: Any, tmp_path: Path) -> None:
    sound("x/a.flac", 1)
    sound("x/A.flac", 2)
    sound("y/b.flac", 3)
    named = [file_4("x/a.flac"), file_4("X/a.FLAC")]
    (tmp_path / "d" / "m.xml").write_text(message("42", *named), encoding="utf-8")
    joined = join(read_package([tmp_path / "d"]), find_messages(tmp_path / "d"), NOW)
    told = {file.name: file.told for file in joined.package.files}
    assert told["x/a.flac"]
    assert told["x/A.flac"] is None
    assert [f.code for one in joined.unheard for f in one.findings] == ["message.file-missing"]


def test_two_messages_in_a_folder(archive: Archive, sound: Any, tmp_path: Path) -> None:
    sound("one/a.flac", 1)
    sound("two/a.flac", 2)
    for name in ("one", "two"):
        (tmp_path / "d" / name / "m.xml").write_text(
            message("42", file_4("a.flac"), id_=name).replace("Song 1", f"Song {name}"),
            encoding="utf-8",
        )
    report = check(archive, [tmp_path / "d", tmp_path / "d" / "one" / "m.xml"], NOW)
    assert [item.description.title for item in report.items] == ["Song one", "Song two"]
    again = message("42", file_4("../one/a.flac"), file_4("one/a.flac"), id_="3")
    (tmp_path / "d" / "z.xml").write_text(again, encoding="utf-8")
    found = check(archive, [tmp_path / "d"], NOW)
    assert "message.file-twice" in {f.code for f in found.items[0].findings}
    assert found.items[0].description.title == "Song one"


def test_a_message_alone_and_audio_alone(archive: Archive, sound: Any, tmp_path: Path) -> None:
    alone = tmp_path / "m.xml"
    alone.write_text(message("42", file_4("a.flac")), encoding="utf-8")
    (item,) = check(archive, [alone], NOW).items
    assert (item.name, item.audio, item.findings) == ("m.xml:1", None, ())
    path = sound("a.flac")
    (item,) = check(archive, [tmp_path / "d"], NOW).items
    assert (item.description.title, item.findings) == ("Tag", ())
    # Named beside each other, they belong together all the same.
    (item,) = check(archive, [path, alone], NOW).items
    assert item.description.title == "Song 1"


def test_statements_come_after_the_message_and_a_large_message_is_left_out(
    archive: Archive, sound: Any, tmp_path: Path
) -> None:
    sound("a.flac")
    text = message("42", file_4("a.flac")) + "\n" * KEPT_BYTES_MAX
    (tmp_path / "d" / "m.xml").write_text(text, encoding="utf-8")
    (tmp_path / "d" / "statements.toml").write_text('[[description]]\nartist = "Depositor"\n')
    (item,) = check(archive, [tmp_path / "d"], NOW).items
    assert (item.description.title, item.description.artist) == ("Song 1", "Depositor")
    assert "message.left-out" in {finding.code for finding in item.findings}


def test_a_hostile_message_is_set_aside(
    archive: Archive, deposit: Deposit, sound: Any, tmp_path: Path
) -> None:
    sound("a.flac")
    text = '<!DOCTYPE a [<!ENTITY e SYSTEM "a.flac">]>' + message("42", file_4("&e;"))
    (tmp_path / "d" / "m.xml").write_text(text, encoding="utf-8")
    assert codes(check(archive, [tmp_path / "d"], NOW))["m.xml:1"] == {"xml.entities"}
    receipt = deposit(tmp_path / "d")
    assert [finding.code for finding in receipt.findings] == ["xml.entities"]
    assert len(receipt.items) == 1
    with pytest.raises(BadInput):
        deposit(tmp_path / "d" / "m.xml")
