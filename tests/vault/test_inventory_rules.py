"""The rules of an inventory on any bytes: they answer, whatever they are asked."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
from sonotheque.vault.inventory_rules import check, check_prior

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["id", "type", "digestAlgorithm", "head", "contentDirectory", "manifest", "versions", "fixity"]
)


def _ours() -> bytes:
    inventory, _ = ocfl.next_version(
        None,
        HoldingId("urn:x:1"),
        {"a": ocfl.digest_of(b"a"), "d/b": ocfl.digest_of(b"b")},
        message="m",
        agent="a",
        now="2026-11-20T10:00:00.000000Z",
    )
    return inventory.to_json()


def test_what_we_write_is_without_fault() -> None:
    checked = check(_ours(), "inventory.json", "1.1")
    assert checked.problems == []
    assert set(checked.manifest) == {"v1/content/a", "v1/content/d/b"}
    assert checked.states["v1"]["a"] == {"v1/content/a"}


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(document: bytes) -> None:
    assert not check(document, "inventory.json", "1.1").sound


@settings(max_examples=300)
@given(KEYS, JSON, st.sampled_from(["1.0", "1.1"]))
def test_any_value_has_an_answer(key: str, value: object, spec: str) -> None:
    document = json.loads(_ours())
    document[key] = value
    checked = check(json.dumps(document).encode(), "inventory.json", spec)
    check_prior(checked, check(_ours(), "v1/inventory.json", spec))
    if checked.sound and key in ("manifest", "versions"):
        assert checked.manifest or checked.versions


@given(st.sampled_from(["created", "state", "message", "user"]), JSON)
def test_any_version_has_an_answer(key: str, value: object) -> None:
    document = json.loads(_ours())
    document["versions"]["v1"][key] = value
    checked = check(json.dumps(document).encode(), "inventory.json", "1.1")
    assert all(problem.message for problem in checked.problems)
