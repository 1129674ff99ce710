"""What a file says and sounds like, found out in a confined process.

`inspect_file` is the function that runs there; nothing else in this package parses media files
during a deposit.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from sonotheque.errors import SonothequeError
from sonotheque.model.music import AudioProperties, Fingerprints
from sonotheque.store.sandbox import Failure, Sandbox, SandboxFailed

FUNCTION = "sonotheque.deposit.inspection:inspect_file"
TAG_CHARACTERS_MAX = 4096
_TAG_VALUES_MAX = 32
_OGG_PAGE_BYTES_MAX, _OGG_LAST_PAGE = 65_307, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found out about one file. `problem` says why there is no audio, if there is none.

    `tags` maps tag names, lower case, to their values as the file gives them, each cut to
    TAG_CHARACTERS_MAX characters; `cut_tags` names the tags that were cut, and `tag_bytes` is
    how large they all were before. `unfinished` is true of an Ogg file without its last page.
    """

    audio: AudioProperties | None = None
    fingerprints: Fingerprints | None = None
    claimed_duration_ms: int | None = None
    tags: dict[str, list[str]] = field(default_factory=dict)
    cut_tags: tuple[str, ...] = ()
    tag_bytes: int = 0
    unfinished: bool = False
    problem: str = ""
    remedy: str = ""


def inspect(sandbox: Sandbox, path: Path) -> Inspection:
    """Inspect the regular file at `path` in `sandbox`; a file that breaks it is a problem."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = sandbox.call(descriptor, name=os.fsencode(path.name).decode("utf-8", "replace"))
    except SandboxFailed as failed:
        if failed.failure is Failure.TIMEOUT:
            return Inspection(
                problem="takes longer to read than any music should",
                remedy="raise inspection_seconds_max in archive.toml if the file is sound",
            )
        return Inspection(
            problem="makes the decoder crash or run out of memory",
            remedy="export it again from the original with another program",
        )
    finally:
        os.close(descriptor)
    return msgspec.convert(found, Inspection)


def inspect_file(descriptor: int, name: str) -> dict[str, Any]:
    """Runs in the sandbox: decode, fingerprint and read the tags of an open file."""
    from sonotheque.matching.fingerprint import measure

    path = Path(f"/proc/self/fd/{descriptor}")
    found = _read_tags(path, name)
    tags, cut = _cut(found)
    try:
        measured = measure(path)
    except SonothequeError as error:
        problem = Inspection(tags=tags, cut_tags=cut, problem=error.what, remedy=error.remedy)
        return dict(msgspec.to_builtins(problem, builtin_types=(bytes,)))
    inspection = Inspection(
        audio=measured.audio,
        fingerprints=measured.fingerprints,
        claimed_duration_ms=measured.claimed_duration_ms,
        tags=tags,
        cut_tags=cut,
        tag_bytes=sum(len(v.encode()) for values in found.values() for v in values),
        unfinished=measured.audio.container == "ogg" and _is_unfinished(path),
    )
    return dict(msgspec.to_builtins(inspection, builtin_types=(bytes,)))


def _read_tags(path: Path, name: str) -> dict[str, list[str]]:
    """The file's tags by tinytag, and by FFmpeg what tinytag does not read (WavPack, APE …)."""
    import av
    import tinytag

    found: dict[str, list[str]] = {}
    # A file made to break a parser of tags breaks it in ways that the parser does not foresee;
    # there may be sound in the file all the same.
    with path.open("rb") as file, contextlib.suppress(Exception):
        fields = tinytag.TinyTag.get(name, file_obj=file, duration=False).as_dict()
        for tag, values in fields.items():
            if tag not in ("filename", "filesize", "mime_type"):
                found[tag.lower()] = [
                    str(v) for v in (values if isinstance(values, list) else [values])
                ]
    # Without protocols, a playlist in disguise cannot make FFmpeg open other files.
    closed = {"protocol_whitelist": "none"}
    with (
        path.open("rb") as file,
        contextlib.suppress(Exception),
        av.open(file, metadata_errors="replace", options=closed) as container,
    ):
        streams = [stream.metadata for stream in container.streams.audio[:1]]
        for metadata in (container.metadata, *streams):
            for tag, value in metadata.items():
                found.setdefault(tag.lower(), [value])
    return found


def _is_unfinished(path: Path) -> bool:
    """Whether the last page of an Ogg file lacks the mark of a last page (RFC 3533, section 6)."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _OGG_PAGE_BYTES_MAX))
        end = file.read()
    flags_at = end.rfind(b"OggS") + 5
    return flags_at >= 5 and (flags_at >= len(end) or not end[flags_at] & _OGG_LAST_PAGE)


def _cut(tags: dict[str, list[str]]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    long = tuple(
        tag for tag, values in tags.items() if any(len(v) > TAG_CHARACTERS_MAX for v in values)
    )
    short = {
        tag[:80]: [value[:TAG_CHARACTERS_MAX] for value in values[:_TAG_VALUES_MAX]]
        for tag, values in tags.items()
    }
    return short, long
