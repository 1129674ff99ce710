"""A real S3 server for the tests: moto behind a socket of its own, in a process of its own.

It can be told to disregard headers, to be one of the stores that cannot be trusted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *arguments: Any) -> None:
        pass


def serve(disregarded: frozenset[str]) -> None:
    """Answer on a free port of the loopback, and print the port."""
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        kept = {key: value for key, value in environ.items() if key not in disregarded}
        answer: Iterable[bytes] = moto(kept, start_response)
        return answer

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    serve(frozenset(f"HTTP_{name.upper().replace('-', '_')}" for name in sys.argv[1:]))
