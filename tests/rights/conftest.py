"""Logs on disk, written the plain way and not by the ledger, for the tests of what reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sonotheque.rights import proof
from sonotheque.rights.cosigning import Cosigner
from sonotheque.rights.witness import Witness
from sonotheque.store import signing


class Logs:
    """Makes logs, keys and damage."""

    def signer(
        self, seed: int = 1, name: str = "archive.0001", kind: signing.Kind = signing.Kind.NOTE
    ) -> signing.Signer:
        """A key that is the same for the same seed."""
        private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        public = private.public_key().public_bytes_raw()
        return signing.Signer(signing.Verifier(name, public, kind), private)

    def entry(self, number: int) -> bytes:
        return b'{"entry":%d,"of":"%s"}' % (number, b"x" * (number % 40))

    def write(
        self, directory: Path, size: int, by: signing.Signer, *, changed: int | None = None
    ) -> str:
        """A log of `size` entries in `directory`, one of them `changed`; its checkpoint."""
        entries = [self.entry(n if n != changed else n + 1) for n in range(size)]
        hashes, level = [proof.leaf_hash(one) for one in entries], 0
        files = {}
        for at in range(0, size, 256):
            some = entries[at : at + 256]
            files[proof.tile_path("entries", at // 256, len(some))] = proof.bundle(some)
        root = proof.subtree_root(hashes) if hashes else proof.EMPTY_ROOT
        while hashes:
            tiles = [hashes[at : at + 256] for at in range(0, len(hashes), 256)]
            for index, tile in enumerate(tiles):
                files[proof.tile_path(level, index, len(tile))] = b"".join(tile)
            hashes = [proof.subtree_root(tile) for tile in tiles if len(tile) == 256]
            level += 1
        note = by.sign(proof.checkpoint_text(by.verifier.name, size, root))
        files["checkpoint"] = note.encode()
        for name, content in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        return note

    def flip(self, path: Path, bit: int) -> None:
        """Change one bit of a file."""
        content = bytearray(path.read_bytes())
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)


class Served:
    """A witness behind HTTP on loopback. `unwell` makes it answer what it should not."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.unwell: tuple[int, bytes] | None = None
        self.asked: list[str] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                note = served.witness.checkpoint(self.path.split("/")[-2])
                self.answer(200 if note else 404, (note or "").encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = served.witness.add_checkpoint(body, 1_800_000_000)
                self.answer(reply.status, reply.text.encode())

            def answer(self, status: int, body: bytes) -> None:
                served.asked.append(f"{self.command} {self.path}")
                status, body = served.unwell or (status, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def cosigner(self) -> Cosigner:
        port = self.server.server_address[1]
        return Cosigner(f"http://127.0.0.1:{port}/witness", self.witness.verifier)


@pytest.fixture
def serve() -> Iterator[Callable[[Witness], Served]]:
    """Serve witnesses until the test is over."""
    served: list[Served] = []

    def start(witness: Witness) -> Served:
        served.append(Served(witness))
        return served[-1]

    yield start
    for one in served:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture(scope="session")
def logs() -> Logs:
    return Logs()
