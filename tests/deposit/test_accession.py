"""A delivery becomes holdings, statements, records and a receipt, once each."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import obstore
import ocfl
import pytest

from sonotheque.archive import Archive, create, open_archive
from sonotheque.config import CONFIG_NAME, Config, Root
from sonotheque.deposit import accession
from sonotheque.deposit.package import read_package
from sonotheque.deposit.receipts import Receipts
from sonotheque.errors import Corrupt
from sonotheque.model.holdings import ItemStatus, Outcome, Receipt, ReceiptItem
from sonotheque.model.identifiers import Isrc, holding_id_of
from sonotheque.model.music import MatchKind
from sonotheque.model.terms import KEEPING, Answer, Status, Use
from sonotheque.store.clock import utc_now
from sonotheque.vault.audit import preserved_events

NOW = "2026-11-20T10:00:00.000000Z"
CC_BY = "https://creativecommons.org/licenses/by/4.0/"
FORMATS = {
    "flac.flac": ("flac", "flac"),
    "wav.wav": ("wav", "pcm"),
    "wav.bwf": ("wav", "pcm"),
    "wav64.rf64": ("wav", "pcm"),
    "aiff.aiff": ("aiff", "pcm"),
    "mp3.mp3": ("mp3", "mp3"),
    "vorbis.ogg": ("ogg", "vorbis"),
    "opus.opus": ("ogg", "opus"),
    "aac.m4a": ("mp4", "aac"),
    "alac.alac.m4a": ("mp4", "alac"),
    "wavpack.wv": ("wv", "wavpack"),
}
Deposit = Callable[..., Receipt]
Kept = Callable[[Archive], dict[str, bytes]]


class Music(Protocol):
    def file(self, path: Path, seed: int, *, seconds: float = ..., **tags: Any) -> Path: ...
    def bare(self, path: Path, seed: int, *, seconds: float = ...) -> Path: ...


def only(receipt: Receipt) -> ReceiptItem:
    (item,) = receipt.items
    return item


def codes(item: ReceiptItem) -> set[str]:
    return {finding.code for finding in item.findings}


@pytest.fixture(scope="module")
def delivery(music: Music, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One piece in each format of the house."""
    directory = tmp_path_factory.mktemp("delivery")
    for seed, name in enumerate(FORMATS):
        path = directory / "album" / name
        if name.endswith("rf64"):
            music.bare(path, seed)
        else:
            tags: dict[str, Any] = {
                "title": f"Piece {seed}",
                "artist": f"Artist {seed}",
                "license": CC_BY,
            }
            music.file(path, seed, isrc=f"FR-Z03-14-000{seed:02d}", **tags)
    (directory / "album" / "cover.jpg").write_bytes(b"a picture")
    (directory / "statements.toml").write_text(
        '[[statement]]\nfiles = ["*.rf64"]\nissuer = "A"\nevidence = "mail"\nlicence = "CC0-1.0"\n'
    )
    return directory


@pytest.fixture(scope="module")
def deposited(
    delivery: Path,
    make_archive: Callable[[Path], Archive],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Archive, Receipt]]:
    with make_archive(tmp_path_factory.mktemp("deposited") / "archive") as archive:
        yield archive, accession.deposit(archive, [delivery], NOW)


def test_every_format_is_deposited_with_its_tags(deposited: tuple[Archive, Receipt]) -> None:
    archive, receipt = deposited
    assert receipt.accepted
    assert [item.path for item in receipt.items] == sorted(f"album/{name}" for name in FORMATS)
    for item in receipt.items:
        name = item.path.removeprefix("album/")
        assert item.status is ItemStatus.DEPOSITED
        assert item.audio is not None
        assert (item.audio.container, item.audio.codec) == FORMATS[name]
        assert abs(item.audio.duration_ms - 10_000) < 100
        assert item.recording is not None
        recording = archive.catalogue.get(item.recording)
        assert recording is not None
        if name != "wav64.rf64":
            seed = list(FORMATS).index(name)
            assert recording.description.title == f"Piece {seed}"
            assert recording.description.artist == f"Artist {seed}"
            (isrc,) = recording.description.isrcs
            assert isrc == f"FRZ0314000{seed:02d}"
            assert archive.catalogue.by_isrc(Isrc(isrc)) == (recording,)


