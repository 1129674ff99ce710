"""A delivery's DDEX messages joined to its audio: which file is which track.

What a message names is looked for among the files that were found in the delivery, and nowhere
else: no path of a message is ever opened, and no address fetched.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from sonotheque.catalogue.sources.ddex import NamedFile, Track, read_tracks
from sonotheque.deposit.package import MessageFile, Package, PackageFile, Told
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Isrc, Sha512
from sonotheque.model.music import Description
from sonotheque.store import files

KEPT_BYTES_MAX = 1 << 20
"""Of a message, since every holding that it describes keeps it."""
_MARK = b"NewReleaseMessage"
_MARK_WITHIN_BYTES = 4_096
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
"""`https:`, `file:`, and `C:`."""
_DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard:
    """A track of a message without sound, or what was set aside: then `is_fault`."""

    where: str
    description: Description
    duration_ms: int
    is_fault: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """A delivery in which each file that a message names knows what is said of it (`told`), and
    the tracks that no file is of."""

    package: Package
    unheard: tuple[Unheard, ...]


def find_messages(path: Path) -> list[Path]:
    """The DDEX messages at `path` or below; symbolic links are not followed."""
    if path.is_dir():
        below = [
            Path(directory) / name
            for directory, _, names in os.walk(path)
            for name in sorted(names)
            if name.lower().endswith(".xml")
        ]
        return sorted(one for one in below if _is_message(one))
    return [path] if path.suffix.lower() == ".xml" and _is_message(path) else []


def join(package: Package, messages: Sequence[Path], now: str) -> Joined:
    """Join the tracks of `messages` to the files of `package`; opens those that have a hash sum.

    Where several tracks name one file, the first describes it.
    """
    joining = _Joining(package.files)
    once = {message.resolve(): message for message in messages}
    unheard = [one for message in once.values() for one in joining.message(message, now)]
    named = joining.named
    found = []
    for number, file in enumerate(package.files):
        findings = list(joining.findings[number])
        if named and number not in named:
            findings.append(
                _finding(
                    "message.file-unnamed",
                    Severity.WARNING,
                    "is named by no track of the delivery's message",
                    "ask the sender which track it is, or take it out",
                    file.name,
                )
            )
        told = joining.told.get(number)
        found.append(replace(file, told=told, findings=(*file.findings, *findings)))
    return Joined(replace(package, files=tuple(found)), tuple(unheard))


class _Joining:
    """Finds what tracks name among `found`, by their numbers."""

    def __init__(self, found: Sequence[PackageFile]) -> None:
        self._found = found
        paths = [file.path.resolve() for file in found]
        self._at = {path: number for number, path in enumerate(paths)}
        self._alike: defaultdict[str, list[int]] = defaultdict(list)
        self._called: defaultdict[str, list[int]] = defaultdict(list)
        for number, path in enumerate(paths):
            self._alike[_folded(str(path))].append(number)
            self._called[_folded(path.name)].append(number)
        self.named: set[int] = set()
        self.told: dict[int, Told] = {}
        self.findings: defaultdict[int, list[Finding]] = defaultdict(list)

    def message(self, path: Path, now: str) -> Iterator[Unheard]:
        """Join the tracks of the message at `path`; those that no file is of."""
        name = files.text_of(path.name)
        kept = _kept(path)
        for track in read_tracks(path, origin=name, year_max=int(now[:4]) + 1):
            where = f"{name}:{track.line}"
            description = _described(track)
            findings = [*_set_aside(track, where)]
            heard: int | None = None
            for file in track.files:
                number, problem = self._resolve(file, path, where)
                findings += [problem] if problem else []
                if number is None:
                    continue
                self.named.add(number)
                self.findings[number] += _hash_findings(self._found[number], file)
                if track.row and not self._is_taken(number, description, where):
                    duration_ms = 0 if file.clip else track.row["duration_ms"] or 0
                    self.told[number] = Told(where, description, duration_ms, kept)
                    heard = number if heard is None else heard
            if heard is None:
                yield Unheard(
                    where=where,
                    description=description,
                    duration_ms=track.row.get("duration_ms") or 0,
                    is_fault=track.fault is not None,
                    findings=tuple(findings),
                )
            else:
                # The track is heard in one of its files; what is wrong with others is said there.
                called = self._found[heard].name
                self.findings[heard] += [replace(finding, where=called) for finding in findings]

    def _is_taken(self, number: int, description: Description, where: str) -> bool:
        before = self.told.get(number)
        if before is None:
            return False
        same = (before.description.isrcs, before.description.title) == (
            description.isrcs,
            description.title,
        )
        if not same:
            self.findings[number].append(
                _finding(
                    "message.file-twice",
                    Severity.WARNING,
                    f"is named by {before.where} and, as {description.title[:80]!r}, by {where};"
                    " the first describes it",
                    "ask the sender which track it is",
                    self._found[number].name,
                )
            )
        return True

    def _resolve(
        self, file: NamedFile, message: Path, where: str
    ) -> tuple[int | None, Finding | None]:
        """The number of the file that is meant, or what is wrong; neither where there is no
        audio at all, for then the message came alone."""
        parts = _inside(file.name)
        if parts is None:
            return None, _finding(
                "message.file-outside",
                Severity.WARNING,
                f"names {file.name[:200]!r}, which leads out of the delivery; nothing is fetched",
                "ask for a message that names files of the delivery",
                where,
            )
        for each in dict.fromkeys((parts, _inside(unquote(file.name)) or parts)):
            if (number := self._number(message, each)) is not None:
                return number, None
        if not self._found:
            return None, None
        return None, _finding(
            "message.file-missing",
            Severity.WARNING,
            f"names {file.name[:200]!r}, and no one file of the delivery is called so",
            "get the whole delivery",
            where,
        )

    def _number(self, message: Path, parts: tuple[str, ...]) -> int | None:
        """The path as it is written, then in any case and composition; then the only file of
        that name, for it may lie in another directory than the message says."""
        full = message.parent.resolve().joinpath(*parts)
        if full in self._at:
            return self._at[full]
        for alike in (
            self._alike.get(_folded(str(full)), ()),
            self._called.get(_folded(parts[-1]), ()),
        ):
            if len(alike) == 1:
                return alike[0]
        return None


def _inside(name: str) -> tuple[str, ...] | None:
    """The parts of a path below the message; None where it leads elsewhere."""
    path = name.replace("\\", "/")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or _SCHEME.match(path) or ".." in parts or "\0" in path:
        return None
    return parts or None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _hash_findings(file: PackageFile, named: NamedFile) -> list[Finding]:
    found = []
    for algorithm, digest in named.hashes:
        key = re.sub(r"[^a-z0-9]", "", algorithm.lower())
        expected = digest.strip().lower()
        if not re.fullmatch(f"[0-9a-f]{{{2 * _DIGEST_BYTES.get(key, 0)}}}", expected) or not digest:
            found.append(
                _finding(
                    "message.hash-unknown",
                    Severity.INFO,
                    f"has a hash sum in the message that cannot be checked: {algorithm[:40]!r}"
                    f" {digest[:40]!r}",
                    "nothing to do, unless it should be one",
                    file.name,
                )
            )
        elif files.digest_of(file.path, key) != expected:
            found.append(
                _finding(
                    "message.hash",
                    Severity.ERROR,
                    f"is not the file that the message names: its {algorithm} is another",
                    "get the file again, or a message that is about this one",
                    file.name,
                )
            )
    return found


def _described(track: Track) -> Description:
    if track.fault:
        return Description(title=track.fault.row.get("title", ""))
    row = track.row
    codes = [row["isrc"], *(row["other_isrcs"] or "").split()]
    return Description(
        title=row["title"],
        artist=row["artist"] or "",
        album=row["album"] or "",
        label=row["label"] or "",
        year=row["year"] or (row["release_date"].year if row["release_date"] else None),
        isrcs=tuple(Isrc(code) for code in codes if code),
    )


def _set_aside(track: Track, where: str) -> list[Finding]:
    if not (fault := track.fault):
        return []
    return [
        Finding(
            code=fault.code,
            severity=Severity.WARNING,
            message=fault.message,
            remedy=fault.remedy,
            where=where,
        )
    ]


def _kept(path: Path) -> MessageFile | None:
    try:
        if path.stat().st_size > KEPT_BYTES_MAX:
            return None
    except OSError as error:
        raise files.explain(error, path) from error
    name = files.portable_name(os.fsencode(path.name).decode("utf-8", "replace"))
    return MessageFile(path, name, Sha512(files.sha512_of(path)))


def _is_message(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not os.access(path, os.R_OK):
        return False
    with path.open("rb") as file:
        return _MARK in file.read(_MARK_WITHIN_BYTES)


def _finding(code: str, severity: Severity, message: str, remedy: str, where: str) -> Finding:
    return Finding(code=code, severity=severity, message=message, remedy=remedy, where=where)
