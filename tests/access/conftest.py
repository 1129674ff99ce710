"""A reading room over one archive of made music, shared by the tests of the room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sonotheque import archive as archives
from sonotheque.access.site import create_app
from sonotheque.archive import Archive
from sonotheque.config import Config, Root
from sonotheque.deposit import accession
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Basis, Kind, Statement, Status, Use
from sonotheque.publication.edition import build_edition, plan_edition
from sonotheque.store.clock import utc_now

HOSTILE_TITLE = "<script>alert(1)</script>\u202e\x07 " + "long " * 10_000
DECLARED = """
[[description]]
files = ["claimed.ogg"]
title = "Nobody has checked this"
artist = "Claire Claimed"

[[statement]]
files = ["claimed.ogg"]
issuer = "A depositor"
licence = "https://creativecommons.org/licenses/by-sa/4.0/"
evidence = "a letter"
"""


@dataclass(frozen=True)
class ReadingRoom:
    """An archive with a site over it, and its recordings by the name of their file."""

    archive: Archive
    app: Litestar
    client: TestClient[Litestar]
    recordings: dict[str, RecordingId]

    def file(self, name: str) -> bytes:
        """The preserved bytes of a recording."""
        from sonotheque.model.identifiers import holding_id_of

        return self.archive.vault.read(holding_id_of(self.recordings[name]), f"audio/{name}")

    def say(self, name: str, kind: Kind, *uses: Use, **more: Any) -> None:
        """Enter a verified statement about a recording."""
        statement = Statement(
            recording=self.recordings[name],
            kind=kind,
            uses=uses,
            status=Status.VERIFIED,
            issuer="The artist",
            evidence="a letter",
            at=utc_now(),
            basis=Basis.OWN_CONSENT if kind is Kind.GRANT else None,
            **more,
        )
        with self.archive.writing():
            self.archive.ledger.append([statement])


@pytest.fixture(scope="session")
def deposited(tmp_path_factory: pytest.TempPathFactory, music: Any) -> Iterator[ReadingRoom]:
    base = tmp_path_factory.mktemp("access")
    roots = tuple(Root(name, base / "archive" / name) for name in ("main", "cellar"))
    config = Config(
        directory=base / "archive",
        name="Phonothèque d’essai",
        mandate="Test Act, section 1",
        contact="desk@example.org",
        roots=roots,
    )
    delivery = base / "delivery"
    licence = "https://creativecommons.org/licenses/by/4.0/"
    names = ("plain.flac", "studio.aiff", "withdrawn.flac", "second.ogg")
    for seed, name in enumerate(names, 40):
        music.file(
            delivery / name,
            seed,
            seconds=6,
            title=f"Piece {name}",
            artist="Ada Ångström",
            date=str(1990 + seed),
            license=licence,
            isrc=f"FRZ0314001{seed}",
        )
    music.file(delivery / "hostile.flac", 50, seconds=6, title=HOSTILE_TITLE, license=licence)
    music.bare(delivery / "claimed.ogg", 51, seconds=6)
    (delivery / "statements.toml").write_text(DECLARED, encoding="utf-8")
    with archives.create(config) as archive:
        receipt = accession.deposit(archive, [delivery], utc_now())
        recordings = {item.path: item.recording for item in receipt.items if item.recording}
        app = create_app(archive)
        now = utc_now()
        with archive.writing():
            build_edition(archive, plan_edition(archive, now), now)
        with TestClient(app) as client:
            yield ReadingRoom(archive, app, client, recordings)


@pytest.fixture
def room(deposited: ReadingRoom) -> ReadingRoom:
    """The shared reading room, with a visitor who has no cookies."""
    deposited.client.cookies.clear()
    return deposited


@pytest.fixture
def room_apart(deposited: ReadingRoom, tmp_path: Path) -> Iterator[ReadingRoom]:
    """A copy of the shared reading room, for what changes more than it takes back."""
    directory = shutil.copytree(deposited.archive.config.directory, tmp_path / "archive")
    with archives.open_archive(directory) as archive:
        app = create_app(archive)
        with TestClient(app) as client:
            yield replace(deposited, archive=archive, app=app, client=client)


@pytest.fixture
def directory(room: ReadingRoom) -> Path:
    return room.archive.config.directory
