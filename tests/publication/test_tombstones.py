"""The list of what was withdrawn: it names all of that and nothing else, and mirrors honour it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.archive import Archive
from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, Refused
from sonotheque.model.identifiers import RecordingId, Sha512, to_crockford
from sonotheque.publication.edition import Edition, build_edition, plan_edition, withdrawn_from
from sonotheque.publication.manifest import verify_content
from sonotheque.publication.mirror import honour, mirror_edition
from sonotheque.publication.tombstones import (
    TOMBSTONES_NAME,
    Tombstone,
    Tombstones,
    parse_list,
    publish_tombstones,
    read_list,
)
from sonotheque.store import signing

NOW = "2026-11-22T10:00:00.000000Z"
NEXT = "2026-11-23T10:00:00.000000Z"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> signing.Signer:
    return signing.create_key(tmp_path_factory.mktemp("keys"), "list")


def _digests() -> st.SearchStrategy[tuple[Sha512, ...]]:
    digest = st.integers(0, 2**512 - 1).map(lambda n: Sha512(f"{n:0128x}"))
    return st.lists(digest, max_size=3).map(tuple)


_TOMBSTONE = st.builds(
    Tombstone,
    recording=st.integers(0, 2**63 - 1).map(lambda n: RecordingId(to_crockford(n))),
    since=st.sampled_from(["", NOW, NEXT]),
    files=_digests(),
)


@given(st.lists(_TOMBSTONE, max_size=5).map(tuple), st.integers(0, 10**9))
def test_a_list_is_read_as_it_was_written(
    signer: signing.Signer, tombstones: tuple[Tombstone, ...], size: int
) -> None:
    made = Tombstones(archive="An archive: this", ledger_size=size, at=NOW, tombstones=tombstones)
    note = signer.sign(made.text())
    assert parse_list(note.encode(), signer.verifier, "here") == made
    for broken in (
        made.text().replace("sonotheque tombstones", "sonotheque edition"),
        made.text().replace("recordings: ", "recordings: 1"),
        made.text() + "not a row\n",
    ):
        with pytest.raises(Corrupt, match="no list of tombstones"):
            parse_list(signer.sign(broken).encode(), signer.verifier, "here")
    with pytest.raises(Corrupt, match="signature"):
        parse_list(note.replace("An archive", "My archive").encode(), signer.verifier, "here")


def test_the_list_is_what_may_no_longer_be_shared(
    archive: Archive,
    edition: Edition,
    recordings: tuple[RecordingId, ...],
    take_down: Callable[[Archive, RecordingId], None],
) -> None:
    assert publish_tombstones(archive, NOW) is not None
    path = archive.config.editions / TOMBSTONES_NAME
    assert read_list(path, archive.signer.verifier).tombstones == ()
    take_down(archive, recordings[0])
    # Never published: nobody has it, and the list does not spread that it is held.
    take_down(archive, recordings[2])
    publish_tombstones(archive, NEXT)
    read = read_list(path, archive.signer.verifier)
    assert read.recordings == {d.recording for d in withdrawn_from(archive, edition, NEXT)}
    (stone,) = read.tombstones
    assert stone.recording == recordings[0]
    assert set(stone.files) == {
        file.sha512 for file in edition.files if file.path.startswith(f"audio/{recordings[0]}/")
    }
    assert stone.since == archive.ledger.statements_about(recordings[0])[-1].at
    # The next edition has it no more, and the list still says so of the one before.
    with archive.writing():
        build_edition(archive, plan_edition(archive, NEXT), NEXT)
    made = publish_tombstones(archive, NEXT)
    assert made is not None and made.recordings == {recordings[0]}


def test_a_list_that_knows_less_does_not_replace_one_that_knows_more(
    archive: Archive, edition: Edition
) -> None:
    publish_tombstones(archive, NEXT)
    assert publish_tombstones(archive, NOW) is None
    read = read_list(archive.config.editions / TOMBSTONES_NAME, archive.signer.verifier)
    assert read.at == NEXT


def test_no_edition_no_list(archive: Archive) -> None:
    assert publish_tombstones(archive, NOW) is None


def test_a_mirror_removes_what_was_withdrawn_and_stays_verified(
    archive: Archive,
    edition: Edition,
    recordings: tuple[RecordingId, ...],
    take_down: Callable[[Archive, RecordingId], None],
    tmp_path: Path,
) -> None:
    verifier, target = archive.signer.verifier, tmp_path / "mirror"
    publish_tombstones(archive, NOW)
    before = mirror_edition(edition.directory, target, verifier=verifier)
    assert before.tombstones_at == NOW and before.withheld == ()
    take_down(archive, recordings[0])
    publish_tombstones(archive, NEXT)
    after = honour(edition.directory, target, verifier=verifier)
    assert after.withheld == (recordings[0],)
    assert [path.split("/")[1] for path in after.removed] == [recordings[0]]
    assert not (target / "content" / after.removed[0]).exists()
    assert after.file_count == before.file_count - 1
    assert honour(edition.directory, target, verifier=verifier).removed == ()
    with pytest.raises(Corrupt, match="missing"):
        verify_content(target, verifier)
    # One that is made now never has it under its name; a mirror of the mirror honours the list.
    fresh = mirror_edition(edition.directory, tmp_path / "fresh", verifier=verifier)
    assert fresh.withheld == (recordings[0],)
    # A mirror of the mirror has to leave out what is not there.
    again = mirror_edition(target, tmp_path / "again", verifier=verifier)
    assert again.withheld == (recordings[0],)
    # The rest must still be whole.
    kept = next(path for path in (target / "content/audio").rglob("*") if path.is_file())
    kept.unlink()
    with pytest.raises(Corrupt, match="missing"):
        honour(edition.directory, target, verifier=verifier)


def test_a_mirror_takes_no_older_and_no_stranger_s_list(
    archive: Archive,
    edition: Edition,
    recordings: tuple[RecordingId, ...],
    take_down: Callable[[Archive, RecordingId], None],
    tmp_path: Path,
) -> None:
    verifier, target = archive.signer.verifier, tmp_path / "mirror"
    published = archive.config.editions / TOMBSTONES_NAME
    publish_tombstones(archive, NOW)
    old = tmp_path / "old.txt"
    old.write_bytes(published.read_bytes())
    take_down(archive, recordings[0])
    publish_tombstones(archive, NEXT)
    mirror_edition(edition.directory, target, verifier=verifier)
    honoured = (target / TOMBSTONES_NAME).read_bytes()
    with pytest.raises(Refused, match="older than the list"):
        honour(edition.directory, target, verifier=verifier, tombstones=str(old))
    forged = tmp_path / "forged.txt"
    stranger = signing.create_key(tmp_path / "keys", "stranger")
    text = signing.verify(old.read_text(), verifier)
    forged.write_text(stranger.sign(text))
    with pytest.raises(Corrupt, match="signature"):
        honour(edition.directory, target, verifier=verifier, tombstones=str(forged))
    with pytest.raises(BadInput, match="does not exist"):
        honour(edition.directory, target, verifier=verifier, tombstones=str(tmp_path / "none"))
    assert (target / TOMBSTONES_NAME).read_bytes() == honoured
    # Without a list on offer, the one that the mirror has stays in force.
    published.unlink()
    assert honour(edition.directory, target, verifier=verifier).withheld == (recordings[0],)
    with pytest.raises(Refused, match="no mirror of that edition"):
        honour(edition.directory, tmp_path / "keys", verifier=verifier)


def test_the_list_is_fetched_from_an_address(
    archive: Archive,
    edition: Edition,
    recordings: tuple[RecordingId, ...],
    take_down: Callable[[Archive, RecordingId], None],
    tmp_path: Path,
) -> None:
    verifier = archive.signer.verifier
    take_down(archive, recordings[1])
    publish_tombstones(archive, NEXT)
    note = (archive.config.editions / TOMBSTONES_NAME).read_bytes()
    (archive.config.editions / TOMBSTONES_NAME).unlink()

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/tombstones.txt" else 404)
            self.end_headers()
            self.wfile.write(note)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        made = mirror_edition(
            edition.directory,
            tmp_path / "mirror",
            verifier=verifier,
            tombstones=f"{base}/tombstones.txt",
        )
        assert made.withheld == (recordings[1],)
        with pytest.raises(EnvironmentFailure, match="answers 404"):
            honour(edition.directory, made.directory, verifier=verifier, tombstones=f"{base}/x")
        server.shutdown()
    with pytest.raises(BadInput, match="no address"):
        honour(
            edition.directory, made.directory, verifier=verifier, tombstones="file:///etc/passwd"
        )
