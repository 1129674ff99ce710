"""Storage layouts: the examples of their own pages, and ocfl-py where it knows one."""

from __future__ import annotations

import hashlib

import ocfl as ocfl_py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
from sonotheque.vault.layouts import layout_of

FLAT = "0002-flat-direct-storage-layout"
HASH_AND_ID = "0003-hash-and-id-n-tuple-storage-layout"
HASH = "0004-hashed-n-tuple-storage-layout"
PREFIX = "0006-flat-omit-prefix-storage-layout"
TUPLES = "0007-n-tuple-omit-prefix-storage-layout"
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ONE_SHA256 = hashlib.sha256(b"object-01").hexdigest()
ONE_MD5 = hashlib.md5(b"object-01").hexdigest()


def path(name: str, identifier: str, **parameters: object) -> str:
    layout = layout_of(name, parameters)
    assert layout
    return layout(identifier)


@pytest.mark.parametrize(
    ("name", "parameters", "identifier", "expected"),
    [
        (FLAT, {}, "..hor_rib:lé-$id", "..hor_rib:lé-$id"),
        (HASH_AND_ID, {}, "..hor/rib:le-$id", "487/326/d8c/%2e%2ehor%2frib%3ale-%24id"),
        (HASH, {}, "object-01", f"3c0/ff4/240/{ONE_SHA256}"),
        (
            HASH,
            {"digestAlgorithm": "md5", "tupleSize": 2, "numberOfTuples": 15}
            | {"shortObjectRoot": True},
            "object-01",
            "/".join([ONE_MD5[n : n + 2] for n in range(0, 30, 2)] + [ONE_MD5[30:]]),
        ),
        (HASH, {"tupleSize": 0, "numberOfTuples": 0}, "object-01", ONE_SHA256),
        (PREFIX, {"delimiter": ":"}, "urn:uuid:6e8b", "6e8b"),
        (PREFIX, {"delimiter": "EDU/"}, "https://institution.edu/abc/edu/f8.05v", "f8.05v"),
        (
            TUPLES,
            {"tupleSize": 4, "numberOfTuples": 2, "reverseObjectRoot": True},
            "namespace:12887296",
            "6927/8821/12887296",
        ),
        (
            TUPLES,
            {"tupleSize": 4, "numberOfTuples": 2, "reverseObjectRoot": True},
            "abc123",
            "321c/ba00/abc123",
        ),
        (TUPLES, {"zeroPadding": "right"}, "a:12", "120/000/000/12"),
        (TUPLES, {}, "a:12", "000/000/012/12"),
    ],
)
def test_examples(name: str, parameters: dict[str, object], identifier: str, expected: str) -> None:
    assert path(name, identifier, **parameters) == expected


@given(NAMES)
def test_ours_is_the_registered_one(identifier: str) -> None:
    expected = path(HASH_AND_ID, identifier, **ocfl.LAYOUT_PARAMETERS)
    assert ocfl.object_path(HoldingId(identifier)) == expected
    theirs = ocfl_py.layout_registry.get_layout(HASH_AND_ID).identifier_to_path(identifier)
    assert theirs == path(HASH_AND_ID, identifier)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        (HASH, {"digestAlgorithm": "crc32"}),
        (HASH, {"tupleSize": 33}),
        (HASH, {"tupleSize": -1}),
        (HASH, {"tupleSize": "3"}),
        (HASH, {"tupleSize": True}),
        (HASH, {"tupleSize": 0}),
        (HASH, {"tupleSize": 32, "numberOfTuples": 3}),
        (HASH, {"tupleSize": 32, "numberOfTuples": 2, "shortObjectRoot": True}),
        (HASH, {"shortObjectRoot": 1}),
        (HASH_AND_ID, {"digestAlgorithm": ""}),
        (PREFIX, {}),
        (PREFIX, {"delimiter": 5}),
        (TUPLES, {"tupleSize": 0, "numberOfTuples": 0}),
        (TUPLES, {"zeroPadding": "middle"}),
    ],
)
def test_parameters_that_are_none(name: str, parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        layout_of(name, parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "identifier"),
    [
        (FLAT, {}, "a/b"),
        (FLAT, {}, ".."),
        (FLAT, {}, "x" * 256),
        (PREFIX, {"delimiter": ":"}, "a:"),
        (PREFIX, {"delimiter": "info:"}, "info:fedora/object-01"),
        (TUPLES, {}, "a:é"),
    ],
)
def test_identifiers_without_a_place(
    name: str, parameters: dict[str, object], identifier: str
) -> None:
    with pytest.raises(ValueError):
        path(name, identifier, **parameters)


def test_a_layout_that_is_not_computed() -> None:
    assert layout_of("0011-direct-clean-path-layout", {}) is None
