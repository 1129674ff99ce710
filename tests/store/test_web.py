"""One request to another server: what it answers, or one clear line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sonotheque.errors import BadInput, EnvironmentFailure
from sonotheque.store import web

taken: list[bytes] = []


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = 302 if self.path == "/moved" else 200
        self.send_response(status)
        self.send_header("Location", "/?elsewhere")
        self.end_headers()
        self.wfile.write(self.path.encode())

    def do_POST(self) -> None:
        taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(500 if self.path == "/broken" else 202)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_gets_and_posts(base: str) -> None:
    assert web.get(f"{base}/a?b=c", 100) == b"/a?b=c"
    web.post(f"{base}/hook", b"{}")
    assert taken[-1] == b"{}"


def test_what_is_not_had_is_one_line(base: str) -> None:
    with pytest.raises(EnvironmentFailure, match="answers 302"):
        web.get(f"{base}/moved", 100)
    with pytest.raises(EnvironmentFailure, match="more than 3 bytes"):
        web.get(f"{base}/long", 3)
    with pytest.raises(EnvironmentFailure, match="answers 500"):
        web.post(f"{base}/broken", b"{}")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(EnvironmentFailure, match="cannot be reached"):
            web.get(f"http://127.0.0.1:{closed.getsockname()[1]}/", 3)


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "https://", "http://[", "http://a:x/", "http://a b/", "a"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(BadInput, match="no address of the web"):
        web.get(address, 3)
