"""Reading a bag (BagIt 0.93 to 1.0, RFC 8493): is it whole, and what does it say of itself?

`bagit` checks completeness, Payload-Oxum and digests. What it lets pass is checked here before
it sees the bag: it follows symbolic links, reads a manifest of a digest it does not know as
none, passes over lines that it does not understand, takes `../bag-2` for a path inside `bag`,
does not undo %25, does not look at the tag manifests of bags before 0.97, and reads lines of
any length into memory. Nothing that fetch.txt names is ever fetched.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bagit

from sonotheque.deposit.bag_text import (
    ALGORITHMS,
    PAYLOAD,
    VERSIONS,
    in_payload,
    parse_declaration,
    parse_entry,
    parse_fetch,
    parse_path,
)
from sonotheque.errors import one_line
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Sha512
from sonotheque.store import files

DECLARATION = "bagit.txt"
FETCH = "fetch.txt"
_INFO_NAMES = ("bag-info.txt", "package-info.txt")
_DECLARATION_BYTES_MAX = 1_000
_INFO_BYTES_MAX = 1_000_000
_LINE_CHARACTERS_MAX = 8_192
"""Of a line in a manifest: a digest of at most 128, and a path of at most 4,096, escaped."""
_FINDINGS_MAX = 100
"""Of each severity for one bag; after so many errors it is read no further."""
_KEPT_BYTES_MAX = 256 * 1024
"""Of tag files, since each holding that a bag leads to keeps them: a large manifest is left out."""
_MANIFEST = re.compile(r"(tag)?manifest-(.+)\.txt")
_SYSTEM_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db"})


@dataclass(frozen=True, slots=True)
class TagFile:
    """A file of a bag outside its payload. `name` is its path from the bag's directory, as every
    system takes it."""

    path: Path
    name: str
    sha512: Sha512
    byte_count: int


@dataclass(frozen=True, slots=True)
class Bag:
    """A bag as it was found: whole where no finding is an error.

    `tag_files` are those that are kept with what comes of it; empty where it is not whole.
    """

    path: Path
    tag_files: tuple[TagFile, ...]
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """What the bag is called, as every system takes it."""
        return files.portable_name(_text(self.path.resolve().name))

    @property
    def payload(self) -> Path:
        return self.path / PAYLOAD

    @property
    def valid(self) -> bool:
        return not any(finding.severity is Severity.ERROR for finding in self.findings)


def is_bag(path: Path) -> bool:
    """Whether `path` says that it is a bag."""
    return os.path.lexists(path / DECLARATION)


def read_bag(path: Path) -> Bag:
    """Check the bag in the directory `path` completely. Memory grows with the number of its
    files (about 1 kB each), and with nothing else."""
    reading = _Reading(path)
    # Each step trusts what the ones before it made sure of.
    for step in (
        reading.look_around,
        reading.read_declaration,
        reading.read_manifests,
        reading.read_fetch,
        reading.compare,
        reading.verify,
    ):
        step()
        if reading.wrong:
            return Bag(path, (), tuple(reading.findings))
    tag_files = reading.tag_files()
    return Bag(path, tag_files, tuple(reading.findings))


@dataclass(slots=True)
class _Reading:
    """What is known of a bag while it is read: every step adds to it.

    `files` maps paths from the bag's directory to sizes, `entries` the paths on the disk that
    manifests list to their digests by algorithm, `listed` each manifest to what it lists.
    """

    path: Path
    findings: list[Finding] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    composed: dict[str, str] = field(default_factory=dict)
    version: str = ""
    encoding: str = ""
    entries: dict[str, dict[str, str]] = field(default_factory=dict)
    listed: dict[str, set[str]] = field(default_factory=dict)

    @property
    def wrong(self) -> bool:
        return self._count(Severity.ERROR) > 0

    def _count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)

    def add(
        self,
        code: str,
        message: str,
        remedy: str,
        where: str,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Note a finding about the file `where` of the bag."""
        if self._count(severity) < _FINDINGS_MAX:
            self.findings.append(
                Finding(
                    code=code,
                    severity=severity,
                    message=message,
                    remedy=remedy,
                    where=one_line(f"{self.path.resolve().name}/{where}"),
                )
            )

    def look_around(self) -> None:
        """Every file of the bag, and nothing that is neither a file nor a directory."""

        def unreadable(error: OSError) -> None:
            self._unreadable(os.path.relpath(error.filename, self.path))

        for directory, below, names in os.walk(self.path, onerror=unreadable):
            below.sort()
            links = [name for name in below if (Path(directory) / name).is_symlink()]
            for name in sorted([*names, *links]):
                file = Path(directory) / name
                self._look(file, file.relative_to(self.path).as_posix())
        if not (self.path / PAYLOAD).is_dir():
            self.add(
                "bag.no-payload",
                "has no directory data, which holds what a bag is made for",
                "get the whole bag",
                PAYLOAD,
            )

    def _look(self, file: Path, name: str) -> None:
        status = file.lstat()
        if stat.S_ISLNK(status.st_mode):
            self.add(
                "package.symlink",
                "is a symbolic link, and what it points to may lie outside the bag",
                "put the file itself there, and make the bag anew",
                name,
            )
        elif not stat.S_ISREG(status.st_mode):
            self.add(
                "package.not-a-file",
                "is neither a file nor a directory",
                "take it out, and make the bag anew",
                name,
            )
        elif not os.access(file, os.R_OK):
            self._unreadable(name)
        self.files[name] = status.st_size
        composed = unicodedata.normalize("NFC", name)
        if self.composed.setdefault(composed, name) != name:
            self._alike(name, Severity.ERROR)
        if file.name.lower() in _SYSTEM_NAMES:
            self.add(
                "bag.system-file",
                "is a file that an operating system makes for itself",
                "nothing to do; leave such files out of the next bag",
                name,
                Severity.WARNING,
            )

    def _unreadable(self, name: str) -> None:
        self.add(
            "package.unreadable",
            "cannot be opened by this user",
            "give this user the right to read it (chmod)",
            name,
        )

    def _alike(self, name: str, severity: Severity) -> None:
        self.add(
            "bag.names-alike",
            "differs from another name only in case, or in how its letters are composed: not"
            " every system tells the two apart",
            "rename one of them, and make the bag anew",
            name,
            severity,
        )

    def read_declaration(self) -> None:
        """bagit.txt: version and encoding, in UTF-8 without a mark, and nothing else."""
        remedy = "two lines: `BagIt-Version: 1.0`, then `Tag-File-Character-Encoding: UTF-8`"
        try:
            with (self.path / DECLARATION).open("rb") as file:
                text = file.read(_DECLARATION_BYTES_MAX).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            self.add("bag.declaration", "is no UTF-8 text", remedy, DECLARATION)
            return
        declared = parse_declaration(text)
        if declared is None:
            self.add("bag.declaration", "does not declare a bag", remedy, DECLARATION)
            return
        self.version, self.encoding = declared
        if self.version not in VERSIONS:
            self.add(
                "bag.version",
                f"declares BagIt {self.version}, which is none",
                f"make the bag anew by one of {', '.join(VERSIONS)}",
                DECLARATION,
            )
        try:
            bytes(4).decode(self.encoding)  # four NULs are text in every encoding
        except (LookupError, ValueError):
            self.add(
                "bag.encoding",
                f"names the encoding {self.encoding[:40]!r}, which is unknown",
                "name UTF-8, once its tag files are UTF-8",
                DECLARATION,
            )
        for info in _INFO_NAMES:
            if self.files.get(info, 0) > _INFO_BYTES_MAX:
                self.add(
                    "bag.tag-file",
                    f"has over {_INFO_BYTES_MAX:,} bytes",
                    "move what is no label into a file of its own",
                    info,
                )

    def read_manifests(self) -> None:
        """Every manifest and tag manifest, line by line."""
        for name in sorted(self.files):
            match = _MANIFEST.fullmatch(name)
            if match and match[2] in ALGORITHMS:
                self._read_manifest(name, tag=bool(match[1]), algorithm=match[2])
            elif match:
                self.add(
                    "bag.algorithm",
                    f"lists digests by {match[2][:40]!r}, which cannot be checked here",
                    "make the bag anew with sha512 or sha256",
                    name,
                )
        if not any(name.startswith("manifest-") for name in self.listed):
            self.add(
                "bag.no-manifest",
                "has no payload manifest, so nothing can be checked",
                "make the bag anew, with manifest-sha512.txt",
                PAYLOAD,
            )

    def _read_manifest(self, name: str, *, tag: bool, algorithm: str) -> None:
        self.listed[name] = set()
        for line in self._lines(name):
            entry = parse_entry(line, algorithm)
            if entry is None:
                message = f"has a line that is no {algorithm} digest and path: {line[:60]!r}"
                self.add("bag.line", message, "make the bag anew", name)
                continue
            path = self._path(name, entry.written, starred=entry.starred)
            if path is None:
                continue
            if tag == in_payload(path):
                what = "a tag" if tag else "a payload"
                message = f"lists {path[:60]!r}, which is not {what} file"
                self.add("bag.path", message, "make the bag anew", name)
                continue
            self._list(name, algorithm, path, entry.digest)

    def _list(self, manifest: str, algorithm: str, path: str, digest: str) -> None:
        # A disk may compose letters in another way than the one the bag was made on.
        composed = unicodedata.normalize("NFC", path)
        actual = path if path in self.files else self.composed.get(composed, path)
        if actual in self.listed[manifest]:
            same = self.entries[actual][algorithm] == digest
            tolerated = same and (self.version != "1.0" or actual != path)
            self.add(
                "bag.listed-twice",
                f"lists {path[:60]!r} twice" + ("" if same else ", with two digests"),
                "nothing to do; make the next bag without" if tolerated else "make the bag anew",
                manifest,
                Severity.WARNING if tolerated else Severity.ERROR,
            )
            return
        if actual not in self.files:
            self.add(
                "bag.file-missing",
                f"is in {manifest}, and not in the bag",
                "get the whole bag",
                path[:200],
            )
        self.listed[manifest].add(actual)
        self.entries.setdefault(actual, {})[algorithm] = digest

    def _path(self, source: str, written: str, *, starred: bool = False) -> str | None:
        """The path that `written` in the tag file `source` means; None where it may not stand."""
        if starred or written.startswith("./"):
            self.add(
                "bag.unusual-path",
                f"writes a path in a way of its own, after ./ or an asterisk: {written[:60]!r}",
                "nothing to do: it is understood",
                source,
                Severity.WARNING,
            )
        path = parse_path(written, self.version)
        if path is None:
            self.add(
                "bag.path",
                f"names a path that leads out of the bag, or is none: {written[:60]!r}",
                "find out what it was made for before you touch this bag",
                source,
            )
        return path

    def read_fetch(self) -> None:
        """fetch.txt: what it names must be here already. Nothing is fetched."""
        if FETCH not in self.files:
            return
        for line in self._lines(FETCH):
            written = parse_fetch(line)
            if written is None:
                message = f"has a line that is no address, length and path: {line[:60]!r}"
                self.add("bag.line", message, "make the bag anew", FETCH)
                continue
            path = self._path(FETCH, written)
            if path is None:
                continue
            if not in_payload(path):
                message = f"names {path[:60]!r}, which is not a payload file"
                self.add("bag.path", message, "make the bag anew", FETCH)
            elif unicodedata.normalize("NFC", path) not in self.composed:
                self.add(
                    "bag.not-fetched",
                    "is not in the bag, but elsewhere: an archive fetches nothing that a"
                    " delivery tells it to",
                    "fetch what fetch.txt names, and deposit the complete bag",
                    path[:200],
                )

    def compare(self) -> None:
        """Every payload file is in every manifest (before 1.0: in one), no two are alike."""
        payload = {name for name in self.files if in_payload(name)}
        manifests = [(n, found) for n, found in self.listed.items() if n.startswith("manifest-")]
        if self.version != "1.0":
            manifests = [("any manifest", set().union(*(found for _, found in manifests)))]
        for name, found in manifests:
            for path in sorted(payload - found):
                self.add(
                    "bag.file-unlisted",
                    f"is in the bag, and not in {name}",
                    "find out where it came from; then make the bag anew",
                    path,
                )
        folded: set[str] = set()
        for name in sorted(self.files.keys() | self.entries.keys()):
            if name.casefold() in folded:
                self._alike(name, Severity.WARNING)
            folded.add(name.casefold())

    def verify(self) -> None:
        """Payload-Oxum and every digest, by `bagit`."""
        log = logging.getLogger("bagit")
        disabled, log.disabled = log.disabled, True  # it would speak on standard error
        try:
            bag = bagit.Bag(os.fspath(self.path))
            bag.entries = self.entries
            bag.algorithms = [*ALGORITHMS]
            bag.normalized_manifest_names = {
                bagit.normalize_unicode(name): name for name in self.entries
            }
            bag.validate()
        except bagit.BagValidationError as error:
            for detail in error.details:
                self._detail(detail)
            if not error.details:
                self._failed(str(error))
        except (bagit.BagError, ValueError, LookupError) as error:
            self._failed(str(error))
        finally:
            log.disabled = disabled

    def _detail(self, detail: Exception) -> None:
        if isinstance(detail, bagit.ChecksumMismatch):
            self.add(
                "bag.digest",
                f"does not match its {detail.algorithm} digest",
                "get the whole bag again",
                str(detail.path),
            )
        else:
            self._failed(str(detail))

    def _failed(self, message: str) -> None:
        message = message.replace(f"{self.path.absolute()}/", "")
        if "Oxum" in message:
            remedy = "get the whole bag, or correct Payload-Oxum and its tag manifest"
            self.add("bag.oxum", message, remedy, PAYLOAD)
        else:
            self.add("bag.tag-file", message, "make the bag anew", DECLARATION)

    def tag_files(self) -> tuple[TagFile, ...]:
        """What to keep of the bag itself: what it says of its origin first, then the smaller
        files before the larger ones."""
        kept: dict[str, TagFile] = {}
        byte_count = 0
        for name in sorted(
            (name for name in self.files if not in_payload(name)),
            key=lambda name: (name not in (DECLARATION, *_INFO_NAMES), self.files[name], name),
        ):
            safe = "/".join(files.portable_name(part) for part in _text(name).split("/"))
            byte_count += self.files[name]
            if byte_count > _KEPT_BYTES_MAX or safe.casefold() in map(str.casefold, kept):
                self.add(
                    "bag.tag-file-left-out",
                    "is not kept with the holdings: the bag's own files are large, or two of them"
                    " would have one name",
                    "keep the bag itself if it matters",
                    name,
                    Severity.INFO,
                )
            else:
                path = self.path / name
                kept[safe] = TagFile(path, safe, Sha512(files.sha512_of(path)), self.files[name])
        return tuple(kept.values())

    def _lines(self, name: str) -> Iterator[str]:
        """The lines of a tag file, without their ends and without empty ones."""
        try:
            with (self.path / name).open(encoding=self.encoding) as file:
                while line := file.readline(_LINE_CHARACTERS_MAX + 1):
                    if len(line) > _LINE_CHARACTERS_MAX:
                        self.add("bag.line", "has a line that has no end", "make it anew", name)
                        return
                    if self._count(Severity.ERROR) >= _FINDINGS_MAX:
                        return
                    line = line.removeprefix("\ufeff").removesuffix("\n")
                    if line.strip():
                        yield line
        except (UnicodeError, LookupError):
            self.add(
                "bag.encoding",
                f"is not {self.encoding} text, as bagit.txt says",
                "name its real encoding in bagit.txt",
                name,
            )
        except OSError as error:
            raise files.explain(error, self.path / name) from error


def _text(name: str) -> str:
    """`name` with a mark where it has bytes that are no UTF-8 text."""
    return os.fsencode(name).decode("utf-8", "replace")
