"""Recorded music: recordings, their sound, and how they are recognised."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sonotheque.model.identifiers import Isrc, RecordingId

SOURCE_KINDS = ("musicbrainz", "discogs", "ddex", "freemusicc", "table", "listens")
"""What a catalogue can be imported from: whose data, or in which form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioProperties:
    """What a decoder says of one audio file. `bits_per_sample` is 0 for lossy codecs."""

    container: str
    codec: str
    lossless: bool
    sample_rate_hz: int
    channels: int
    bits_per_sample: int
    bit_rate_bps: int
    duration_ms: int
    decode_errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a source says a recording is. Empty text means that the source does not say."""

    title: str = ""
    artist: str = ""
    album: str = ""
    label: str = ""
    year: int | None = None
    track_number: int | None = None
    genre: str = ""
    isrcs: tuple[Isrc, ...] = ()
    generated: bool = False
    """Made by a generative model, not performed; marked wherever the recording is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A sound recording as the catalogue describes it."""

    id: RecordingId
    description: Description
    duration_ms: int
    added_at: str
    """ISO 8601, UTC."""
    popularity: int = 0
    """0 to 100; 0 where nobody has said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """How a recording sounds. `chromaprint` holds little-endian uint32 words, one per hop of
    1365/11025 s (Chromaprint algorithm 2), of the whole file."""

    chromaprint: bytes
    duration_ms: int


class MatchKind(StrEnum):
    SAME_RECORDING = "same-recording"
    EXCERPT = "excerpt"
    """What was asked about is a part of the recording in the archive."""
    CONTAINS = "contains"
    """What was asked about holds the archive's recording and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A recording in the archive that sounds the same as what was asked about.

    `similarity` is 1 − bit error rate over the aligned words (0.5 is chance); `offset_ms` is
    where the archive's recording starts in the query's time; `overlap_ms` how long they agree.
    """

    recording: RecordingId
    kind: MatchKind
    similarity: float
    offset_ms: int
    overlap_ms: int
