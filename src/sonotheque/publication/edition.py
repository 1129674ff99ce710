"""Editions: planned from the decisions, built whole or not at all, numbered 1, 2, 3 …

Whether a recording may be published is decided when the edition is planned and again when its
file is copied, so that a withdrawal in between holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sonotheque.archive import Archive
from sonotheque.config import Config
from sonotheque.errors import Corrupt, Refused, one_line
from sonotheque.model.holdings import HeldFile
from sonotheque.model.identifiers import RecordingId, Sha512, holding_id_of
from sonotheque.model.music import Recording
from sonotheque.model.plans import SelectionPlan
from sonotheque.model.terms import Decision, Reason, Use
from sonotheque.publication import torrent
from sonotheque.publication.dataset import recordings_table, statements_table
from sonotheque.publication.manifest import (
    CONTENT_NAME,
    MANIFEST_NAME,
    NOTE_NAME,
    EditionFile,
    EditionRecording,
    Excluded,
    Manifest,
    Note,
    read_manifest,
)
from sonotheque.rights.commitments import is_private
from sonotheque.rights.licences import find_licence, name_of
from sonotheque.store import files, signing

Progress = Callable[[str, int, int], None]
"""(stage, done, of how many): "publish", "verify"."""
TORRENT_NAMES = {1: "edition.v1.torrent", 2: "edition.v2.torrent"}
_BUILDING = ".building"
_LOSSLESS = frozenset({".flac", ".wav", ".wv", ".aiff", ".aif", ".w64"})
# Names that Windows takes for devices, whatever follows the first dot.
_README = """\
{archive}: edition {number}, {created_at}

audio/               recordings, a directory each, named by the recording's identifier
data/                recordings.parquet and statements.parquet: what they are, who allows it
LICENSES.txt         every licence, and the line to name each recording by
manifest.json        every file with its SHA-512 digest, and what was left out and why

Every recording here may be passed on under the licence that LICENSES.txt names, with its line.
That is not consent to train a model, which is asked for on its own, for the recording and for the
work: where it was given, statements.parquet shows the use "train-ai" or "train-generative-ai".
What a generative model made is marked as such.

