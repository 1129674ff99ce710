"""A witness cosigns only a log that grows, and never two pasts, whenever it died."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tlog_scales import signing as oracle_signing
from tlog_scales import tlog as oracle

from sonotheque.errors import Corrupt
from sonotheque.rights import proof
from sonotheque.rights.evidence import ConsistencyProof
from sonotheque.rights.published import tiles
from sonotheque.rights.witness import SIZE, TEXT, Reply, Witness
from sonotheque.store import signing

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]

AT_S = 1_800_000_000
Ask = Callable[..., Reply]


@pytest.fixture
def witness(tmp_path: Path, logs: Any) -> Witness:
    signer = logs.signer(9, "witness.9", signing.Kind.COSIGNATURE)
    return Witness(tmp_path / "witnessed", signer, [logs.signer().verifier])


@pytest.fixture
def request_for(tmp_path: Path, logs: Any) -> Callable[..., bytes]:
    """A request from `old` to `new` entries of a log, by default the one that is known."""

    def make(
        old: int, new: int, *, seed: int = 1, name: str = "archive.0001", changed: int | None = None
    ) -> bytes:
        directory = tmp_path / f"log-{new}-{seed}-{name}-{changed}"
        note = logs.write(directory, new, logs.signer(seed, name), changed=changed)
        path = proof.consistency_path(old, new, tiles(directory, new)) if old <= new else []
        return ConsistencyProof(old=old, path=tuple(path), checkpoint=note).text().encode()

    return make


def test_it_cosigns_a_log_that_grows(witness: Witness, request_for: Any, logs: Any) -> None:
    old = 0
    for new in (0, 0, 1, 3, 300, 300, 600):
        request = request_for(old, new)
        reply = witness.add_checkpoint(request, AT_S + new)
        assert (reply.status, reply.media_type) == (200, TEXT)
        checkpoint = request.decode().split("\n\n", 1)[1]
        assert signing.cosigned_at(checkpoint + reply.text, witness.verifier) == AT_S + new
        # An independent implementation agrees, and finds both signatures in what is served.
        served = witness.checkpoint(hashlib.sha256(b"archive.0001").hexdigest())
        assert served is not None
        read = oracle.Checkpoint.from_text(served)
        for key in (witness.verifier, logs.signer().verifier):
            read.verify(oracle_signing.Vkey.from_string(key.text()))
        assert witness.sizes() == {"archive.0001": new}
        old = new


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"old": 5, "new": 9, "name": "other.0001"}, 404),
        ({"old": 5, "new": 9, "seed": 2}, 403),
        ({"old": 6, "new": 5}, 400),
        ({"old": 0, "new": 9}, 409),
        ({"old": 4, "new": 9}, 409),
        ({"old": 6, "new": 9}, 409),
        ({"old": 5, "new": 9, "changed": 2}, 422),
        ({"old": 5, "new": 5, "changed": 2}, 422),
    ],
)
def test_it_cosigns_nothing_else(
    witness: Witness, request_for: Any, asked: dict[str, Any], status: int
) -> None:
    assert witness.add_checkpoint(request_for(0, 5), AT_S).status == 200
    reply = witness.add_checkpoint(request_for(**asked), AT_S)
    assert reply.status == status
    assert "—" not in reply.text
    if status == 409:
        assert (reply.text, reply.media_type) == ("5\n", SIZE)
    assert witness.sizes() == {"archive.0001": 5}
    assert witness.add_checkpoint(request_for(5, 9), AT_S).status == 200


def test_odd_requests_are_refused(witness: Witness, request_for: Any, logs: Any) -> None:
    assert witness.add_checkpoint(request_for(0, 5), AT_S).status == 200
    whole = request_for(5, 9).decode()
    first = whole.split("\n")[1]
    empty = logs.signer().sign(proof.checkpoint_text("archive.0001", 0, bytes(32)))
    for request, status in {
        whole.replace("old 5", "old 05"): 400,
        whole.replace("old 5", "older 5"): 400,
        whole.replace("old 5", "old 5 "): 400,
        whole.replace(first, first[:-1]): 400,
        whole.replace(first, f"{first}\n{first}"): 422,
        whole.replace(f"{first}\n", ""): 422,
        whole.replace("\n9\n", "\n8\n"): 403,
        whole[:-2]: 400,
        whole.rpartition("— ")[0]: 400,
        "": 400,
        "old 5\n" + f"{'A' * 43}=\n" * 64 + "\n" + whole.partition("\n\n")[2]: 400,
    }.items():
        assert witness.add_checkpoint(request.encode(), AT_S).status == status, request
    assert witness.add_checkpoint(b"\xff", AT_S).status == 400
    assert witness.sizes() == {"archive.0001": 5}
    fresh = Witness(
        witness._directory.with_name("fresh"), witness._signer, [logs.signer().verifier]
    )
    assert fresh.add_checkpoint(f"old 0\n\n{empty}".encode(), AT_S).status == 422
    assert fresh.checkpoint(hashlib.sha256(b"archive.0001").hexdigest()) is None
    unproved = request_for(0, 9).decode().replace("old 0\n", f"old 0\n{first}\n")
    assert fresh.add_checkpoint(unproved.encode(), AT_S).status == 422
    assert fresh.checkpoint("0" * 64) is None


def test_a_log_may_have_two_keys(
    tmp_path: Path, witness: Witness, request_for: Any, logs: Any
) -> None:
    """While an archive goes from one key to the next."""
    both = Witness(
        tmp_path / "both", witness._signer, [logs.signer().verifier, logs.signer(2).verifier]
    )
    assert both.add_checkpoint(request_for(0, 5), AT_S).status == 200
    assert both.add_checkpoint(request_for(5, 9, seed=2), AT_S).status == 200
    assert both.add_checkpoint(request_for(9, 10, seed=3), AT_S).status == 403


def test_of_two_pasts_at_once_it_cosigns_one(witness: Witness, request_for: Any) -> None:
    assert witness.add_checkpoint(request_for(0, 300), AT_S).status == 200
    requests = [request_for(300, 301 + n, changed=300) for n in range(4)]
    requests += [request_for(300, 301 + n) for n in range(4)]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda one: witness.add_checkpoint(one, AT_S), requests))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 7


def test_what_it_cosigned_is_on_the_disk_before_it_answers(
    tmp_path: Path, witness: Witness, request_for: Any
) -> None:
    first, second = request_for(0, 5), request_for(5, 9)
    forked = request_for(5, 9, changed=7)
    for fault in count():
        memory = tmp_path / f"memory-{fault}"
        memory.mkdir()
        kept = Witness(memory / "witnessed", witness._signer, witness._watched)
        assert kept.add_checkpoint(first, AT_S).status == 200
        answered = False
        watching = disk.Disk("die", fault)
        with watching.watched(memory), contextlib.suppress(disk.Died):
            answered = kept.add_checkpoint(second, AT_S).status == 200
        again = Witness(memory / "witnessed", witness._signer, witness._watched)
        size = again.sizes()["archive.0001"]
        assert size == 9 if answered else size in (5, 9)
        assert again.add_checkpoint(forked, AT_S).status == (200 if size == 5 else 409)
        if not watching.hit:
            break
    assert fault > 3
    with disk.Disk().watched(tmp_path / "witnessed") as watching:
        kept = Witness(tmp_path / "witnessed", witness._signer, witness._watched)
        assert kept.add_checkpoint(first, AT_S).status == 200
    left = watching.after_power_cut(tmp_path / "witnessed")
    assert watching.violations == []
    assert any(name.endswith("/checkpoint") for name in left)


def test_a_damaged_memory_is_not_taken_for_an_empty_one(
    tmp_path: Path, witness: Witness, request_for: Any, logs: Any
) -> None:
    assert witness.add_checkpoint(request_for(0, 5), AT_S).status == 200
    (path,) = (tmp_path / "witnessed").rglob("checkpoint")
    kept = path.read_bytes()
    for bit in range(0, len(kept) * 8, 37):
        logs.flip(path, bit)
        try:
            reply = witness.add_checkpoint(request_for(5, 5), AT_S)
            # A bit of the log's own signature is none that its memory rests on.
            assert reply.status == 200
        except Corrupt as error:
            assert str(path) in error.line()
        path.write_bytes(kept)
    path.write_bytes(b"")
    with pytest.raises(Corrupt, match="cannot be read"):
        witness.add_checkpoint(request_for(0, 9), AT_S)
