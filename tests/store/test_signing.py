"""Signed notes: what was signed verifies, and nothing else does."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.errors import BadInput, Corrupt, Refused
from sonotheque.store import signing

SIGNER = signing.Signer(
    signing.Verifier(
        "archive.0001",
        (key := Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
        .public_key()
        .public_bytes_raw(),
    ),
    key,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: text + "\n")


@given(TEXTS)
def test_a_note_comes_back(text: str) -> None:
    assert signing.verify(SIGNER.sign(text), SIGNER.verifier) == text


@given(TEXTS, st.data())
def test_any_changed_character_fails(text: str, data: st.DataObject) -> None:
    note = SIGNER.sign(text)
    at = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(
        st.characters(exclude_categories=["Cs"]).filter(lambda character: character != note[at])
    )
    for changed in (note[:at] + other + note[at + 1 :], note[:at] + note[at + 1 :]):
        # Taking one of two equal neighbours away takes either away.
        if changed != note:
            with pytest.raises(Corrupt):
                signing.verify(changed, SIGNER.verifier)


@given(TEXTS, st.integers(0, 63))
def test_every_character_of_a_signature_counts(text: str, spare: int) -> None:
    """The last base64 digit has bits that stand for nothing; they may not be anything."""
    note = SIGNER.sign(text)
    assert note.endswith("=\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    changed = f"{note[:-3]}{alphabet[spare]}=\n"
    if changed != note:
        with pytest.raises(Corrupt):
            signing.verify(changed, SIGNER.verifier)


def test_another_signature_beside_ours_does_no_harm() -> None:
    other = base64.b64encode(bytes(68)).decode()
    note = SIGNER.sign("text\n")
    assert signing.verify(f"{note}— someone {other}\n", SIGNER.verifier) == "text\n"
    assert signing.verify(note.replace("\n\n", f"\n\n— a {other}\n"), SIGNER.verifier) == "text\n"


def test_another_key_under_our_name_fails(tmp_path: Path) -> None:
    other = signing.create_key(tmp_path, "x")
    forged = signing.Signer(
        signing.Verifier(SIGNER.verifier.name, other.verifier.public_key), other.private_key
    )
    with pytest.raises(Corrupt):
        signing.verify(forged.sign("text\n"), SIGNER.verifier)


@pytest.mark.parametrize(
    "note", ["", "\n", "\n\n", "text\n", "text\n\n", "text\n\n— \n", "— a b\n"]
)
def test_what_is_no_note_fails(note: str) -> None:
    with pytest.raises(Corrupt):
        signing.verify(note, SIGNER.verifier)


def test_a_published_note_verifies() -> None:
    """The example of c2sp.org/signed-note, as golang.org/x/mod/sumdb/note signs it."""
    verifier = signing.parse_verifier(
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    note = (
        f"{text}\n— PeterNeumann "
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert signing.verify(note, verifier) == text


@given(st.from_regex(r"[a-z0-9./-]{1,30}", fullmatch=True), st.binary(min_size=32, max_size=32))
def test_a_verifier_reads_back(name: str, key: bytes) -> None:
    verifier = signing.Verifier(name, key)
    assert signing.parse_verifier(verifier.text() + "\n") == verifier


@given(st.data())
def test_a_verifier_with_a_wrong_letter_does_not_read(data: st.DataObject) -> None:
    text = SIGNER.verifier.text()
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0aZ+= \n"))
    changed = text[:at] + other + text[at + 1 :]
    try:
        assert signing.parse_verifier(changed) == SIGNER.verifier
    except BadInput as error:
        assert "\n" not in error.line()
    else:
        assert changed.lower().strip() == text.lower()


@pytest.mark.parametrize("text", ["", "a", "a+b", "a+b+c", "a+00000000+AAAA", "++", "a+é+é"])
def test_what_is_no_verifier_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="verifier key"):
        signing.parse_verifier(text)


@pytest.mark.parametrize("name", ["Radio Léman + Fils", "", "+++", "日本", "a\nb", "a b"])
def test_a_key_is_kept_for_this_user_alone(tmp_path: Path, name: str) -> None:
    made = signing.create_key(tmp_path / "keys", name)
    private = tmp_path / "keys" / signing.PRIVATE_KEY_NAME
    assert private.stat().st_mode & 0o777 == 0o600
    public = (tmp_path / "keys" / signing.PUBLIC_KEY_NAME).read_text()
    assert signing.parse_verifier(public) == made.verifier
    assert private.read_text().split()[1] not in public
    read = signing.read_key(tmp_path / "keys")
    assert read.verifier == made.verifier
    assert signing.verify(read.sign("text\n"), made.verifier) == "text\n"
    assert not set(made.verifier.name) & set(" +\n")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    made = signing.create_key(tmp_path, "x")
    with pytest.raises(Refused, match="already"):
        signing.create_key(tmp_path, "x")
    assert signing.read_key(tmp_path).verifier == made.verifier
    public = (tmp_path / signing.PUBLIC_KEY_NAME).read_text()
    assert signing.parse_verifier(public) == made.verifier


@pytest.mark.parametrize("content", [b"", b"name", b"name AAAA", b"name \xff", b"a b c"])
def test_a_broken_key_is_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadInput, match="signing key cannot be read"):
        signing.read_key(tmp_path)
    (tmp_path / signing.PRIVATE_KEY_NAME).write_bytes(content)
    with pytest.raises(BadInput, match="backup") as caught:
        signing.read_key(tmp_path)
    assert "\n" not in caught.value.line()
