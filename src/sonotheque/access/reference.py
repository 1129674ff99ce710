"""The API's page: its OpenAPI description, in our own plain HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Response, route
from litestar.enums import HttpMethod

from sonotheque.access.rendering import AnyRequest, visit_of
from sonotheque.access.room import InRoom

_REFERENCE = "#/components/schemas/"
_EXAMPLES = {
    "/api/v1/recordings": "?q=a",
    "/api/v1/suggest": "?q=a",
    "/api/v1/catalogue/changes": "?since=0",
}
"""What makes an address without path parameters a working example."""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of an operation, or a field of a document."""

    name: str
    place: str
    type: str
    meaning: str
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked for."""

    path: str
    summary: str
    parameters: tuple[Field, ...]
    returns: str
    example: str


@dataclass(frozen=True, slots=True)
class Document:
    """One kind of JSON object, or a word from a short list."""

    name: str
    summary: str
    fields: tuple[Field, ...]
    values: tuple[str, ...]
    """What it may be, where it is one of a few words."""


@route(
    "/api",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
    sync_to_thread=True,
)
def api_page(request: AnyRequest, room: InRoom) -> Response[str]:
    """The operations and the documents of the API."""
    schema = request.app.openapi_schema.to_schema()
    return room.renderer.page(
        visit_of(request),
        "api.html",
        operations=operations(schema),
        documents=documents(schema),
    )


@route(
    "/api/openapi.json",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
    sync_to_thread=True,
)
def openapi(request: AnyRequest) -> Response[dict[str, Any]]:
    """The OpenAPI description itself."""
    return Response(request.app.openapi_schema.to_schema(), media_type="application/json")


def operations(schema: Mapping[str, Any]) -> list[Operation]:
    """The GET operations of an OpenAPI 3.1 `schema`, by path."""
    found = []
    for path, item in sorted(schema["paths"].items()):
        operation = item["get"]
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        parameters = [
            Field(
                name=parameter["name"],
                place=parameter["in"],
                type=type_name(parameter["schema"]),
                meaning=parameter.get("description", ""),
                required=parameter.get("required", False),
            )
            for parameter in operation.get("parameters", [])
        ]
        example = "" if "{" in path else path + _EXAMPLES.get(path, "")
        summary = operation.get("description", operation.get("summary", ""))
        found.append(Operation(path, summary, tuple(parameters), type_name(answer), example))
    return found


def documents(schema: Mapping[str, Any]) -> list[Document]:
    """The object schemas of an OpenAPI 3.1 `schema`, by name."""
    found = []
    for name, described in sorted(schema["components"]["schemas"].items()):
        required = described.get("required", [])
        fields = [
            Field(field, "", type_name(of), of.get("description", ""), field in required)
            for field, of in described.get("properties", {}).items()
        ]
        values = tuple(str(value) for value in described.get("enum", ()))
        found.append(Document(name, described.get("description", ""), tuple(fields), values))
    return found


def type_name(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words: `array of Recording`, `string or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return " or ".join(type_name(one) for one in schema[choice])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"array of {type_name(schema.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


HANDLERS = (api_page, openapi)
