"""Proofs that leave the archive: they verify here and with an independent implementation, and
nothing that was forged, cut short or made for another log does."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales import signing as oracle_signing
from tlog_scales import tlog as oracle
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader

from sonotheque.errors import BadInput, Corrupt
from sonotheque.rights import evidence, proof
from sonotheque.rights.published import tiles
from sonotheque.store import signing

SIZE = 700


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, logs: Any) -> Path:
    directory = tmp_path_factory.mktemp("log")
    logs.write(directory, SIZE, logs.signer())
    return directory


def _proof(log: Path, logs: Any, index: int) -> evidence.InclusionProof:
    return evidence.InclusionProof(
        index=index,
        path=tuple(proof.inclusion_path(index, SIZE, tiles(log, SIZE))),
        checkpoint=(log / "checkpoint").read_text(),
        extra=logs.entry(index),
    )


def _cosigned(note: str, witness: signing.Signer, at_s: int = 1_700_000_000) -> str:
    return note + witness.cosignature(signing.split_note(note)[0], at_s)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 511, 512, 600, SIZE - 1])
def test_a_proof_verifies_here_and_with_an_independent_implementation(
    log: Path, logs: Any, index: int
) -> None:
    made = _proof(log, logs, index)
    assert evidence.parse_inclusion(made.text()) == made
    keys = [logs.signer().verifier]
    assert evidence.verify_inclusion(made, keys).size == SIZE
    # Theirs: what is written in the file, read line by line, by nothing of ours.
    head, note = made.text().split("\n\n", 1)
    checkpoint = oracle.Checkpoint.from_text(note)
    checkpoint.verify(oracle_signing.Vkey.from_string(keys[0].text()))
    lines = head.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    hashes = [base64.b64decode(line) for line in lines[3:]]
    reader = TilesReader(LocalBackend(log))
    assert reader.get_checkpoint() == checkpoint
    assert reader.get_inclusion_proof(index, SIZE).node_hashes == hashes
    assert reader.get_entry(index) == base64.b64decode(lines[1].removeprefix("extra "))
    found = oracle.InclusionProof(int(lines[2].removeprefix("index ")), checkpoint.size, hashes)
    found.check(proof.leaf_hash(logs.entry(index)), checkpoint.root_hash)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, SIZE - 1), st.data())
def test_no_changed_or_shortened_proof_verifies(
    log: Path, logs: Any, index: int, data: st.DataObject
) -> None:
    text = _proof(log, logs, index).text()
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at]
    if data.draw(st.booleans()):
        other = data.draw(st.sampled_from("0aZ+=\n —").filter(lambda c: c != text[at]))
        changed = text[:at] + other + text[at + 1 :]
    with pytest.raises((ValueError, Corrupt)) as caught:
        evidence.verify_inclusion(evidence.parse_inclusion(changed), [logs.signer().verifier])
    assert "\n" not in str(caught.value)


def test_another_entry_does_not_pass_for_it(log: Path, logs: Any) -> None:
    made = _proof(log, logs, 7)
    for forged in (
        replace(made, extra=logs.entry(8)),
        replace(made, extra=b""),
        replace(made, index=8),
        replace(made, index=SIZE),
        replace(made, path=made.path[::-1]),
        replace(made, path=made.path[1:]),
    ):
        with pytest.raises(Corrupt):
            evidence.verify_inclusion(forged, [logs.signer().verifier])


def test_a_proof_of_another_log_is_told_apart(log: Path, logs: Any) -> None:
    made = _proof(log, logs, 7)
    with pytest.raises(Corrupt, match=r"about the log 'archive\.0001', not 'other\.0001'"):
        evidence.verify_inclusion(made, [logs.signer(1, "other.0001").verifier])
    with pytest.raises(Corrupt, match="another key"):
        evidence.verify_inclusion(made, [logs.signer(2).verifier])
    note = logs.signer(1, "other.0001").sign(made.checkpoint.split("\n\n")[0] + "\n")
    with pytest.raises(Corrupt, match="not signed"):
        evidence.verify_inclusion(replace(made, checkpoint=note), [logs.signer().verifier])


def test_witnesses_that_are_asked_for_must_have_cosigned(log: Path, logs: Any) -> None:
    witness, other = (logs.signer(n, f"witness.{n}", signing.Kind.COSIGNATURE) for n in (5, 6))
    made = _proof(log, logs, 7)
    keys = [logs.signer().verifier]
    cosigned = replace(made, checkpoint=_cosigned(made.checkpoint, witness))
    found = evidence.verify_inclusion(cosigned, keys, [witness.verifier])
    assert found.cosigned == (("witness.5", 1_700_000_000),)
    assert evidence.verify_inclusion(cosigned, keys).cosigned == ()
    with pytest.raises(Corrupt, match=r"witness\.6 has not cosigned"):
        evidence.verify_inclusion(cosigned, keys, [witness.verifier, other.verifier])
    with pytest.raises(Corrupt, match="not cosigned"):
        evidence.verify_inclusion(made, keys, [witness.verifier])
    forged = logs.signer(6, "witness.5", signing.Kind.COSIGNATURE)
    forged = replace(forged, verifier=witness.verifier)
    with pytest.raises(Corrupt, match="does not hold"):
        evidence.verify_inclusion(
            replace(made, checkpoint=_cosigned(made.checkpoint, forged)), keys, [witness.verifier]
        )
    # The independent implementation agrees about the cosignature.
    checkpoint = oracle.Checkpoint.from_text(cosigned.checkpoint)
    checkpoint.verify(oracle_signing.Vkey.from_string(witness.verifier.text()))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "too early"),
        ("c2sp.org/tlog-proof@v2\nindex 0\n\na\n", "begin with"),
        ("c2sp.org/tlog-proof@v1\n\na\n", "index"),
        ("c2sp.org/tlog-proof@v1\nindex 00\n\na\n", "number"),
        ("c2sp.org/tlog-proof@v1\nindex -1\n\na\n", "number"),
        ("c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\na\n", "hash"),
        ("c2sp.org/tlog-proof@v1\nextra é\nindex 0\n\na\n", "base64"),
        ("c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\na\n", "hash"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n" + f"{'A' * 43}=\n" * 64 + "\na\n", "over 63"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n\nno newline", "too early"),
    ],
)
def test_what_is_no_proof_is_told_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        evidence.parse_inclusion(text)


@pytest.mark.parametrize("old", [0, 1, 255, 256, 512, 699, 700])
def test_consistency_between_two_checkpoints(
    log: Path, logs: Any, tmp_path: Path, old: int
) -> None:
    keys = [logs.signer().verifier]
    older = evidence.verify_checkpoint(logs.write(tmp_path / "old", old, logs.signer()), keys)
    made = evidence.ConsistencyProof(
        old=old,
        path=tuple(proof.consistency_path(old, SIZE, tiles(log, SIZE))),
        checkpoint=(log / "checkpoint").read_text(),
    )
    assert evidence.parse_consistency(made.text()) == made
    assert evidence.verify_consistency(made, older, keys).size == SIZE
    if old not in (0, SIZE):
        other = evidence.verify_checkpoint(
            logs.write(tmp_path / "other", old, logs.signer(), changed=old - 1), keys
        )
        with pytest.raises(Corrupt, match="changed its past"):
            evidence.verify_consistency(made, other, keys)
        with pytest.raises(Corrupt, match="path"):
            evidence.verify_consistency(replace(made, path=made.path[1:]), older, keys)
        with pytest.raises(BadInput, match="older checkpoint"):
            evidence.verify_consistency(replace(made, old=old + 1), older, keys)


@pytest.mark.parametrize(
    "text", ["", "old 1\n", "new 1\n\na\n", "old x\n\na\n", "old 1\nAA\n\na\n"]
)
def test_what_is_no_consistency_proof_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        evidence.parse_consistency(text)
