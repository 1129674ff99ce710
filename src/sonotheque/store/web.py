"""Asking another server: one request, bounded in time and size, no redirects followed."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from sonotheque.errors import BadInput, EnvironmentFailure

SECONDS_MAX = 30.0
_ANSWER_BYTES_MAX = 65_536


def get(address: str, bytes_max: int) -> bytes:
    """What stands at `address`. Raises BadInput for what is no address, EnvironmentFailure where it
    cannot be had or is longer than `bytes_max`."""
    return _ask("GET", address, None, bytes_max, SECONDS_MAX)


def post(address: str, document: bytes, *, seconds_max: float = SECONDS_MAX) -> None:
    """Hand the JSON `document` to `address`, which takes it by any answer from 200 to 299. Raises
    as `get` does."""
    _ask("POST", address, document, _ANSWER_BYTES_MAX, seconds_max)


def check_address(address: str) -> None:
    """Raises BadInput for what is no http or https address."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        good = good and parts.port != 0 and address.isprintable() and " " not in address
    except ValueError:
        good = False
    if not good:
        raise BadInput("is no address of the web", where=address, remedy="write https://host/path")


def _ask(
    method: str, address: str, document: bytes | None, bytes_max: int, seconds_max: float
) -> bytes:
    check_address(address)
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds_max)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/json"} if document is not None else {}
    try:
        connection.request(method, target, document, headers)
        answer = connection.getresponse()
        content = answer.read(bytes_max + 1)
        if not 200 <= answer.status < 300:
            why = f"answers {answer.status}"
        elif len(content) > bytes_max:
            why = f"answers with more than {bytes_max} bytes"
        else:
            return content
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
    finally:
        connection.close()
    raise EnvironmentFailure(
        f"cannot be reached ({why})", where=address, remedy="see that server, then try again"
    )
