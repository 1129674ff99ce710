"""Somebody else's storage root: its declaration, its layout, and what stands in it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from sonotheque.errors import BadInput
from sonotheque.vault.storage_root import LAYOUT_NAME, open_root

_spec = importlib.util.spec_from_file_location(
    "ocfl_objects", Path(__file__).parents[1] / "ocfl_objects.py"
)
made = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
sys.modules["ocfl_objects"] = made
_spec.loader.exec_module(made)  # type: ignore[union-attr]


def codes(path: Path) -> set[str]:
    root = open_root(path)
    list(root.objects())
    assert all(problem.message for problem in root.problems)
    return {problem.code for problem in root.problems}


def test_objects_are_found_by_their_declarations(tmp_path: Path) -> None:
    path = made.make_root(tmp_path / "root")
    names = ["a/b/c", "a/b/d", "a/e", "f/g"]
    for name in reversed(names):
        made.Maker(id=f"urn:x:{name}").make(path / name)
    (path / "README.txt").write_text("a root may have files")
    (path / "extensions/0005-mutable-head").mkdir(parents=True)
    root = open_root(path)
    assert list(root.objects()) == names
    assert (root.spec, root.layout_name, root.problems) == ("1.1", "", [])


def test_objects_at_the_top_and_deeper_down(tmp_path: Path) -> None:
    path = made.make_root(tmp_path / "root")
    made.Maker().make(path / "a")
    assert codes(path) == set()
    made.Maker().make(path / "b/c")
    assert codes(path) == {"W015"}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("0=ocfl_1.0", b"ocfl_1.0\n", "E076"),
        ("a/0=ocfl_1.1", b"ocfl_1.1\n", "E074"),
        ("0=ocfl_1.1", b"ocfl_1.1", "E080"),
        ("1=ocfl_1.1", b"ocfl_1.1\n", "E078"),
        ("0=other", b"other\n", "E079"),
        ("0=ocfl_9.9", b"ocfl_9.9\n", "E077"),
        ("a/x", b"x", "E072"),
        ("a/x", b"x", "E085"),
        ("a/x", b"x", "E088"),
        ("extensions/x", b"x", "E112"),
        ("extensions/mine/x", b"x", "W016"),
        (LAYOUT_NAME, b"{", "E070"),
        (LAYOUT_NAME, b"[]", "E070"),
        (LAYOUT_NAME, b'{"extension": "x"}', "E070"),
        (LAYOUT_NAME, b'{"extension": "x", "description": "y"}', "E071"),
    ],
)
def test_faults_of_a_root(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    path = made.make_root(tmp_path / "root")
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(content)
    assert code in codes(path)


def test_other_faults_of_a_root(tmp_path: Path) -> None:
    assert codes(tmp_path) == {"E069"}
    path = made.make_root(tmp_path / "root")
    (path / "empty/below").mkdir(parents=True)
    (path / "link").symlink_to("empty")
    (path / "extensions").mkdir()
    (path / "extensions/link").symlink_to("..")
    assert codes(path) == {"E073", "E088", "E090"}
    with pytest.raises(BadInput, match="does not exist"):
        open_root(tmp_path / "none")


def test_a_declaration_by_another_name(tmp_path: Path) -> None:
    path = made.make_root(tmp_path / "root")
    (path / "ocfl_1.0").write_text("a page about it, perhaps: a root may have files")
    assert codes(path) == set()
    (path / "0=ocfl_1.1").rename(path / "ocfl_1.1")
    assert codes(path) == {"E069", "E075"}


def test_files_on_the_way_to_objects(tmp_path: Path) -> None:
    """A directory with objects below it is a way to them, another one is an end without one."""
    path = made.make_root(tmp_path / "root")
    made.Maker().make(path / "a/b/c")
    (path / "a/x").write_text("x")
    assert codes(path) == {"E072", "E084"}
    (path / "a/d").mkdir()
    (path / "a/d/x").write_text("x")
    assert codes(path) == {"E072", "E084", "E085"}


def test_a_storage_root_within_another_is_not_gone_into(tmp_path: Path) -> None:
    path = made.make_root(tmp_path / "root")
    made.Maker().make(path / "a")
    made.Maker(id="urn:example:two").make(made.make_root(path / "inner") / "b")
    root = open_root(path)
    assert list(root.objects()) == ["a"]
    assert [(one.code, one.where) for one in root.problems] == [("E074", "inner")]


def test_parameters_of_a_layout(tmp_path: Path) -> None:
    layout = "0004-hashed-n-tuple-storage-layout"
    good = made.make_root(tmp_path / "good", "1.0", layout, tupleSize=2)
    assert codes(good) == set()
    root = open_root(good)
    assert root.misplaced("2c/26/b4/" + "0" * 64, "foo") is not None
    bad = made.make_root(tmp_path / "bad", "1.0", layout, tupleSize=99)
    assert codes(bad) == {"E071"}
    (bad / "extensions" / layout / "config.json").write_text("[]")
    assert codes(bad) == {"E071"}
    (bad / "extensions" / layout / "config.json").unlink()
    assert codes(bad) == set()


def test_an_object_in_another_place(tmp_path: Path) -> None:
    path = made.make_root(tmp_path / "root", layout="0002-flat-direct-storage-layout")
    root = open_root(path)
    assert root.misplaced("a", "a") is None
    for name, identifier, code in (("b", "a", "W014"), ("a", "a/b", "E083")):
        problem = root.misplaced(name, identifier)
        assert problem and problem.code == code


def test_the_walk_does_not_need_memory_for_a_whole_root(tmp_path: Path) -> None:
    path = made.make_root(tmp_path / "root")
    made.Maker().make(path / "a")
    (path / "b/0=ocfl_object_1.1").parent.mkdir()
    (path / "b/0=ocfl_object_1.1").write_text("x")
    objects = open_root(path).objects()
    assert next(objects) == "a"
    assert json.dumps(list(objects)) == '["b"]'
