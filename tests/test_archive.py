"""An archive is made once, in a place of its own, and an init that was cut short goes on."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import threading
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from sonotheque import archive as archives
from sonotheque.config import Config, Root
from sonotheque.errors import BadInput, EnvironmentFailure, NotFound, Refused
from sonotheque.model.identifiers import RecordingId, holding_id_of
from sonotheque.model.terms import Kind, Statement, Status, Use
from sonotheque.model.territories import Territory
from sonotheque.rights.published import read_checkpoint
from sonotheque.store import files, signing

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parent / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]

NOW = "2026-11-20T10:00:00.000000Z"
ONE = RecordingId("0000000000001")


def _config(directory: Path) -> Config:
    return Config(
        directory=directory,
        name="Phonothèque",
        mandate="Test Act, section 1",
        roots=(
            Root("main", directory / "vault"),
            Root("copy-1", directory / "deep" / "replica"),
            Root("copy-2", directory.parent / "photos"),
        ),
    )


def _names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_what_was_made_opens_as_it_was_said(tmp_path: Path) -> None:
    config = _config(tmp_path / "archive")
    with archives.create(config) as made:
        key = made.signer.verifier
    with archives.open_archive(config.directory) as archive:
        assert archive.config == config
        assert archive.signer.verifier == key
        assert [root.name for root in archive.roots] == ["main", "copy-1", "copy-2"]
        assert all(root.present for root in archive.roots)
        assert (archive.vault, *archive.replicas) == archive.roots
        assert archive.ledger.size() == 0
        assert read_checkpoint(config.ledger, key)[0] == 0
        assert not archive.decide(ONE, Use.STREAM, NOW).allowed
        assert [decision.use for decision in archive.decisions(ONE, NOW)] == list(Use)


def test_an_archive_is_never_made_over_another(tmp_path: Path) -> None:
    config = _config(tmp_path / "archive")
    archives.create(config).close()
    before = _names(tmp_path)
    with pytest.raises(Refused, match="is an archive already"):
        archives.create(config)
    assert _names(tmp_path) == before


@pytest.mark.parametrize("name", ["photos", "notes.txt", ".foo.tmp", "vault2", "sonotheque.db.bak"])
def test_a_directory_of_other_things_is_left_alone(tmp_path: Path, name: str) -> None:
    """Even where a root that stands elsewhere has the name of what is there."""
    config = _config(tmp_path / "archive")
    config.directory.mkdir()
    (config.directory / name).mkdir()
    with pytest.raises(BadInput, match="holds other things") as caught:
        archives.create(config)
    assert name in caught.value.line()
    assert _names(tmp_path) == {"archive", f"archive/{name}"}


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("")
    with pytest.raises(BadInput, match="not a directory"):
        archives.create(_config(tmp_path / "archive"))


def test_a_root_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("")
    with pytest.raises(BadInput, match="not empty"):
        archives.create(_config(tmp_path / "archive"))
    assert _names(tmp_path / "photos") == {"cat.jpg"}
    assert not (tmp_path / "archive" / "archive.toml").exists()


def test_what_could_not_be_read_back_makes_nothing(tmp_path: Path) -> None:
    config = _config(tmp_path / "archive")
    unnamed = Config(directory=config.directory, name=" ", mandate="m", roots=config.roots)
    with pytest.raises(BadInput, match="name"):
        archives.create(unnamed)
    assert _names(tmp_path) == set()


@pytest.mark.parametrize(("mode", "step"), [("die", 1), ("full", 5)])
def test_an_init_that_was_cut_short_can_be_run_again(tmp_path: Path, mode: str, step: int) -> None:
    config = _config(tmp_path / "archive")
    for fault in count(0, step):
        for made in tmp_path.iterdir():
            shutil.rmtree(made)
        watching = disk.Disk(mode, fault)
        with watching.watched(tmp_path), contextlib.suppress(disk.Died, EnvironmentFailure):
            archives.create(config).close()
        if not watching.hit:
            break
        with watching.restarted():
            try:
                archives.create(config).close()
            except Refused:
                assert fault > 10, "only the last steps come after archive.toml has its name"
        with archives.open_archive(config.directory) as archive:
            assert archive.config == config
            assert all(root.present for root in archive.roots)
            read_checkpoint(config.ledger, archive.signer.verifier)
            public = (config.keys / signing.PUBLIC_KEY_NAME).read_text()
            assert signing.parse_verifier(public) == archive.signer.verifier
        assert not [name for name in _names(tmp_path) if name.endswith(".tmp")]
    assert fault > 30


def test_what_happens_on_the_premises_is_decided_for_the_institutions_country(
    tmp_path: Path,
) -> None:
    law = Statement(
        recording=ONE,
        kind=Kind.GRANT,
        uses=(Use.PRESERVE, Use.STREAM),
        status=Status.VERIFIED,
        issuer="A",
        evidence="e",
        at=NOW,
        territories=(Territory("FR"),),
    )
    for country, allowed in (("fr", True), ("", False), ("US", False)):
        config = replace(_config(tmp_path / f"archive-{country}"), territory=country)
        with archives.create(config) as archive:
            archive.ledger.append([law])
            for use in (Use.PRESERVE, Use.LISTEN_ON_SITE):
                assert archive.decide(ONE, use, NOW).allowed == allowed
            assert not archive.decide(ONE, Use.STREAM, NOW).allowed
            assert archive.decide(ONE, Use.STREAM, NOW, Territory("FR")).allowed
            each = {decision.use: decision.allowed for decision in archive.decisions(ONE, NOW)}
            assert (each[Use.PRESERVE], each[Use.STREAM]) == (allowed, False)
    config = replace(_config(tmp_path / "archive-of-mars"), territory="Mars")
    with pytest.raises(BadInput, match=r"archive\.toml, territory: 'Mars' is no country"):
        archives.create(config)
    assert not config.directory.exists()


def test_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="init"):
        archives.open_archive(tmp_path)


def test_one_writer_at_a_time_who_completes_what_another_began(tmp_path: Path) -> None:
    config = _config(tmp_path / "archive")
    with archives.create(config) as archive:
        stage = archive.vault.staging / "0123"
        stage.mkdir(parents=True)
        (stage / "target").write_text(holding_id_of(ONE))
        statement = Statement(
            recording=ONE, kind=Kind.GRANT, uses=tuple(Use), status=Status.VERIFIED,
            issuer="A", evidence="e", at=NOW,
        )  # fmt: skip
        with disk.Disk("die", 3).watched(config.ledger), pytest.raises(disk.Died):
            archive.ledger.append([statement])
        assert read_checkpoint(config.ledger, archive.signer.verifier)[0] == 0
        with archive.writing():
            assert read_checkpoint(config.ledger, archive.signer.verifier)[0] == 1
            assert list(archive.vault.staging.iterdir()) == []
            with pytest.raises(EnvironmentFailure, match="another"), files.exclusive(config.lock):
                pass
        assert archive.decide(ONE, Use.STREAM, NOW).allowed


def test_who_waited_first_writes_first(tmp_path: Path) -> None:
    """An audit that takes the lock again at once does not overtake the deposit that waits."""
    config = _config(tmp_path / "archive")
    order = []
    with archives.create(config) as archive:

        def deposit() -> None:
            with archive.writing():
                order.append("deposit")

        waiting = threading.Thread(target=deposit)
        with archive.writing():
            waiting.start()
            while not _held(config.lock_queue):
                time.sleep(0.01)
            with pytest.raises(EnvironmentFailure, match="another"), archive.writing(lambda: True):
                pass
        with archive.writing():
            order.append("audit")
        waiting.join()
    assert order == ["deposit", "audit"]


def test_one_audit_of_everything_at_a_time(tmp_path: Path) -> None:
    with (
        archives.create(_config(tmp_path / "archive")) as archive,
        archive.auditing(),
        pytest.raises(EnvironmentFailure, match="audited already"),
        archive.auditing(),
    ):
        pass


def _held(lock: Path) -> bool:
    try:
        with files.exclusive(lock):
            return False
    except EnvironmentFailure:
        return True
