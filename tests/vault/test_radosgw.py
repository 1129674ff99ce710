"""A second real S3 server, Ceph's: replicate, corrupt, heal, and lose the bucket whole."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sonotheque.errors import EnvironmentFailure
from sonotheque.model.holdings import Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store.objectstore import PART_BYTES, ObjectStore, open_bucket
from sonotheque.vault import ocfl, replicas
from sonotheque.vault.audit import Audit
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.objects import KnownFile, Vault

_spec = importlib.util.spec_from_file_location("radosgw", Path(__file__).parents[1] / "radosgw.py")
radosgw = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(radosgw)  # type: ignore[union-attr]

NOW = "2026-11-20T10:00:00.000000Z"
HOLDINGS = [HoldingId(f"urn:sonotheque:holding:{number:013}") for number in range(6)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if missing := radosgw.missing():
        pytest.skip(
            f"NOT TESTED against Ceph: {', '.join(missing)} not installed (apt-get install"
            " ceph-mon ceph-osd ceph-common radosgw)"
        )
    with (
        pytest.MonkeyPatch.context() as patch,
        radosgw.serve(tmp_path_factory.mktemp("ceph") / "cluster") as endpoint,
    ):
        patch.setenv("AWS_ACCESS_KEY_ID", radosgw.ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", radosgw.SECRET_KEY)
        patch.setenv("AWS_REGION", "us-east-1")
        yield endpoint


@pytest.fixture
def store(gateway: str) -> ObjectStore:
    boto3.client("s3", endpoint_url=gateway, region_name="us-east-1").create_bucket(Bucket="tests")
    return open_bucket("s3://tests/a vault/é", gateway)


def _tree(vault: Vault) -> dict[str, bytes]:
    files = [path for path in vault.path.rglob("*") if path.is_file()]
    return {str(path.relative_to(vault.path)): path.read_bytes() for path in files}


@pytest.fixture
def fetched_valid(
    store: ObjectStore,
    fetched: Callable[[ObjectStore], Vault],
    validate: Callable[[Vault], None],
) -> Callable[[], dict[str, bytes]]:
    """Downloads everything, has ocfl-py find it valid, and gives it."""

    def get() -> dict[str, bytes]:
        vault = fetched(store)
        validate(vault)
        return _tree(vault)

    return get


def test_a_round_against_ceph(
    main: Vault,
    store: ObjectStore,
    known: Callable[[str, bytes], KnownFile],
    fetched_valid: Callable[[], dict[str, bytes]],
    audit: Callable[..., Audit],
) -> None:
    remote = BucketRoot("remote", store)
    remote.create()
    large = known("large", bytes(range(256)) * (PART_BYTES // 128) + b"end")
    for number, holding in enumerate(HOLDINGS):
        for version in range(number % 3 + 1):
            content: dict[str, Any] = {"audio/é #%.flac": b"%d" % number, "n": b"%d" % version}
            if number == 0:
                content["audio/large.wav"] = large
            main.write_version(holding, content, message="", now=NOW)
            replicas.replicate(main, [remote], holding)
    whole = _tree(main)
    assert list(remote.object_names()) == list(main.object_names())
    assert fetched_valid() == whole
    roots = [main, remote]
    assert {check.passed for check in audit(roots).run()} == {True}

    keys = sorted(key for key in whole if key not in dict(ocfl.ROOT_FILES))
    for number, key in enumerate(keys[::3]):
        if number % 2:
            store.write(key, [whole[key][:-1] + b"?"], replace=True)
        else:
            store.delete(key)
    for key in keys[1::3]:
        (main.path / key).write_bytes(b"rot")
    assert any(not check.passed for check in audit(roots).run())
    healed = [event for check in audit(roots, heal=True).run() for event in check.events]
    assert {event.outcome for event in healed} <= {Outcome.PASS, Outcome.HEALED}
    assert fetched_valid() == _tree(main) == whole

    for key in list(store.list()):
        store.delete(key)
    with pytest.raises(EnvironmentFailure, match="--renew remote"):
        list(audit(roots, heal=True).run())
    replicas.renew(remote)
    list(audit(roots, heal=True).run())
    assert fetched_valid() == whole


def test_ceph_denies_a_wrong_key(
    gateway: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for url in ("s3://tests/x", "s3://missing/x"):
        with pytest.raises(EnvironmentFailure, match="access denied") as caught:
            BucketRoot("x", open_bucket(url, gateway)).create()
        assert "\n" not in caught.value.line()
