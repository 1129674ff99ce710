"""What the ledger gets to hear of messages that follow each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sonotheque.errors import BadInput
from sonotheque.model.identifiers import Isrc, RecordingId, Sha512
from sonotheque.model.terms import Answer, Kind, Statement, Use
from sonotheque.rights.deals import Message, read_deals
from sonotheque.rights.decision import decide
from sonotheque.rights.entering import Entries, check_address, entries_of

ISRC = Isrc("FRZ031400123")
ONE, TWO = RecordingId("1"), RecordingId("2")
NOW = "2026-11-28T00:00:00.000000Z"
FREE = (
    "<CommercialModelType>FreeOfChargeModel</CommercialModelType><UseType>Stream</UseType>"
    "<TerritoryCode>Worldwide</TerritoryCode>"
)
DOWN = "<TakeDown>true</TakeDown>"


def message(deal: str, day: int = 1, *, sender: str = "A Label") -> Message:
    head = f"""<MessageHeader><MessageId>M{day}</MessageId><MessageSender><PartyName><FullName>
      {sender}</FullName></PartyName></MessageSender><MessageRecipient><PartyId>PADPIDA2</PartyId>
      </MessageRecipient><MessageCreatedDateTime>2026-11-0{day}T00:00:00Z</MessageCreatedDateTime>
      </MessageHeader>"""
    release = "<ReleaseId><ICPN>3614970000017</ICPN></ReleaseId>"
    if deal == "purge":
        body = f"<PurgedRelease>{release}</PurgedRelease>"
        name = "PurgeReleaseMessage"
    else:
        name = "NewReleaseMessage"
        deals = f"<Deal><DealTerms>{deal}</DealTerms></Deal>" if deal else ""
        body = f"""<ResourceList><SoundRecording><ResourceId><ISRC>{ISRC}</ISRC></ResourceId>
          <ResourceReference>A1</ResourceReference></SoundRecording></ResourceList><ReleaseList>
          <Release>{release}<ReleaseReference>R0</ReleaseReference><ReleaseResourceReference>A1
          </ReleaseResourceReference></Release></ReleaseList><DealList><ReleaseDeal>
          <DealReleaseReference>R0</DealReleaseReference>{deals}</ReleaseDeal></DealList>"""
    return read_deals(f"<{name}>{head}{body}</{name}>".encode(), "m.xml")


class Ledger:
    """What was entered, in its order."""

    def __init__(self) -> None:
        self.entries: list[Statement] = []

    def enter(self, said: Message, *held: RecordingId) -> Entries:
        found = entries_of(
            said,
            {ISRC: held or (ONE,)},
            self.entries,
            now=NOW,
            document=Sha512("a" * 128),
            where="m.xml",
        )
        for statement in found.statements:
            self.entries.append(replace(statement, id=len(self.entries) + 1))
        return found

    def kinds(self) -> list[Kind]:
        return [entry.kind for entry in self.entries]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def codes(found: Entries) -> list[str]:
    return [finding.code for finding in found.findings]


def test_a_message_is_entered_once(ledger: Ledger) -> None:
    (entered,) = ledger.enter(message(FREE)).statements
    assert (entered.recording, entered.at, entered.evidence_sha512) == (ONE, NOW, "a" * 128)
    assert ledger.enter(message(FREE)).statements == ()
    assert ledger.enter(message(FREE, 2)).statements == ()


def test_a_newer_message_replaces_what_its_sender_allowed(ledger: Ledger) -> None:
    ledger.enter(message(FREE))
    ledger.enter(message(FREE.replace("Stream", "Download"), 2))
    assert ledger.kinds() == [Kind.GRANT, Kind.REVOCATION, Kind.GRANT]
    assert ledger.entries[1].revokes == 1
    ledger.enter(message("", 3))
    assert ledger.kinds()[3:] == [Kind.REVOCATION]
    assert ledger.entries[3].revokes == 3
    assert ledger.enter(message("", 4)).statements == ()
    ledger.enter(message(FREE, 5))
    assert ledger.kinds()[4:] == [Kind.GRANT]


def test_nobody_replaces_what_another_said(ledger: Ledger) -> None:
    ledger.enter(message(FREE))
    ledger.enter(message("", 2, sender="B Label"))
    assert ledger.kinds() == [Kind.GRANT]
    found = ledger.enter(message("purge", 3, sender="B Label"))
    assert (found.statements, codes(found)) == ((), ["deal.unknown-release"])


def test_a_message_that_comes_late_changes_nothing(ledger: Ledger) -> None:
    ledger.enter(message("", 2))
    ledger.enter(message(FREE, 3))
    with pytest.raises(BadInput, match="2026-11-03"):
        ledger.enter(message(DOWN, 2))


def test_a_takedown_counts_at_once_and_stays(ledger: Ledger) -> None:
    ledger.enter(message(FREE))
    ledger.enter(message(DOWN, 2), ONE, TWO)
    assert ledger.kinds() == [Kind.GRANT, Kind.REVOCATION, Kind.TAKEDOWN, Kind.TAKEDOWN]
    for use, answer in ((Use.DESCRIBE, Answer.REFUSED), (Use.PRESERVE, Answer.UNKNOWN)):
        assert decide(ledger.entries, TWO, use, NOW).answer is answer
    found = ledger.enter(message(FREE, 3))
    assert codes(found) == ["deal.still-down"]
    assert decide(ledger.entries, ONE, Use.STREAM, NOW).answer is Answer.REFUSED


def test_a_purge_takes_down_what_its_sender_delivered(ledger: Ledger) -> None:
    ledger.enter(message(FREE))
    ledger.enter(message("purge", 2))
    assert ledger.kinds() == [Kind.GRANT, Kind.REVOCATION, Kind.TAKEDOWN]
    assert ledger.entries[2].recording == ONE
    assert ledger.enter(message("purge", 2)).statements == ()


def test_a_permission_needs_to_know_which_recording_it_is_about(ledger: Ledger) -> None:
    found = ledger.enter(message(FREE), ONE, TWO)
    assert (found.statements, codes(found)) == ((), ["deal.ambiguous"])
    found = entries_of(
        message(FREE), {ISRC: ()}, [], now=NOW, document=Sha512("a" * 128), where="m.xml"
    )
    assert (found.statements, codes(found)) == ((), ["deal.not-held"])


def test_only_what_is_for_the_archive_is_entered() -> None:
    check_address(message(FREE), "PADPIDA2", "m.xml")
    with pytest.raises(BadInput, match="is for PADPIDA2"):
        check_address(message(FREE), "PADPIDA3", "m.xml")
    broken = read_deals(b"<NewReleaseMessage/>", "m.xml")
    with pytest.raises(BadInput, match="who sends it"):
        check_address(broken, "PADPIDA2", "m.xml")