def test_the_receipt_says_everything_and_is_kept(
    deposited: tuple[Archive, Receipt], delivery: Path
) -> None:
    archive, receipt = deposited
    for item in receipt.items:
        assert item.recording and item.holding == holding_id_of(item.recording)
        assert (item.version, item.roots) == (1, ("main", "copy-1"))
        assert item.byte_count == (delivery / item.path).stat().st_size
        assert [decision.use for decision in item.decisions] == list(Use)
        assert all(decision.reasons for decision in item.decisions)
        for root in archive.roots:
            held = root.holding(item.holding)
            assert held is not None
            (audio,) = held.audio
            assert audio.sha512 == item.sha512
            content = b"".join(root.place(item.holding, audio.path).blocks())
            assert content == (delivery / item.path).read_bytes()
        assert archive.fixity.events_of(item.holding)
    encoded = msgspec.json.encode(receipt)
    assert msgspec.json.decode(encoded, type=Receipt) == receipt
    assert Receipts(archive.database).receipt(receipt.deposit) == receipt


def test_both_roots_are_valid_ocfl(deposited: tuple[Archive, Receipt]) -> None:
    archive, _ = deposited
    for root in archive.roots:
        assert ocfl.StorageRoot(root=root.where).validate(check_digests=True)


def test_the_same_bytes_again_make_nothing_new(
    deposited: tuple[Archive, Receipt], delivery: Path, kept: Kept
) -> None:
    archive, first = deposited
    before = kept(archive)
    again = accession.deposit(archive, [delivery], "2026-11-21T10:00:00.000000Z")
    assert again.accepted
    assert {item.status for item in again.items} == {ItemStatus.ALREADY_HELD}
    assert [i.recording for i in again.items] == [i.recording for i in first.items]
    assert kept(archive) == before
    assert archive.catalogue.count() == len(first.items)


def test_the_same_bytes_twice_in_one_delivery_make_one_holding(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit
) -> None:
    path = music.file(tmp_path / "d" / "a.flac", 1)
    (tmp_path / "d" / "b.flac").write_bytes(path.read_bytes())
    receipt = deposit(tmp_path / "d")
    assert [i.status for i in receipt.items] == [ItemStatus.DEPOSITED, ItemStatus.ALREADY_HELD]
    assert len({item.recording for item in receipt.items}) == 1
    assert len(list(archive.vault.holdings())) == archive.catalogue.count() == 1
    (holding,) = archive.vault.holdings()
    assert (holding.version, len(holding.audio)) == (1, 1)


def test_encodings_of_one_recording_meet_in_one_delivery_and_across_deliveries(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit
) -> None:
    plain: dict[str, Any] = {"title": "Piece", "artist": "Artist", "license": CC_BY}
    music.file(tmp_path / "d" / "a.flac", 1, isrc="FRZ031400001", **plain)
    music.file(tmp_path / "d" / "b.mp3", 1, isrc="FRZ031400002", **plain)
    (tmp_path / "d" / "c.flac").write_bytes((tmp_path / "d" / "a.flac").read_bytes())
    first = deposit(tmp_path / "d")
    assert first.accepted
    # A file of the same name as one that is held must not take its place.
    music.file(tmp_path / "e" / "a.flac", 1, seconds=9.9, **plain)
    joined = only(deposit(tmp_path / "e"))
    (recording,) = {item.recording for item in (*first.items, joined)}
    assert recording is not None
    assert "match.same-recording" in codes(first.items[1]) & codes(joined)
    assert [match.kind for match in joined.matches] == [MatchKind.SAME_RECORDING]
    assert (first.items[1].version, joined.version) == (2, 3)
    holding = archive.vault.holding(holding_id_of(recording))
    assert holding is not None
    assert [file.path for file in holding.audio] == [
        "audio/a.flac",
        "audio/b.mp3",
        "audio/a-2.flac",
    ]
    described = archive.catalogue.get(recording)
    assert described is not None
    assert described.description.isrcs == ("FRZ031400001", "FRZ031400002")
    assert archive.catalogue.count() == 1


def test_a_clone_under_another_name_is_refused_and_nothing_of_it_is_kept(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit, kept: Kept
) -> None:
    original = music.file(tmp_path / "a.flac", 1)
    deposit(original)
    before = kept(archive)
    clone = music.file(
        tmp_path / "clone.mp3", 1, title="Mine", artist="Somebody Else", license=CC_BY
    )
    receipt = deposit(clone)
    item = only(receipt)
    assert not receipt.accepted
    assert item.status is ItemStatus.REFUSED
    assert "clone.other-artist" in codes(item)
    assert (item.recording, item.holding, item.roots) == (None, None, ())
    assert kept(archive) == before
    assert archive.catalogue.count() == len(archive.fingerprints) == 1


