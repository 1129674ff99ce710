"""What is compressed is opened, what is cut short is refused, and no line fills the memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.catalogue.sources.reading import CsvRows, lines_of, opened, paths_in
from sonotheque.errors import BadInput

CONTENT = b"".join(b"%d some text that is worth compressing\n" % n for n in range(20_000))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_what_is_compressed_is_known_by_its_first_bytes(pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "named.anyhow"
    path.write_bytes(pack(CONTENT))
    with opened(path) as reader:
        assert b"".join(reader) == CONTENT
    # Twice over, as two files put together are one.
    path.write_bytes(pack(CONTENT) + pack(CONTENT))
    with opened(path) as reader:
        assert reader.read() == CONTENT * 2


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("damage", ["short", "flipped"])
def test_what_cannot_be_read_to_its_end_is_refused(pack: Any, damage: str, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    packed = bytearray(pack(CONTENT))
    if damage == "short":
        del packed[-30:]
    else:
        packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(BadInput, match="cannot be read to its end"), opened(path) as reader:
        while reader.read(1 << 16):
            pass


def test_xz_with_padding_between_its_streams(tmp_path: Path) -> None:
    path = tmp_path / "padded.xz"
    padding = b"\0" * 200_000
    path.write_bytes(lzma.compress(b"one") + padding + lzma.compress(b"two") + padding)
    with opened(path) as reader:
        assert reader.read() == b"onetwo"


def test_xz_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "greedy.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29, "mode": lzma.MODE_FAST, "mf": 3}]
    path.write_bytes(lzma.compress(b"x", filters=filters))
    with pytest.raises(BadInput, match="memory"), opened(path) as reader:
        reader.read()


@given(content=st.binary(max_size=60), bound=st.integers(1, 9))
def test_lines_are_all_there(content: bytes, bound: int) -> None:
    found = list(lines_of(io.BytesIO(content), bound))
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert [line.number for line in found] == list(range(1, len(expected) + 1))
    for line, whole in zip(found, expected, strict=True):
        assert line.too_long == (len(whole) > bound)
        assert line.too_long or line.content == whole.rstrip(b"\r")


class _Long(io.RawIOBase):
    """A line of so many bytes, and a short one after it."""

    def __init__(self, byte_count: int) -> None:
        self._left = byte_count
        self._end = b"\nend\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = b"x" * min(self._left, len(buffer))
        self._left -= len(content)
        if not content:
            content, self._end = self._end, b""
        buffer[: len(content)] = content
        return len(content)


def test_a_line_of_a_gigabyte_takes_no_memory() -> None:
    reader = io.BufferedReader(_Long(1 << 30), 1 << 20)
    tracemalloc.start()
    try:
        found = list(lines_of(reader, 1 << 20))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [(line.number, line.too_long) for line in found] == [(1, True), (2, False)]
    assert peak < 8 << 20


def test_csv_rows_say_what_is_wrong_with_them() -> None:
    content = b'a,b\n1,2\n\n1\n"x\ny",3\nq\xff,4\ni\rj,5\n"' + b"z" * 200_000
    rows = CsvRows(io.BytesIO(content))
    assert rows.names == ["a", "b"]
    found = [(line, code) for line, _, code in rows]
    assert found == [
        *((2, ""), (4, "row.columns"), (5, ""), (7, "encoding.broken"), (8, "")),
        (9, "line.too-long"),
    ]


@pytest.mark.parametrize("head", [b"", b"x" * 200_000, b"x" * 2_000_000])
def test_a_first_line_that_is_no_row_names_no_columns(head: bytes) -> None:
    assert CsvRows(io.BytesIO(head + b"\n1,2\n")).names in ([], [head[:100].decode()])


def test_paths_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.json", "a/z.json", "a/y.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in paths_in(tmp_path, "*.json")]
    assert found == ["a/z.json", "b.json"]
    with pytest.raises(BadInput, match=r"\*\.xml"):
        paths_in(tmp_path, "*.xml")
