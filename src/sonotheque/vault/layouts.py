"""Registered storage layouts of OCFL: where a root puts the object of an identifier. Pure.

See https://ocfl.github.io/extensions/. A root that is adopted is walked by its objects' own
declarations, so that a layout which is not computed here (0010 to 0012) can be adopted too; a
layout that is computed is checked.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Mapping
from typing import Any

Layout = Callable[[str], str]
"""Identifier → path of its object below the root; raises ValueError for one that has no place."""

_PLAIN = frozenset(string.ascii_letters + string.digits + "-_")
_NAME_CHARACTERS_MAX = 100
_ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b-512")


def layout_of(name: str, parameters: Mapping[str, Any]) -> Layout | None:
    """The layout that is registered as `name`; None for one that is not computed here.

    Raises ValueError where a parameter is not one that it can have.
    """
    match name:
        case "0002-flat-direct-storage-layout":
            return _in_one_directory
        case "0003-hash-and-id-n-tuple-storage-layout":
            return _hash_and_id(_Parameters(parameters))
        case "0004-hashed-n-tuple-storage-layout":
            return _hash(_Parameters(parameters))
        case "0006-flat-omit-prefix-storage-layout":
            return _without_prefix(_Parameters(parameters))
        case "0007-n-tuple-omit-prefix-storage-layout":
            return _tuples_without_prefix(_Parameters(parameters))
    return None


class _Parameters:
    """A layout's config.json, each value checked as it is asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def number(self, name: str, default: int, least: int) -> int:
        value = self._values.get(name, default)
        if type(value) is not int or not least <= value <= 32:
            raise ValueError(f"{name} is not a whole number from {least} to 32")
        return value

    def text(self, name: str, default: str, *allowed: str) -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str) or not value or (allowed and value not in allowed):
            raise ValueError(f"{name} is not " + (" or ".join(allowed) or "a text"))
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise ValueError(f"{name} is not true or false")
        return value

    def tuples(self, digits: int | None, least: int = 0) -> tuple[int, int]:
        """Characters of a tuple, and how many there are; of `digits` in all, if that is given."""
        size, count = self.number("tupleSize", 3, least), self.number("numberOfTuples", 3, least)
        if (size == 0) != (count == 0) or (digits is not None and size * count > digits):
            raise ValueError("tupleSize and numberOfTuples do not go together")
        return size, count


def _in_one_directory(identifier: str) -> str:
    if "/" in identifier or identifier in (".", "..") or len(identifier.encode()) > 255:
        raise ValueError("it is no name of a directory")
    return identifier


def _hash_and_id(parameters: _Parameters) -> Layout:
    algorithm = parameters.text("digestAlgorithm", "sha256", *_ALGORITHMS)
    size, count = parameters.tuples(len(_digest(algorithm, "")))

    def path(identifier: str) -> str:
        digest = _digest(algorithm, identifier)
        name = "".join(
            chr(byte) if chr(byte) in _PLAIN else f"%{byte:02x}" for byte in identifier.encode()
        )
        if len(name) > _NAME_CHARACTERS_MAX:
            name = f"{name[:_NAME_CHARACTERS_MAX]}-{digest}"
        return "/".join([*_cut(digest, size, count), name])

    return path


def _hash(parameters: _Parameters) -> Layout:
    algorithm = parameters.text("digestAlgorithm", "sha256", *_ALGORITHMS)
    size, count = parameters.tuples(len(_digest(algorithm, "")))
    short = parameters.flag("shortObjectRoot")
    if short and size * count == len(_digest(algorithm, "")):
        raise ValueError("shortObjectRoot leaves nothing of the digest")

    def path(identifier: str) -> str:
        digest = _digest(algorithm, identifier)
        return "/".join([*_cut(digest, size, count), digest[size * count :] if short else digest])

    return path


def _without_prefix(parameters: _Parameters) -> Layout:
    delimiter = parameters.text("delimiter", "")

    def path(identifier: str) -> str:
        return _in_one_directory(_after(delimiter, identifier))

    return path


def _tuples_without_prefix(parameters: _Parameters) -> Layout:
    delimiter = parameters.text("delimiter", ":")
    size, count = parameters.tuples(None, least=1)
    left = parameters.text("zeroPadding", "left", "left", "right") == "left"
    backwards = parameters.flag("reverseObjectRoot")

    def path(identifier: str) -> str:
        name = _in_one_directory(_after(delimiter, identifier))
        if any(not " " <= character <= "\x7f" for character in identifier):
            raise ValueError("it has characters that are not ASCII")
        padded = name.rjust(size * count, "0") if left else name.ljust(size * count, "0")
        return "/".join([*_cut(padded[::-1] if backwards else padded, size, count), name])

    return path


def _after(delimiter: str, identifier: str) -> str:
    """What follows the last `delimiter`, in whatever case it is written."""
    at = identifier.lower().rfind(delimiter.lower())
    rest = identifier[at + len(delimiter) :] if at >= 0 else identifier
    if not rest:
        raise ValueError("nothing follows its prefix")
    return rest


def _cut(text: str, size: int, count: int) -> list[str]:
    return [text[size * number : size * (number + 1)] for number in range(count)]


def _digest(algorithm: str, identifier: str) -> str:
    name = "blake2b" if algorithm == "blake2b-512" else algorithm
    return hashlib.new(name, identifier.encode(), usedforsecurity=False).hexdigest()
