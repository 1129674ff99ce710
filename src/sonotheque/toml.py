"""Values of a TOML document as they must be, or a clear word about where they are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sonotheque.errors import BadInput


def table_of(document: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    """The table `name`; empty where it is left out. Raises BadInput."""
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise BadInput(f"{name} is not a table", where=str(path), remedy=f"write [{name}]")
    return table


def tables_of(document: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    """The tables of the list `name`; none where it is left out. Raises BadInput."""
    tables = document.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadInput(
            f"{name} is not a list of tables", where=str(path), remedy=f"write [[{name}]]"
        )
    return tables


def text_of(table: dict[str, Any], name: str, path: Path, default: str | None = None) -> str:
    """The text `name`, which must say something unless there is a `default`. Raises BadInput."""
    value = table.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise BadInput(
            f"{name} is missing or not text", where=str(path), remedy=f'write {name} = "…"'
        )
    return value


def quantity_of(table: dict[str, Any], name: str, path: Path, parse: Callable[[str], int]) -> str:
    """A span or a rate as it is written, once it can be read; "" where it is left out."""
    written = text_of(table, name, path, default="")
    try:
        if written:
            parse(written)
    except BadInput as error:
        raise BadInput(
            f"{name} {written!r} {error.what}", where=str(path), remedy=error.remedy
        ) from error
    return written


def toml_string(text: str) -> str:
    """`text` as a basic string of TOML."""
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
