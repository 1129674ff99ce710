"""The sandbox: whatever hostile code does, the caller gets an answer, and nothing else happens."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sonotheque.store.sandbox import Failure, Sandbox, SandboxFailed

# What the worker runs: one function that does as it is told, in a module of the test's own.
HOSTILE = """
import ctypes, os, socket, subprocess, time

def act(descriptor, do, **k):
    try:
        return globals()[do](descriptor, **k)
    except OSError as error:
        return {"errno": error.errno, "why": str(error)}

def read(descriptor): return os.pread(descriptor, 100, 0).decode()
def pid(descriptor): return os.getpid()
def sleep(descriptor, seconds): time.sleep(seconds)
def abort(descriptor): os.abort()
def segfault(descriptor): ctypes.string_at(1)
def leave(descriptor): os._exit(0)
def fail(descriptor): raise RuntimeError("no")
def eat(descriptor, count): return len(bytearray(count))
def unanswerable(descriptor): return object()
def huge(descriptor): return "x" * (300 << 20)
def write(descriptor, path): open(path, "a").write("x")
def truncate(descriptor, path): os.truncate(path, 0)
def mkdir(descriptor, path): os.mkdir(path)
def unlink(descriptor, path): os.unlink(path)
def rename(descriptor, path, to): os.rename(path, to)
def link(descriptor, path, to): os.symlink(path, to)
def hard_link(descriptor, path, to): os.link(path, to)
def execute(descriptor): return subprocess.run(["/bin/true"]).returncode
def connect(descriptor, port): socket.create_connection(("127.0.0.1", port), 2).close()
def signal(descriptor, pid): os.kill(pid, 0)
def descriptors(descriptor): return len(os.listdir("/proc/self/fd"))
def environment(descriptor): return sorted(os.environ)
"""
MEMORY_BYTES = 512 << 20


def _landlock() -> int:
    """The kernel's Landlock version; -1 where it has none."""
    return int(ctypes.CDLL(None).syscall(444, None, 0, 1))


needs_landlock = pytest.mark.skipif(
    _landlock() < 1, reason="NOT TESTED: this kernel has no Landlock, so files are not confined"
)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox whose Python knows the module above."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "hostile.py").write_text(HOSTILE)
    python = modules / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{modules}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with Sandbox("hostile:act", memory_bytes_max=MEMORY_BYTES, seconds_max=20) as sandbox:
        yield sandbox


def _do(sandbox: Sandbox, do: str, **keywords: Any) -> Any:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        return sandbox.call(descriptor, do=do, **keywords)
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_answers_from_the_descriptor(worker: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"the bytes")
    with (tmp_path / "file").open("rb") as reader:
        for _ in range(3):
            assert worker.call(reader.fileno(), do="read") == "the bytes"


def test_one_worker_serves_many_calls_and_keeps_no_descriptor(worker: Sandbox) -> None:
    pids = {_do(worker, "pid") for _ in range(5)}
    assert len(pids) == 1
    before = _do(worker, "descriptors")
    for _ in range(100):
        _do(worker, "pid")
    assert _do(worker, "descriptors") == before


