"""OCFL: names, layout and inventories as the specification and its registered layout have them."""

from __future__ import annotations

import hashlib

import ocfl as ocfl_py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1)
PATHS = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=3)


@given(NAMES)
def test_objects_stand_where_ocfl_py_looks_for_them(name: str) -> None:
    layout = ocfl_py.layout_registry.get_layout(ocfl.LAYOUT_NAME)
    assert ocfl.object_path(HoldingId(name)) == layout.identifier_to_path(name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        # The examples of extension 0003.
        ("object-01", "3c0/ff4/240/object-01"),
        ("..hor/rib:le-$id", "487/326/d8c/%2e%2ehor%2frib%3ale-%24id"),
    ],
)
def test_the_layouts_own_examples(name: str, path: str) -> None:
    assert ocfl.object_path(HoldingId(name)) == path


VERSIONS = st.dictionaries(PATHS.map("/".join), st.binary(max_size=3), min_size=1, max_size=4)


@settings(max_examples=40)
@given(st.lists(VERSIONS, min_size=1, max_size=4))
def test_versions_read_back(versions: list[dict[str, bytes]]) -> None:
    inventory, state, written = None, {}, {}
    for number, additions in enumerate(versions, 1):
        state.update({path: ocfl.digest_of(content) for path, content in additions.items()})
        inventory, writes = ocfl.next_version(
            inventory,
            HoldingId("urn:x"),
            {path: ocfl.digest_of(content) for path, content in additions.items()},
            message="m",
            agent="a",
            now="2026-11-20T10:00:00Z",
        )
        written.update({c: ocfl.digest_of(additions[logical]) for c, logical in writes.items()})
        assert inventory.head == number
        assert inventory.state() == state
        assert inventory.content_paths() == written
        assert len(set(written.values())) == len(written), "the same bytes twice"
        if all(not _within(a, b) for a in state for b in state):
            assert ocfl.parse_inventory(inventory.to_json()) == inventory
        else:
            with pytest.raises(ValueError, match="below a file"):
                ocfl.parse_inventory(inventory.to_json())


def _within(one: str, other: str) -> bool:
    return one.startswith(f"{other}/")


@given(st.binary())
def test_sidecars(content: bytes) -> None:
    expected = f"{hashlib.sha512(content).hexdigest()} inventory.json\n".encode()
    assert ocfl.sidecar(content) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_an_inventory_or_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        ocfl.parse_inventory(content)


def test_a_history_continues_another() -> None:
    def add(previous: ocfl.Inventory | None, word: bytes) -> ocfl.Inventory:
        return ocfl.next_version(
            previous, HoldingId("x"), {"a": ocfl.digest_of(word)}, message="", agent="", now="n"
        )[0]

    one = add(None, b"1")
    two, other = add(one, b"2"), add(one, b"3")
    assert two.continues(one)
    assert two.continues(two)
    assert not one.continues(two)
    assert not two.continues(other)
    assert not add(other, b"4").continues(two)
