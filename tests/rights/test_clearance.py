"""The clearance of many recordings at once is the decision of each, by another way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histories import OURS, PLACES, TIMES, history
from sonotheque.model.identifiers import RecordingId, from_crockford, to_crockford
from sonotheque.model.terms import Answer, Kind, Statement, Status, Use
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.rights.clearance import bits, clear, spell_out, write_entries
from sonotheque.rights.decision import decide_all
from sonotheque.store.engine import open_engine

RECORDINGS = [RecordingId(to_crockford((number << 40) + 7)) for number in range(1, 41)]
UNKNOWN = dict.fromkeys(Use, Answer.UNKNOWN)
MEMORY_BYTES = 200_000_000


def cleared(
    ledger: Sequence[Statement], directory: Path, now: str, home: Territory
) -> dict[RecordingId, dict[Use, Answer]]:
    entries, out = directory / "entries.parquet", directory / "clearance.parquet"
    spelt = directory / "spelt.parquet"
    assert write_entries(lambda: ledger, entries, now) <= len(ledger)
    with open_engine(memory_bytes_max=MEMORY_BYTES, spill=directory / "spill", threads=1) as engine:
        count = clear(engine, entries, out, now=now, home=home)
        rows = engine.execute("SELECT * FROM read_parquet($path)", {"path": str(out)}).fetchall()
        spell_out(engine, out, spelt)
    assert len(rows) == len({recording for recording, _, _ in rows}) == count
    assert not any(allowed & refused for _, allowed, refused in rows)
    table = pq.read_table(spelt)
    assert table["recording"].to_pylist() == sorted(to_crockford(row[0]) for row in rows)
    return {
        RecordingId(row.pop("recording")): {Use(use): Answer(said) for use, said in row.items()}
        for row in table.to_pylist()
    }


# A ledger of some two hundred entries about forty recordings, of which each has its own history.
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32), st.sampled_from(TIMES), st.sampled_from(PLACES))
def test_it_answers_as_the_decision_of_each_does(
    tmp_path: Path, seed: int, now: str, home: Territory
) -> None:
    ledger = history(Random(seed), RECORDINGS, count_max=400)
    found = cleared(ledger, tmp_path, now, home)
    for recording in RECORDINGS:
        each = {d.use: d.answer for d in decide_all(ledger, recording, now, home)}
        assert found.get(recording, UNKNOWN) == each


# Revocations of revocations, as long a chain of them as there is: nearly every entry is one.
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32))
def test_chains_of_revocations_end_as_they_do_one_by_one(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    ledger = [_grant(1, random.choice("AB"), Kind.REFUSAL if random.random() < 0.5 else Kind.GRANT)]
    for number in range(2, 20):
        target = random.choice([number - 1, random.randint(1, number - 1)])
        ledger.append(_grant(number, random.choice("AAB"), Kind.REVOCATION, target))
    found = cleared(ledger, tmp_path, TIMES[3], EVERYWHERE)
    each = {d.use: d.answer for d in decide_all(ledger, OURS, TIMES[3])}
    assert found.get(OURS, UNKNOWN) == each


def test_nothing_said_is_nothing_allowed(tmp_path: Path) -> None:
    assert cleared([], tmp_path, TIMES[3], EVERYWHERE) == {}


@pytest.mark.parametrize("use", Use)
def test_every_use_has_its_bit(use: Use) -> None:
    assert bits([use]) == 1 << [*Use].index(use)


def test_the_number_of_a_recording_is_the_one_behind_its_identifier(tmp_path: Path) -> None:
    recording = RecordingId(to_crockford((1 << 63) - 1))
    ledger = [_grant(1, "A", Kind.GRANT, recording=recording)]
    assert list(cleared(ledger, tmp_path, TIMES[3], EVERYWHERE)) == [recording]
    assert from_crockford(recording) == (1 << 63) - 1


def _grant(
    number: int, issuer: str, kind: Kind, revokes: int = 0, recording: RecordingId = OURS
) -> Statement:
    return Statement(
        id=number,
        recording=recording,
        kind=kind,
        uses=tuple(Use),
        status=Status.VERIFIED,
        issuer=issuer,
        evidence="e",
        at=TIMES[0],
        revokes=revokes,
    )
