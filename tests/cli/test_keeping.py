"""Auditing the ledger, and commands on an archive that has lost its database."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sonotheque.store.objectstore import open_bucket
from sonotheque.vault.ocfl import object_path


@pytest.fixture
def archive(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "archive")


def test_a_damaged_ledger_is_found_and_healed_by_an_audit(archive: Path, run: Any) -> None:
    (bundle,) = (archive / "ledger/tile/entries/000.p").iterdir()
    kept = bundle.read_bytes()
    assert run("audit", "--archive", archive)[0] == 0
    bundle.write_bytes(kept.replace(b"grant", b"Grant", 1))
    code, out, _ = run("audit", "--archive", archive)
    assert code == 1
    assert "ledger" in out
    code, out, _ = run("audit", "--heal", "--json", "--archive", archive)
    assert (code, json.loads(out)["ledger"]) == (0, "healed")
    assert bundle.read_bytes() == kept
    (archive / "ledger/checkpoint").write_text("no checkpoint")
    assert run("audit", "--heal", "--archive", archive)[0] == 1


@pytest.mark.parametrize(
    "command", [("find", "piece"), ("rights", "show"), ("publish", "--plan"), ("audit",)]
)
def test_an_archive_that_lost_its_database_says_so(
    archive: Path, run: Any, command: tuple[str, ...]
) -> None:
    for path in archive.glob("sonotheque.db*"):
        path.unlink()
    code, _, error = run(*command, "--archive", archive)
    assert code == 3
    assert "sonotheque rebuild" in error
    assert run("rebuild", "--archive", archive)[0] == 0
    assert run("find", "piece", "--archive", archive)[0] in (0, 1)


def test_paths_are_text_in_json(archive: Path, run: Any, tmp_path: Path) -> None:
    assert run("publish", "--archive", archive)[0] == 0
    copy = tmp_path / "mirror"
    code, out, _ = run("mirror", archive / "editions/1", "--to", copy, "--json")
    assert (code, json.loads(out)["directory"]) == (0, str(copy))


def test_an_archive_keeps_a_copy_in_a_bucket(
    serve_s3: Any, run: Any, fails: Any, music: Any, tmp_path: Path
) -> None:
    archive, url = tmp_path / "radio", "s3://tests/radio"
    delivery = music.file(
        tmp_path / "a.flac", 7, license="https://creativecommons.org/licenses/by/4.0/"
    )
    said = ("--name", "Radio", "--mandate", "Act", "--root", tmp_path / "disk", "--root", url)
    with serve_s3("If-None-Match") as endpoint:
        error = fails(1, "init", archive, *said, "--endpoint", endpoint)
        assert "silently overwrites" in error
    with serve_s3() as endpoint:
        code, out, _ = run("init", archive, *said, "--endpoint", endpoint, "--json")
        spread = json.loads(out)["spread"]
        assert (code, spread["copies"], spread["locations"]) == (0, 3, 0)
        assert {finding["code"] for finding in spread["findings"]} == {"roots.unsaid"}
        assert f'url = "{url}"\nendpoint = "{endpoint}"' in (archive / "archive.toml").read_text()
        assert "for-tests" not in (archive / "archive.toml").read_text()
        code, out, _ = run("deposit", delivery, "--json", "--archive", archive)
        (item,) = json.loads(out)["items"]
        assert (code, item["roots"]) == (0, ["main", "copy-1", "copy-2"])
        name = object_path(item["holding"])
        store = open_bucket(url, endpoint)
        key = f"{name}/v1/content/audio/a.flac"
        store.write(key, [b"rot"], replace=True)
        shutil.rmtree(archive / "vault" / name)
        assert not run("audit", "--json", "--archive", archive)[1].count("roots.few")
        code, out, _ = run("audit", "--archive", archive)
        assert code == 1
        assert "root copy-2" in out and "root main" in out
        assert run("audit", "--heal", "--archive", archive)[0] == 0
        assert store.read(key) == delivery.read_bytes()
        assert (archive / "vault" / key).read_bytes() == delivery.read_bytes()
    for command in (("audit",), ("deposit", delivery)):
        error = fails(3, *command, "--archive", archive)
        assert url in error and "did not answer" in error
    assert run("show", item["recording"], "--archive", archive)[0] == 0


def test_roots_that_cannot_be_are_told_in_one_line(
    s3: str, fails: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ("--name", "N", "--mandate", "M", "--endpoint", s3, "--root")
    for number, (url, code, reason) in enumerate(
        [
            ("http://tests/x", 2, "no address of a bucket"),
            ("s3://key:secret@tests/x", 2, "credentials"),
            ("s3://missing/x", 3, "no such bucket"),
        ]
    ):
        assert reason in fails(code, "init", tmp_path / str(number), *said, url)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "AWS_SECRET_ACCESS_KEY" in fails(3, "init", tmp_path / "9", *said, "s3://tests/n")


def test_a_root_that_was_lost_is_made_anew_by_command(archive: Path, run: Any, fails: Any) -> None:
    kept = {p: p.read_bytes() for p in (archive / "replica").rglob("*") if p.is_file()}
    shutil.rmtree(archive / "replica")
    assert "--renew copy-1" in fails(3, "audit", "--heal", "--archive", archive)
    assert "--heal" in fails(2, "audit", "--renew", "copy-1", "--archive", archive)
    assert "no storage root" in fails(2, "audit", "--heal", "--renew", "x", "--archive", archive)
    code, out, _ = run("audit", "--heal", "--renew", "copy-1", "--archive", archive)
    assert code == 0
    assert "[roots.few]" in out
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_the_files_of_a_root_are_audited(archive: Path, run: Any) -> None:
    layout = archive / "replica" / "ocfl_layout.json"
    kept = layout.read_bytes()
    layout.write_bytes(b"rot")
    code, out, _ = run("audit", "--archive", archive)
    assert code == 1
    assert "ocfl_layout.json" in out
    code, out, _ = run("audit", "--heal", "--json", "--archive", archive)
    (event,) = json.loads(out)["events"]
    assert (code, event["outcome"], event["root"]) == (0, "healed", "copy-1")
    assert layout.read_bytes() == kept
