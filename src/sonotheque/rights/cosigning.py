"""Asking witnesses to cosign (https://c2sp.org/tlog-witness), each for a few seconds at most.

A witness that is away, or answers what it should not, is told of and not asked again by the
same command. Nobody waits for it: what it is asked about has been signed and is in force.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeVar, cast
from urllib.parse import urlsplit

from sonotheque.errors import EnvironmentFailure, SonothequeError, one_line
from sonotheque.rights import evidence, proof
from sonotheque.store import signing

SECONDS_MAX = 4.0
_ANSWER_BYTES_MAX = 1 << 16
_REASON_MAX = 120
T = TypeVar("T")
Path = Callable[[int], Sequence[bytes]]
"""From an older size: the hashes that show that the log grew from it to the checkpoint."""


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness: where it is asked (the URL before `/add-checkpoint`), and its key."""

    url: str
    verifier: signing.Verifier

    def newest(self, origin: str, keys: Sequence[signing.Verifier]) -> evidence.Checkpoint | None:
        """The newest checkpoint of the log `origin` that it has cosigned, signed by one of `keys`;
        None where it has none. Raises SonothequeError where the answer is not that."""
        place = hashlib.sha256(origin.encode()).hexdigest()
        status, answer = _exchange(f"{self.url}/{place}/checkpoint")
        if status == 404:
            return None
        if status != 200:
            raise _unexpected(status, answer)
        return evidence.verify_checkpoint(answer, keys, [self.verifier])

    def cosign(self, note: str, old: int, path: Path) -> str:
        """The line by which it cosigns the checkpoint `note`; it is thought to know `old` entries,
        and says so where it knows another number. Raises SonothequeError where it does not."""
        for _ in range(2):
            request = evidence.ConsistencyProof(old=old, path=tuple(path(old)), checkpoint=note)
            status, answer = _exchange(f"{self.url}/add-checkpoint", request.text().encode())
            if status != 409:
                break
            try:
                old = proof.parse_number(answer.removesuffix("\n"))
            except ValueError as error:
                raise _unexpected(status, answer) from error
        if status != 200:
            raise _unexpected(status, answer)
        body, _ = signing.split_note(note)
        for line in answer.splitlines(keepends=True):
            with_line = f"{body}\n{line}"
            if signing.signed_by(with_line, self.verifier):
                signing.cosigned_at(with_line, self.verifier)
                return line
        raise _unexpected(status, "no cosignature by its key")


@dataclass(slots=True)
class Witnesses:
    """The witnesses of one log. `away` says of each that did not answer as it should, by its
    name, why."""

    cosigners: tuple[Cosigner, ...] = ()
    away: dict[str, str] = field(default_factory=dict)
    _known: dict[str, int] = field(default_factory=dict)

    def newest(
        self, origin: str, keys: Sequence[signing.Verifier]
    ) -> list[tuple[Cosigner, evidence.Checkpoint]]:
        """What those that were not asked yet have cosigned last."""
        unasked = [one for one in self._present() if one.verifier.name not in self._known]
        found = self._ask(unasked, lambda one: one.newest(origin, keys))
        for one, checkpoint in found:
            self._known[one.verifier.name] = checkpoint.size if checkpoint else 0
        return [(one, checkpoint) for one, checkpoint in found if checkpoint]

    def cosign(self, note: str, path: Path) -> list[str]:
        """The lines by which they cosign the checkpoint `note`."""
        _, size, _ = proof.parse_checkpoint(signing.split_note(note)[0])
        found = self._ask(
            self._present(),
            lambda one: one.cosign(note, min(size, self._known.get(one.verifier.name, 0)), path),
        )
        for one, _ in found:
            self._known[one.verifier.name] = size
        return [line for _, line in found]

    def _present(self) -> list[Cosigner]:
        return [one for one in self.cosigners if one.verifier.name not in self.away]

    def _ask(
        self, cosigners: Iterable[Cosigner], question: Callable[[Cosigner], T]
    ) -> list[tuple[Cosigner, T]]:
        """Ask all of them at once; the answers that came in time."""
        answers: SimpleQueue[tuple[Cosigner, T | str, bool]] = SimpleQueue()

        def ask(one: Cosigner) -> None:
            try:
                answers.put((one, question(one), True))
            except Exception as error:  # whatever goes wrong here is that witness's
                what = error.what if isinstance(error, SonothequeError) else str(error)
                answers.put((one, one_line(what or type(error).__name__)[:_REASON_MAX], False))

        waiting = {one.verifier.name: one for one in cosigners}
        for one in waiting.values():
            # A daemon: one that is still waiting for its socket keeps no command from ending.
            threading.Thread(target=ask, args=(one,), daemon=True).start()
        deadline = time.monotonic() + SECONDS_MAX
        found = []
        while waiting:
            try:
                one, answer, is_good = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            del waiting[one.verifier.name]
            if not is_good:
                self.away[one.verifier.name] = str(answer)
            else:
                found.append((one, cast(T, answer)))
        for name in waiting:
            self.away[name] = f"no answer within {SECONDS_MAX:.0f} seconds"
        return found


def _exchange(url: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and text of what a server answers to a GET, or to a POST of `body`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(
            host, parts.port, timeout=SECONDS_MAX, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=SECONDS_MAX)
    )
    with contextlib.closing(connection):
        connection.request("GET" if body is None else "POST", parts.path, body)
        response = connection.getresponse()
        return response.status, response.read(_ANSWER_BYTES_MAX).decode()


def _unexpected(status: int, answer: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"answered {status}: {answer.strip()[:_REASON_MAX]}", remedy="ask those who run the witness"
    )
