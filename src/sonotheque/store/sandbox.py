"""A confined process for code that reads hostile files.

Before it imports its one function the worker gives up what it does not need: the network (an
empty network namespace, Landlock), changing any file's content or name, starting programs and
sending signals (Landlock), new privileges, and memory beyond its bound. It is handed open file
descriptors, never paths. A call that takes too long or a worker that dies is an answer like any
other; the next call gets a new worker.

Where the kernel has no Landlock or allows no namespaces, the memory, file-size and time limits
still hold.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

_LENGTH_BYTES = 8
_REPLY_BYTES_MAX = 256 << 20
# Numbers from Linux's asm-generic/unistd.h, linux/prctl.h, linux/sched.h, linux/landlock.h.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_LANDLOCK_VERSION = 1
# The version of Landlock → what it learnt to deny, as (files, network, scope): EXECUTE,
# WRITE_FILE and everything from REMOVE_DIR to MAKE_SYM; TRUNCATE; BIND_TCP and CONNECT_TCP;
# abstract Unix sockets and signals. Reading is not denied.
_LANDLOCK_DENIED = {
    1: (0b1_1111_1111_0011, 0, 0),
    3: (0b100_0000_0000_0000, 0, 0),
    4: (0, 0b11, 0),
    6: (0, 0, 0b11),
}


class Failure(StrEnum):
    """How a call ended without an answer."""

    TIMEOUT = "timeout"
    CRASH = "crash"
    """The worker died: a crash in a decoder, or its memory bound."""


class SandboxFailed(Exception):
    """A call got no answer. Not an error of the archive: the caller makes it a finding."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.value)


class Sandbox:
    """Calls `function` ("module:name", taking a descriptor and keywords) in a confined process.

    Not for use by two threads at once.
    """

    def __init__(self, function: str, *, memory_bytes_max: int, seconds_max: float) -> None:
        self._function = function
        self._memory_bytes_max = memory_bytes_max
        self._seconds_max = seconds_max
        self._worker: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, descriptor: int, **keywords: Any) -> Any:
        """The function's answer as plain data. Raises SandboxFailed where there is none."""
        channel = self._start()
        channel.settimeout(self._seconds_max)
        try:
            request = msgspec.msgpack.encode(keywords)
            header = len(request).to_bytes(_LENGTH_BYTES, "big")
            socket.send_fds(channel, [header], [descriptor])
            channel.sendall(request)
            return msgspec.msgpack.decode(_receive(channel))
        except TimeoutError:
            self.close()
            raise SandboxFailed(Failure.TIMEOUT) from None
        except (OSError, EOFError, msgspec.DecodeError):
            self.close()
            raise SandboxFailed(Failure.CRASH) from None

    def close(self) -> None:
        """End the worker."""
        if self._socket:
            self._socket.close()
            self._socket = None
        if self._worker:
            self._worker.kill()
            self._worker.wait()
            self._worker = None

    def _start(self) -> socket.socket:
        if self._socket:
            return self._socket
        ours, theirs = socket.socketpair()
        with theirs:
            self._worker = subprocess.Popen(
                [
                    sys.executable,
                    # Not from the working directory, which may be the hostile delivery.
                    "-P",
                    "-m",
                    "sonotheque.store.sandbox",
                    str(theirs.fileno()),
                    self._function,
                    str(self._memory_bytes_max),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **_thread_limits()},
            )
        self._socket = ours
        return ours


def _thread_limits() -> dict[str, str]:
    """One thread a worker: there is one worker a core. CPU workarounds of the user's are kept."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _serve(channel: socket.socket, function: Callable[..., Any]) -> None:
    """Answer calls until the other side is gone."""
    while True:
        header, descriptors, _, _ = socket.recv_fds(channel, _LENGTH_BYTES, 1)
        if not header:
            return
        request = _receive_exactly(channel, int.from_bytes(header, "big"))
        try:
            answer = function(descriptors[0], **msgspec.msgpack.decode(request))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        reply = msgspec.msgpack.encode(answer)
        channel.sendall(len(reply).to_bytes(_LENGTH_BYTES, "big") + reply)


def _receive(channel: socket.socket) -> bytes:
    length = int.from_bytes(_receive_exactly(channel, _LENGTH_BYTES), "big")
    if length > _REPLY_BYTES_MAX:
        raise EOFError
    return _receive_exactly(channel, length)


def _receive_exactly(channel: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = channel.recv(min(length, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _confine(memory_bytes_max: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Root needs no user namespace to make a network one, others do; either may be forbidden.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    _give_up_files(libc)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _give_up_files(libc: ctypes.CDLL) -> None:
    """Deny by Landlock, from here on, all that this kernel's version of it can."""
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    known = [denied for since, denied in _LANDLOCK_DENIED.items() if since <= version]
    if known:
        # The kernel takes a longer structure than it knows as long as the rest is zero.
        handled = (ctypes.c_uint64 * 3)(*(sum(column) for column in zip(*known, strict=True)))
        ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, handled, ctypes.sizeof(handled), 0)
        libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)


def _main() -> None:
    descriptor, function, memory_bytes_max = sys.argv[1:]
    _confine(int(memory_bytes_max))
    module, name = function.split(":")
    with socket.socket(fileno=int(descriptor)) as channel:
        _serve(channel, getattr(importlib.import_module(module), name))


if __name__ == "__main__":
    _main()
