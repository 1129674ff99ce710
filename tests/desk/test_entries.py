"""Whatever happens to a case, it opens nothing that nobody decided, and leaves what others said."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sonotheque.desk import case as cases
from sonotheque.desk.case import ASKED, Ask, Case, Outcome, Party, Policy, Side, Stage, Terms
from sonotheque.desk.entries import outstanding, own
from sonotheque.errors import BadInput, Refused
from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.model.terms import REFUSED_WITH, Basis, Kind, Layer, Statement, Status, Use
from sonotheque.rights.decision import decide_all

RECORDING = RecordingId("0" * 13)
POLICY = Policy(decide_days=14, appeal_days=183)
PARTY = Party(side=Side.CLAIMANT, name="Ada", contact="x", secret_sha512=Sha512(""))


def now(day: int) -> str:
    return f"{cases.after('2026-01-01', day)}T00:00:00.000000Z"


def allowed(statements: list[Statement], day: int) -> set[Use]:
    return {d.use for d in decide_all(statements, RECORDING, now(day)) if d.allowed}


def uses(random: Random) -> tuple[Use, ...]:
    return tuple(use for use in ASKED if random.random() < 0.4)


def opened(random: Random) -> Case:
    yes, no = cases.choices(uses(random), uses(random))
    ask = random.choice(list(Ask))
    if ask is Ask.TAKEDOWN or not (yes or no):
        ask, yes, no = Ask.TAKEDOWN, (), ()
    return Case(
        id="1" * 13,
        recording=RECORDING,
        terms=Terms(ask=ask, allowed=yes, refused=no),
        layers=random.choice([(Layer.RECORDING,), tuple(Layer)]),
        opened_at=now(1),
        due_on="",
        parties=(PARTY,),
        holds_at_once=random.random() < 0.8,
    )


def others(random: Random) -> list[Statement]:
    said = Statement(
        recording=RECORDING,
        kind=Kind.GRANT,
        uses=(Use.PRESERVE, *uses(random)),
        status=Status.VERIFIED,
        issuer="A label",
        evidence="a contract",
        at=now(0),
        basis=Basis.AGREEMENT,
        id=1,
    )
    # Somebody of the claimant's name, whose no a case cannot lift.
    no = replace(said, kind=Kind.REFUSAL, uses=uses(random), issuer="Ada", basis=None, id=2)
    return [said, no] if no.uses else [said]


def step(case: Case, random: Random, day: int) -> Case:
    match random.randrange(4):
        case 0:
            return cases.changed(
                case, allowed=uses(random), refused=uses(random), now=now(day), policy=POLICY
            )
        case 1:
            return cases.appealed(case, party=PARTY, because="no", now=now(day), policy=POLICY)
        case 2:
            return cases.taken_back(case, now(day))
    return cases.decided(
        case,
        by=f"Person {day}",
        outcome=random.choice(list(Outcome)),
        because="so",
        now=now(day),
        policy=POLICY,
    )


@given(st.randoms(use_true_random=False))
def test_a_case_only_restricts_until_a_person_decides(random: Random) -> None:
    base = others(random)
    before = allowed(base, 0)
    ledger, case, day = list(base), opened(random), 1
    for day in range(1, 9):
        earlier = allowed(ledger, day)
        for entry in outstanding(case, ledger, None, now(day)):
            ledger.append(replace(entry, id=len(ledger) + 1))
        assert outstanding(case, ledger, None, now(day)) == ()
        after = allowed(ledger, day)
        if case.stage is Stage.OPEN:
            assert after <= earlier
            if case.holds_at_once:
                assert after.isdisjoint(case.terms.refused)
                assert case.terms.ask is Ask.CLAIM or after.isdisjoint(ASKED)
        elif case.upheld is None:
            assert after == before
        else:
            assert after.isdisjoint(case.upheld.refused)
            assert case.upheld.ask is Ask.CLAIM or after.isdisjoint(ASKED)
            with_it = [*base, *(s for s in own(case, ledger) if s.kind is Kind.GRANT)]
            assert after <= allowed(with_it, day) | before
        try:
            case = step(case, random, day)
        except (Refused, BadInput):
            continue


@given(st.randoms(use_true_random=False))
def test_no_outweighs_yes_in_what_somebody_says(random: Random) -> None:
    yes, no = cases.choices(uses(random), uses(random))
    assert set(yes).isdisjoint(no)
    assert all(set(REFUSED_WITH.get(use, ())).isdisjoint(no) for use in yes)
