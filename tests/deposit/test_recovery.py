"""The vault and the ledger alone bring everything back."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from sonotheque.archive import Archive, open_archive
from sonotheque.deposit.receipts import Receipts
from sonotheque.deposit.recovery import rebuild
from sonotheque.errors import Corrupt
from sonotheque.model.holdings import NOT_READ, Receipt
from sonotheque.model.identifiers import RecordingId, holding_id_of
from sonotheque.vault import ocfl
from sonotheque.vault.objects import Vault
from sonotheque.vault.premis import write_xml

NOW = "2026-11-21T00:00:00.000000Z"


@pytest.fixture
def filled(
    archive: Archive, deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> tuple[Archive, Receipt, Path]:
    """An archive with a deposit of two files and an audit run."""
    for seed in (1, 2):
        music.file(tmp_path / "in" / f"{seed}.flac", seed, seconds=5)  # type: ignore[attr-defined]
    receipt = deposit(tmp_path / "in")
    audit = archive.audit(lambda: NOW)
    assert all(check.passed for check in audit.run())
    archive.preserve_audits(audit)
    return archive, receipt, tmp_path / "in"


def lose_the_database(directory: Path) -> None:
    for path in directory.glob("sonotheque.db*"):
        path.unlink()
    shutil.rmtree(directory / "derived")


def facts(directory: Path) -> Iterator[object]:
    with open_archive(directory) as archive:
        for recording in sorted(archive.catalogue.each(), key=lambda r: r.id):
            yield recording
            yield archive.ledger.statements_about(recording.id)
            yield archive.decisions(recording.id, NOW)
            yield archive.catalogue.find(recording.description.title).total
            for deposit, at, item in Receipts(archive.database).about(recording.id):
                yield deposit, at, item.path, item.sha512, item.decisions, item.version, item.roots
            # Whether a deposit read back what it wrote stands nowhere but in the database.
            for event in archive.fixity.events_of(holding_id_of(recording.id)):
                yield event.root, event.outcome, event.at, event.agent, event.version, event.path
        yield archive.fixity.counts()
        yield archive.ledger.checkpoint()
        yield len(archive.fingerprints)


def ids(receipt: Receipt) -> list[RecordingId]:
    return [item.recording for item in receipt.items if item.recording]


def test_losing_the_database_loses_nothing(filled: tuple[Archive, Receipt, Path]) -> None:
    archive, receipt, _ = filled
    directory = archive.config.directory
    before = list(facts(directory))
    archive.close()
    lose_the_database(directory)
    rebuilt = rebuild(directory)
    assert list(facts(directory)) == before
    assert (rebuilt.recordings, rebuilt.receipts, rebuilt.statements) == (2, 1, 2)
    # Two holdings in two roots, read back by the deposit and checked by the audit.
    assert rebuilt.fixity_events == 8
    with open_archive(directory) as restored:
        events = restored.fixity.events_of(holding_id_of(ids(receipt)[0]))
        assert [(event.at, event.version) for event in events] == [(NOW, 1)] * 2 + [
            (receipt.at, 1)
        ] * 2
        assert {event.root for event in events} == {"main", "copy-1"}
        assert [event.method for event in events] == ["sha512"] * 2 + [NOT_READ] * 2


def test_a_deposit_that_was_not_read_back_is_not_said_to_be(
    archive: Archive,
    deposit: Callable[..., Receipt],
    music: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after the replica was written: what is restored tells of no check, the next audit
    makes one, however lately the deposit was, and PREMIS calls it an ingestion."""
    music.file(tmp_path / "in" / "1.flac", 1, seconds=5)  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setattr(Vault, "digest", _killed)
        with pytest.raises(KeyboardInterrupt):
            deposit(tmp_path / "in")
    directory = archive.config.directory
    (holding,) = archive.replicas[0].holdings()
    archive.close()
    lose_the_database(directory)
    rebuild(directory)
    with open_archive(directory) as restored:
        events = restored.fixity.events_of(holding.id)
        assert {(event.root, event.method) for event in events} == {
            ("main", NOT_READ),
            ("copy-1", NOT_READ),
        }
        assert restored.fixity.counts() == {}
        within = dict.fromkeys(("main", "copy-1"), 10**9)
        checks = list(restored.audit(lambda: NOW).run(within_seconds=within))
        assert {check.root for check in checks if check.name == ocfl.object_path(holding.id)} == {
            "main",
            "copy-1",
        }
    document = io.BytesIO()
    write_xml(holding.id, events, document)
    assert document.getvalue().count(b"/eventType/ing") == 2
    assert b"eventType/fix" not in document.getvalue()


def _killed(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def test_what_was_held_is_known_again_when_it_is_deposited(
    filled: tuple[Archive, Receipt, Path],
) -> None:
    from sonotheque.deposit import accession

    archive, receipt, folder = filled
    archive.close()
    lose_the_database(archive.config.directory)
    rebuild(archive.config.directory)
    with open_archive(archive.config.directory) as restored:
        again = accession.deposit(restored, [folder], NOW)
    assert ids(again) == ids(receipt)
    assert {item.status.value for item in again.items} == {"already-held"}


def test_a_holding_damaged_in_one_root_comes_from_the_other(
    filled: tuple[Archive, Receipt, Path],
) -> None:
    archive, receipt, _ = filled
    path = archive.vault.path_of(holding_id_of(ids(receipt)[0]), "recording.json")
    path.write_bytes(b"{}")
    inventory = archive.vault.object_path(holding_id_of(ids(receipt)[1])) / "inventory.json"
    inventory.write_bytes(b"{}")
    archive.close()
    lose_the_database(archive.config.directory)
    assert rebuild(archive.config.directory).recordings == 2


def test_a_rebuild_that_fails_leaves_the_old_database(
    filled: tuple[Archive, Receipt, Path],
) -> None:
    archive, _, _ = filled
    directory = archive.config.directory
    before = list(facts(directory))
    archive.close()
    checkpoint = directory / "ledger" / "checkpoint"
    kept = checkpoint.read_bytes()
    checkpoint.write_bytes(kept.replace(b"\n2\n", b"\n1\n"))
    with pytest.raises(Corrupt):
        rebuild(directory)
    checkpoint.write_bytes(kept)
    assert list(facts(directory)) == before
    assert not list(directory.glob("*before-rebuild*"))


def test_a_rebuild_that_was_killed_is_run_again(filled: tuple[Archive, Receipt, Path]) -> None:
    archive, _, _ = filled
    directory = archive.config.directory
    before = list(facts(directory))
    archive.close()
    shutil.move(directory / "sonotheque.db", directory / "sonotheque.db.before-rebuild")
    (directory / "sonotheque.db").write_bytes(b"half a database")
    rebuild(directory)
    assert list(facts(directory)) == before
    assert not list(directory.glob("*before-rebuild*"))
