"""The ledger over HTTP, for mirrors; and the archive as a witness of another archive's ledger."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from tlog_scales import signing as oracle_signing
from tlog_scales import tlog as oracle

from sonotheque import archive as archives
from sonotheque.access.site import create_app
from sonotheque.archive import Archive
from sonotheque.config import Config, Root, Witnessed
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Kind, Statement, Status, Use
from sonotheque.rights import evidence
from sonotheque.rights.verification import Examination

Make = Callable[..., Archive]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Archive] = []

    def archive(name: str, **more: Any) -> Archive:
        directory = tmp_path / name
        roots = (Root("main", directory / "vault"),)
        config = Config(directory=directory, name=name, mandate="m", roots=roots, **more)
        made.append(archives.create(config))
        return made[-1]

    yield archive
    for one in made:
        one.close()


def _entry(number: int) -> Statement:
    return Statement(
        recording=RecordingId("0000000000001"),
        kind=Kind.GRANT,
        uses=(Use.STREAM,),
        status=Status.VERIFIED,
        issuer=f"Label {number}",
        evidence="e",
        at="2026-01-01",
    )


def _growth(archive: Archive, older: str = "") -> evidence.ConsistencyProof:
    keys = [archive.signer.verifier]
    if older:
        return archive.ledger.prove_growth(evidence.verify_checkpoint(older, keys))
    return evidence.ConsistencyProof(old=0, path=(), checkpoint=archive.ledger.checkpoint())


def test_a_mirror_made_over_http_verifies(make: Make, tmp_path: Path) -> None:
    archive = make("one")
    archive.ledger.append([_entry(n) for n in range(300)])
    mirror = tmp_path / "mirror"
    with TestClient(create_app(archive)) as client:
        for path in sorted(archive.config.ledger.rglob("*")):
            if path.is_file():
                name = path.relative_to(archive.config.ledger).as_posix()
                answer = client.get(f"/ledger/{name}")
                assert answer.status_code == 200
                assert answer.content == path.read_bytes()
                kind = "text/plain; charset=utf-8" if name == "checkpoint" else None
                assert answer.headers["content-type"] == (kind or "application/octet-stream")
                (mirror / name).parent.mkdir(parents=True, exist_ok=True)
                (mirror / name).write_bytes(answer.content)
        for wrong in (
            *("tile/0/999", "tile/..%2f..%2farchive.toml", "tile/..%2fcheckpoint", "tile/0/0"),
            *("tile/entries/x001", "tile/0"),
        ):
            assert client.get(f"/ledger/{wrong}").status_code in (404, 400), wrong
    examination = Examination(mirror, archive.signer.verifier)
    assert sum(1 for _ in examination.entries()) == 300
    assert examination.findings == []


def test_a_second_archive_is_a_witness(make: Make) -> None:
    archive = make("one")
    key = archive.signer.verifier
    other = make("two", witnessed=(Witnessed(key.text()),))
    origin = hashlib.sha256(key.name.encode()).hexdigest()
    archive.ledger.append([_entry(1)])
    older = archive.ledger.checkpoint()
    with TestClient(create_app(other)) as client:
        assert client.get(f"/witness/{origin}/checkpoint").status_code == 404
        answer = client.post("/witness/add-checkpoint", content=_growth(archive).text().encode())
        assert answer.status_code == 200
        assert other.witness is not None
        vkey = oracle_signing.Vkey.from_string(other.witness.verifier.text())
        oracle.Checkpoint.from_text(older + answer.text).verify(vkey)
        archive.ledger.append([_entry(n) for n in range(5)])
        again = client.post("/witness/add-checkpoint", content=_growth(archive).text().encode())
        assert (again.status_code, again.text) == (409, "1\n")
        assert again.headers["content-type"] == "text/x.tlog.size"
        grown = _growth(archive, older).text().encode()
        assert client.post("/witness/add-checkpoint", content=grown).status_code == 200
        served = client.get(f"/witness/{origin}/checkpoint")
        oracle.Checkpoint.from_text(served.text).verify(vkey)
        assert client.post("/witness/add-checkpoint", content=b"\xff").status_code == 400
        assert client.post("/witness/add-checkpoint", content=b"x" * 200_000).status_code == 413
        assert client.get("/witness/add-checkpoint").status_code == 405
    with TestClient(create_app(archive)) as client:
        assert client.post("/witness/add-checkpoint", content=grown).status_code == 404
        assert client.get(f"/witness/{origin}/checkpoint").status_code == 404
    assert archive.witness is None
    assert not (archive.config.keys / "witness.key").exists()


def test_requests_at_once_are_answered_one_after_the_other(make: Make) -> None:
    archive = make("one")
    other = make("two", witnessed=(Witnessed(archive.signer.verifier.text()),))
    archive.ledger.append([_entry(1)])
    request = replace(_growth(archive)).text().encode()
    statuses: list[int] = []
    with TestClient(create_app(other)) as client:

        def ask() -> None:
            statuses.append(client.post("/witness/add-checkpoint", content=request).status_code)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(statuses) == [200] + [409] * 5
