"""What a root stands on, and who may write there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sonotheque import config
from sonotheque.archive import Archive
from sonotheque.assessment import ground
from sonotheque.store import signing


def test_a_directory_and_its_disk(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name / "below").mkdir(parents=True)
    one, other = (ground.stands(config.Root(n, tmp_path / n)) for n in ("one", "other"))
    assert one == other
    assert one.owners == (ground._user(os.getuid()),)
    assert one.open_count == 0
    # /proc is a filesystem of its own everywhere.
    proc = ground.stands(config.Root("proc", Path("/proc/sys/kernel")))
    assert proc.filesystem == "proc"
    assert proc.device != one.device


def test_a_root_that_is_away_stands_on_nothing_known(tmp_path: Path) -> None:
    found = ground.stands(config.Root("gone", tmp_path / "gone"))
    assert (found.filesystem, found.owners) == ("", ())


def test_two_prefixes_of_one_bucket_are_one_device() -> None:
    one, two, elsewhere = (
        ground.stands(config.Root("r", url=url, endpoint=endpoint)).device
        for url, endpoint in (
            ("s3://bucket/one", ""),
            ("s3://bucket/two", ""),
            ("s3://bucket/one", "http://127.0.0.1:1"),
        )
    )
    assert one == two != elsewhere


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_everybody_may_change(tmp_path: Path, kind: str) -> None:
    top = tmp_path / "root"
    top.mkdir()
    path = top / "x"
    path.mkdir() if kind == "directory" else path.touch()
    (top / "link").symlink_to(path)
    path.chmod(0o777)
    found = ground.stands(config.Root("r", top))
    assert (found.open_count, found.open_to_others) == (1, (str(path),))


def test_the_list_of_them_is_short(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / str(n)).touch()
        (tmp_path / str(n)).chmod(0o666)
    found = ground.stands(config.Root("r", tmp_path))
    assert (found.open_count, len(found.open_to_others)) == (20, 5)


def test_keys_ledger_and_settings(archive: Archive) -> None:
    settings = archive.config
    assert list(ground.open_keys(settings)) == []
    key = settings.keys / signing.PRIVATE_KEY_NAME
    key.chmod(0o640)
    checkpoint = settings.ledger / "checkpoint"
    checkpoint.chmod(0o646)
    toml = settings.directory / "archive.toml"
    toml.chmod(0o666)
    assert list(ground.open_keys(settings)) == [str(key), str(checkpoint), str(toml)]
