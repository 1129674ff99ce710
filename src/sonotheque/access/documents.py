"""Pages that stand alone: whole HTML documents in one file, with their style in them."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from sonotheque.access.explanations import clean
from sonotheque.access.language import Language
from sonotheque.model.identifiers import format_isrc


def document(template: str, spoken: Language, **values: Any) -> str:
    """The page `template` in the language `spoken`."""
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clean"] = clean
    environment.filters["isrc"] = format_isrc
    style = resources.files(__package__).joinpath("static", "site.css").read_text("utf-8")
    return environment.get_template(template).render(
        style=style, speak=spoken, t=spoken.text, **values
    )
