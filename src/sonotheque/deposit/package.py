"""Reading a delivery: which files there are, and what its depositor says of them.

Nothing here opens a media file, follows a symbolic link, or trusts a name.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sonotheque.deposit.bag import Bag, is_bag, read_bag
from sonotheque.deposit.statements import STATEMENTS_NAME, Declaration, read_declaration
from sonotheque.errors import BadInput
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import Sha512
from sonotheque.model.music import Description
from sonotheque.store import files

_COMPANION_SUFFIXES = (
    *("cue", "csv", "doc", "docx", "gif", "htm", "html", "ini", "jpeg", "jpg", "json", "log"),
    *("m3u", "m3u8", "md", "mid", "nfo", "pdf", "pls", "png", "rtf", "sfv", "tif", "tiff"),
    *("toml", "txt", "webp", "xml"),
)
# What lies beside music without being music. Everything else is taken for music and looked into.
COMPANIONS = frozenset(f".{suffix}" for suffix in _COMPANION_SUFFIXES)
COMPANION_NAMES = frozenset({"copying", "copyright", "licence", "license", "notice", "readme"})


@dataclass(frozen=True, slots=True)
class MessageFile:
    """A DDEX message that is kept with what it names. `name` is one that every system takes."""

    path: Path
    name: str
    sha512: Sha512


@dataclass(frozen=True, slots=True)
class Told:
    """What a DDEX message says of a file, and `where` (the message and the line). `duration_ms`
    is 0 where it does not say; `message` is None where it is too large to be kept."""

    where: str
    description: Description
    duration_ms: int
    message: MessageFile | None


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file to be deposited. `name` is how receipts call it, with no path outside the delivery;
    `safe_name` is what the vault will call it, `declaration` what is said of it and others,
    `bag` the bag that it came in, if it came in one, `told` what a message says of it."""

    path: Path
    name: str
    safe_name: str
    byte_count: int
    findings: tuple[Finding, ...] = ()
    declaration: Declaration = field(default_factory=Declaration)
    bag: Bag | None = None
    told: Told | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """A delivery as it was found. `findings` are about what cannot even be looked into."""

    source: str
    files: tuple[PackageFile, ...]
    findings: tuple[Finding, ...]


def read_package(
    paths: Sequence[Path], *, statements: Path | None = None, may_be_empty: bool = False
) -> Package:
    """Read the delivery that `paths` (directories, bags or files) make up.

    A bag is validated completely first; where it is whole, its payload is the delivery.
    Statements come from `statements`, and are then about all of it; or from every
    statements.toml in it or beside the files that are named singly, and are then about the files
    in its directory and below. Raises BadInput where a path does not exist, there is nothing to
    deposit and it is not said that it `may_be_empty`, or a statements file cannot be understood.
    """
    found: list[PackageFile] = []
    findings: list[Finding] = []
    given = read_declaration(statements) if statements else None
    for path in paths:
        # Two directories may hold files of one name; the directory's own name tells them apart.
        top = Path(path.resolve().name if len(paths) > 1 and path.is_dir() else "")
        bag = read_bag(path) if is_bag(path) else None
        if bag:
            findings += bag.findings
            if not bag.valid:
                continue
        here: list[PackageFile] = []
        declaration = Declaration()
        for file, relative in _walk(bag.payload if bag else path):
            looked = _look(file, top / relative)
            if isinstance(looked, Finding):
                findings.append(looked)
            elif isinstance(looked, PackageFile):
                here.append(looked)
            elif file.name == STATEMENTS_NAME and given is None:
                place = _printable(str((top / relative).parent))
                declaration = declaration.joined(read_declaration(file).below(place))
        if given is None and not path.is_dir():
            declaration = _said_beside(path)
        elif given is None:
            findings += _idle(declaration, here)
        found += [replace(file, declaration=given or declaration, bag=bag) for file in here]
    if not found and not findings and not may_be_empty:
        raise BadInput(
            "holds no music",
            where=_printable(str(paths[0])) if paths else "deposit",
            remedy="name a directory with audio files in it",
        )
    if given:
        findings += _idle(given, found)
    return Package(
        source=", ".join(_printable(path.name or str(path)) for path in paths),
        files=tuple(found),
        findings=tuple(findings),
    )


