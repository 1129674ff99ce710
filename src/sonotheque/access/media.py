"""What an audio file is called on the web, and whether browsers can play it as it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sonotheque.model.music import AudioProperties

HEAD_BYTES = 64
"""How much of a file `medium_of` wants to see."""
UNKNOWN_TYPE = "application/octet-stream"
# Offset, signature, media type; the first that fits holds.
_SIGNATURES = (
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (4, b"ftyp", "audio/mp4"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AIFF", "audio/aiff"),
    (8, b"AIFC", "audio/aiff"),
    (0, b"wvpk", "audio/x-wavpack"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfa", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
)
# Containers hold many codecs; these are the pairs that current browsers play.
_PLAYABLE = frozenset(
    {
        ("audio/flac", "flac"),
        ("audio/ogg", "vorbis"),
        ("audio/ogg", "opus"),
        ("audio/ogg", "flac"),
        ("audio/mp4", "aac"),
        ("audio/wav", "pcm"),
        ("audio/aac", "aac"),
        ("audio/mpeg", "mp3"),
    }
)
_PLAYABLE_BITS_MAX = 32


@dataclass(frozen=True, slots=True)
class Medium:
    """A media type, and whether current browsers play it."""

    media_type: str
    playable: bool


def medium_of(head: bytes, audio: AudioProperties | None) -> Medium:
    """The medium of a file by its first bytes (names mislead) and by what the decoder said of
    it on deposit. What nobody has decoded is not playable: it gets an access copy."""
    media_type = next(
        (
            media_type
            for offset, signature, media_type in _SIGNATURES
            if head[offset : offset + len(signature)] == signature
        ),
        UNKNOWN_TYPE,
    )
    playable = (
        audio is not None
        and (media_type, audio.codec) in _PLAYABLE
        and audio.bits_per_sample <= _PLAYABLE_BITS_MAX
        # RF64 and BW64 are WAVE for files over 4 GiB, and not for browsers.
        and head[:4] not in (b"RF64", b"BW64")
    )
    return Medium(media_type, playable)
