"""Ceph's object gateway on one machine: a real S3 server that keeps its objects in memory.

One monitor, one object daemon and one gateway, on free ports of the loopback, each a child of
this process, and everything they write in one directory. By hand, until it is interrupted:

    python tests/radosgw.py DIRECTORY
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = (
    "ceph",
    "ceph-authtool",
    "ceph-mon",
    "ceph-osd",
    "monmaptool",
    "radosgw",
    "radosgw-admin",
)
"""In Debian: ceph-mon, ceph-osd, ceph-common and radosgw."""
ACCESS_KEY, SECRET_KEY = "for-tests", "for-tests-secret"
_STORE_BYTES = 1 << 30
_WAIT_SECONDS = 180
_ALL = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")


def missing() -> list[str]:
    """Programs that are needed and not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def serve(directory: Path) -> Iterator[str]:
    """Run it in the new `directory`; gives the endpoint. Takes about half a minute to start."""
    directory.mkdir(parents=True)
    mon_v2, mon_v1, port = _free_ports(3)
    config = directory / "ceph.conf"
    config.write_text(_config(directory, mon_v2, mon_v1, port))
    at = ("-c", str(config))
    keyring = str(directory / "keyring")
    _run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", *_ALL[:3])
    _run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *_ALL)
    monitors = str(directory / "monmap")
    address = f"[v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]"
    cluster = config.read_text().split("fsid=")[1].split()[0]
    _run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, monitors)
    _run("ceph-mon", *at, "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring)
    with ExitStack() as stack:
        stack.enter_context(_daemon(directory, "ceph-mon", *at, "-i", "a"))
        _until(lambda: _run("ceph", *at, "--connect-timeout", "5", "status"))
        osd = str(uuid.uuid4())
        _run("ceph", *at, "osd", "new", osd)
        caps = ("mon", "allow profile osd", "osd", "allow *")
        with Path(keyring).open("a") as file:
            file.write(_run("ceph", *at, "auth", "get-or-create", "osd.0", *caps))
        _run("ceph-osd", *at, "-i", "0", "--mkfs", "--osd-uuid", osd)
        _run("ceph", *at, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
        stack.enter_context(_daemon(directory, "ceph-osd", *at, "-i", "0"))
        keys = ("--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
        _run("radosgw-admin", *at, "user", "create", "--uid", "t", "--display-name", "t", *keys)
        stack.enter_context(_daemon(directory, "radosgw", *at, "-n", "client.admin"))
        endpoint = f"http://127.0.0.1:{port}"
        _until(lambda: urllib.request.urlopen(endpoint, timeout=5).close())
        yield endpoint


def _config(directory: Path, mon_v2: int, mon_v1: int, port: int) -> str:
    for name in ("mon", "osd", "rgw", "run"):
        (directory / name).mkdir()
    return f"""\
[global]
fsid={uuid.uuid4()}
mon_host=[v2:127.0.0.1:{mon_v2}/0,v1:127.0.0.1:{mon_v1}/0]
mon_initial_members=a
public_addr=127.0.0.1
cluster_addr=127.0.0.1
auth_cluster_required=cephx
auth_service_required=cephx
auth_client_required=cephx
osd_objectstore=memstore
memstore_device_bytes={_STORE_BYTES}
osd_pool_default_size=1
osd_pool_default_min_size=1
osd_pool_default_pg_num=8
osd_crush_chooseleaf_type=0
mon_allow_pool_size_one=true
mon_data_avail_crit=1
mon_data_avail_warn=2
mon_data={directory}/mon
osd_data={directory}/osd
rgw_data={directory}/rgw
run_dir={directory}/run
admin_socket={directory}/run/$name.asok
pid_file={directory}/run/$name.pid
log_file={directory}/$name.log
keyring={directory}/keyring
[client.admin]
rgw_frontends=beast endpoint=127.0.0.1:{port}
"""


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _run(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_WAIT_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


@contextmanager
def _daemon(directory: Path, *command: str) -> Iterator[None]:
    with (directory / f"{command[0]}.out").open("wb") as output:
        process = subprocess.Popen([*command, "-f"], stdout=output, stderr=output)
    try:
        yield
    finally:
        # There is nothing to bring to an end in order: the objects are in memory.
        process.kill()
        process.wait()


def _until(attempt: Callable[[], object]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            attempt()
            return
        except (RuntimeError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    with serve(Path(sys.argv[1]).absolute()) as running:
        sys.stdout.write(f"{running} {ACCESS_KEY} {SECRET_KEY}\n")
        sys.stdout.flush()
        while True:
            time.sleep(60)
