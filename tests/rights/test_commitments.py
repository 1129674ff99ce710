"""What is said in private stays out of the ledger, opens what it should, and can be erased."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.errors import Corrupt
from sonotheque.model.identifiers import RecordingId, Sha512
from sonotheque.model.terms import Kind, Statement, Status, Use
from sonotheque.rights.commitments import Commitments, commitment, is_private
from sonotheque.rights.decision import decide_all
from sonotheque.rights.entries import decode_entry, encode_entry

NOW = "2026-11-28T10:00:00.000000Z"
TAKEDOWN = Statement(
    recording=RecordingId("0000000000001"), kind=Kind.TAKEDOWN, uses=(Use.STREAM,),
    status=Status.VERIFIED, issuer="Anna Natural", evidence="letter of Anna, 3 rue de la Paix",
    at="2026-01-01", id=1,
)  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Commitments:
    return Commitments(tmp_path / "private")


def test_an_entry_holds_no_more_than_commitments(kept: Commitments, tmp_path: Path) -> None:
    made = kept.in_private(replace(TAKEDOWN, evidence_sha512=Sha512("ab" * 64)))
    entry = encode_entry(made)
    assert b"Anna" not in entry
    assert b"abab" not in entry
    assert is_private(made.issuer)
    assert is_private(made.evidence)
    assert decode_entry(entry, 1) == made
    for text in (made.issuer, made.evidence):
        opening = kept.opening(text)
        assert opening is not None
        salted = bytes.fromhex(opening.salt) + opening.value.encode()
        assert text == "private:" + hashlib.sha256(salted).hexdigest()
        assert len(opening.salt) == 64
    shown = kept.shown(made)
    assert shown.issuer == "Anna Natural (private)"
    assert "rue de la Paix (document with SHA-512 abab" in shown.evidence
    for path in (tmp_path / "private").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_one_person_is_one_commitment_and_evidence_is_never_the_same(kept: Commitments) -> None:
    one, two = kept.in_private(TAKEDOWN), kept.in_private(TAKEDOWN)
    other = kept.in_private(replace(TAKEDOWN, issuer="Anna Naturel"))
    assert one.issuer == two.issuer == kept.person("Anna Natural") != other.issuer
    assert len({one.evidence, two.evidence, other.evidence}) == 3
    # Evidence that reads as a name is not that person.
    assert kept.person(TAKEDOWN.evidence) == ""


def test_erasing_a_person_leaves_every_decision_as_it_was(
    kept: Commitments, tmp_path: Path
) -> None:
    grant = replace(TAKEDOWN, kind=Kind.GRANT, issuer="Label", at="2025-01-01")
    taken = replace(kept.in_private(TAKEDOWN), id=2)
    back = kept.in_private(replace(TAKEDOWN, kind=Kind.REVOCATION, revokes=2))
    again = kept.in_private(replace(TAKEDOWN, evidence="another letter"))
    other = kept.in_private(replace(TAKEDOWN, issuer="Bert", evidence="a letter"))
    said = [grant, taken, replace(back, id=3), replace(again, id=4), replace(other, id=5)]
    answers = [decide_all(said[:known], TAKEDOWN.recording, NOW) for known in range(1, 6)]
    leftover = tmp_path / "private" / f".x.json.{'0' * 16}.tmp"
    leftover.write_text("Anna Natural")
    assert kept.erase(taken.issuer, NOW) == 4
    assert kept.erase(taken.issuer, NOW) == 0
    assert answers == [decide_all(said[:known], TAKEDOWN.recording, NOW) for known in range(1, 6)]
    left = b"".join(path.read_bytes() for path in (tmp_path / "private").iterdir())
    assert b"Anna" not in left
    assert b"letter" in left  # Bert's
    assert kept.shown(taken).issuer.startswith("a person erased on 2026-11-28")
    assert kept.shown(taken).evidence.startswith("evidence erased on 2026-11-28")
    assert kept.shown(other).issuer == "Bert (private)"
    assert kept.person("Anna Natural") == ""
    assert kept.in_private(TAKEDOWN).issuer != taken.issuer


def test_what_this_archive_never_knew_is_shown_as_that(kept: Commitments) -> None:
    strange = replace(TAKEDOWN, issuer=commitment("00" * 32, "x"), evidence="public")
    assert kept.shown(strange).issuer.startswith("a person not known here")
    assert kept.shown(strange).evidence == "public"
    assert kept.opening(strange.issuer) is None
    assert kept.opening("private:../../keys/signing") is None
    assert kept.erase(strange.issuer, NOW) == 0


def test_a_changed_opening_is_told(kept: Commitments, tmp_path: Path) -> None:
    made = kept.in_private(TAKEDOWN)
    path = tmp_path / "private" / f"{made.issuer.removeprefix('private:')}.json"
    whole = path.read_bytes()
    document = json.loads(whole) | {"value": "Bert"}
    for content in (json.dumps(document).encode(), b"", b"{", b"\xff", b"[]", whole[:-5]):
        path.write_bytes(content)
        with pytest.raises(Corrupt, match="commitment") as caught:
            kept.shown(made)
        assert str(path) in caught.value.line()
    path.write_bytes(whole)
    assert kept.shown(made).issuer == "Anna Natural (private)"


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.text("ab \n\0é", max_size=9))
def test_any_words_come_back(
    tmp_path_factory: pytest.TempPathFactory, issuer: str, evidence: str
) -> None:
    kept = Commitments(tmp_path_factory.mktemp("kept") / "private")
    made = kept.in_private(replace(TAKEDOWN, issuer=issuer, evidence=evidence))
    person, said = kept.opening(made.issuer), kept.opening(made.evidence)
    assert person is not None
    assert said is not None
    assert (person.value, said.value) == (issuer, evidence)
    assert person.person == said.person == made.issuer
