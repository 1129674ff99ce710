"""Auditing the ledger, and commands on an archive that has lost its database."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sonotheque.model.identifiers import HoldingId
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
    checkpoint = archive / "ledger/checkpoint"
    signed = checkpoint.read_bytes()
    checkpoint.write_text("no checkpoint")
    assert run("audit", "--archive", archive)[0] == 1
    assert run("audit", "--heal", "--archive", archive)[0] == 0
    assert checkpoint.read_bytes() == signed


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


def test_an_audit_leaves_out_what_is_whole_and_reads_no_faster_than_it_may(
    archive: Path, run: Any
) -> None:
    code, out, _ = run("audit", "--rate", "1GB/s", "--json", "--archive", archive)
    first = json.loads(out)
    # Other tests have deposited into the archive that this one is a copy of.
    objects = first["passed"] // 2
    assert (code, first["wrong"], len(first["runs"])) == (0, 0, 1)
    assert objects >= 2
    code, out, _ = run("audit", "--within", "30d", "--json", "--archive", archive)
    rest = json.loads(out)
    # The run before is a holding too, and has never been audited.
    assert (code, rest["passed"]) == (0, 2)
    config = archive / "archive.toml"
    config.write_text(config.read_text().replace("[[root]]", '[[root]]\naudit_within = "4w"', 1))
    code, out, _ = run("audit", "--json", "--archive", archive)
    assert {event["root"] for event in json.loads(out)["events"]} == set()
    assert json.loads(out)["passed"] == 1 + objects + 2
    for option in ("--within", "--rate"):
        code, _, error = run("audit", option, "soon", "--archive", archive)
        assert code == 2
        assert "soon: is not a" in error


def test_events_are_written_as_premis_now_and_later(
    archive: Path, run: Any, tmp_path: Path
) -> None:
    now, later = tmp_path / "now.xml", tmp_path / "later.xml"
    code, out, _ = run("audit", "--premis", now, "--json", "--archive", archive)
    assert code == 0
    (holding,) = json.loads(out)["runs"]
    events = now.read_bytes().count(b"<event ")
    assert events >= 4
    for name in (holding, holding.removeprefix("urn:sonotheque:audit:")):
        code, out, _ = run("audit", "--run", name, "--premis", later, "--archive", archive)
        assert code == 0
        assert f"{events} fixity events" in out
        assert later.read_bytes() == now.read_bytes()
    assert run("audit", "--run", holding, "--archive", archive)[0] == 2
    assert run("audit", "--run", "never", "--premis", later, "--archive", archive)[0] == 1


def test_one_holding_is_audited_even_where_every_root_has_lost_it(archive: Path, run: Any) -> None:
    assert run("audit", "--archive", archive)[0] == 0
    _, out, _ = run("rights", "show", "--json", "--archive", archive)
    recording = json.loads(out)[0]["recording"]
    name = object_path(HoldingId(f"urn:sonotheque:holding:{recording}"))
    code, out, _ = run("audit", "--only", recording, "--json", "--archive", archive)
    assert (code, json.loads(out)["passed"]) == (0, 2)
    for root in ("vault", "replica"):
        shutil.rmtree(archive / root / name)
    code, out, _ = run("audit", "--only", recording, "--archive", archive)
    assert code == 1
    assert "missing" in out
    assert max(map(len, out.splitlines())) <= 80
    assert run("audit", "--only", "0000000000000", "--archive", archive)[0] == 1


def test_a_root_that_lost_everything_is_told_in_few_lines(
    archive: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sonotheque.cli import auditing

    monkeypatch.setattr(auditing, "_LISTED_MAX", 1)
    monkeypatch.setattr(auditing, "_SHOWN_MAX", 1)
    assert run("audit", "--archive", archive)[0] == 0
    places = list((archive / "replica").glob("*/*/*/urn*"))
    for place in places:
        shutil.rmtree(place)
    code, out, _ = run("audit", "--archive", archive)
    assert code == 1
    assert f"… and {len(places) - 1} more" in out
    code, out, _ = run("audit", "--json", "--archive", archive)
    assert (len(json.loads(out)["events"]), json.loads(out)["wrong"]) == (1, len(places))
