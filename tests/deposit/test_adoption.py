"""Adoption: storage roots of others, whole, broken, grown, and killed on the way."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from clocked import notice
from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.config import Config, Root
from sonotheque.deposit import accession
from sonotheque.deposit.adoption import (
    Adoption,
    AdoptionStatus,
    adopt,
)
from sonotheque.deposit.recovery import rebuild
from sonotheque.errors import BadInput, SonothequeError
from sonotheque.model.holdings import AdoptionRecord, FixityEvent, Outcome
from sonotheque.model.identifiers import ADOPTION_PREFIX, HoldingId
from sonotheque.model.procedures import Step
from sonotheque.model.terms import Answer, Kind, Statement, Status, Use
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.layouts import layout_of


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[name] = module
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


made = _load("ocfl_objects")
disk = _load("disk")
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
NOW = "2026-11-20T10:00:00.000000Z"
LATER = "2026-11-21T10:00:00.000000Z"
RECORDING = (
    b'{"id": "0000000000001", "description": {}, "duration_ms": 1, "added_at": "2020-01-01"}'
)
LAYOUTS: dict[str, dict[str, Any]] = {
    "": {},
    "0002-flat-direct-storage-layout": {},
    "0003-hash-and-id-n-tuple-storage-layout": {"tupleSize": 2, "numberOfTuples": 2},
    "0004-hashed-n-tuple-storage-layout": {},
    "0006-flat-omit-prefix-storage-layout": {"delimiter": ":"},
    "0007-n-tuple-omit-prefix-storage-layout": {"tupleSize": 2, "numberOfTuples": 2},
    "0011-direct-clean-path-layout": {},
}


class Music(Protocol):
    def file(self, path: Path, seed: int, **tags: Any) -> Path: ...


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power is not cut while these tests run; `disk.Disk` counts what would be synced."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(files, "syncfs", lambda _descriptor: None)


def statuses(adoption: Adoption) -> dict[str, AdoptionStatus]:
    return {one.id or one.path: one.status for one in adoption.objects}


def codes(adoption: Adoption) -> set[str]:
    found = [*adoption.findings, *(f for one in adoption.objects for f in one.findings)]
    assert all(finding.message and finding.remedy and finding.where for finding in found)
    return {finding.code for finding in found}


def audited(archive: Archive, *, heal: bool = False) -> list[FixityEvent]:
    """What an audit says of every copy of every holding that is not whole."""
    found = archive.audit(lambda: LATER, heal=heal).run()
    return [e for one in found for e in one.events if e.outcome is not Outcome.PASS]


def passes(archive: Archive) -> bool:
    return audited(archive) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made.make_root(tmp_path / "root")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "spec"), [(name, ["1.0", "1.1"][n % 2]) for n, name in enumerate(LAYOUTS)]
)
def test_every_layout(name: str, spec: str, archive: Archive, tmp_path: Path) -> None:
    parameters = LAYOUTS[name]
    root = made.make_root(tmp_path / "root", spec, name, **parameters)
    layout = layout_of(name, parameters) or (lambda identifier: identifier.replace(":", "/"))
    for identifier in ("a:1234567", "b:x"):
        maker = made.Maker(id=identifier, spec=spec, versions=made.TWO)
        maker.make(root / layout(identifier))
    adoption = adopt(archive, root, NOW, origin="Radio Anna")
    assert (adoption.spec, adoption.layout, adoption.findings) == (spec, name, ())
    assert statuses(adoption) == dict.fromkeys(["a:1234567", "b:x"], AdoptionStatus.ADOPTED)
    assert adoption.accepted
    assert codes(adoption) == set()
    for one in adoption.objects:
        assert one.roots == ("main", "copy-1")
        for vault in archive.roots:
            assert vault.read(HoldingId(one.id), "b") == b"b"
            told = vault.read(HoldingId(f"{ADOPTION_PREFIX}{one.id}"), "adoption.json")
            record = msgspec.json.decode(told, type=AdoptionRecord)
            assert (record.origin, record.layout, record.spec) == ("Radio Anna", name, spec)
            assert (record.path, record.versions, record.at) == (one.path, 2, NOW)
    assert passes(archive)


def test_good_ones_are_taken_and_bad_ones_are_not(archive: Archive, root: Path) -> None:
    wanted = {}
    for number, (code, place) in enumerate(made.broken(root)):
        wanted[place.name] = code
        if number % 20 == 0:
            made.Maker(id=f"urn:good:{number}").make(root / f"{place.name}-good")
    adoption = adopt(archive, root, NOW)
    assert not adoption.accepted
    held = {holding.id for holding in archive.vault.holdings()}
    for one in adoption.objects:
        if one.path.endswith("-good"):
            assert one.status is AdoptionStatus.ADOPTED
            assert one.id in held
        else:
            code = wanted.pop(one.path)
            assert code in {finding.code for finding in one.findings}
            assert code[0] == "W" or one.status is AdoptionStatus.REFUSED
    # What does not look like an object at all is a fault of the root.
    assert set(wanted.values()) <= {"E001", "E003", "E005", "E063"}
    assert passes(archive)


def test_what_our_form_has_no_place_for_is_kept_beside(archive: Archive, root: Path) -> None:
    apart = {"logs/a.log": b"log", "extensions/0005-mutable-head/x": b"x", "v1/notes/n": b"n"}
    maker = made.Maker(spec="1.0", algorithm="sha256", digits=3, content="stuff", apart=apart)
    maker.apart = {**apart, "v001/notes/n": b"n"}
    del maker.apart["v1/notes/n"]
    place = maker.make(root / "one")
    adoption = adopt(archive, root, NOW)
    (one,) = adoption.objects
    assert (one.status, one.as_it_was, one.digest_algorithm) == (
        AdoptionStatus.ADOPTED,
        False,
        "sha256",
    )
    assert codes(adoption) == {"W001", "W002", "W004"}
    record = HoldingId(f"{ADOPTION_PREFIX}{maker.id}")
    kept = {
        path.removeprefix("original/"): archive.vault.read(record, path)
        for path in archive.vault.required(record).state()
        if path.startswith("original/")
    }
    original = {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and "stuff" not in path.parts
    }
    assert kept == original
    # With the content, the object can be put together again as it was.
    document = json.loads(kept["inventory.json"])
    for digest, (path,) in document["manifest"].items():
        logical = path.split("/", 2)[2]
        content = archive.vault.read(HoldingId(maker.id), logical)
        assert hashlib.sha256(content).hexdigest() == digest
        assert (place / path).read_bytes() == content


def test_a_second_run_adopts_nothing_and_a_grown_object_brings_its_versions(
    archive: Archive, root: Path, kept: Callable[[Archive], dict[str, bytes]]
) -> None:
    maker = made.Maker(algorithm="sha256", versions=[*made.TWO])
    maker.make(root / "one")
    made.Maker(id="urn:other", versions=[*made.TWO]).make(root / "two")
    assert adopt(archive, root, NOW).accepted
    before = kept(archive)
    adoption = adopt(archive, root, LATER)
    assert set(statuses(adoption).values()) == {AdoptionStatus.ALREADY_HELD}
    assert adoption.accepted
    assert kept(archive) == before
    shutil.rmtree(root / "one")
    maker.versions.append({"c": b"c"})
    maker.make(root / "one")
    adoption = adopt(archive, root, LATER)
    assert statuses(adoption) == {
        maker.id: AdoptionStatus.ADOPTED,
        "urn:other": AdoptionStatus.ALREADY_HELD,
    }
    for vault in archive.roots:
        assert vault.required(HoldingId(maker.id)).head == 3
        assert vault.required(HoldingId(f"{ADOPTION_PREFIX}{maker.id}")).head == 2
    # The older one, from a backup, is held already.
    shutil.rmtree(root / "one")
    maker.versions.pop()
    maker.make(root / "one")
    assert statuses(adopt(archive, root, LATER))[maker.id] is AdoptionStatus.ALREADY_HELD
    assert passes(archive)


def test_another_object_of_one_name_is_refused(
    archive: Archive, root: Path, kept: Callable[[Archive], dict[str, bytes]]
) -> None:
    made.Maker().make(root / "a")
    assert adopt(archive, root, NOW).accepted
    before = kept(archive)
    made.Maker(versions=[{"a.txt": b"other"}]).make(root / "b")
    adoption = adopt(archive, root, LATER)
    assert [one.status for one in adoption.objects] == ["already-held", "refused"]
    assert codes(adoption) == {"adopt.refused"}
    assert kept(archive) == before


def test_an_object_of_a_later_version_than_its_root(archive: Archive, tmp_path: Path) -> None:
    root = made.make_root(tmp_path / "root", "1.0")
    made.Maker().make(root / "a")
    adoption = adopt(archive, root, NOW)
    assert codes(adoption) == {"E081"}
    assert not adoption.accepted


def test_a_misplaced_object_is_taken_with_a_warning(archive: Archive, tmp_path: Path) -> None:
    root = made.make_root(tmp_path / "root", layout="0002-flat-direct-storage-layout")
    made.Maker(id="urn:a").make(root / "b")
    adoption = adopt(archive, root, NOW)
    assert codes(adoption) == {"W014"}
    assert adoption.accepted


def test_what_is_no_storage_root(archive: Archive, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(BadInput):
            adopt(archive, place, NOW)
    made.Maker().make(tmp_path / "object")
    with pytest.raises(BadInput, match="E079"):
        adopt(archive, tmp_path / "object", NOW)


# From one sonotheque to another.


@pytest.fixture
def other(tmp_path: Path, make_archive: Callable[[Path], Archive]) -> Iterator[Archive]:
    with make_archive(tmp_path / "other") as archive:
        yield archive


def test_the_vault_of_another_sonotheque(
    archive: Archive,
    other: Archive,
    music: Music,
    tmp_path: Path,
    kept: Callable[[Archive], dict[str, bytes]],
) -> None:
    receipt = accession.deposit(other, [music.file(tmp_path / "a.flac", 1, title="Aubade")], NOW)
    assert not receipt.accepted  # nobody allows it
    receipt = accession.deposit(other, [music.file(tmp_path / "b.flac", 2)], NOW)
    (item,) = receipt.items
    assert item.recording and item.holding
    run = other.audit(lambda: NOW)
    assert list(run.run())
    assert other.preserve_audits(run)
    adoption = adopt(archive, other.vault.path, LATER, origin="Other")
    assert statuses(adoption)[item.holding] is AdoptionStatus.ADOPTED
    assert adoption.count(AdoptionStatus.LEFT) == 1
    assert adoption.accepted
    adopted = next(one for one in adoption.objects if one.id == item.holding)
    assert adopted.as_it_was
    mine, theirs = (
        {str(p.relative_to(v.path)): p.read_bytes()
         for p in v.object_path(item.holding).rglob("*") if p.is_file()}
        for v in (archive.vault, other.vault)
    )  # fmt: skip
    assert mine == theirs
    # It can be found by words and by its sound, and is kept on the word of the other archive.
    assert archive.catalogue.get(item.recording)
    assert archive.catalogue.find("piece", limit=5).total == 1
    assert archive.decide(item.recording, Use.PRESERVE, LATER).allowed
    assert archive.decide(item.recording, Use.STREAM, LATER).answer is Answer.UNKNOWN
    (said,) = archive.ledger.statements_about(item.recording)
    assert said.status is Status.CLAIMED
    assert said.evidence.startswith("ledger entry 1 of Other: ")
    again = accession.deposit(archive, [tmp_path / "b.flac"], LATER)
    assert (again.items[0].status, again.items[0].recording) == ("already-held", item.recording)
    encoded = accession.deposit(archive, [music.file(tmp_path / "b.mp3", 2)], LATER)
    assert encoded.items[0].recording == item.recording
    before = kept(archive)
    assert not any(
        one.status is AdoptionStatus.ADOPTED
        for one in adopt(archive, other.vault.path, LATER, origin="Other").objects
    )
    assert kept(archive) == before


def test_refusals_and_takedowns_come_along(
    archive: Archive, other: Archive, music: Music, tmp_path: Path
) -> None:
    receipt = accession.deposit(other, [music.file(tmp_path / "a.flac", 1, license=CC_BY)],
                                NOW)  # fmt: skip
    recording = receipt.items[0].recording
    assert recording
    other.ledger.append(
        [
            Statement(
                recording=recording,
                kind=Kind.TAKEDOWN,
                uses=(Use.STREAM,),
                status=Status.VERIFIED,
                issuer="Anna",
                evidence="letter",
                at=NOW,
            ),
            replace(notice(0, Step.HELD, NOW[:10]), recording=recording),
        ]
    )
    music.file(tmp_path / "a.wav", 1, license=CC_BY)
    accession.deposit(other, [tmp_path / "a.wav"], NOW)
    adopt(archive, other.vault.path, LATER)
    decision = archive.decide(recording, Use.STREAM, LATER)
    assert decision.answer is Answer.REFUSED
    assert decision.reasons[0].code == "takedown"
    # What the other archive did in a procedure, this one has not done.
    statuses = {s.kind: s.status for s in archive.ledger.statements_about(recording)}
    assert statuses[Kind.NOTICE] is Status.CLAIMED
    assert statuses[Kind.TAKEDOWN] is Status.VERIFIED


@pytest.mark.parametrize(
    "state",
    [
        {"a": b"a"},
        {"recording.json": b"{}", "statements.json": b"[]"},
        {"recording.json": b"[", "statements.json": b"[]"},
        {"recording.json": RECORDING, "statements.json": b"[]"},
        {
            "recording.json": RECORDING.replace(b"0000000000001", b"1W95HFR45TBQZ"),
            "statements.json": b"[]",
            "deposits/a/b.json": b"{}",
        },
        {
            "recording.json": RECORDING.replace(b"0000000000001", b"1W95HFR45TBQZ"),
            "statements.json": b"[]",
            "fingerprint.bin": b"12345",
        },
    ],
)
def test_what_calls_itself_a_holding_and_is_none(
    archive: Archive, root: Path, state: dict[str, bytes]
) -> None:
    id_ = "urn:sonotheque:holding:1W95HFR45TBQZ"
    made.Maker(id=id_, versions=[state]).make(root / "a")
    made.Maker(id="urn:sonotheque:audit:2020", versions=[{"events.jsonl": b"x"}]).make(root / "b")
    adoption = adopt(archive, root, NOW)
    assert [one.status for one in adoption.objects] == ["refused", "left"]
    assert codes(adoption) == {"adopt.refused", "adopt.own-record"}
    archive.close()
    assert rebuild(archive.config.directory).recordings == 0


def test_adopted_objects_are_there_after_rebuilding(
    archive: Archive, other: Archive, root: Path, music: Music, tmp_path: Path
) -> None:
    made.Maker(algorithm="sha256").make(root / "a")
    receipt = accession.deposit(other, [music.file(tmp_path / "b.flac", 2)], NOW)
    assert receipt.items[0].holding
    adopt(archive, root, LATER)
    adopt(archive, other.vault.path, LATER)
    archive.close()
    rebuilt = rebuild(archive.config.directory)
    assert (rebuilt.recordings, rebuilt.receipts, rebuilt.adopted) == (1, 1, 2)
    with archives.open_archive(archive.config.directory) as again:
        # Read back in our roots when they were adopted; before that, in roots of others, which
        # have the same names.
        for id_ in (HoldingId("urn:example:one"), receipt.items[0].holding):
            assert {(e.root, e.at) for e in again.fixity.events_of(id_)} == {
                ("main", LATER),
                ("copy-1", LATER),
            }
        assert again.catalogue.find("piece", limit=5).total == 1
        assert again.vault.read(HoldingId("urn:example:one"), "a.txt") == b"a"
        assert passes(again)


def test_a_replica_in_a_bucket_gets_what_a_directory_gets(
    root: Path, tmp_path: Path, s3: str
) -> None:
    maker = made.Maker(algorithm="sha256", versions=made.TWO, apart={"logs/l": b"log"}, digits=3)
    maker.make(root / "a")
    made.Maker(id="urn:example:two").make(root / "b")
    roots = (
        Root("main", tmp_path / "archive/vault"),
        Root("remote", url=f"s3://tests/{tmp_path.name}", endpoint=s3),
    )
    config = Config(directory=tmp_path / "archive", name="x", mandate="x", roots=roots)
    with archives.create(config) as archive:
        assert adopt(archive, root, NOW).accepted
        main, remote = archive.roots
        assert passes(archive)
        # It grows, is damaged there, and goes on wherever it was.
        maker.versions = [*made.TWO, {"c": b"c"}]
        shutil.rmtree(root / "a")
        maker.make(root / "a")
        assert adopt(archive, root, LATER).accepted
        id_ = HoldingId(maker.id)
        name = ocfl.object_path(id_)
        for path in main.required(id_).content_paths():
            remote.restore_file(name, path, [b"x"], ocfl.digest_of(b"x"))
        assert {event.root for event in audited(archive)} == {"remote"}
        assert {event.outcome for event in audited(archive, heal=True)} == {Outcome.HEALED}
        assert passes(archive)
        names = list(main.object_names())
        assert list(remote.object_names()) == names and len(names) == 4
        for one in names:
            for path in ocfl.file_paths(main.read_inventory(one)[1]):
                assert main.digest(one, path) == remote.digest(one, path) is not None
        again = adopt(archive, root, LATER)
        assert statuses(again) == {
            "urn:example:one": AdoptionStatus.ALREADY_HELD,
            "urn:example:two": AdoptionStatus.ALREADY_HELD,
        }


def test_damage_in_an_adopted_object_is_healed(archive: Archive, root: Path) -> None:
    maker = made.Maker(algorithm="sha256", versions=made.TWO, apart={"logs/l": b"log"})
    maker.make(root / "a")
    adopt(archive, root, NOW)
    for id_ in (HoldingId(maker.id), HoldingId(f"{ADOPTION_PREFIX}{maker.id}")):
        for path in sorted(archive.vault.object_path(id_).rglob("*")):
            if path.is_file():
                whole = path.read_bytes()
                path.write_bytes(whole + b"x")
                checks = archive.audit(lambda: LATER, heal=True).check(id_)
                events = [event for check in checks for event in check.events]
                assert [e.outcome for e in events].count(Outcome.HEALED) == 1, path
                assert path.read_bytes() == whole


def test_it_goes_on_wherever_it_is_killed(
    root: Path, tmp_path: Path, make_archive: Callable[[Path], Archive]
) -> None:
    made.Maker(algorithm="sha256", versions=made.TWO, apart={"logs/l": b"log"}).make(root / "a")
    for fault in count(0, 37):
        directory = tmp_path / f"archive-{fault}"
        with make_archive(directory) as archive:
            died = contextlib.suppress(SonothequeError, OSError, disk.Died)
            with disk.Disk("die", fault).watched(directory / "vault") as watching, died:
                adopt(archive, root, NOW)
            ended = not watching.hit
            with watching.restarted():
                again = adopt(archive, root, LATER)
            assert again.accepted
            assert passes(archive)
            for vault in archive.roots:
                assert vault.read(HoldingId("urn:example:one"), "b") == b"b"
            staging = archive.vault.staging
            assert not staging.exists() or not any(staging.iterdir())
        shutil.rmtree(directory)
        if ended:
            break
    assert fault > 50


def test_a_full_disk_leaves_nothing_behind(
    archive: Archive, root: Path, kept: Callable[[Archive], dict[str, bytes]]
) -> None:
    made.Maker(versions=made.TWO).make(root / "a")
    before = kept(archive)
    full = disk.Disk("full", 12)
    with full.watched(archive.config.directory), pytest.raises((SonothequeError, OSError)):
        adopt(archive, root, NOW)
    after = kept(archive)
    assert not [path for path in after.keys() - before.keys() if "example" in path and
                "adoption" not in path]  # fmt: skip
    assert adopt(archive, root, NOW).accepted