def test_the_very_bytes_under_another_name_are_refused(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit, kept: Kept
) -> None:
    path = music.file(tmp_path / "d" / "a.flac", 1)
    deposit(path)
    before = kept(archive)
    (tmp_path / "d" / "statements.toml").write_text('[[description]]\nartist = "Somebody Else"\n')
    item = only(deposit(path))
    assert item.status is ItemStatus.REFUSED
    assert "clone.other-artist" in codes(item)
    assert kept(archive) == before


def test_a_copy_with_a_licence_in_its_tags_sets_nothing_free(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit
) -> None:
    original = music.file(tmp_path / "d" / "a.flac", 1, title="Piece", artist="Artist")
    (tmp_path / "d" / "statements.toml").write_text(
        '[[statement]]\nissuer = "Artist"\nevidence = "contract"\nbasis = "agreement"\n'
        'uses = ["preserve"]\n'
    )
    recording = only(deposit(original)).recording
    for artist, name in (("Artist", "b.mp3"), ("", "c.ogg")):
        tags: dict[str, Any] = {"title": "Piece", "license": CC_BY}
        tags |= {"artist": artist} if artist else {}
        item = only(deposit(music.file(tmp_path / name, 1, **tags)))
        assert item.recording == recording
        assert {d.use for d in item.decisions if d.allowed} == set(KEEPING)
    assert recording is not None
    said = [s for s in archive.ledger.statements_about(recording) if s.licence]
    assert {statement.status for statement in said} == {Status.CLAIMED}
    assert not any("policy" in statement.evidence for statement in said)


def test_a_copy_that_names_no_author_does_not_free_the_work(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit
) -> None:
    """The first file names the author of the song, who has not been asked; the second, the same
    recording under the same licence, keeps quiet about him."""
    tags: dict[str, Any] = {"title": "Piece", "artist": "Artist", "license": CC_BY}
    first = only(deposit(music.file(tmp_path / "a.flac", 1, composer="Somebody", **tags)))
    assert "rights.other-author" in codes(first)
    second = only(deposit(music.file(tmp_path / "b.ogg", 1, **tags)))
    assert second.recording == first.recording
    for item in (first, second):
        assert {d.use for d in item.decisions if d.allowed} == set(KEEPING)


def test_without_a_licence_a_file_is_refused_with_the_remedy(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit, kept: Kept
) -> None:
    before = kept(archive)
    item = only(deposit(music.file(tmp_path / "a.flac", 1, title="T", artist="A")))
    assert item.status is ItemStatus.REFUSED
    (finding,) = item.findings
    assert finding.code == "rights.not-allowed"
    assert "statements.toml" in finding.remedy
    assert [decision.answer for decision in item.decisions] == [Answer.UNKNOWN] * len(Use)
    assert kept(archive) == before
    # Once somebody allows it, the same bytes are taken.
    (tmp_path / "statements.toml").write_text(
        '[[statement]]\nissuer = "A"\nevidence = "mail"\nlicence = "CC-BY-4.0"\n'
    )
    item = only(deposit(tmp_path / "a.flac"))
    assert item.status is ItemStatus.DEPOSITED
    assert {decision.use for decision in item.decisions if decision.allowed} == set(KEEPING)


def test_a_refusal_in_the_statements_keeps_a_licensed_file_out(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit, kept: Kept
) -> None:
    before = kept(archive)
    path = music.file(tmp_path / "a.flac", 1)
    (tmp_path / "statements.toml").write_text(
        '[[statement]]\nissuer = "A"\nevidence = "mail"\nrefuse = true\n'
    )
    item = only(deposit(path))
    assert item.status is ItemStatus.REFUSED
    assert {decision.answer for decision in item.decisions} == {Answer.REFUSED}
    assert kept(archive) == before


def test_embedded_licences_that_wait_for_a_person_keep_but_do_not_show(
    music: Music, tmp_path: Path, archive: Archive
) -> None:
    directory = archive.config.directory
    config = directory / CONFIG_NAME
    text = config.read_text()
    config.write_text(
        text.replace('embedded_licences = "verified"', 'embedded_licences = "claimed"')
    )
    path = music.file(tmp_path / "a.flac", 1)
    with open_archive(directory) as opened:
        item = only(accession.deposit(opened, [path], NOW))
    assert item.status is ItemStatus.DEPOSITED
    assert {decision.use for decision in item.decisions if decision.allowed} == set(KEEPING)
    # Another policy later does not verify by itself what was a claim.
    config.write_text(text)
    with open_archive(directory) as opened:
        item = only(accession.deposit(opened, [path], NOW))
    assert {decision.use for decision in item.decisions if decision.allowed} == set(KEEPING)


