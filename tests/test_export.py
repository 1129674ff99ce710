"""Export: bags that bagit.py and our own reader call whole, and that another archive takes in."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import bagit
import pytest

from clocked import eu_exception
from sonotheque.archive import Archive
from sonotheque.cli import main
from sonotheque.deposit import accession
from sonotheque.deposit.adoption import adopt
from sonotheque.deposit.bag import read_bag
from sonotheque.deposit.statements import read_declaration
from sonotheque.errors import BadInput, Corrupt, NotFound, Refused, SonothequeError
from sonotheque.export import Exported, execute, plan_export, statements_toml
from sonotheque.model.holdings import Receipt
from sonotheque.model.identifiers import HoldingId, RecordingId, holding_id_of
from sonotheque.model.procedures import Procedure
from sonotheque.model.terms import KEEPING, Basis, Kind, Statement, Status, Use
from sonotheque.store import files


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[name] = module
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


disk = _load("disk")
made = _load("ocfl_objects")
NOW = "2026-11-20T10:00:00.000000Z"
LATER = "2026-11-21T10:00:00.000000Z"


class Music(Protocol):
    def file(self, path: Path, seed: int, **tags: Any) -> Path: ...
    def bare(self, path: Path, seed: int) -> Path: ...


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power is not cut while these tests run; `disk.Disk` counts what would be synced."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(files, "syncfs", lambda _descriptor: None)


@pytest.fixture
def held(
    archive: Archive, deposit: Callable[..., Receipt], music: Music, tmp_path: Path
) -> HoldingId:
    """A recording of two encodings, described and allowed by a statements.toml alone."""
    delivery = tmp_path / "delivery"
    music.bare(delivery / "100% sure.flac", 1)
    music.bare(delivery / "sure.mp3", 1)
    (delivery / "statements.toml").write_text(
        '[[description]]\ntitle = "Sûre \\"100 %\\""\nartist = "Anna"\nyear = 1999\n'
        '[[statement]]\nissuer = "Anna"\nbasis = "agreement"\nuses = ["preserve", "stream"]\n'
        'evidence = "letter"\nends_at = 2031-03-03\n'
        '[[statement]]\nissuer = "Anna"\nrefuse = true\nuses = ["train-ai"]\nevidence = "letter"\n'
    )
    receipt = deposit(delivery)
    assert receipt.accepted
    assert receipt.items[0].holding
    return receipt.items[0].holding


def export(archive: Archive, to: Path, *which: HoldingId) -> list[Exported]:
    return list(execute(archive, plan_export(archive, which, to, LATER), LATER))


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_bag_of_a_holding(archive: Archive, held: HoldingId, tmp_path: Path) -> None:
    (made_bag,) = export(archive, tmp_path / "out", held)
    assert made_bag.directory.name == made_bag.recording
    found = tree(made_bag.directory)
    holding = archive.vault.holding(held)
    assert holding
    for file in holding.files:
        place = "data/" if file in holding.audio else "metadata/holding/"
        assert found[f"{place}{file.path}"] == archive.vault.read(held, file.path)
    assert len(holding.audio) == 2
    inventory = archive.vault.object_path(held) / "inventory.json"
    assert found["metadata/inventory.json"] == inventory.read_bytes()
    assert [s["issuer"] for s in json.loads(found["metadata/statements.json"])] == ["Anna", "Anna"]
    assert {d["use"] for d in json.loads(found["metadata/decisions.json"])} == set(Use)
    assert found["metadata/premis.xml"].count(b"<eventIdentifierValue>") == 4
    info = found["bag-info.txt"].decode()
    for line in (
        "Source-Organization: Test",
        f"External-Identifier: {held}",
        'External-Description: Anna — Sûre "100 %"',
        "Bagging-Date: 2026-11-21",
        f"Payload-Oxum: {made_bag.payload_bytes}.{made_bag.payload_files}",
        "Rights: preserve: allowed",
        "Rights: train-ai: refused",
    ):
        assert line in info.splitlines()
    assert read_bag(made_bag.directory).findings == ()
    assert "data/audio/100%25 sure.flac" in found["manifest-sha512.txt"].decode()


def test_bagit_calls_it_valid(
    archive: Archive, deposit: Callable[..., Receipt], music: Music, tmp_path: Path
) -> None:
    """Of names with a percent sign it cannot say: bagit.py does not undo %25."""
    receipt = deposit(
        music.file(tmp_path / "日本 é.flac", 3, isrc="FRZ031400123", license="CC0-1.0")
    )
    assert receipt.items[0].holding
    (made_bag,) = export(archive, tmp_path / "out", receipt.items[0].holding)
    bag = bagit.Bag(str(made_bag.directory))
    bag.validate()
    assert bag.algorithms == ["sha512"]
    assert bag.version_info == (1, 0)
    assert "ISRC FR-Z03-14-00123" in bag.info["External-Identifier"]
    with (made_bag.directory / "metadata/statements.json").open("ab") as file:
        file.write(b" ")
    assert not bag.is_valid()


def test_it_goes_round(
    archive: Archive,
    held: HoldingId,
    tmp_path: Path,
    make_archive: Callable[[Path], Archive],
) -> None:
    """From one archive to the next and the one after: the same bytes, the same description, the
    same rights as claims, and the way that it came."""
    here, id_ = archive, held
    for hop in ("two", "three"):
        (bag,) = export(here, tmp_path / f"to-{hop}", id_)
        there = make_archive(tmp_path / hop)
        receipt = accession.deposit(there, [bag.directory], LATER)
        assert receipt.accepted, receipt
        assert {item.holding for item in receipt.items} == {receipt.items[0].holding}
        new = receipt.items[0].holding
        assert new and receipt.items[0].recording
        one, other = here.vault.holding(id_), there.vault.holding(new)
        assert one and other
        assert [(f.path, f.sha512) for f in one.audio] == [(f.path, f.sha512) for f in other.audio]
        described = there.catalogue.get(receipt.items[0].recording)
        assert described
        said = described.description
        assert (said.title, said.artist, said.year) == ('Sûre "100 %"', "Anna", 1999)
        decisions = {d.use: d.answer for d in there.decisions(described.id, LATER)}
        assert decisions[Use.PRESERVE] == "allowed"
        assert decisions[Use.STREAM] == "unknown"  # nobody has verified it there
        assert decisions[Use.TRAIN_AI] == "refused"
        place = f"deposits/{receipt.deposit}/bag/{bag.directory.name}"
        assert b"Source-Organization: Test" in there.vault.read(new, f"{place}/bag-info.txt")
        assert there.vault.read(new, f"{place}/metadata/statements.json")
        if here is not archive:
            here.close()
        here, id_ = there, new
    here.close()


def test_an_adopted_object(archive: Archive, tmp_path: Path) -> None:
    root = made.make_root(tmp_path / "root")
    versions = [{"a.wav": b"a", "gone": b"g"}, {"a.wav": b"a", "d/%": b"100", "x\ny": b"nl"}]
    maker = made.Maker(algorithm="sha256", versions=versions, apart={"logs/l": b"log"})
    maker.make(root / "one")
    made.Maker(id="urn:empty", versions=[{}]).make(root / "two")
    assert adopt(archive, root, NOW, origin="Radio Anna").accepted
    one, empty = export(archive, tmp_path / "out", HoldingId(maker.id), HoldingId("urn:empty"))
    assert (one.recording, one.version, one.payload_files) == (None, 2, 3)
    found = tree(one.directory)
    assert {n: c for n, c in found.items() if n.startswith("data/")} == {
        f"data/{name}": content for name, content in versions[1].items()
    }
    assert json.loads(found["metadata/adoption/adoption.json"])["origin"] == "Radio Anna"
    assert found["metadata/adoption/original/logs/l"] == b"log"
    assert b"Rights" not in found["bag-info.txt"]
    assert empty.payload_files == 0
    for bag in (one, empty):
        assert read_bag(bag.directory).findings == ()


def test_a_damaged_copy_is_passed_over_and_two_are_not(
    archive: Archive, held: HoldingId, tmp_path: Path
) -> None:
    holding = archive.vault.holding(held)
    assert holding
    relative = archive.vault.path_of(held, holding.audio[0].path).relative_to(archive.vault.path)
    paths = [root.path / relative for root in archive.config.roots if root.path]
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:-1] + b"\0\0")
    (bag,) = export(archive, tmp_path / "one", held)
    assert read_bag(bag.directory).valid
    paths[1].unlink()
    with pytest.raises(Corrupt, match="no storage root"):
        export(archive, tmp_path / "two", held)
    assert tree(tmp_path / "two") == {}


def test_what_cannot_be_exported(
    archive: Archive, held: HoldingId, tmp_path: Path, kept: Callable[[Archive], dict[str, bytes]]
) -> None:
    out = tmp_path / "out"
    before = kept(archive)
    with pytest.raises(NotFound):
        export(archive, out, held, HoldingId("urn:none"))
    for place in (archive.vault.path / "x", archive.config.directory, archive.config.editions):
        with pytest.raises(BadInput, match="part of this archive"):
            export(archive, place, held)
    assert not out.exists()
    export(archive, out, held, held)
    before_second = tree(out)
    with pytest.raises(Refused, match="there already"):
        export(archive, out, held)
    assert tree(out) == before_second
    assert kept(archive) == before


def _say(archive: Archive, recording: RecordingId, kind: Kind, *uses: Use) -> None:
    entry = Statement(
        recording=recording,
        kind=kind,
        uses=uses,
        status=Status.VERIFIED,
        issuer="Anna",
        evidence="a letter",
        at=NOW,
    )
    archive.ledger.append([entry])


def test_a_takedown_does_not_stop_it_and_a_refusal_of_keeping_does(
    archive: Archive, held: HoldingId, tmp_path: Path
) -> None:
    recording = RecordingId(held.rpartition(":")[2])
    assert holding_id_of(recording) == held
    _say(archive, recording, Kind.TAKEDOWN)
    (bag,) = export(archive, tmp_path / "one", held)
    declared = read_declaration(bag.directory / "data/statements.toml")
    last = declared.statement[-1]
    assert (last.refuse, set(last.uses)) == (True, set(Use) - set(KEEPING))
    _say(archive, recording, Kind.REFUSAL, Use.PRESERVE)
    with pytest.raises(Refused, match="may not be kept"):
        export(archive, tmp_path / "two", held)


def test_what_is_declared_reads_back(archive: Archive, held: HoldingId, tmp_path: Path) -> None:
    recording = RecordingId(held.rpartition(":")[2])
    said = Statement(
        recording=recording,
        kind=Kind.GRANT,
        uses=(Use.STREAM, Use.TORRENT),
        status=Status.VERIFIED,
        issuer='An "issuer"\n\x7f\\',
        evidence="e" * 5_000,
        at=NOW,
        basis=Basis.OWN_CONSENT,
        licence="https://creativecommons.org/licenses/by/4.0/",
        begins_at="2020-01-31",
        ends_at="2030-01-31T00:00:00Z",
    )
    archive.ledger.append([said])
    revoked = archive.ledger.statements_about(recording)[0]
    _say(archive, recording, Kind.GRANT, Use.DOWNLOAD)
    (planned,) = plan_export(archive, [held], tmp_path / "out", LATER)
    path = tmp_path / "statements.toml"
    path.write_text(statements_toml(planned, "Radio\nAnna", LATER), encoding="utf-8")
    declared = read_declaration(path)
    assert len(declared.statement) == 4
    read = declared.statement[2]
    assert (read.issuer, read.uses, read.basis) == (said.issuer, said.uses, said.basis)
    assert (read.licence, str(read.begins_at), str(read.ends_at)) == (
        said.licence,
        "2020-01-31",
        "2030-01-31",
    )
    assert read.evidence.startswith("entry 3 of the ledger of Radio\nAnna, verified: eee")
    assert len(read.evidence) == 4_000
    archive.ledger.append(
        [
            Statement(
                recording=recording,
                kind=Kind.REVOCATION,
                uses=(),
                status=Status.VERIFIED,
                issuer="Anna",
                evidence="a letter",
                at=NOW,
                revokes=revoked.id,
            )
        ]
    )
    (planned,) = plan_export(archive, [held], tmp_path / "out", LATER)
    path.write_text(statements_toml(planned, "Radio", LATER), encoding="utf-8")
    assert len(read_declaration(path).statement) == 3


def test_what_waits_for_a_clock_is_declared_as_what_it_is_now(
    archive: Archive, held: HoldingId, tmp_path: Path
) -> None:
    recording = RecordingId(held.rpartition(":")[2])
    waits = [replace(s, recording=recording, id=0) for s in eu_exception("2026-11-20")]
    never = replace(waits[0], procedure=Procedure.EU_LICENCE)
    archive.ledger.append([*waits, never])
    (planned,) = plan_export(archive, [held], tmp_path / "out", LATER)
    path = tmp_path / "statements.toml"
    path.write_text(statements_toml(planned, "Radio", LATER), encoding="utf-8")
    kept, read, also_kept = read_declaration(path).statement[2:]
    assert kept.uses == also_kept.uses == (Use.PRESERVE,)
    assert (read.refuse, read.uses, str(read.begins_at)) == (False, (Use.STREAM,), "2027-05-21")
    assert "DE" in read.territories


@pytest.mark.parametrize("mode", ["die", "full"])
def test_a_bag_is_whole_or_not_there(
    archive: Archive, held: HoldingId, tmp_path: Path, mode: str
) -> None:
    out = tmp_path / "out"
    for fault in count(0, 3):
        stopped = contextlib.suppress(SonothequeError, OSError, disk.Died)
        out.mkdir(exist_ok=True)
        with disk.Disk(mode, fault).watched(out) as watching, stopped:
            export(archive, out, held)
        ended = not watching.hit
        bags = [path for path in out.iterdir() if not path.name.startswith(".")]
        assert mode == "die" or [*out.iterdir()] == bags
        for bag in bags:
            assert read_bag(bag).valid
            assert watching.violations == []
        if bags:
            break
        (bag_again,) = export(archive, out, held)
        assert [path.name for path in out.iterdir()] == [bag_again.directory.name]
        assert not ended
        for path in out.iterdir():
            files.remove_tree(path)
    assert fault > 30


def test_what_returned_survives_a_power_cut(
    archive: Archive, held: HoldingId, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    with disk.Disk().watched(tmp_path / "disk") as watching:
        export(archive, tmp_path / "disk/out", held)
    assert watching.violations == []
    assert watching.after_power_cut(tmp_path / "disk") == tree(tmp_path / "disk")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run


def test_the_command(
    archive: Archive, held: HoldingId, tmp_path: Path, command: Callable[..., Any]
) -> None:
    archive.close()
    recording = held.rpartition(":")[2]
    where = ("--archive", archive.config.directory, "--json")
    code, out, _ = command("export", recording, held, "--to", tmp_path / "a", *where)
    document = json.loads(out)
    assert (code, document["format"]) == (0, "bag")
    assert [one["recording"] for one in document["exported"]] == [recording]
    assert document["exported"][0]["directory"] == str(tmp_path / "a" / recording)
    code, out, err = command("export", held, "--to", tmp_path / "a", *where)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert command("export", "0000000000000", "--to", tmp_path / "b", *where)[0] == 1
    assert command("export", "nothing", "--to", tmp_path / "b", *where)[0] == 2
    code, out, _ = command("export", recording, "--to", tmp_path / "c", *where[:2])
    assert code == 0
    assert "files" in out
