"""Decisions: default deny, a no in force always wins, and reasons always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from histories import DAYS, OURS, PLACES, THEIRS, TIMES, history, statement
from oracle import LESSER, answer
from sonotheque.model.terms import (
    KEEPING,
    TRAINING,
    Answer,
    Basis,
    Kind,
    Layer,
    Statement,
    Status,
    Use,
)
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.decision import decide, decide_all
from sonotheque.rights.licences import PUBLIC_USES

NOW = TIMES[3]
FR, US = Territory("FR"), Territory("US")
RESTRICTING = (Kind.REFUSAL, Kind.TAKEDOWN)
SEEDS = st.integers(0, 2**32).map(Random)
histories = SEEDS.map(history)
USES = st.sampled_from(Use)
ORDINARY = st.sampled_from([use for use in Use if use not in KEEPING])


@settings(max_examples=2000)
@given(histories, USES, st.sampled_from(PLACES))
def test_it_agrees_with_a_naive_reference(
    history: tuple[Statement, ...], use: Use, place: Territory
) -> None:
    decision = decide(history, OURS, use, NOW, place)
    assert decision.answer == answer(history, OURS, use, NOW, place)
    assert (decision.use, decision.territory) == (use, place)


@given(histories)
def test_every_decision_says_why(history: tuple[Statement, ...]) -> None:
    decisions = decide_all(history, OURS, NOW)
    assert [decision.use for decision in decisions] == list(Use)
    by_id = {statement.id: statement for statement in history}
    for decision in decisions:
        assert decision.reasons
        assert decision.recording == OURS
        assert decision.at == NOW
        assert decision.allowed == (decision.answer is Answer.ALLOWED)
        for reason in decision.reasons:
            assert reason.code
            assert reason.message
            assert reason.statement == 0 or by_id[reason.statement].recording == OURS
        if decision.answer is not Answer.UNKNOWN:
            assert all(reason.statement for reason in decision.reasons)
        if decision.allowed:
            cited = [by_id[reason.statement] for reason in decision.reasons]
            named = {decision.use} | {use for use in LESSER if decision.use in LESSER[use]}
            assert all(s.kind is Kind.GRANT and named & set(s.uses) for s in cited)


@pytest.mark.parametrize("use", Use)
def test_nothing_said_is_not_allowed(use: Use) -> None:
    decision = decide([], OURS, use, NOW)
    assert decision.answer is Answer.UNKNOWN
    assert not decision.allowed


@given(histories, USES, st.sampled_from(TIMES))
def test_a_takedown_or_refusal_in_force_wins(
    history: tuple[Statement, ...], use: Use, at: str
) -> None:
    number = len(history) + 1
    refusal = Statement(
        id=number, recording=OURS, kind=Kind.REFUSAL, uses=(use,), status=Status.CLAIMED,
        issuer="C", evidence="e", at=at, territories=(FR,),
    )  # fmt: skip
    takedown = replace(refusal, kind=Kind.TAKEDOWN, uses=())
    assert decide([*history, refusal], OURS, use, NOW).answer is Answer.REFUSED
    if use not in KEEPING:
        assert decide([*history, takedown], OURS, use, NOW).answer is Answer.REFUSED
    if use is Use.DESCRIBE:
        named = replace(takedown, uses=(use,))
        assert decide([*history, named], OURS, use, NOW).answer is Answer.REFUSED


@given(histories, USES, SEEDS)
def test_another_restriction_never_turns_a_no_into_a_yes(
    history: tuple[Statement, ...], use: Use, random: Random
) -> None:
    added = statement(random, len(history) + 1, [OURS])
    added = replace(added, kind=random.choice(RESTRICTING), revokes=0)
    if not decide(history, OURS, use, NOW).allowed:
        assert not decide([*history, added], OURS, use, NOW).allowed


@given(histories, USES, st.data())
def test_taking_back_a_permission_never_turns_a_no_into_a_yes(
    history: tuple[Statement, ...], use: Use, data: st.DataObject
) -> None:
    grants = [s for s in history if s.kind is Kind.GRANT and s.recording == OURS]
    assume(grants)
    revocation = Statement(
        id=len(history) + 1, recording=OURS, kind=Kind.REVOCATION, uses=(), status=Status.CLAIMED,
        issuer=data.draw(st.sampled_from("ABC")), evidence="e",
        at=data.draw(st.sampled_from(TIMES)),
        revokes=data.draw(st.sampled_from(grants)).id,
    )  # fmt: skip
    after = decide([*history, revocation], OURS, use, NOW)
    assert (
        after.answer
        == decide([s for s in history if s.id != revocation.revokes], OURS, use, NOW).answer
        or not after.allowed
    )
    if not decide(history, OURS, use, NOW).allowed:
        assert not after.allowed


@given(histories, SEEDS.map(lambda random: history(random, [THEIRS])), USES)
def test_what_is_said_of_others_never_matters(
    history: tuple[Statement, ...], others: tuple[Statement, ...], use: Use
) -> None:
    before = decide(history, OURS, use, NOW)
    numbered = [replace(s, id=len(history) + s.id, revokes=s.revokes) for s in others]
    assert decide([*history, *numbered], OURS, use, NOW) == before
    assert decide([s for s in history if s.recording == OURS], OURS, use, NOW) == before


@given(histories, USES)
def test_a_claim_allows_nothing_but_to_keep(history: tuple[Statement, ...], use: Use) -> None:
    claims = [replace(s, status=Status.CLAIMED) for s in history]
    if use not in KEEPING:
        assert not decide(claims, OURS, use, NOW).allowed


def _grant(number: int, issuer: str, **changes: object) -> Statement:
    grant = Statement(
        id=number, recording=OURS, kind=Kind.GRANT, uses=tuple(Use), status=Status.VERIFIED,
        issuer=issuer, evidence="e", at=TIMES[0], layers=tuple(Layer),
    )  # fmt: skip
    return replace(grant, **changes)  # type: ignore[arg-type]


def _revocation(number: int, issuer: str, revokes: int) -> Statement:
    return _grant(number, issuer, kind=Kind.REVOCATION, uses=(), revokes=revokes)


def test_a_refusal_that_was_taken_back_and_put_back_stands() -> None:
    refusal = _grant(2, "A", kind=Kind.REFUSAL)
    history = [_grant(1, "B"), refusal]
    assert decide(history, OURS, Use.STREAM, NOW).answer is Answer.REFUSED
    history.append(_revocation(3, "A", 2))
    assert decide(history, OURS, Use.STREAM, NOW).allowed
    history.append(_revocation(4, "A", 3))
    assert decide(history, OURS, Use.STREAM, NOW).answer is Answer.REFUSED


def test_only_its_issuer_takes_a_refusal_back() -> None:
    history = [_grant(1, "B"), _grant(2, "A", kind=Kind.REFUSAL), _revocation(3, "B", 2)]
    assert decide(history, OURS, Use.STREAM, NOW).answer is Answer.REFUSED


def test_statements_that_have_no_number_yet_count() -> None:
    """The plan of a deposit decides before the ledger has numbered anything."""
    assert decide([_grant(0, "A")], OURS, Use.STREAM, NOW).allowed
    both = [_grant(0, "A"), _grant(0, "B", kind=Kind.REFUSAL)]
    assert decide(both, OURS, Use.STREAM, NOW).answer is Answer.REFUSED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ends_at": NOW}, "expired"),
        ({"begins_at": TIMES[4]}, "not-begun"),
        ({"status": Status.CLAIMED}, "claimed"),
        ({"at": TIMES[4]}, "nobody-said"),
        ({"territories": (FR,)}, "elsewhere"),
        ({"territories_except": (US,)}, "elsewhere"),
    ],
)
def test_why_a_permission_does_not_count(changes: dict[str, object], code: str) -> None:
    decision = decide([_grant(1, "A", **changes)], OURS, Use.STREAM, NOW)
    assert decision.answer is Answer.UNKNOWN
    assert [reason.code for reason in decision.reasons] == [code]


def test_a_public_licence_is_no_consent_to_training() -> None:
    history = [_grant(1, "A", uses=PUBLIC_USES, licence="CC-BY-4.0")]
    for use in TRAINING:
        decision = decide(history, OURS, use, NOW)
        assert not decision.allowed
        assert [reason.code for reason in decision.reasons] == ["training-not-asked"]
    assert "CC BY 4.0" in decide(history, OURS, Use.STREAM, NOW).reasons[0].message


def _codes(history: Sequence[Statement], use: Use, place: Territory = EVERYWHERE) -> list[str]:
    return [reason.code for reason in decide(history, OURS, use, NOW, place).reasons]


def test_both_layers_must_say_yes() -> None:
    """A cover version: the band allows it by a licence, the song is somebody else's."""
    band = _grant(1, "Band", layers=(Layer.RECORDING,), licence="CC-BY-4.0")
    decision = decide([band], OURS, Use.STREAM, NOW)
    assert decision.answer is Answer.UNKNOWN
    assert [reason.code for reason in decision.reasons] == ["granted-recording", "work-missing"]
    assert decide([band], OURS, Use.PRESERVE, NOW).allowed  # kept, while one asks
    author = _grant(2, "Author", layers=(Layer.WORK,), status=Status.CLAIMED)
    assert _codes([band, author], Use.STREAM) == ["granted-recording", "work-missing", "claimed"]
    author = replace(author, status=Status.VERIFIED)
    assert decide([band, author], OURS, Use.STREAM, NOW).allowed
    assert _codes([band, author], Use.STREAM) == ["granted-recording", "granted-work"]
    refused = replace(author, id=3, kind=Kind.REFUSAL)
    assert _codes([band, author, refused], Use.STREAM) == ["refused"]
    assert _codes([author], Use.STREAM) == ["granted-work", "recording-missing"]