def test_a_file_that_changes_after_it_was_looked_into_is_not_stored(
    music: Music, tmp_path: Path, archive: Archive
) -> None:
    path = music.file(tmp_path / "d" / "a.flac", 1)
    package = read_package([tmp_path / "d"])
    with archive.writing():
        plan = accession.plan(archive, package, NOW)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(Corrupt):
            accession.execute(archive, plan)
    for root in archive.roots:
        assert list(root.object_names()) == []
        staging = Path(f"{root.where}.staging")
        assert not staging.exists() or not list(staging.iterdir())
    # What is there now is deposited as what it is.
    item = only(accession.deposit(archive, [path], NOW))
    assert item.sha512 != plan.items[0].sha512
    assert all(check.passed for check in archive.audit(utc_now).run())


def test_planning_writes_nothing(
    music: Music, tmp_path: Path, archive: Archive, kept: Kept
) -> None:
    before = kept(archive)
    plan = accession.plan(archive, read_package([music.file(tmp_path / "a.flac", 1)]), NOW)
    assert plan.items[0].status is ItemStatus.DEPOSITED
    assert kept(archive) == before
    assert (archive.catalogue.count(), archive.ledger.size()) == (0, 0)


def test_a_statement_is_entered_once_however_many_files_it_is_about(
    music: Music, tmp_path: Path, archive: Archive, deposit: Deposit
) -> None:
    for name in ("a.flac", "b.mp3"):
        music.file(tmp_path / "d" / name, 1, title="Piece", artist="Artist")
    (tmp_path / "d" / "statements.toml").write_text(
        '[[statement]]\nissuer = "A"\nevidence = "mail"\nlicence = "CC-BY-4.0"\n'
    )
    assert deposit(tmp_path / "d").accepted
    assert deposit(tmp_path / "d", now="2026-12-01T00:00:00.000000Z").accepted
    said = [replace(statement, id=0, at="") for statement in archive.ledger.statements()]
    assert set(Counter(said).values()) == {1}


def test_bytes_that_every_root_lost_come_back_with_a_deposit(
    archive: Archive, deposit: Callable[..., Receipt], music: Music, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    music.file(folder / "a.flac", 1)
    before = deposit(folder)
    (item,) = before.items
    assert item.holding
    places = [root.place(item.holding, "audio/a.flac") for root in archive.roots]
    first, second = (Path(place.where) for place in places)
    first.write_bytes(b"rot")
    second.unlink()
    (again,) = deposit(folder).items
    assert again.status is ItemStatus.ALREADY_HELD
    assert first.read_bytes() == second.read_bytes() == (folder / "a.flac").read_bytes()
    events = archive.fixity.events_of(item.holding)
    healed = [event for event in events if event.outcome is Outcome.HEALED]
    assert {event.root for event in healed} == {"main", "copy-1"}
    audit = archive.audit(utc_now)
    assert all(check.passed for check in audit.run())
    # What was healed is kept in the vault together with the audit.
    kept = archive.preserve_audits(audit)
    assert len(kept) == 2
    assert [e.outcome for e in preserved_events(archive.roots, kept[0])] == [Outcome.HEALED] * 2


def test_a_deposit_that_died_while_writing_to_a_bucket_goes_on(
    s3: str, music: Music, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, put = music.file(tmp_path / "a.flac", 1, license=CC_BY), obstore.put
    for fault in itertools.count(0, 3):
        directory = tmp_path / str(fault)
        roots = (
            Root("main", directory / "vault"),
            Root("remote", url=f"s3://tests/{tmp_path.name}/{fault}", endpoint=s3),
        )
        puts = itertools.count()

        def dying(*arguments: Any, at: int = fault, puts: Any = puts, **options: Any) -> Any:
            if next(puts) >= at:
                raise KeyboardInterrupt
            return put(*arguments, **options)

        ended = False
        with create(Config(directory=directory, name="T", mandate="M", roots=roots)) as archive:
            monkeypatch.setattr(obstore, "put", dying)
            try:
                accession.deposit(archive, [path], NOW)
                ended = True
            except KeyboardInterrupt:
                pass
            monkeypatch.setattr(obstore, "put", put)
            receipt = accession.deposit(archive, [path], NOW)
            assert receipt.accepted
            assert only(receipt).roots == ("main", "remote")
            main, remote = (list(root.holdings()) for root in archive.roots)
            assert main == remote
            assert archive.catalogue.count() == len(main) == 1
        if ended:
            break
    assert fault > 6
