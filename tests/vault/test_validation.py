"""The validator: each of its codes by an object that has this one fault, and ocfl-py beside it."""

from __future__ import annotations

import importlib.util
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ocfl.validator import Validator

from sonotheque.vault import inventory_rules, storage_root, validation
from sonotheque.vault.validation import Validated, validate

_spec = importlib.util.spec_from_file_location(
    "ocfl_objects", Path(__file__).parents[1] / "ocfl_objects.py"
)
made = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
sys.modules["ocfl_objects"] = made
_spec.loader.exec_module(made)  # type: ignore[union-attr]

FINDINGS = Path(__file__).parents[2] / "docs" / "findings.md"
# Where ocfl-py 2.1 sees no fault, and why there is one.
ONLY_WE = {
    "E007": "it takes a declaration without its line feed",
    "E038": "it does not compare the type of the inventory with the object's declaration",
    "E055": "as for E102",
    "E102": "it does not ask for keys that are not specified",
}
# Digests of extension 0009 are unknown to it.
ONLY_WE_TAKE = {"the digests of an extension"}


def codes(found: Validated) -> set[str]:
    assert all(problem.message for problem in found.problems)
    return {problem.code for problem in found.problems}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    return list(made.broken(tmp_path_factory.mktemp("broken")))


def test_each_fault_has_its_code(broken: list[tuple[str, Path]]) -> None:
    wrong = []
    for code, place in broken:
        found = validate(place)
        if code not in codes(found) or found.valid == code.startswith("E"):
            wrong.append((place.name, sorted(codes(found))))
    assert wrong == []


def _codes_by_ocfl_py(place: Path) -> set[str]:
    validator = Validator(log_warnings=True)
    try:
        validator.validate_object(str(place))
    except Exception as error:
        return {f"E {type(error).__name__}"}
    return set(re.findall(r"\[([EW]\d{3})", validator.status_str()))


def test_ocfl_py_agrees_on_what_is_bad(broken: list[tuple[str, Path]]) -> None:
    """Valid or not; which rule is broken, it tells in other ways at times."""
    logging.getLogger().setLevel(logging.CRITICAL)
    other = []
    for code, place in broken:
        if code in ONLY_WE:
            continue
        theirs = _codes_by_ocfl_py(place)
        if code.startswith("E") != any(found.startswith("E") for found in theirs):
            other.append((place.name, sorted(theirs)))
    assert other == []


@pytest.mark.parametrize("what", made.GOOD)
def test_what_is_odd_and_valid(what: str, tmp_path: Path) -> None:
    maker, warnings = made.GOOD[what]
    place = maker.make(tmp_path / "object")
    found = validate(place)
    assert found.valid
    assert codes(found) == warnings
    by_other = any(code.startswith("E") for code in _codes_by_ocfl_py(place))
    assert by_other == (what in ONLY_WE_TAKE)
    assert set(found.apart) == set(maker.apart)


def test_bytes_are_read(tmp_path: Path) -> None:
    """Each bit of each file of an object counts, but in what OCFL leaves to others."""
    maker = made.Maker(versions=made.TWO)
    place = maker.make(tmp_path / "object")
    for path in sorted(place.rglob("*")):
        if path.is_file():
            whole = path.read_bytes()
            path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
            assert not validate(place).valid, path
            path.write_bytes(whole)
    assert validate(place).valid


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    assert codes(validate(tmp_path)) == {"E003", "E063"}


def test_a_large_inventory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = made.Maker().make(tmp_path / "object")
    monkeypatch.setattr(validation, "INVENTORY_BYTES_MAX", 100)
    assert "E033" in codes(validate(place))


def _codes_in(module: object) -> Iterator[str]:
    text = Path(module.__file__).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    yield from re.findall(r'"([EW]\d{3})"', text)


def test_every_code_is_in_the_handbook_and_is_made_here(broken: list[tuple[str, Path]]) -> None:
    page = FINDINGS.read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([EW]\d{3})` \|", page, re.MULTILINE))
    used = {c for m in (inventory_rules, validation, storage_root) for c in _codes_in(m)}
    assert used | {"E081"} == listed  # that one is told by who knows the root and the object
    of_objects = {code for code, _ in broken} | {
        c for _, codes in made.GOOD.values() for c in codes
    }
    of_roots = {*_codes_in(storage_root), *validation._ROOT.values()}
    assert used - of_roots <= of_objects