def test_a_work_in_the_public_domain_needs_nobody() -> None:
    orchestra = _grant(1, "Orchestra", layers=(Layer.RECORDING,), licence="CC-BY-SA-4.0")
    grieg = _grant(2, "Archive", layers=(Layer.WORK,), basis=Basis.PUBLIC_DOMAIN)
    assert decide([orchestra, grieg], OURS, Use.TORRENT, NOW).allowed


@pytest.mark.parametrize("use", TRAINING)
def test_who_speaks_of_the_track_has_not_consented_for_the_authors(use: Use) -> None:
    unsaid = _grant(1, "A", layers=())
    assert _codes([unsaid], use) == ["granted-recording", "work-missing"]
    assert decide([unsaid], OURS, Use.STREAM, NOW).allowed
    assert decide([_grant(1, "A")], OURS, use, NOW).allowed


def test_a_permission_holds_where_it_says() -> None:
    here = _grant(1, "A", territories=(FR,))
    but = _grant(2, "A", territories_except=(US,))
    assert decide([here], OURS, Use.STREAM, NOW, FR).allowed
    assert not decide([here], OURS, Use.STREAM, NOW, US).allowed
    assert not decide([here], OURS, Use.STREAM, NOW).allowed
    assert not decide([but], OURS, Use.STREAM, NOW, US).allowed
    assert "FR" in decide([here], OURS, Use.STREAM, NOW).reasons[0].message
    there = _grant(3, "B", kind=Kind.TAKEDOWN, territories=(US,))
    both = [_grant(1, "A"), there]
    assert decide(both, OURS, Use.STREAM, NOW, FR).allowed
    assert not decide(both, OURS, Use.STREAM, NOW, US).allowed
    assert not decide(both, OURS, Use.STREAM, NOW).allowed