manifest.txt, which comes beside this directory, is the archive's signature on all of it: check
it with the archive's public key, which you had better have from somewhere else.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRecording:
    """A recording that may be published, the file that will be, and the decision it rests on."""

    recording: Recording
    file: HeldFile
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionPlan:
    """What the next edition would hold. Nothing has been written when it exists."""

    number: int
    items: tuple[PlannedRecording, ...]
    excluded: tuple[Excluded, ...]

    @property
    def byte_count(self) -> int:
        return sum(item.file.byte_count for item in self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A published edition, in `directory`. `torrents` are the info hashes, v1 then v2."""

    number: int
    directory: Path
    created_at: str
    recordings: tuple[RecordingId, ...]
    excluded: tuple[Excluded, ...]
    files: tuple[EditionFile, ...]
    total_bytes: int
    torrents: tuple[str, str]


def plan_edition(
    archive: Archive, now: str, *, selection: SelectionPlan | None = None
) -> EditionPlan:
    """Decide about every recording, or those that `selection` chose. Writes nothing."""
    chosen = {choice.recording for choice in selection.chosen} if selection else None
    items, excluded = [], []
    for recording in archive.catalogue.each():
        if chosen is not None and recording.id not in chosen:
            reason = Reason(code="not-selected", message="the selection plan left it out")
            excluded.append(Excluded(recording=recording.id, reasons=(reason,)))
            continue
        decision = archive.decide(recording.id, Use.TORRENT, now)
        held = archive.vault.holding(holding_id_of(recording.id))
        if not decision.allowed:
            excluded.append(Excluded(recording=recording.id, reasons=decision.reasons))
        elif held is None or not held.audio:
            reason = Reason(code="not-held", message="the archive does not hold its sound")
            excluded.append(Excluded(recording=recording.id, reasons=(reason,)))
        else:
            best = min(held.audio, key=lambda file: Path(file.path).suffix.lower() not in _LOSSLESS)
            items.append(PlannedRecording(recording=recording, file=best, decision=decision))
    return EditionPlan(
        number=_next_number(archive.config), items=tuple(items), excluded=tuple(excluded)
    )


def build_edition(
    archive: Archive, plan: EditionPlan, now: str, *, progress: Progress | None = None
) -> Edition:
    """Build, verify, sign and publish the edition that `plan` describes.

    Others may deposit and enter statements meanwhile. Raises Refused where nothing may be
    published, the plan's number is taken, or a recording was withdrawn during the build, Corrupt
    where a held file does not match its digest; then nothing is published.
    """
    with files.exclusive(archive.config.publishing_lock):
        return _build(archive, plan, now, progress or (lambda stage, done, total: None))


def editions(config: Config) -> tuple[Edition, ...]:
    """Every published edition, newest first."""
    return tuple(_read(config.editions / str(number)) for number in _numbers(config))


def read_torrents(directory: Path) -> list[torrent.Torrent]:
    """Both torrents of the edition in `directory`, v1 first. Raises BadInput."""
    found = []
    for name in TORRENT_NAMES.values():
        try:
            found.append(torrent.parse_torrent((directory / name).read_bytes()))
        except OSError as error:
            raise files.explain(error, directory / name) from error
    return found


def withdrawn_from(archive: Archive, edition: Edition, now: str) -> tuple[Decision, ...]:
    """The decisions against recordings in `edition` that may no longer be shared at `now`.

    An edition never changes; one that this is not empty for must not be offered any more.
    """
    decisions = (archive.decide(recording, Use.TORRENT, now) for recording in edition.recordings)
    return tuple(decision for decision in decisions if not decision.allowed)


def _build(archive: Archive, plan: EditionPlan, now: str, show: Progress) -> Edition:
    if plan.number in _numbers(archive.config):
        raise Refused(
            "was published since this plan was made",
            where=f"edition {plan.number}",
            remedy="make a new plan",
        )
    for leftover in archive.config.editions.glob(f"{_BUILDING}-*"):
        files.remove_tree(leftover)
    directory = archive.config.editions / f"{_BUILDING}-{plan.number}"
    content = directory / CONTENT_NAME
    files.make_directory(content)
    try:
        manifest = _write_content(archive, plan, content, now, show)
        _write_torrents(archive, manifest, directory, show)
        files.sync_tree(directory)
        _check_withdrawals(archive, manifest, now)
        files.move(directory, archive.config.editions / str(plan.number))
    except BaseException:
        files.remove_tree(directory)
        raise
    return _read(archive.config.editions / str(plan.number))


def _check_withdrawals(archive: Archive, manifest: Manifest, now: str) -> None:
    """The last look before it is published: copying and hashing may have taken hours."""
    for item in manifest.recordings:
        if not archive.decide(item.recording, Use.TORRENT, now).allowed:
            raise Refused(
                "was withdrawn while the edition was built",
                where=item.recording,
                remedy="publish again: the next plan leaves it out",
            )


def _write_content(
    archive: Archive, plan: EditionPlan, content: Path, now: str, show: Progress
) -> Manifest:
    published: list[EditionRecording] = []
    excluded = list(plan.excluded)
    audio: dict[str, EditionFile] = {}
    for number, item in enumerate(plan.items, 1):
        decision = archive.decide(item.recording.id, Use.TORRENT, now)
        if decision.allowed:
            entry = _edition_recording(archive, item, decision)
            audio[entry.path] = _copy(archive, item, content, entry.path)
            published.append(entry)
        else:
            excluded.append(Excluded(recording=item.recording.id, reasons=decision.reasons))
        show("publish", number, len(plan.items))
    if not published:
        raise Refused(
            "nothing may be published",
            where=f"edition {plan.number}",
            remedy="`sonotheque rights decide ID torrent` says why for each recording",
        )
    recordings = {item.recording.id: item.recording for item in plan.items}
    statements = [s for item in published for s in archive.ledger.statements_about(item.recording)]
    readme = _README.format(archive=archive.config.name, number=plan.number, created_at=now[:10])
    written = {
        "data/recordings.parquet": recordings_table(published, recordings, audio),
        "data/statements.parquet": statements_table(statements),
        "README.txt": readme.encode(),
        "LICENSES.txt": _licences(published).encode(),
    }
    listed = [*audio.values(), *(_write(content, path, data) for path, data in written.items())]
    manifest = Manifest(
        edition=plan.number,
        archive=archive.config.name,
        created_at=now,
        ledger_size=archive.ledger.size(),
        files=tuple(sorted(listed, key=lambda file: file.path)),
        recordings=tuple(published),
        excluded=tuple(excluded),
    )
    _write(content, MANIFEST_NAME, manifest.to_json())
    return manifest


def _write_torrents(archive: Archive, manifest: Manifest, directory: Path, show: Progress) -> None:
    """Make both torrents, have libtorrent check the files against them, and sign the note."""
    folder = files.portable_name(f"{manifest.archive}, edition {manifest.edition}")
    hashes = {}
    for number, (version, name) in enumerate(TORRENT_NAMES.items(), 1):
        made = torrent.make_torrent(directory / CONTENT_NAME, version, name=folder)
        torrent.verify(made, directory / CONTENT_NAME)
        files.create(directory / name, made.content)
        hashes[version] = made.info_hash
        show("verify", number, len(TORRENT_NAMES))
    note = Note(
        edition=manifest.edition,
        archive=" ".join(manifest.archive.split()),
        manifest_sha512=Sha512(files.sha512_of(directory / CONTENT_NAME / MANIFEST_NAME)),
        v1=hashes[1],
        v2=hashes[2],
    )
    files.create(directory / NOTE_NAME, archive.signer.sign(note.text()).encode())
    key = archive.signer.verifier.text() + "\n"
    files.create(directory / signing.PUBLIC_KEY_NAME, key.encode())


def _edition_recording(
    archive: Archive, item: PlannedRecording, decision: Decision
) -> EditionRecording:
    description = item.recording.description
    numbers = tuple(reason.statement for reason in decision.reasons if reason.statement)
    allowed = [s for n in numbers if (s := archive.ledger.statement(n))]
    licence = next((s.licence for s in allowed if s.licence), "")
    holder = description.artist or next(
        (s.issuer for s in allowed if not is_private(s.issuer)), "unknown"
    )
    terms = name_of(licence) if licence else "by permission"
    title = description.title or "untitled"
    generated = " AI-generated." if description.generated else ""
    return EditionRecording(
        recording=item.recording.id,
        title=description.title,
        artist=description.artist,
        licence=licence,
        attribution=f"“{title}” by {holder}, {terms}.{generated}",
        generated=description.generated,
        path=f"audio/{item.recording.id}/{files.portable_name(Path(item.file.path).name)}",
        statements=numbers,
    )


def _licences(published: Iterable[EditionRecording]) -> str:
    """Each licence with its address, then the lines of the recordings that it covers."""
    lines = []
    by_licence = sorted(published, key=lambda item: (item.licence, item.path))
    for licence, items in itertools.groupby(by_licence, key=lambda item: item.licence):
        known = find_licence(licence)
        address = known.url if known else ""
        lines += [f"{name_of(licence) or 'By permission of the rights holder'} {address}".rstrip()]
        lines += [f"  {one_line(item.attribution)} ({item.path})" for item in items]
        lines += [""]
    return "\n".join(lines)


def _copy(archive: Archive, item: PlannedRecording, content: Path, path: str) -> EditionFile:
    """Copy, never link: an edition must not be able to change a preserved file."""
    source = archive.vault.path_of(holding_id_of(item.recording.id), item.file.path)
    files.make_directory((content / path).parent)
    if not source.is_file() or files.copy(source, content / path) != item.file.sha512:
        raise Corrupt(
            "is missing or does not match its digest",
            where=str(source),
            remedy="run `sonotheque audit --heal`",
        )
    return EditionFile(path=path, sha512=item.file.sha512, byte_count=item.file.byte_count)


def _write(content: Path, path: str, data: bytes) -> EditionFile:
    target = content / path
    files.make_directory(target.parent)
    files.create(target, data)
    digest = Sha512(files.sha512_of(target))
    return EditionFile(path=path, sha512=digest, byte_count=len(data))


def _read(directory: Path) -> Edition:
    manifest = read_manifest(directory)
    size = (directory / CONTENT_NAME / MANIFEST_NAME).stat().st_size
    v1, v2 = (made.info_hash for made in read_torrents(directory))
    return Edition(
        number=manifest.edition,
        directory=directory,
        created_at=manifest.created_at,
        recordings=tuple(item.recording for item in manifest.recordings),
        excluded=manifest.excluded,
        files=manifest.files,
        total_bytes=size + sum(file.byte_count for file in manifest.files),
        torrents=(v1, v2),
    )


def _numbers(config: Config) -> list[int]:
    if not config.editions.exists():
        return []
    names = {path.name for path in config.editions.iterdir() if path.is_dir()}
    numbers = {int(name) for name in names if name.isdecimal()}
    return sorted((number for number in numbers if str(number) in names), reverse=True)


def _next_number(config: Config) -> int:
    return max(_numbers(config), default=0) + 1
