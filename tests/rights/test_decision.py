"""Decisions: default deny, a no in force always wins, and reasons always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Answer, Kind, Statement, Status, Use
from sonotheque.rights.decision import decide, decide_all

OURS, THEIRS = RecordingId("0000000000001"), RecordingId("0000000000002")
TIMES = [f"2026-0{month}-01T00:00:00.000000Z" for month in range(1, 8)]
NOW = TIMES[3]
RESTRICTING = (Kind.REFUSAL, Kind.TAKEDOWN)


def _statement(random: Random, number: int, recordings: Sequence[RecordingId]) -> Statement:
    kind = random.choice([*Kind])
    return Statement(
        id=number,
        recording=random.choice(recordings),
        kind=kind,
        uses=tuple(use for use in Use if random.random() < 0.6),
        status=random.choice([*Status]),
        issuer=random.choice("AB"),
        evidence="e",
        at=random.choice(TIMES),
        begins_at=random.choice(["", "", "", *TIMES]),
        ends_at=random.choice(["", "", "", *TIMES]),
        revokes=random.randint(0, number + 1) if kind is Kind.REVOCATION else 0,
    )


def _history(
    random: Random, recordings: Sequence[RecordingId] = (OURS, OURS, OURS, THEIRS)
) -> tuple[Statement, ...]:
    count = random.randint(0, 8)
    return tuple(_statement(random, number, recordings) for number in range(1, count + 1))


# Drawn by seed: a history has a hundred choices in it, which Hypothesis takes long to make.
SEEDS = st.integers(0, 2**32).map(Random)
histories = SEEDS.map(_history)
USES = st.sampled_from(Use)


def _naive(history: Sequence[Statement], use: Use) -> Answer:
    """The rules of the module's docstring, one after the other, written down a second time."""
    ours = [statement for statement in history if statement.recording == OURS]

    def taken_back(statement: Statement) -> bool:
        for later in ours:
            if later.kind is not Kind.REVOCATION or later.revokes != statement.id:
                continue
            if later.id <= statement.id or taken_back(later):
                continue
            entitled = later.issuer == statement.issuer and later.at <= NOW
            if statement.kind is Kind.GRANT or entitled:
                return True
        return False

    def runs(statement: Statement) -> bool:
        return (statement.begins_at or "0") <= NOW < (statement.ends_at or "9")

    live = [statement for statement in ours if runs(statement) and not taken_back(statement)]
    if use is not Use.PRESERVE and any(s.kind is Kind.TAKEDOWN for s in live):
        return Answer.REFUSED
    if any(s.kind is Kind.REFUSAL and use in s.uses for s in live):
        return Answer.REFUSED
    for grant in live:
        says_yes = grant.kind is Kind.GRANT and use in grant.uses and grant.at <= NOW
        if says_yes and (grant.status is Status.VERIFIED or use is Use.PRESERVE):
            return Answer.ALLOWED
    return Answer.UNKNOWN


@settings(max_examples=1000)
@given(histories, USES)
def test_it_agrees_with_a_naive_reference(history: tuple[Statement, ...], use: Use) -> None:
    assert decide(history, OURS, use, NOW).answer == _naive(history, use)


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
            assert all(s.kind is Kind.GRANT and decision.use in s.uses for s in cited)


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
        issuer="C", evidence="e", at=at,
    )  # fmt: skip
    takedown = replace(refusal, kind=Kind.TAKEDOWN, uses=())
    assert decide([*history, refusal], OURS, use, NOW).answer is Answer.REFUSED
    if use is not Use.PRESERVE:
        assert decide([*history, takedown], OURS, use, NOW).answer is Answer.REFUSED


@given(histories, USES, SEEDS)
def test_another_restriction_never_turns_a_no_into_a_yes(
    history: tuple[Statement, ...], use: Use, random: Random
) -> None:
    added = _statement(random, len(history) + 1, [OURS])
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


@given(histories, SEEDS.map(lambda random: _history(random, [THEIRS])), USES)
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
    if use is not Use.PRESERVE:
        assert not decide(claims, OURS, use, NOW).allowed


def _grant(number: int, issuer: str, **changes: object) -> Statement:
    grant = Statement(
        id=number, recording=OURS, kind=Kind.GRANT, uses=tuple(Use), status=Status.VERIFIED,
        issuer=issuer, evidence="e", at=TIMES[0],
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
    ],
)
def test_why_a_permission_does_not_count(changes: dict[str, object], code: str) -> None:
    decision = decide([_grant(1, "A", **changes)], OURS, Use.STREAM, NOW)
    assert decision.answer is Answer.UNKNOWN
    assert [reason.code for reason in decision.reasons] == [code]


def test_a_public_licence_is_no_consent_to_training() -> None:
    history = [_grant(1, "A", uses=(Use.STREAM,), licence="CC-BY-4.0")]
    decision = decide(history, OURS, Use.TRAIN_AI, NOW)
    assert not decision.allowed
    assert [reason.code for reason in decision.reasons] == ["training-not-asked"]
    assert "CC BY 4.0" in decide(history, OURS, Use.STREAM, NOW).reasons[0].message
