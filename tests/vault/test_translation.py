"""Objects of others in the form of our roots: nothing of what they say is lost."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonotheque.errors import Corrupt, Refused
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
from sonotheque.vault.objects import Vault
from sonotheque.vault.translation import translate
from sonotheque.vault.validation import Validated
from sonotheque.vault.validation import validate as validate_object

_spec = importlib.util.spec_from_file_location(
    "ocfl_objects", Path(__file__).parents[1] / "ocfl_objects.py"
)
made = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
sys.modules["ocfl_objects"] = made
_spec.loader.exec_module(made)  # type: ignore[union-attr]
Validate = Callable[[Vault], None]


def _valid(place: Path) -> Validated:
    found = validate_object(place)
    assert found.valid, found.problems
    return found


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("what", made.GOOD)
def test_every_version_says_what_it_said(
    what: str, main: Vault, copy: Vault, validate: Validate, tmp_path: Path
) -> None:
    maker, _ = made.GOOD[what]
    found = translate(_valid(maker.make(tmp_path / "object")))
    id_ = HoldingId(maker.id)
    main.adopt(found, id_)
    copy.adopt(main, id_)
    if what != "the digests of an extension":  # which are registered, and unknown to ocfl-py
        validate(main)
        validate(copy)
    inventory = main.required(id_)
    assert inventory.head == len(maker.versions)
    theirs = maker.document(len(maker.versions))
    for number, state in enumerate(maker.versions, 1):
        block = inventory.versions[number - 1]
        said = theirs["versions"][maker.name(number)]
        assert {k: v for k, v in block.items() if k != "state"} == {
            k: v for k, v in said.items() if k != "state"
        }
        told = {path: digest for digest, paths in block["state"].items() for path in paths}
        assert told == {path: hashlib.sha512(c).hexdigest() for path, c in state.items()}
    for logical, content in maker.versions[-1].items():
        assert main.read(id_, logical) == content


def test_digests_stay_in_the_fixity_block(main: Vault, tmp_path: Path) -> None:
    maker = made.Maker(algorithm="sha256", fixity=("md5",), digits=3, versions=made.TWO)
    main.adopt(translate(_valid(maker.make(tmp_path / "object"))), HoldingId(maker.id))
    directory = main.object_path(HoldingId(maker.id))
    for number in (1, 2):
        document = json.loads((directory / f"v{number}" / ocfl.INVENTORY).read_bytes())
        assert document["fixity"]["sha256"][hashlib.sha256(b"a").hexdigest()] == ["v1/content/a"]
        assert document["fixity"]["md5"][hashlib.md5(b"a").hexdigest()] == ["v1/content/a"]
        assert (hashlib.md5(b"b").hexdigest() in document["fixity"]["md5"]) == (number == 2)


def test_what_has_our_form_is_taken_byte_for_byte(main: Vault, copy: Vault, tmp_path: Path) -> None:
    id_ = HoldingId("urn:sonotheque:holding:0000000000001")
    main.write_version(id_, {"a": b"a", "b/c": b"c"}, message="m", now=made.CREATED)
    main.write_version(id_, {"a": b"b"}, message="m", now=made.CREATED)
    found = translate(_valid(main.object_path(id_)))
    assert found.as_it_was
    copy.adopt(found, id_)
    assert tree(copy.object_path(id_)) == tree(main.object_path(id_))
    other = made.Maker(versions=made.TWO).make(tmp_path / "other")
    assert translate(_valid(other)).as_it_was


@pytest.mark.parametrize(
    "what", ["OCFL 1.0", "SHA-256", "padded", "another content directory", "digests in capitals",
             "no older inventories"],
)  # fmt: skip
def test_what_has_another_form_is_known(what: str, tmp_path: Path) -> None:
    maker, _ = made.GOOD[what]
    assert not translate(_valid(maker.make(tmp_path / "object"))).as_it_was


def test_the_same_object_is_always_put_into_the_same_text(tmp_path: Path) -> None:
    maker = made.Maker(algorithm="sha256", versions=made.TWO)
    one = translate(_valid(maker.make(tmp_path / "one")))
    other = translate(_valid(maker.make(tmp_path / "other")))
    assert [one.document(n) for n in (1, 2)] == [other.document(n) for n in (1, 2)]


def test_content_that_no_version_uses_is_named(tmp_path: Path) -> None:
    """OCFL 1.0 allows it."""

    def unused(document: Any, head: int) -> None:
        digest = hashlib.sha512(b"b").hexdigest()
        for block in document["versions"].values():
            block["state"].pop(digest)

    maker = made.Maker(spec="1.0", change=unused)
    found = translate(_valid(maker.make(tmp_path / "object")))
    assert found.left_over == ("v1/content/d/b.txt",)
    assert list(found.contents.values()) == ["v1/content/a.txt"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize(
    ("versions", "stands", "wanted"),
    [
        # Used by the first version, and only there in the second's directory.
        ([{"a": b"a"}, {"a": b"a"}], {b"a": "v2/content/a"}, {"v1/content/moved/v2/a": b"a"}),
        # There in the first version's directory, and used by the second alone.
        ([{"a": b"a"}, {"b": b"b"}], {b"b": "v1/content/b"},
         {"v1/content/a": b"a", "v2/content/moved/v1/b": b"b"}),
        # Where something stands in the way of the place.
        ([{"moved": b"m", "a": b"a"}, {"a": b"a"}], {b"a": "v2/content/a"},
         {"v1/content/moved": b"m", "v1/content/moved-/v2/a": b"a"}),
    ],
)  # fmt: skip
def test_bytes_come_to_the_version_that_uses_them_first(
    *,
    algorithm: str,
    versions: list[Any],
    stands: dict[bytes, str],
    wanted: dict[str, bytes],
    main: Vault,
    validate: Validate,
    tmp_path: Path,
) -> None:
    """An object without older inventories may keep them elsewhere. One that grows goes on."""

    def change(document: Any, head: int) -> None:
        for content, path in stands.items():
            document["manifest"][hashlib.new(algorithm, content).hexdigest()] = [path]

    id_ = HoldingId("urn:example:one")
    for more in ([], [{"moved": b"more", "b": b"b"}]):
        maker = made.Maker(
            algorithm=algorithm, versions=[*versions, *more], change=change, inventories=False
        )
        found = translate(_valid(maker.make(tmp_path / f"object-{len(more)}")))
        main.adopt(found, id_)
        validate(main)
        held = {path: (main.object_path(id_) / path).read_bytes() for path in found.contents}
        assert {p: c for p, c in held.items() if not p.startswith("v3/")} == wanted
        inventory = main.required(id_)
        assert inventory.head == len(maker.versions)
        for block, state in zip(inventory.versions, maker.versions, strict=True):
            told = {path: digest for digest, paths in block["state"].items() for path in paths}
            assert told == {path: hashlib.sha512(c).hexdigest() for path, c in state.items()}


def test_what_the_form_of_our_roots_cannot_say_is_refused(tmp_path: Path) -> None:
    """A name that no other system could hold; OCFL has no rule for it."""
    validated = _valid(made.Maker(algorithm="sha256", versions=[{"a": b"a"}]).make(tmp_path / "o"))
    assert validated.newest
    validated.newest.states["v1"] = {"a\0b": validated.newest.states["v1"]["a"]}
    with pytest.raises(Refused, match="cannot be said"):
        translate(validated)


def test_what_changes_while_it_is_copied_is_not_taken(main: Vault, tmp_path: Path) -> None:
    place = made.Maker(algorithm="sha256").make(tmp_path / "object")
    found = translate(_valid(place))
    (place / "v1/content/a.txt").write_bytes(b"z")
    with pytest.raises(Corrupt, match="changed"):
        main.adopt(found, HoldingId("urn:example:one"))
    assert list(main.object_names()) == []
