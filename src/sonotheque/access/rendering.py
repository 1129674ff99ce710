"""From a template and its values to a page: Jinja with autoescape, in the visitor's language."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import Cookie

from sonotheque.access import explanations
from sonotheque.access.language import CODES, Language, choose, iso_duration, language
from sonotheque.config import Config
from sonotheque.model.identifiers import format_isrc
from sonotheque.rights.licences import name_of

AnyRequest = Request[Any, Any, Any]

LANGUAGE_COOKIE = "language"
_YEAR_SECONDS = 31_536_000


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the site itself. Its address carries its digest, so it is cached for good."""

    content: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page must know of the request it answers."""

    language: Language
    path: str
    query: tuple[tuple[str, str], ...]
    chosen: bool
    """The visitor has just chosen the language: remember it."""

    def address(self, **changes: object) -> str:
        """This page's address, relative, with some of its query changed."""
        kept = [(key, value) for key, value in self.query if key not in changes]
        added = [(key, str(value)) for key, value in changes.items()]
        return f"{self.path}?{urlencode(kept + added)}"


def visit_of(request: AnyRequest) -> Visit:
    """Read the language and the address off a request."""
    asked = request.query_params.get("lang", "")
    chosen = choose(
        asked,
        request.cookies.get(LANGUAGE_COOKIE, ""),
        request.headers.get("accept-language", ""),
    )
    # Not `query_params`: it forgets their order.
    query = parse_qsl(request.url.query, keep_blank_values=True)
    kept = tuple((name, value) for name, value in query if name != "lang")
    return Visit(chosen, request.url.path, kept, asked == chosen.code)


def static_files() -> dict[str, StaticFile]:
    """The site's own files by name: style, script, icon."""
    found = {}
    for entry in resources.files(__package__).joinpath("static").iterdir():
        content = entry.read_bytes()
        media_type = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
        digest = hashlib.sha256(content).hexdigest()[:16]
        found[entry.name] = StaticFile(content, media_type, digest)
    return found


class Renderer:
    """Renders the pages of one archive."""

    def __init__(self, config: Config, statics: Mapping[str, StaticFile]) -> None:
        self._environment = Environment(
            loader=PackageLoader(__package__, "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "clean": explanations.clean,
            "isrc": format_isrc,
            "iso_duration": iso_duration,
            "licence_name": name_of,
            "licence_url": explanations.licence_url,
        }
        self._environment.globals |= {
            "config": config,
            "languages": [language(code) for code in CODES],
            "static": {name: f"/static/{name}?v={f.digest}" for name, f in statics.items()},
        }

    def page(
        self,
        visit: Visit,
        template: str,
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response[str]:
        """The page that `template` makes of `values`."""
        spoken = visit.language
        text = self._environment.get_template(template).render(
            visit=visit, speak=spoken, t=spoken.text, **values
        )
        response = Response(
            text,
            media_type="text/html",
            status_code=status_code,
            headers={
                "Content-Language": spoken.code,
                "Vary": "Accept-Language, Cookie",
                "Cache-Control": "no-cache",
                **(headers or {}),
            },
        )
        if visit.chosen:
            cookie = Cookie(
                LANGUAGE_COOKIE,
                value=spoken.code,
                max_age=_YEAR_SECONDS,
                httponly=True,
                samesite="lax",
            )
            response.set_cookie(cookie)
        return response
