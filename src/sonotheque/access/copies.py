"""Access copies: Opus in Ogg of what browsers cannot play, made on demand in `derived/access`.

They can be deleted at any time. Decoding happens in the sandbox: media files are hostile.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path

import av

from sonotheque.config import Config
from sonotheque.errors import EnvironmentFailure
from sonotheque.model.identifiers import Sha512
from sonotheque.store import files
from sonotheque.store.sandbox import Sandbox, SandboxFailed

MEDIA_TYPE = "audio/ogg"
BIT_RATE_BPS = 128_000
"""With the sandbox's bound on an answer, 256 MiB, enough for four and a half hours."""
SAMPLE_RATE_HZ = 48_000
_making = threading.Lock()
"""One copy at a time: a visitor must not be able to keep every core busy …"""
_waiting = threading.BoundedSemaphore(4)
"""… nor every thread of the server waiting."""


def copy_of(name: str, source: files.Blocks, digest: Sha512, config: Config) -> Path:
    """The access copy of the file called `name`, whose SHA-512 is `digest` and whose bytes
    `source` gives; made where it is missing.

    Takes seconds for some minutes of music. Raises EnvironmentFailure where it cannot be made,
    or not now.
    """
    target = config.derived / "access" / f"{digest}.opus"
    if target.exists():
        return target
    if not _waiting.acquire(blocking=False):
        raise EnvironmentFailure(
            "access copies are being made for others",
            where=name,
            remedy="try again in a minute",
        )
    try:
        with _making:
            if not target.exists():
                content = _encoded(name, source, config)
                files.make_directory(target.parent)
                files.replace(target, content)
    finally:
        _waiting.release()
    return target


def encode(descriptor: int) -> bytes:
    """Runs in the sandbox: the first audio stream of an open file as mono or stereo Opus."""
    output = io.BytesIO()
    with (
        av.open(f"/proc/self/fd/{descriptor}", metadata_errors="replace") as reader,
        av.open(output, "w", format="ogg") as writer,
    ):
        heard = reader.streams.audio[0]
        written = writer.add_stream("libopus", rate=SAMPLE_RATE_HZ)
        written.layout = "mono" if heard.channels == 1 else "stereo"
        written.bit_rate = BIT_RATE_BPS
        for frame in reader.decode(heard):
            # Timestamps of damaged files run backwards; the samples follow each other anyway.
            frame.pts = None
            writer.mux(written.encode(frame))
        writer.mux(written.encode(None))
    return output.getvalue()


def _encoded(name: str, source: files.Blocks, config: Config) -> bytes:
    limits = config.limits
    files.make_directory(config.derived)
    try:
        # The sandbox takes an open file, and a storage root need not be one that has files.
        with (
            files.unnamed(config.derived, source()) as descriptor,
            Sandbox(
                f"{__name__}:{encode.__name__}",
                memory_bytes_max=limits.inspection_memory_bytes_max,
                seconds_max=limits.inspection_seconds_max,
            ) as sandbox,
        ):
            return bytes(sandbox.call(descriptor))
    except SandboxFailed as failed:
        raise EnvironmentFailure(
            f"no access copy can be made of this recording ({failed})",
            where=name,
            remedy="download the preserved file instead",
        ) from failed
