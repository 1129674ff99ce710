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
    iscc: str = ""
    """The ISO 24138 Audio-Code of how it sounds; empty where it is too short to have one, or was
    looked into before there were any."""


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
    1365/11025 s (Chromaprint algorithm 2), of the whole file. `landmarks` holds little-endian
    uint32, its peaks in time and log-frequency in the order of time; empty where nobody looked.

    The others serve a query, to find the recording that it is a modified copy of; nothing keeps
    them. `picture` is what its words are warped from. `coarse` and `fine` hold its landmarks as
    they are looked for in a recording that plays about twice, and half, as fast. `difference` is
    how the difference of two channels sounds, where it is about as loud as their sum or louder:
    what remains of a recording of which one channel was inverted.
    """

    chromaprint: bytes
    duration_ms: int
    landmarks: bytes = b""
    picture: bytes = b""
    coarse: bytes = b""
    fine: bytes = b""
    difference: Fingerprints | None = None


class MatchKind(StrEnum):
    SAME_RECORDING = "same-recording"
    EXCERPT = "excerpt"
    """What was asked about is a part of the recording in the archive."""
    CONTAINS = "contains"
    """What was asked about holds the archive's recording and more."""
    MODIFIED_COPY = "modified-copy"
    """What was asked about is the archive's recording, or a part, at another tempo or pitch, or
    with one channel inverted."""
    SAME_WORK = "same-work"
    """It sounds the same, but its notes lie about those of the archive's recording as another
    performance's do: always a suspect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A recording in the archive that sounds the same as what was asked about.

    `similarity` is 1 − bit error rate over the aligned words (0.5 is chance); `offset_ms` is
    where the archive's recording starts in the query's time; `overlap_ms` how long they agree, in
    the query's time. What was asked about plays `tempo` times as fast and `pitch_cents` higher;
    `speed` is the one number that says both, where both come of playing it faster, else None.
    `is_inverted` is true where one of its two channels is upside down.

    `is_suspect` is true where only one of the two kinds of evidence says so: it is for a person to
    listen to, and nothing is decided by it. `margin` is by how many standard deviations the
    landmarks agree better where it lies than elsewhere; None where there are none to compare.
    """

    recording: RecordingId
    kind: MatchKind
    similarity: float
    offset_ms: int
    overlap_ms: int
    tempo: float = 1.0
    pitch_cents: float = 0.0
    speed: float | None = None
    is_inverted: bool = False
    is_suspect: bool = False
    margin: float | None = None
