"""An archive with three recordings, and an edition of it; made once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sonotheque.archive import Archive, create, open_archive
from sonotheque.config import Config, Root
from sonotheque.deposit import accession
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Kind, Statement, Status, Use
from sonotheque.publication.edition import Edition, build_edition, plan_edition

NOW = "2026-11-20T10:00:00.000000Z"
LATER = "2026-11-21T00:00:00.000000Z"


@dataclass(frozen=True)
class Template:
    directory: Path
    recordings: tuple[RecordingId, ...]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, music: object) -> Template:
    """Two recordings that may be published, then one that rests on a claim and may not."""
    place = tmp_path_factory.mktemp("template")
    for seed, name in ((1, "a.flac"), (2, "b.mp3")):
        music.file(place / "in" / name, seed, seconds=4)  # type: ignore[attr-defined]
    music.file(place / "claimed/c.ogg", 3, seconds=4, title="C", artist="Ann")  # type: ignore[attr-defined]
    (place / "claimed/statements.toml").write_text(
        '[[statement]]\nissuer = "Ann"\nlicence = "CC-BY-4.0"\nevidence = "her letter"\n'
    )
    directory = place / "archive"
    roots = (Root("main", directory / "vault"), Root("copy-1", directory / "replica"))
    with create(Config(directory=directory, name="T", mandate="M", roots=roots)) as archive:
        receipts = [accession.deposit(archive, [place / name], NOW) for name in ("in", "claimed")]
    items = [item for receipt in receipts for item in receipt.items]
    return Template(directory, tuple(item.recording for item in items if item.recording))


@pytest.fixture
def archive(template: Template, tmp_path: Path) -> Iterator[Archive]:
    shutil.copytree(template.directory, tmp_path / "archive")
    with open_archive(tmp_path / "archive") as opened:
        yield opened


@pytest.fixture
def recordings(template: Template) -> tuple[RecordingId, ...]:
    """The two that may be published, then the one that may not."""
    return template.recordings


@pytest.fixture
def edition(archive: Archive) -> Edition:
    """Edition 1."""
    return publish(archive)


def publish(archive: Archive) -> Edition:
    with archive.writing():
        return build_edition(archive, plan_edition(archive, LATER), LATER)


def take_down(archive: Archive, recording: RecordingId) -> None:
    with archive.writing():
        archive.ledger.append(
            [
                Statement(
                    recording=recording,
                    kind=Kind.TAKEDOWN,
                    uses=tuple(Use),
                    status=Status.VERIFIED,
                    issuer="the artist",
                    evidence="a letter",
                    at=LATER,
                )
            ]
        )


@pytest.fixture(name="publish")
def _publish() -> Callable[[Archive], Edition]:
    return publish


@pytest.fixture(name="take_down")
def _take_down() -> Callable[[Archive, RecordingId], None]:
    return take_down
