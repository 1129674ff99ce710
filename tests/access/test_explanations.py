"""Decisions in plain words, and words from outside made harmless."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clocked import eu_exception
from sonotheque.access.explanations import clean, explain, licence_url, withdrawn
from sonotheque.access.language import language
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Answer, Basis, Decision, Kind, Reason, Statement, Status, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.decision import decide

ID = RecordingId("0000000000001")
NOW = "2026-11-23T10:00:00.000000Z"


def statement(kind: Kind, number: int = 7, licence: str = "") -> Statement:
    return Statement(
        recording=ID,
        kind=kind,
        uses=(Use.STREAM,),
        status=Status.VERIFIED,
        issuer="Maxstack",
        evidence="a letter",
        at="2026-11-01T10:00:00.000000Z",
        id=number,
        basis=Basis.OWN_CONSENT,
        licence=licence,
    )


def test_a_grant_names_who_allows_it_and_the_licence() -> None:
    said = [statement(Kind.GRANT, licence="http://creativecommons.org/licenses/by-sa/3.0/")]
    explained = explain(decide(said, ID, Use.STREAM, NOW), said, language("fr"))
    assert explained.allowed
    (reason,) = explained.reasons
    assert reason.entry == 7
    assert reason.licence_url == "https://creativecommons.org/licenses/by-sa/3.0/"
    assert "Maxstack" in reason.sentence
    assert "CC BY-SA 3.0" in reason.sentence
    assert "le permet" in reason.sentence


def test_a_takedown_is_told_with_its_day() -> None:
    said = [statement(Kind.GRANT), statement(Kind.TAKEDOWN, 8)]
    decision = decide(said, ID, Use.STREAM, NOW)
    assert withdrawn([decision])
    (reason,) = explain(decision, said, language("en")).reasons
    assert "taken down on 1\u00a0November 2026" in reason.sentence
    assert reason.entry == 8


def test_a_procedure_is_told_with_the_day_of_its_clock_or_without_one() -> None:
    said = eu_exception("2026-08-31")
    for entries, sentences in (
        (said, ("begins on 1\u00a0March 2027", "commence le 1er\u00a0mars 2027")),
        (said[:-1], ("no day can be named yet", "ne peut pas encore être donné")),
    ):
        decision = decide(entries, ID, Use.STREAM, NOW, Territory("DE"))
        for code, sentence in zip(("en", "fr"), sentences, strict=True):
            (reason,) = explain(decision, entries, language(code)).reasons
            assert sentence in reason.sentence
            assert reason.entry == 1


def test_a_reason_that_is_new_to_the_site_is_told_in_its_own_words() -> None:
    odd = Decision(
        recording=ID,
        use=Use.STREAM,
        answer=Answer.REFUSED,
        reasons=(Reason(code="brand-new", message="for a reason of tomorrow"),),
        at=NOW,
    )
    (reason,) = explain(odd, [], language("fr")).reasons
    assert reason.sentence == "for a reason of tomorrow"


def test_only_recognised_licences_are_linked() -> None:
    assert licence_url("https://creativecommons.org/licenses/by/4.0/") != ""
    assert licence_url("javascript:alert(1)") == ""
    assert licence_url("https://evil.example/by/4.0/") == ""


@given(st.text(max_size=2_000), st.integers(1, 300))
def test_cleaned_text_is_short_and_prints(text: str, characters_max: int) -> None:
    cleaned = clean(text, characters_max)
    assert len(cleaned) <= characters_max
    assert not set(cleaned) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\n\r")
    assert cleaned == cleaned.strip()


def test_cleaning_keeps_what_scripts_need() -> None:
    assert clean("می\u200cخواهم") == "می\u200cخواهم"
    assert clean("évil\u202etxt.exe\x07") == "éviltxt.exe"
    assert clean("a\u2028b\tc") == "a b c"
