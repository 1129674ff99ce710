"""Identifiers: what people write is read, what is not one is refused, and printing reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.errors import BadInput
from sonotheque.model import identifiers as ids

NUMBERS = st.integers(0, 2**64 - 1)
IDS = st.integers(0, 2**63 - 1)
ISRCS = st.from_regex(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}", fullmatch=True)


@given(NUMBERS)
def test_crockford_reads_back(number: int) -> None:
    text = ids.to_crockford(number)
    assert len(text) == 13
    assert set(text) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert ids.from_crockford(text) == number


@given(NUMBERS, NUMBERS)
def test_crockford_sorts_as_numbers_do(one: int, other: int) -> None:
    assert (ids.to_crockford(one) < ids.to_crockford(other)) == (one < other)


@given(NUMBERS, st.data())
def test_look_alikes_case_and_hyphens_read_the_same(number: int, data: st.DataObject) -> None:
    alike = {"0": "0Oo", "1": "1IiLl"}
    written = ""
    for digit in ids.to_crockford(number):
        written += data.draw(st.sampled_from(alike.get(digit, digit + digit.lower())))
        written += data.draw(st.sampled_from(["", "", "-"]))
    assert ids.from_crockford(written) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "0" * 12, "0" * 14, "U" + "0" * 12, "G" + "0" * 12, "0" * 12 + "é", "0" * 12 + "ı",
     "0" * 12 + "ſ", "0" * 11 + "ß", "٠" * 13, "000000 000000"],
)  # fmt: skip
def test_what_is_no_crockford_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ids.from_crockford(text)
    with pytest.raises(BadInput, match="not a recording identifier"):
        ids.parse_recording_id(text)


@pytest.mark.parametrize("number", [-1, 2**64])
def test_only_unsigned_64_bit_numbers_are_printed(number: int) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        ids.to_crockford(number)


@given(IDS)
def test_a_recording_id_reads_back(number: int) -> None:
    id_ = ids.RecordingId(ids.to_crockford(number))
    assert ids.parse_recording_id(f" {id_.lower()}\n") == id_
    assert ids.recording_of(ids.holding_id_of(id_)) == id_


@given(st.integers(2**63, 2**64 - 1))
def test_a_recording_id_fits_a_signed_column(number: int) -> None:
    with pytest.raises(BadInput):
        ids.parse_recording_id(ids.to_crockford(number))


def test_minted_ids_are_canonical_and_all_different() -> None:
    minted = {ids.mint_recording_id() for _ in range(1000)}
    assert len(minted) == 1000
    assert {ids.parse_recording_id(id_) for id_ in minted} == minted
    assert len({ids.mint_deposit_id() for _ in range(1000)}) == 1000


def test_other_holdings_preserve_no_recording() -> None:
    assert ids.recording_of(ids.HoldingId("urn:sonotheque:audit:2026")) is None


@given(ISRCS, st.data())
def test_an_isrc_reads_as_people_write_it(code: str, data: st.DataObject) -> None:
    assert ids.parse_isrc(code) == code
    assert ids.parse_isrc(ids.format_isrc(ids.Isrc(code))) == code
    between = data.draw(st.sampled_from(["", "-", " ", "–", "\u2011", " - "]))
    prefix = data.draw(st.sampled_from(["", "ISRC", "ISRC ", "isrc: ", "ISRC:", "ISRC-"]))
    written = prefix + between.join((code[:2], code[2:5], code[5:7], code[7:]))
    assert ids.parse_isrc(written.lower()) == code


def test_icelands_codes_may_begin_with_isrc() -> None:
    assert ids.parse_isrc("IS-RC1-23-45678") == "ISRC12345678"
    assert ids.parse_isrc("ISRC IS-RC1-23-45678") == "ISRC12345678"


@pytest.mark.parametrize(
    "text",
    ["", "ISRC", "FRZ03140012", "FRZ0314001234", "1RZ031400123", "FRZ03140012A", "FRZ03١400123",
     "ſRZ031400123", "FRZ_31400123", "ISRC1234567890123", "ISRCISRCFRZ0314"],
)  # fmt: skip
def test_what_is_no_isrc_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not an ISRC") as caught:
        ids.parse_isrc(text)
    assert "\n" not in caught.value.line()


@given(st.text())
def test_any_text_is_an_isrc_or_refused(text: str) -> None:
    try:
        code = ids.parse_isrc(text)
    except BadInput:
        return
    assert ids.parse_isrc(code) == code
