"""Everything the archive can say of one recording: what its page, its sound and the API need."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sonotheque.access.catalogued import ListedDocument, listed_document
from sonotheque.access.describing import require_describable
from sonotheque.access.media import HEAD_BYTES, Medium, medium_of
from sonotheque.access.room import Room
from sonotheque.archive import Archive
from sonotheque.errors import NotFound, SonothequeError
from sonotheque.model.holdings import FixityEvent, HeldFile, Holding, ItemStatus, ReceiptItem
from sonotheque.model.identifiers import DepositId, HoldingId, RecordingId, Sha512, holding_id_of
from sonotheque.model.music import AudioProperties, Recording
from sonotheque.model.terms import Decision, Statement, Use
from sonotheque.rights.decision import decide_all
from sonotheque.vault.roots import Place, Root

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFile:
    """One encoding of a recording, readable at `place`. `audio` is None where no receipt says
    what it is."""

    file: HeldFile
    place: Place
    audio: AudioProperties | None
    medium: Medium

    @property
    def name(self) -> str:
        return self.file.path.removeprefix("audio/")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositedAs:
    """One time that the recording was delivered, and under which name."""

    deposit: DepositId
    at: str
    path: str
    status: ItemStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """One recording, as of the moment of its `decisions`."""

    recording: Recording
    statements: tuple[Statement, ...]
    decisions: tuple[Decision, ...]
    holding: Holding | None
    files: tuple[AudioFile, ...]
    deposits: tuple[DepositedAs, ...]
    fixity: tuple[FixityEvent, ...]
    """Newest first."""
    listed: ListedDocument | None
    """What others' catalogues say of it."""

    def decision(self, use: Use) -> Decision:
        return next(decision for decision in self.decisions if decision.use is use)

    @property
    def away(self) -> bool:
        """Deposited, but no storage root can read any of its sound at the moment."""
        return bool(self.deposits) and not self.files

    def to_play(self) -> AudioFile | None:
        """The file that a player gets: the first that browsers know, else the first (of which
        an access copy is made)."""
        playable = (file for file in self.files if file.medium.playable)
        return next(playable, self.files[0] if self.files else None)


def compile_dossier(room: Room, recording_id: RecordingId, now: str) -> Dossier:
    """Compile the dossier of `recording_id`. Raises NotFound where the catalogue lacks it, and
    NotAllowed where it may not be said what it is."""
    archive = room.archive
    recording = required(archive, recording_id)
    require_describable(archive, recording_id, now)
    holding_id = holding_id_of(recording_id)
    statements = archive.ledger.statements_about(recording_id)
    items = room.receipts.about(recording_id)
    holding, files = _held(archive, holding_id, [item for _, _, item in items])
    return Dossier(
        recording=recording,
        statements=statements,
        decisions=decide_all(statements, recording_id, now, archive.home),
        holding=holding,
        files=files,
        deposits=tuple(
            DepositedAs(deposit=deposit, at=at, path=item.path, status=item.status)
            for deposit, at, item in items
        ),
        fixity=archive.fixity.events_of(holding_id),
        listed=listed_document(archive, recording_id),
    )


def required(archive: Archive, recording_id: RecordingId) -> Recording:
    """The catalogue's record of `recording_id`. Raises NotFound."""
    recording = archive.catalogue.get(recording_id)
    if recording is None:
        raise NotFound(
            "the catalogue has no such recording",
            where=recording_id,
            remedy="search for it by title or ISRC",
        )
    return recording


def _held(
    archive: Archive, holding_id: HoldingId, items: Sequence[ReceiptItem]
) -> tuple[Holding | None, tuple[AudioFile, ...]]:
    """The holding and its audio files, oldest first, from the first storage root that can read
    them: while the primary is damaged or away, a replica serves."""
    properties = {item.sha512: item.audio for item in items if item.audio}
    for root in archive.roots:
        try:
            holding = root.holding(holding_id)
            if holding is not None:
                files = (_audio_file(root, holding_id, f, properties) for f in holding.audio)
                return holding, tuple(files)
        except (OSError, SonothequeError) as error:
            _log.warning("%s cannot be read in root %s: %s", holding_id, root.name, error)
    return None, ()


def _audio_file(
    root: Root,
    holding_id: HoldingId,
    file: HeldFile,
    properties: Mapping[Sha512 | None, AudioProperties],
) -> AudioFile:
    place = root.place(holding_id, file.path)
    audio = properties.get(file.sha512)
    head = b"".join(place.blocks(byte_count=HEAD_BYTES))
    return AudioFile(file=file, place=place, audio=audio, medium=medium_of(head, audio))
