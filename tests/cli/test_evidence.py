"""`rights prove` and `rights verify`: a proof checks with nothing else of the archive."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tlog_scales import signing as oracle_signing
from tlog_scales import tlog as oracle

from sonotheque import archive as archives
from sonotheque.rights.entries import encode_entry
from sonotheque.store import signing

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def archive(filled: Path, tmp_path: Path) -> Path:
    """A copy of the filled archive, to be written to."""
    return Path(shutil.copytree(filled, tmp_path / "archive"))


def _key(archive: Path) -> str:
    return (archive / "keys/signing.pub").read_text().strip()


def _entry(run: Run, archive: Path, name: str = "Anna") -> int:
    _, out, _ = run("find", "FRZ031400123", "--json", "--archive", archive)
    which = json.loads(out)["recordings"][0]["id"]
    code, out, _ = run(
        *("rights", "grant", which, "--by", name, "--evidence", "a letter"),
        *("--licence", "CC-BY-4.0", "--json", "--archive", archive),
    )
    assert code == 0
    return int(json.loads(out)["statement"]["id"])


def test_a_proof_is_checked_with_nothing_else_of_the_archive(
    run: Run, archive: Path, tmp_path: Path
) -> None:
    number, out = _entry(run, archive), tmp_path / "one.tlog-proof"
    code, said, _ = run("rights", "prove", number, "--out", out, "--archive", archive)
    assert code == 0
    key = _key(archive)
    assert key in said
    with archives.open_archive(archive) as opened:
        statement = opened.ledger.statement(number)
    assert statement
    shutil.rmtree(archive)
    code, said, _ = run("rights", "verify", out, "--key", key)
    assert code == 0
    assert f"Entry {number} is in the log" in said
    assert "Anna" in said
    code, said, _ = run("rights", "verify", out, "--key", key, "--json")
    document = json.loads(said)
    assert (document["entry"], document["statement"]["issuer"]) == (number, "Anna")
    # The same file, by an independent implementation and the statement itself.
    head, note = out.read_text().split("\n\n", 1)
    lines = [line for line in head.split("\n") if " " not in line][1:]
    checkpoint = oracle.Checkpoint.from_text(note)
    checkpoint.verify(oracle_signing.Vkey.from_string(key))
    path = [oracle_signing.NoteSignature.from_line(f"— x {line}") for line in lines]
    hashes = [one.key_id.to_bytes(4) + one.payload for one in path]
    found = oracle.InclusionProof(number - 1, checkpoint.size, hashes)
    found.check(hashlib.sha256(b"\0" + encode_entry(statement)).digest(), checkpoint.root_hash)


def test_bad_proofs_are_one_line_each(
    run: Run, fails: Callable[..., str], archive: Path, tmp_path: Path
) -> None:
    number, out = _entry(run, archive), tmp_path / "one.tlog-proof"
    run("rights", "prove", number, "--out", out, "--archive", archive)
    key, whole = _key(archive), out.read_text()
    bad = tmp_path / "bad.tlog-proof"
    name, seed = key.split("+")[0], 3
    other = signing.create_key(tmp_path / "keys", "other").verifier.text()
    second = signing.Verifier(name, bytes([seed]) * 32).text()
    cases = [
        (2, "", "is no proof", key),
        (2, "ID3\x04", "is no proof", key),
        (1, whole[: len(whole) // 3], "ends too early", key),
        (1, whole[:-4], "ends too early", key),
        (1, whole.replace("extra eyJ", "extra eyA"), "does not lead to the signed root", key),
        (1, whole.replace(f"index {number - 1}", "index 0"), "", key),
        (1, whole, f"about the log '{name}'", other),
        (1, whole, "another key", second),
        (2, whole, "verifier key", "nonsense"),
        (2, whole, "verifier key", "\0"),
    ]
    for code, content, why, with_key in cases:
        bad.write_text(content)
        line = fails(code, "rights", "verify", bad, "--key", with_key)
        assert why in line
        assert str(bad) in line or "verifier key" in line
    bad.write_bytes(b"\xff\xfe" + os.urandom(99))
    assert "no text" in fails(1, "rights", "verify", bad, "--key", key)
    assert "does not exist" in fails(2, "rights", "verify", tmp_path / "none", "--key", key)
    fails(1, "rights", "prove", 999, "--out", bad, "--archive", archive)
    fails(2, "rights", "prove", "--out", bad, "--archive", archive)
    fails(2, "rights", "prove", 1, "--since", out, "--out", bad, "--archive", archive)
    fails(2, "rights", "prove", 1, "--out", tmp_path / "no/where", "--archive", archive)


def test_growth_is_proved_to_whoever_kept_a_checkpoint(
    run: Run, fails: Callable[..., str], archive: Path, tmp_path: Path
) -> None:
    kept = Path(shutil.copy(archive / "ledger/checkpoint", tmp_path / "kept"))
    _entry(run, archive)
    out = tmp_path / "growth"
    code, _, _ = run("rights", "prove", "--since", kept, "--out", out, "--archive", archive)
    assert code == 0
    key = archive / "keys/signing.pub"
    code, said, _ = run("rights", "verify", out, "--key", key, "--since", kept)
    assert code == 0
    assert "only grew" in said
    assert "--since" in fails(2, "rights", "verify", out, "--key", key)
    assert "older checkpoint" in fails(
        2, "rights", "verify", out, "--key", key, "--since", archive / "ledger/checkpoint"
    )
    code, said, _ = run(
        "rights", "verify", archive / "ledger", "--key", key, "--since", kept, "--json"
    )
    assert code == 0
    assert json.loads(said)["since"] == json.loads(said)["size"] - 1


def test_a_whole_ledger_is_verified_and_damage_is_named(
    run: Run, fails: Callable[..., str], archive: Path, tmp_path: Path
) -> None:
    number = _entry(run, archive)
    mirror = Path(shutil.copytree(archive / "ledger", tmp_path / "mirror"))
    key = archive / "keys/signing.pub"
    code, said, _ = run("rights", "verify", mirror, "--key", key)
    assert code == 0
    assert f"{number} entries" in said
    bundle = mirror / f"tile/entries/000.p/{number}"
    content = bytearray(bundle.read_bytes())
    content[-3] ^= 4
    bundle.write_bytes(content)
    code, said, _ = run("rights", "verify", mirror, "--key", key)
    assert code == 1
    assert f"entry {number} is not what was signed" in " ".join(said.split())
    code, said, _ = run("rights", "verify", mirror, "--key", key, "--json")
    assert [(f["code"], f["where"]) for f in json.loads(said)["findings"]] == [
        ("ledger.entry", str(bundle))
    ]
    (mirror / "checkpoint").write_text("nonsense")
    fails(1, "rights", "verify", mirror, "--key", key)
    fails(2, "rights", "verify", tmp_path, "--key", key)


def test_witnesses_are_asked_and_told_of(run: Run, archive: Path, tmp_path: Path) -> None:
    code, said, _ = run("rights", "witnesses", "--archive", archive)
    assert code == 0
    assert "Nobody cosigns" in said
    gone = signing.Verifier("gone", bytes(32), signing.Kind.COSIGNATURE).text()
    with (archive / "archive.toml").open("a") as file:
        file.write(f'\n[[witness]]\nurl = "http://127.0.0.1:9/w"\nkey = "{gone}"\n')
        file.write(f'\n[[witnessed]]\nkey = "{_key(archive)}"\n')
    code, said, _ = run("rights", "witnesses", "--json", "--archive", archive)
    document = json.loads(said)
    assert code == 1
    assert [(w["witness"], w["at"]) for w in document["witnesses"]] == [("gone", "")]
    assert document["key"] == (archive / "keys/witness.pub").read_text().strip()
    assert document["witnessed"] == {_key(archive).split("+")[0]: 0}
    code, said, _ = run("rights", "witnesses", "--archive", archive)
    assert "gone has not" in said
    assert document["key"] in said
    # A takedown is in force all the same, and says who has not cosigned.
    _, out, _ = run("find", "FRZ031400123", "--json", "--archive", archive)
    which = json.loads(out)["recordings"][0]["id"]
    code, _, err = run(
        *("rights", "takedown", which, "--by", "A", "--evidence", "e", "--archive", archive)
    )
    assert code == 0
    assert "gone has not cosigned" in err
    code, _, _ = run("rights", "decide", which, "stream", "--archive", archive)
    assert code == 1


def test_what_is_said_in_private_is_in_no_public_file_and_can_be_erased(
    run: Run, fails: Callable[..., str], archive: Path, tmp_path: Path
) -> None:
    _, out, _ = run("find", "FRZ031400123", "--json", "--archive", archive)
    which, at = json.loads(out)["recordings"][0]["id"], ("--archive", archive)
    who = ("--by", "Anna Natural", "--evidence", "letter from Sesame Street")
    code, said, _ = run("rights", "takedown", which, *who, "--private", *at)
    assert code == 0
    assert "Anna Natural (private)" in said
    number = int(said.split()[3].rstrip(":"))
    _, said, _ = run("rights", "show", which, "--json", *at)
    assert "Anna" not in said
    _, said, _ = run("rights", "show", which, *at)
    assert "Anna Natural (private)" in said
    assert "Anna Natural (private)" in run("show", which, *at)[1]
    line = fails(2, "rights", "revoke", number, "--by", "Anna", "--evidence", "e", *at)
    assert "alone can take it back" in line
    shown, hidden = tmp_path / "shown.tlog-proof", tmp_path / "hidden.tlog-proof"
    assert run("rights", "prove", number, "--out", hidden, *at)[0] == 0
    assert run("rights", "prove", number, "--reveal", "--out", shown, *at)[0] == 0
    code, said, _ = run("rights", "revoke", number, *who, *at)
    assert code == 0
    _public_files_without(archive, b"Anna", b"Sesame")
    code, said, _ = run("rights", "erase", number, "--json", *at)
    assert (code, json.loads(said)["entries"]) == (0, [number, number + 1])
    for path in archive.rglob("*"):
        assert not path.is_file() or b"Anna" not in path.read_bytes(), path
    _, said, _ = run("rights", "show", which, *at)
    assert "a person erased on" in " ".join(said.split())
    assert "Nothing was left" in run("rights", "erase", number, *at)[1]
    assert "nothing to reveal" in fails(
        2, "rights", "prove", number, "--reveal", "--out", shown.with_suffix(".no"), *at
    )
    # The log is whole, and who kept a proof of it can still show whose entry it was.
    assert run("rights", "verify", archive / "ledger", "--key", _key(archive))[0] == 0
    assert "Anna Natural" in run("rights", "verify", shown, "--key", _key(archive))[1]
    assert "Anna" not in run("rights", "verify", hidden, "--key", _key(archive))[1]
    lines = base64.b64decode(shown.read_text().split("\n")[1].removeprefix("extra "))
    forged = base64.b64encode(lines.replace(b"Anna", b"Bert")).decode()
    bad = tmp_path / "bad.tlog-proof"
    bad.write_text(shown.read_text().replace(base64.b64encode(lines).decode(), forged))
    assert "not what the entry commits to" in fails(
        1, "rights", "verify", bad, "--key", _key(archive)
    )
    assert "in public" in fails(2, "rights", "erase", 1, *at)
    fails(1, "rights", "erase", 999, *at)
    fails(2, "rights", "takedown", which, "--by", "private:" + "0" * 64, "--evidence", "e", *at)


def _public_files_without(archive: Path, *words: bytes) -> None:
    kept = [path for path in archive.rglob("*") if path.is_file() and "private" not in path.parts]
    assert len(kept) > 10
    for path in kept:
        content = path.read_bytes()
        assert not any(word in content for word in words), path


def test_a_proof_verifies_by_any_key_with_the_notes(
    run: Run, fails: Callable[..., str], archive: Path, tmp_path: Path
) -> None:
    old, number = _key(archive), _entry(run, archive)
    before, after = tmp_path / "before.tlog-proof", tmp_path / "after.tlog-proof"
    run("rights", "prove", number, "--out", before, "--archive", archive)
    code, said, _ = run("rights", "rotate-key", "--json", "--archive", archive)
    document = json.loads(said)
    assert code == 0
    assert (document["old"], document["new"]) == (old, _key(archive))
    assert old != _key(archive)
    number = _entry(run, archive)
    run("rights", "prove", number, "--out", after, "--archive", archive)
    for proved, key in ((before, _key(archive)), (after, old)):
        assert "another key" in fails(1, "rights", "verify", proved, "--key", key)
        code, _, _ = run("rights", "verify", proved, "--key", key, "--succession", document["note"])
        assert code == 0
    assert run("rights", "verify", archive / "ledger", "--key", old)[0] == 0
    line = fails(1, "rights", "verify", after, "--key", old, "--succession", after)
    assert str(after) in line