def test_a_sleeper_times_out_and_the_next_call_works(
    worker: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = _do(worker, "pid")
    monkeypatch.setattr(worker, "_seconds_max", 0.3)
    with pytest.raises(SandboxFailed) as caught:
        _do(worker, "sleep", seconds=60)
    assert caught.value.failure is Failure.TIMEOUT
    assert not _alive(pid)
    monkeypatch.setattr(worker, "_seconds_max", 20)
    assert _do(worker, "pid") != pid


@pytest.mark.parametrize(
    "crash", ["abort", "segfault", "leave", "fail", "unanswerable", "huge", "eat"]
)
def test_a_crash_is_an_answer_and_the_next_call_works(worker: Sandbox, crash: str) -> None:
    keywords = {"count": 2 * MEMORY_BYTES} if crash == "eat" else {}
    with pytest.raises(SandboxFailed) as caught:
        _do(worker, crash, **keywords)
    assert caught.value.failure is Failure.CRASH
    assert _do(worker, "pid") > 0


def test_memory_within_the_bound_is_given(worker: Sandbox) -> None:
    assert _do(worker, "eat", count=MEMORY_BYTES // 4) == MEMORY_BYTES // 4


def test_a_worker_that_died_between_calls_costs_one_call(worker: Sandbox) -> None:
    os.kill(_do(worker, "pid"), 9)
    with pytest.raises(SandboxFailed):
        _do(worker, "pid")
    assert _do(worker, "pid") > 0


def test_a_function_that_does_not_exist_is_a_crash() -> None:
    with Sandbox("no_such_module:f", memory_bytes_max=MEMORY_BYTES, seconds_max=20) as sandbox:
        with pytest.raises(SandboxFailed) as caught:
            _do(sandbox, "pid")
        assert caught.value.failure is Failure.CRASH


def test_no_file_can_be_written(worker: Sandbox, tmp_path: Path) -> None:
    """Even without Landlock: a file may be made, but not a byte put into it."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    try:
        answer = _do(worker, "write", path=str(victim))
        assert answer["errno"], answer
    except SandboxFailed:
        pass
    assert victim.read_bytes() == b"precious"


@needs_landlock
@pytest.mark.parametrize(
    ("do", "keywords"),
    [
        ("write", {"path": "new"}),
        ("write", {"path": "victim"}),
        ("mkdir", {"path": "new"}),
        ("unlink", {"path": "victim"}),
        ("rename", {"path": "victim", "to": "new"}),
        ("link", {"path": "victim", "to": "new"}),
    ],
)
def test_nothing_on_disk_changes(
    worker: Sandbox, tmp_path: Path, do: str, keywords: dict[str, str]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "victim").write_bytes(b"precious")
    paths = {name: str(place / path) for name, path in keywords.items()}
    answer = _do(worker, do, **paths)
    assert answer["errno"] == 13, answer
    assert [path.name for path in place.iterdir()] == ["victim"]
    assert (place / "victim").read_bytes() == b"precious"


@pytest.mark.skipif(_landlock() < 3, reason="NOT TESTED: truncation needs Landlock 3 (Linux 6.2)")
def test_no_file_can_be_truncated(worker: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    assert _do(worker, "truncate", path=str(tmp_path / "victim"))["errno"] == 13
    assert (tmp_path / "victim").read_bytes() == b"precious"


@needs_landlock
def test_no_program_can_be_started(worker: Sandbox) -> None:
    assert _do(worker, "execute")["errno"] == 13


@pytest.mark.skipif(_landlock() < 6, reason="NOT TESTED: signals need Landlock 6 (Linux 6.12)")
def test_no_process_can_be_signalled(worker: Sandbox) -> None:
    assert _do(worker, "signal", pid=os.getpid())["errno"] == 1


def test_no_connection_can_be_opened(worker: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        answer = _do(worker, "connect", port=port)
        if answer is None:
            pytest.skip("NOT TESTED: this kernel gives us no network namespace")
        assert answer["errno"], answer
        with pytest.raises(TimeoutError):
            listener.accept()


def test_the_environment_is_not_handed_on(worker: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    names = set(_do(worker, "environment")) - {"PYTHONPATH", "PWD", "_", "SHLVL", "OLDPWD"}
    assert "SECRET" not in names
    assert names <= {
        "PATH", "PYTHONDONTWRITEBYTECODE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE",
    } | {name for name in os.environ if name.startswith("OPENBLAS_")}  # fmt: skip


def test_a_hostile_delivery_does_not_lend_it_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cd delivery; sonotheque deposit .` must not run the delivery's own msgspec.py."""
    for name in ("msgspec", "sonotheque", "socket", "math"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    with Sandbox("math:sqrt", memory_bytes_max=MEMORY_BYTES, seconds_max=20) as sandbox:
        descriptor = os.open(os.devnull, os.O_RDONLY)
        assert sandbox.call(descriptor) > 1
        os.close(descriptor)
    assert not (tmp_path / "ran").exists()


def test_closing_leaves_no_process_and_no_descriptor(worker: Sandbox) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    pid = _do(worker, "pid")
    worker.close()
    worker.close()
    assert not _alive(pid)
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_worker_dies_with_its_caller(worker: Sandbox) -> None:
    """A worker that is busy when its caller is killed does not go on."""
    read, write = os.pipe()
    caller = os.fork()
    if caller == 0:
        os.write(write, str(_do(worker, "pid")).encode())
        with Sandbox.__enter__(worker):
            _do(worker, "sleep", seconds=60)
        os._exit(0)
    pid = int(os.read(read, 20))
    time.sleep(0.2)
    os.kill(caller, 9)
    os.waitpid(caller, 0)
    os.close(read)
    os.close(write)
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
        if Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text():
            break
    assert not _alive(pid) or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_the_caller_keeps_its_own_limits(worker: Sandbox) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    _do(worker, "pid")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
