"""The texts of a bag (BagIt 0.93 to 1.0, RFC 8493), read without trust: the declaration, the
lines of a manifest and of fetch.txt, and what their paths mean. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

VERSIONS = ("0.93", "0.94", "0.95", "0.96", "0.97", "1.0")
ALGORITHMS = hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}
"""Digests of one length, by their names in the names of manifests."""
PAYLOAD = "data"
# The declaration of 1.0 is exact; before, white space around its values was tolerated.
_EXACT = re.compile(
    r"BagIt-Version: [0-9.]+(\r\n|\r|\n)Tag-File-Character-Encoding: \S+(\r\n|\r|\n)?"
)
_LAX = re.compile(
    r"BagIt-Version *: *([0-9.]+)[ \t]*[\r\n]+Tag-File-Character-Encoding *: *(\S+)\s*"
)
_ENTRY = re.compile(r"([0-9A-Fa-f]+)[ \t]+(\*?)(.*)", re.DOTALL)
_FETCH = re.compile(r"\S+[ \t]+(?:-|[0-9]+)[ \t]+(.+)", re.DOTALL)
_ESCAPED = re.compile("%(0[Aa]|0[Dd]|25)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a manifest. `written` is the path as it stands there, `starred` whether it stands
    after an asterisk, as md5sum writes it."""

    digest: str
    written: str
    starred: bool


def parse_declaration(text: str) -> tuple[str, str] | None:
    """Version and encoding that the text of a bagit.txt declares; None where it is none."""
    match = _LAX.fullmatch(text)
    if match is None or (match[1] not in VERSIONS[:-1] and not _EXACT.fullmatch(text)):
        return None
    return match[1], match[2]


def parse_entry(line: str, algorithm: str) -> Entry | None:
    """A line of a manifest of `algorithm`; None where it is none."""
    match = _ENTRY.fullmatch(line)
    digits = hashlib.new(algorithm, usedforsecurity=False).digest_size * 2
    if match is None or len(match[1]) != digits:
        return None
    return Entry(digest=match[1].lower(), written=match[3], starred=bool(match[2]))


def parse_fetch(line: str) -> str | None:
    """The path, as it is written, in a line of fetch.txt; None where the line is none."""
    match = _FETCH.fullmatch(line)
    return match[1] if match else None


def parse_path(written: str, version: str) -> str | None:
    """The path from the bag's directory that `written` means; None where it leads out of the bag
    on any system, or is none."""

    def decoded(match: re.Match[str]) -> str:
        # Before 1.0 the percent sign stood for itself.
        kept = match[1] == "25" and version != "1.0"
        return match[0] if kept else chr(int(match[1], 16))

    path = _ESCAPED.sub(decoded, written.removeprefix("./"))
    parts = path.split("/")
    bad = any(part in ("", ".", "..") or "\0" in part for part in parts)
    return None if bad or parts[0].startswith("~") or "\\" in parts[0] else path


def in_payload(name: str) -> bool:
    return name.startswith(f"{PAYLOAD}/")
