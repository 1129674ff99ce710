"""What a DDEX message allows and takes down; all else is asked, and nothing is guessed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Answer, Kind, Layer, Statement, Status, Use
from sonotheque.rights.deals import Message, read_deals
from sonotheque.rights.decision import decide
from sonotheque.rights.ern import parsed
from sonotheque.rights.validity import checked

SAMPLES = Path(__file__).parents[2].parent / "shared/data/ddex"
NOW = "2026-11-28T00:00:00.000000Z"
FREE = "<CommercialModelType>FreeOfChargeModel</CommercialModelType>"
STREAM = "<UseType>OnDemandStream</UseType>"
WORLD = "<TerritoryCode>Worldwide</TerritoryCode>"
FROM = "<ValidityPeriod><StartDate>2023-09-02</StartDate></ValidityPeriod>"
PLAIN = FREE + STREAM + WORLD + FROM

GRANT = {Kind.GRANT: 1}
EXPECTED: dict[str, tuple[dict[Kind, int], set[str]]] = {
    "audius/fixtures__01_delivery.xml": (GRANT, set()),
    "audius/fixtures__02_update.xml": (GRANT, set()),
    "audius/fixtures__03_delete.xml": ({}, set()),
    "audius/fixtures__04_no_deal.xml": (GRANT, set()),
    "audius/fixtures__album_basic.xml": (GRANT, set()),
    "audius/fixtures__dealTypes.xml": (
        {},
        {"deal.paid", "deal.model", "deal.none", "deal.sender"},
    ),
    "audius/fixtures__track_basic.xml": (GRANT, set()),
    "audius/fixtures__track_follow_gated.xml": ({}, {"deal.model"}),
    "audius/fixtures__track_pay_gated.xml": ({}, {"deal.paid"}),
    "google-mead/ern341__AudioSingle_10.xml": ({}, {"deal.none", "deal.test-message"}),
    "google-mead/ern341__Ringtone_10.xml": ({}, {"deal.none", "deal.test-message"}),
    "google-mead/ern341__SingleResourceRelease_10.xml": ({}, {"deal.model", "deal.test-message"}),
    "google-mead/ern341__VideoAlbum_10.xml": ({}, {"deal.none", "deal.test-message"}),
    "google-mead/ern35__LongformVideo_10.xml": ({}, {"deal.none", "deal.test-message"}),
    "google-mead/ern35__VideoAlbum_10.xml": ({}, {"deal.none", "deal.test-message"}),
    "google-mead/ern381__Profile_DigitalClassicalAudioAlbum_MulitPartWork.xml": (
        {},
        {"deal.none", "deal.sender"},
    ),
    "google-mead/ern381__Profile_MidiRingtone.xml": ({}, {"deal.none", "deal.sender"}),
    "google-mead/ern381__Profile_MixedMediaBundle.xml": ({}, {"deal.none", "deal.sender"}),
    "google-mead/ern381__Profile_Ringtone.xml": ({}, {"deal.none", "deal.sender"}),
    "google-mead/ern381__Profile_SingleResourceRelease.xml": ({}, {"deal.model", "deal.sender"}),
    "google-mead/ern411__2_Video.xml": (
        {},
        {"deal.no-recording", "deal.paid", "deal.model", "deal.none"},
    ),
    "google-mead/ern411__3_MixedMedia.xml": (
        {},
        {"deal.no-recording", "deal.paid", "deal.model", "deal.none"},
    ),
    "google-mead/ern411__6_Ringtone.xml": ({}, {"deal.paid"}),
    "google-mead/ern411__7_LongformMusicalWorkVideo.xml": ({}, {"deal.no-recording", "deal.paid"}),
    "google-mead/ern42__3_MixedMedia.xml": (
        {},
        {"deal.no-recording", "deal.paid", "deal.none"},
    ),
    "google-mead/ern42__6_Ringtone.xml": ({}, {"deal.paid"}),
    "google-mead/ern42__7_LongformMusicalWorkVideo.xml": ({}, {"deal.no-recording", "deal.paid"}),
    "google-mead/ern42__8_DjMix.xml": ({}, {"deal.paid", "deal.model", "deal.sender"}),
}


def message(*deals: str, version: str = "43", more: str = "", head: str = "") -> bytes:
    """A message of one release, RL1, with one recording, and `deals`, each the terms of one."""
    listed = "".join(f"<Deal><DealTerms>{terms}</DealTerms></Deal>" for terms in deals)
    return f"""<e:NewReleaseMessage xmlns:e="http://ddex.net/xml/ern/{version}"><MessageHeader>
      <MessageId>M1</MessageId><MessageSender><PartyId>PADPIDA1</PartyId><PartyName>
      <FullName>A Label</FullName></PartyName></MessageSender><MessageRecipient>
      <PartyId>PADPIDA2</PartyId></MessageRecipient>{head}
      <MessageCreatedDateTime>2026-11-01T00:00:00Z</MessageCreatedDateTime></MessageHeader>
      <ResourceList><SoundRecording><SoundRecordingId><ISRC>FRZ031400123</ISRC></SoundRecordingId>
      <ResourceReference>A1</ResourceReference>{more}</SoundRecording></ResourceList>
      <ReleaseList><Release><ReleaseId><ICPN>3614970000017</ICPN></ReleaseId>
      <ReleaseReference>R1</ReleaseReference><ReleaseResourceReferenceList>
      <ReleaseResourceReference>A1</ReleaseResourceReference></ReleaseResourceReferenceList>
      </Release></ReleaseList><DealList><ReleaseDeal>
      <DealReleaseReference>R1</DealReleaseReference>{listed}</ReleaseDeal></DealList>
      </e:NewReleaseMessage>""".encode()


def read(*deals: str, **more: str) -> Message:
    return read_deals(message(*deals, **more), "m.xml")


def codes(found: Message) -> set[str]:
    return {finding.code for finding in found.findings}


def only(found: Message) -> Statement:
    (said,) = found.said
    return said.statement


@pytest.mark.skipif(not SAMPLES.exists(), reason="NOT TESTED: ../shared/data/ddex is not here")
def test_every_sample_says_what_it_says_and_no_more() -> None:
    paths = {str(path.relative_to(SAMPLES)): path for path in SAMPLES.rglob("*.xml")}
    mead = paths.pop("audius/fixtures__mead_artist_update.xml")
    with pytest.raises(BadInput, match="MeadMessage"):
        read_deals(mead.read_bytes(), mead.name)
    assert set(paths) == set(EXPECTED)
    for name, path in paths.items():
        found = read_deals(path.read_bytes(), path.name)
        counts = Counter(said.statement.kind for said in found.said)
        assert (dict(counts), codes(found)) == EXPECTED[name], name
        for said in found.said:
            _allows_only_keeping(said.statement)
    assert read_deals(paths["audius/fixtures__03_delete.xml"].read_bytes(), "").purged == (
        "A1B2C3D4E5F6G7H8I9J0K1L2M3N4O5P6Q7R8S9T0",
    )


def _allows_only_keeping(said: Statement) -> None:
    """Whatever a message says, nobody may do more than before until a person has checked it."""
    entry = checked(
        Statement(
            **{
                **{name: getattr(said, name) for name in Statement.__dataclass_fields__},
                "recording": RecordingId("X"),
                "at": NOW,
                "id": 1,
            }
        ),
        "",
    )
    assert entry.status is Status.CLAIMED
    for use in Use:
        assert decide([entry], entry.recording, use, NOW).answer is not Answer.ALLOWED


def test_a_free_deal_is_a_claim_about_the_recording() -> None:
    said = only(read(PLAIN))
    assert (said.kind, said.uses, said.status) == (Kind.GRANT, (Use.STREAM,), Status.CLAIMED)
    assert (said.issuer, said.layers) == ("A Label (PADPIDA1)", (Layer.RECORDING,))
    assert (said.begins_at, said.ends_at, said.territories) == ("2023-09-02", "", ())
    assert "message M1" in said.evidence


def test_both_ways_of_naming_uses_and_both_of_naming_dates() -> None:
    older = f"{FREE}<Usage>{STREAM}<UseType>PermanentDownload</UseType></Usage>{WORLD}{FROM}"
    assert only(read(older, version="382")).uses == (Use.STREAM, Use.DOWNLOAD)
    period = (
        "<ValidityPeriod><StartDateTime>2024-01-01T01:00:00+02:00</StartDateTime>"
        "<EndDateTime>2025-01-01T00:00:00</EndDateTime></ValidityPeriod>"
    )
    said = only(read(FREE + STREAM + WORLD + period))
    assert (said.begins_at, said.ends_at) == ("2023-12-31T23:00:00.000000Z", "2025-01-01")


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (PLAIN.replace("FreeOfCharge", "Subscription"), "deal.paid"),
        (PLAIN.replace("FreeOfCharge", "AdvertisementSupported"), "deal.paid"),
        (PLAIN.replace("FreeOfCharge", "PayAsYouGo"), "deal.paid"),
        (PLAIN.replace("FreeOfChargeModel", "AsPerContract"), "deal.model"),
        (PLAIN.replace("FreeOfCharge", "RightsClaim"), "deal.model"),
        (PLAIN.replace("FreeOfCharge", "Barter"), "deal.model"),
        (PLAIN.replace(FREE, ""), "deal.model"),
        (PLAIN.replace("OnDemandStream", "ConditionalDownload"), "deal.use"),
        (PLAIN.replace("OnDemandStream", "NonInteractiveStream"), "deal.use"),
        (PLAIN.replace("OnDemandStream", "UseForGenerativeAI"), "deal.use-unclear"),
        (PLAIN.replace("OnDemandStream", "TextAndDataMining"), "deal.use-unclear"),
        (
            PLAIN.replace(STREAM, '<UseType UserDefinedValue="OnDemandStream">Stream</UseType>'),
            "deal.use-unclear",
        ),
        (PLAIN + "<DistributionChannel><Name>X</Name></DistributionChannel>", "deal.channel"),
        (PLAIN + "<PriceInformation><Code>1</Code></PriceInformation>", "deal.contradiction"),
        (PLAIN + "<IsPreOrderDeal>true</IsPreOrderDeal>", "deal.condition"),
        (PLAIN + "<SomethingNew>1</SomethingNew>", "deal.condition"),
        (PLAIN.replace("Worldwide", "XX"), "deal.territory"),
        (PLAIN.replace("Worldwide", "2136"), "deal.territory"),
        (PLAIN.replace(WORLD, ""), "deal.territory"),
        (PLAIN + "<ExcludedTerritoryCode>SU</ExcludedTerritoryCode>", "deal.territory"),
        (PLAIN.replace("2023-09-02", "2023-09"), "deal.dates"),
        (PLAIN.replace("2023-09-02", "2023-13-02"), "deal.dates"),
        (PLAIN.replace("2023-09-02", "9999-01-01"), "deal.dates"),
        (
            PLAIN.replace("</StartDate>", "</StartDate><EndDate>2023-09-01</EndDate>"),
            "deal.dates",
        ),
    ],
)
def test_what_is_not_plain_allows_nothing_and_is_asked(terms: str, code: str) -> None:
    found = read(terms)
    assert found.said == ()
    assert code in codes(found)
    assert found.findings[0].where.startswith("m.xml:")


def test_of_the_countries_those_that_are_known_count() -> None:
    two = WORLD.replace("Worldwide", "FR") + WORLD.replace("Worldwide", "AN")
    found = read(PLAIN.replace(WORLD, two))
    assert only(found).territories == ("FR",)
    assert codes(found) == {"deal.territory"}
    found = read(PLAIN.replace(WORLD, "<ExcludedTerritoryCode>US</ExcludedTerritoryCode>"))
    assert (only(found).territories, only(found).territories_except) == ((), ("US",))


@pytest.mark.parametrize("version", ["35", "382", "411", "43"])
def test_a_takedown_counts_whatever_else_is_unclear(version: str) -> None:
    down = "<TakeDown>true</TakeDown>"
    said = only(read(down + WORLD + FROM, version=version))
    assert (said.kind, said.begins_at) == (Kind.TAKEDOWN, "2023-09-02")
    assert set(said.uses) == set(Use) - {Use.PRESERVE}
    # Within a day: from its first moment, as a day, which the calendar knows.
    timed = FROM.replace("StartDate>", "StartDateTime>").replace("09-02", "09-02T18:00:00Z")
    assert only(read(down + WORLD + timed, version="43")).begins_at == "2023-09-02"
    unclear = read(down + WORLD.replace("Worldwide", "QZ") + FROM.replace("2023-09-02", "soon"))
    assert (only(unclear).begins_at, only(unclear).territories) == ("", ())
    assert codes(unclear) == {"deal.territory"}
    cancelled = only(read("<AllDealsCancelled>true</AllDealsCancelled>"))
    assert set(cancelled.uses) == set(Use) - {Use.PRESERVE, Use.DESCRIBE, Use.IDENTIFY}
    assert only(read(PLAIN + "<TakeDown>false</TakeDown>")).kind is Kind.GRANT


def test_who_allows_and_takes_down_contradicts_themselves() -> None:
    found = read(PLAIN, "<TakeDown>true</TakeDown>" + WORLD)
    assert {said.statement.kind for said in found.said} == {Kind.GRANT, Kind.TAKEDOWN}
    assert codes(found) == {"deal.contradiction"}


def test_what_a_machine_made_is_asked_about() -> None:
    found = read(PLAIN, more="<AiContribution><Type>Vocals</Type></AiContribution>")
    assert codes(found) == {"deal.ai-contribution"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("FRZ031400123", "nonsense", "deal.no-isrc"),
        ("<ISRC>FRZ031400123</ISRC>", "", "deal.no-isrc"),
        ("<DealReleaseReference>R1", "<DealReleaseReference>R9", "deal.reference"),
        ("<ICPN>3614970000017</ICPN>", "", "deal.reference"),
        ("3614970000017", "3" * 201, "deal.reference"),
        ("<MessageId>M1</MessageId>", "<MessageId/>", "deal.sender"),
        ("<MessageId>M1", f"<MessageId>{'M' * 201}", "deal.sender"),
        (
            "<MessageId>M1",
            "<MessageControlType>TestMessage</MessageControlType><MessageId>M1",
            "deal.test-message",
        ),
    ],
)
def test_a_message_that_is_not_whole(old: str, new: str, code: str) -> None:
    found = read_deals(message(PLAIN).replace(old.encode(), new.encode()), "m.xml")
    assert code in codes(found)
    assert found.said == () or code in ("deal.sender", "deal.test-message")


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"<a/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", message(PLAIN)[:-9]],
)
def test_what_is_no_message(content: bytes) -> None:
    with pytest.raises(BadInput, match=r"m\.xml"):
        read_deals(content, "m.xml")


@given(st.text(alphabet="0123456789-T:+.Z", max_size=32))
def test_a_moment_is_read_or_not(text: str) -> None:
    read_as = parsed(text)
    assert read_as == "" or read_as <= "9999"


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [FREE, STREAM, WORLD, FROM, "<TakeDown>true</TakeDown>", "<X/>", "<Usage/>"]
        ),
        max_size=6,
    )
)
def test_nothing_is_allowed_without_all_that_it_needs(parts: list[str]) -> None:
    terms = "".join(parts)
    for said in read(terms).said:
        if said.statement.kind is Kind.GRANT:
            assert all(part in terms for part in (FREE, STREAM, WORLD))
            assert not any(part in terms for part in ("<X/>", "TakeDown"))
        _allows_only_keeping(said.statement)