def test_on_its_own_premises_an_institution_is_under_its_own_law() -> None:
    """Article 6 of the directive lets it keep what it owns; it says nothing of the world."""
    law = _grant(
        1,
        "Archive",
        basis=Basis.STATUTORY_EXCEPTION,
        article="EU 2019/790, Article 6",
        uses=(Use.PRESERVE, Use.STREAM),
        territories=(FR,),
    )
    allowed = {d.use for d in decide_all([law], OURS, NOW, FR) if d.allowed}
    assert allowed == {Use.PRESERVE, Use.LISTEN_ON_SITE}
    assert "EU 2019/790, Article 6" in decide([law], OURS, Use.PRESERVE, NOW, FR).reasons[0].message
    assert not any(d.allowed for d in decide_all([law], OURS, NOW))


def test_everything_that_restricts_is_named() -> None:
    history = [
        _grant(1, "A"),
        _grant(2, "A", kind=Kind.REFUSAL, uses=(Use.STREAM,)),
        _grant(3, "B", kind=Kind.TAKEDOWN, uses=()),
    ]
    assert _codes(history, Use.STREAM) == ["refused", "takedown"]
    assert _codes(history, Use.DOWNLOAD) == ["takedown"]


def test_a_term_ends_when_its_day_begins() -> None:
    assert not decide([_grant(1, "A", ends_at=DAYS[3])], OURS, Use.STREAM, NOW).allowed
    assert decide([_grant(1, "A", begins_at=DAYS[3])], OURS, Use.STREAM, NOW).allowed
