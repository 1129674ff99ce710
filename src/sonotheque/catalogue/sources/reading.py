"""Opening what a source published: plain, gzip, xz or bzip2, by its first bytes and not its name;
and its lines, none held beyond a bound.

What cannot be decompressed to its end is no input at all: then nothing is imported.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import lzma
import zlib
from bz2 import BZ2File
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sonotheque.errors import BadInput
from sonotheque.store import files

CSV_LINE_BYTES_MAX = 1 << 20
XZ_MEMORY_BYTES_MAX = 1 << 28
"""A dictionary of up to 256 MB; `xz -9` makes one of 64 MB, a hostile file of 4 GB."""

_BLOCK_BYTES = 1 << 16
_GZIP, _XZ, _BZIP2 = b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh"
_SHOWN_BYTES = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end, or, where it is over the bound, its beginning."""

    number: int
    content: bytes
    too_long: bool = False


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of `path`, decompressed where they are compressed.

    Raises BadInput where it cannot be read to its end, also from reading inside the block.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(8)
            raw.seek(0)
            if head.startswith(_GZIP):
                with gzip.open(raw) as reader:
                    yield io.BufferedReader(reader, _BLOCK_BYTES)
            elif head.startswith(_XZ):
                yield io.BufferedReader(_Xz(raw), _BLOCK_BYTES)
            elif head.startswith(_BZIP2):
                with BZ2File(raw) as reader:
                    yield io.BufferedReader(reader, _BLOCK_BYTES)
            else:
                yield raw
    # gzip says with an OSError, and bz2 too, that the data are not what they should be.
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise cut_short(path, str(error)) from error
    except OSError as error:
        if error.errno is None:
            raise cut_short(path, str(error)) from error
        raise files.explain(error, path) from error


def cut_short(path: Path, why: str) -> BadInput:
    """The error of a file that cannot be read to its end."""
    return BadInput(
        f"cannot be read to its end ({why.partition(chr(10))[0]})",
        where=str(path),
        remedy="fetch it again; nothing was imported",
    )


def paths_in(path: Path, *patterns: str) -> list[Path]:
    """`path`, or, where it is a directory, the files in and below it that are named so, in the
    order of their names. Raises BadInput where there are none."""
    try:
        if not path.is_dir():
            return [path]
        found = sorted(
            {found for pattern in patterns for found in path.rglob(pattern) if found.is_file()}
        )
    except OSError as error:
        raise files.explain(error, path) from error
    if not found:
        raise BadInput(f"holds no {patterns[0]}", where=str(path), remedy="name the file itself")
    return found


def lines_of(reader: IO[bytes], bytes_max: int) -> Iterator[Line]:
    """The lines of `reader`. Memory: one line of at most `bytes_max` bytes; a longer one is read
    over to its end, and comes as its beginning."""
    number = 0
    while content := reader.readline(bytes_max + 1):
        number += 1
        if len(content) <= bytes_max or content.endswith(b"\n"):
            yield Line(number, content.rstrip(b"\r\n"))
            continue
        shown = content[:_SHOWN_BYTES]
        while content and not content.endswith(b"\n"):
            content = reader.readline(_BLOCK_BYTES)
        yield Line(number, shown, too_long=True)


class CsvRows:
    """The rows of a CSV file, each with the line it began on and what is wrong with it.

    Iterating gives (line, values, code): `code` is empty where the row is sound. Memory: one line
    of at most a megabyte.
    """

    def __init__(self, reader: IO[bytes], delimiter: str = ",") -> None:
        self._lines = _Texts(reader)
        self._rows = csv.reader(self._lines, delimiter=delimiter)
        self.names: list[str] = []
        # A first line that is no row names no columns.
        with contextlib.suppress(csv.Error):
            self.names = next(self._rows, [])

    def __iter__(self) -> Iterator[tuple[int, list[str], str]]:
        while True:
            first = self._lines.number + 1
            self._lines.code = ""
            row: list[str] | None = []
            try:
                row = next(self._rows, None)
            except csv.Error:
                self._lines.code = "line.too-long"
            if row is None:
                return
            if self._lines.code:
                yield first, row, self._lines.code
            elif row:
                yield first, row, "row.columns" if len(row) != len(self.names) else ""


class _Texts:
    """Lines as text, as the csv module wants them; what was wrong with one is in `code`."""

    def __init__(self, reader: IO[bytes]) -> None:
        self._lines = lines_of(reader, CSV_LINE_BYTES_MAX)
        self.number = 0
        self.code = ""

    def __iter__(self) -> _Texts:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number = line.number
        if line.too_long:
            self.code = "line.too-long"
            return line.content.decode(errors="backslashreplace").replace('"', "") + "\n"
        try:
            text = line.content.decode("utf-8-sig" if line.number == 1 else "utf-8")
            # A return inside a line would end the row for the csv module; it is white space.
            return text.replace("\r", " ") + "\n"
        except UnicodeDecodeError:
            self.code = "encoding.broken"
            return line.content.decode(errors="backslashreplace") + "\n"


class _Xz(io.RawIOBase):
    """An xz file read from front to back in bounded memory, which the lzma module's own file
    object does not offer."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES_MAX)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._decompressor.eof:
                # Several streams one after the other are one file to xz; zeros may pad them.
                block = self._decompressor.unused_data.lstrip(b"\0")
                while not block:
                    read = self._raw.read(_BLOCK_BYTES)
                    if not read:
                        return 0
                    block = read.lstrip(b"\0")
                self._decompressor = lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES_MAX)
            else:
                wants = self._decompressor.needs_input
                block = self._raw.read(_BLOCK_BYTES) if wants else b""
                if wants and not block:
                    raise EOFError("it ends in the middle")
            found = self._decompressor.decompress(block, max_length=len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)