def _walk(path: Path) -> Iterator[tuple[Path, Path]]:
    """Every entry below `path` that is no directory, or one that cannot be listed, with its path
    relative to the delivery."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise files.explain(error, path) from error
    except ValueError as error:
        raise BadInput("is not a path", where=_printable(str(path)), remedy="check it") from error
    if not stat.S_ISDIR(mode):
        yield path, Path(path.name)
        return

    unreadable: list[Path] = []

    def note(error: OSError) -> None:
        if Path(error.filename) == path:
            raise files.explain(error, path) from error
        unreadable.append(Path(error.filename))

    for directory, below, names in os.walk(path, onerror=note):
        below.sort()
        links = [name for name in below if (Path(directory) / name).is_symlink()]
        for name in sorted([*names, *links]):
            file = Path(directory) / name
            yield file, file.relative_to(path)
    for directory_path in unreadable:
        yield directory_path, directory_path.relative_to(path)


def _look(file: Path, relative: Path) -> PackageFile | Finding | None:
    """A file to deposit, a finding about one that cannot be, or None for a companion."""
    name = _printable(str(relative))
    if file.is_symlink():
        return Finding(
            code="package.symlink",
            severity=Severity.ERROR,
            message="is a symbolic link, and what it points to may lie outside the delivery",
            remedy="put the file itself there",
            where=name,
        )
    status = file.lstat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return Finding(
            code="package.not-a-file",
            severity=Severity.ERROR,
            message="is neither a file nor a directory",
            remedy="take it out of the delivery",
            where=name,
        )
    if relative.suffix.lower() in COMPANIONS or relative.name.lower() in COMPANION_NAMES:
        return None
    if stat.S_ISDIR(status.st_mode) or not _readable(file):
        return Finding(
            code="package.unreadable",
            severity=Severity.ERROR,
            message="cannot be opened by this user",
            remedy="give this user the right to read it (chmod)",
            where=name,
        )
    safe = files.portable_name(_printable(file.name, mark="\ufffd"))
    return PackageFile(file, name, safe, status.st_size, _about_name(file.name, safe, name))


def _about_name(own: str, safe: str, name: str) -> tuple[Finding, ...]:
    if not own.isprintable():
        finding = Finding(
            code="package.bad-name",
            severity=Severity.ERROR,
            message="has a name with control characters, or bytes that are no UTF-8 text, in it",
            remedy=f"rename it, to {safe!r} for example",
            where=name,
        )
    elif safe != own:
        finding = Finding(
            code="package.name-changed",
            severity=Severity.WARNING,
            message=f"has a name that not every system takes; it is kept as {safe!r}",
            remedy="nothing to do: the bytes are unchanged",
            where=name,
        )
    else:
        return ()
    return (finding,)


def _said_beside(file: Path) -> Declaration:
    beside = file.parent / STATEMENTS_NAME
    if beside.is_symlink() or not beside.is_file():
        return Declaration()
    return read_declaration(beside)


def _idle(declaration: Declaration, found: Sequence[PackageFile]) -> list[Finding]:
    """What is said of no file is likely misspelt; a refusal must not be lost like that."""
    if not found:
        return []
    return [
        Finding(
            code="statements.no-file",
            severity=Severity.WARNING,
            message=f"speaks of {patterns!r}, and no file of the delivery is called so",
            remedy="correct its `files`: patterns on the path from the directory it is in",
            where=STATEMENTS_NAME,
        )
        for patterns in declaration.idle([file.name for file in found])
    ]


def _readable(file: Path) -> bool:
    try:
        os.close(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            return False
        raise files.explain(error, file) from error
    return True


def _printable(name: str, *, mark: str | None = None) -> str:
    """`name` with what cannot be printed or encoded written out, or replaced by `mark`."""
    return "".join(
        c if c.isprintable() else mark or c.encode("unicode_escape").decode("ascii") for c in name
    )
