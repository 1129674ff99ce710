"""What every source's rows go through: values checked and put in one form, bad rows set aside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from sonotheque.catalogue.sources import ROW_SCHEMA, Fault, Piece

# The stubs cannot follow columns whose type is known only when the program runs.
pc: Any = pyarrow.compute
Column = Any
"""A pyarrow array of any type."""

COLUMNS = tuple(name for name in ROW_SCHEMA.names if name != "line")
TEXT_CHARACTERS_MAX = 10_000
DURATION_MS_MAX = 48 * 3_600_000
YEAR_MIN = 1857
"""The phonautograph; no sound was recorded before."""

_MESSAGES = {
    "encoding.broken": ("is not UTF-8 text", "save the table as UTF-8"),
    "line.too-long": ("the line is too long to be a row", "look for a missing line break or quote"),
    "row.columns": (
        "has not as many values as the table has columns",
        "look for a stray delimiter or quote",
    ),
    "source-id.missing": ("has no identifier of its own", "give each row its source's identifier"),
    "title.missing": ("has no title", "give the title, or leave the row out"),
    "text.too-long": ("has a text that is too long to be a name", "look for a missing quote"),
    "isrc.broken": (
        "the ISRC is not one",
        "two letters, three letters or digits, seven digits: FR-Z03-14-00123; or leave it empty",
    ),
    "isrc.look-alike": ("the ISRC has letters for digits or digits for letters", "is {} meant?"),
    "upc.broken": ("the UPC is not 6 to 14 digits", "give its digits, or leave it empty"),
    "date.impossible": (
        "the date is not possible",
        "write YYYY, YYYY-MM or YYYY-MM-DD, not before 1857 nor years ahead; or leave it empty",
    ),
    "duration.impossible": (
        "the duration is not possible",
        "give whole milliseconds, more than 0 and at most 48 hours; or leave it empty",
    ),
    "popularity.impossible": ("the popularity is not 0 to 100", "give 0 to 100, or leave it empty"),
    "streams.impossible": (
        "the streams are not a whole number",
        "give a number, or leave it empty",
    ),
    "number.scientific": (
        "a spreadsheet wrote a number in scientific notation, and digits were lost",
        "format that column as text or as a whole number, and export again",
    ),
}
"""Code: what is wrong, and the remedy."""

_ISRC_FORM = "[A-Z]{2}[A-Z0-9]{3}[0-9]{7}"
_SCIENTIFIC = r"^[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+$"
_LETTERS_MEANT = str.maketrans("01", "OI")
_DIGITS_MEANT = str.maketrans("OIL", "011")
_SHOWN_CHARACTERS = 200

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw rows: columns by our name, of whatever type the source has, all of one length; and
    the line each row stood on."""

    columns: dict[str, Column]
    lines: npt.NDArray[np.int64]


def fault(code: str, line: int, row: dict[str, str], suggestion: str = "") -> Fault:
    """The row at `line` set aside as `code`."""
    message, remedy = _MESSAGES[code]
    shown = {name: value[:_SHOWN_CHARACTERS] for name, value in row.items() if value}
    return Fault(line=line, code=code, message=message, remedy=remedy.format(suggestion), row=shown)


def clean(chunk: Chunk, *, source: str, year_max: int) -> Piece:
    """`chunk` in the one schema; rows with a value that cannot be are set aside, first fault told.

    `source` is for rows that name none; `year_max` the last year a release can be dated.
    """
    checks = _Checks(chunk)
    title = checks.text("title")
    source_id = checks.text("source_id")
    isrc, other_isrcs = checks.isrcs()
    date, date_year = checks.date(year_max)
    year = checks.integer("year", YEAR_MIN, year_max, "date.impossible", pa.int16())
    sources = checks.text("source")
    named = pc.if_else(pc.equal(sources, ""), pa.scalar(source), sources)
    checks.refuse("source-id.missing", pc.equal(source_id, ""))
    checks.refuse("title.missing", pc.equal(title, ""))
    columns = {
        "source": named,
        "source_id": source_id,
        "isrc": isrc,
        "other_isrcs": other_isrcs,
        "title": title,
        "artist": checks.text("artist"),
        "album": checks.text("album"),
        "label": checks.text("label"),
        "upc": checks.upc(),
        "licence": checks.text("licence"),
        "release_date": date,
        "year": pc.coalesce(date_year, year),
        "duration_ms": checks.integer(
            "duration_ms", 1, DURATION_MS_MAX, "duration.impossible", pa.int32()
        ),
        "popularity": checks.integer("popularity", 0, 100, "popularity.impossible", pa.int8()),
        "streams": checks.integer("streams", 0, 1 << 62, "streams.impossible", pa.int64()),
        "line": pa.array(chunk.lines),
    }
    rows = pa.record_batch([columns[name] for name in ROW_SCHEMA.names], schema=ROW_SCHEMA)
    if not checks.bad.any():
        return Piece(rows)
    return Piece(rows.filter(pa.array(~checks.bad)), checks.faults())


class _Checks:
    """The checks of one chunk, and which rows failed them."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._codes: list[tuple[str, Mask]] = []
        self._texts: dict[str, Column] = {}
        self.bad: Mask = np.zeros(len(chunk.lines), bool)

    def refuse(self, code: str, where: Column) -> None:
        mask = pc.fill_null(where, False).to_numpy(zero_copy_only=False)
        if mask.any():
            self._codes.append((code, mask))
            self.bad |= mask

    def text(self, name: str) -> Column:
        """A column as trimmed text, empty where null, refused where it is no text."""
        if name in self._texts:
            return self._texts[name]
        column = self._chunk.columns.get(name)
        if column is None:
            column = pa.repeat(pa.scalar("", pa.string()), len(self.bad))
        texts, broken = _as_text(column)
        self.refuse("encoding.broken", broken)
        trimmed = pc.fill_null(pc.utf8_trim_whitespace(texts), "")
        self.refuse("text.too-long", pc.greater(pc.utf8_length(trimmed), TEXT_CHARACTERS_MAX))
        self._texts[name] = trimmed
        return trimmed

    def isrcs(self) -> tuple[Column, Column]:
        """(the ISRC of each row, those it carries besides): several stand with `;`, `,` or `|`
        between them, as tables hold lists."""
        codes = self.text("isrc")
        several = pc.match_substring_regex(codes, "[;,|]")
        first = codes
        others = pa.repeat(pa.scalar("", pa.string()), len(self.bad))
        if pc.any(several).as_py():
            lists = [_listed(text) for text in pc.filter(codes, several).to_pylist()]
            first = pc.replace_with_mask(codes, several, pa.array(found[0] for found in lists))
            rest = pa.array((" ".join(found[1:]) for found in lists), pa.string())
            others = pc.replace_with_mask(others, several, rest)
            well_formed = pc.match_substring_regex(others, f"^({_ISRC_FORM}( |$))*$")
            self.refuse("isrc.broken", pc.invert(well_formed))
        return self._isrc(first), others

    def _isrc(self, codes: Column) -> Column:
        plain = pc.replace_substring_regex(pc.utf8_upper(codes), r"[\s‐-―-]", "")
        plain = pc.replace_substring_regex(plain, "^ISRC:?", "")
        empty = pc.equal(plain, "")
        well_formed = pc.match_substring_regex(plain, f"^{_ISRC_FORM}$")
        broken = pc.invert(pc.or_(empty, well_formed))
        if pc.any(broken).as_py():
            alike = [_look_alike(code) != "" for code in pc.filter(plain, broken).to_pylist()]
            look_alike = pc.replace_with_mask(
                pc.and_(empty, broken), broken, pa.array(alike, pa.bool_())
            )
            self.refuse("isrc.look-alike", look_alike)
            self.refuse("isrc.broken", pc.and_not(broken, look_alike))
        return pc.if_else(well_formed, plain, pa.scalar(None, pa.string()))

    def upc(self) -> Column:
        codes = pc.replace_substring_regex(self.text("upc"), r"[\s-]", "")
        self.refuse("number.scientific", pc.match_substring_regex(codes, _SCIENTIFIC))
        self.refuse("upc.broken", pc.invert(pc.match_substring_regex(codes, "^([0-9]{6,14})?$")))
        return codes

    def integer(self, name: str, low: int, high: int, code: str, kind: pa.DataType) -> Column:
        """A column as whole numbers from `low` to `high`; null where empty."""
        column = self._chunk.columns.get(name)
        if column is not None and pa.types.is_integer(column.type):
            numbers = column.cast(pa.int64(), safe=False)
        else:
            texts = self.text(name)
            self.refuse("number.scientific", pc.match_substring_regex(texts, _SCIENTIFIC))
            whole = pc.replace_substring_regex(texts, r"\.0*$", "")
            is_number = pc.match_substring_regex(whole, "^[+-]?[0-9]{1,18}$")
            self.refuse(code, pc.invert(pc.or_(is_number, pc.equal(whole, ""))))
            numbers = pc.if_else(is_number, whole, pa.scalar(None, pa.string())).cast(pa.int64())
        impossible = pc.or_(pc.less(numbers, low), pc.greater(numbers, high))
        self.refuse(code, impossible)
        possible = pc.if_else(pc.fill_null(impossible, False), pa.scalar(None, pa.int64()), numbers)
        return possible.cast(kind)

    def date(self, year_max: int) -> tuple[Column, Column]:
        """(the date where all of it is known, its year)."""
        column = self._chunk.columns.get("release_date")
        if column is not None and pa.types.is_temporal(column.type):
            dates = column.cast(pa.date32(), safe=False)
            years = pc.year(dates)
        else:
            texts = self.text("release_date")
            has_form = pc.match_substring_regex(texts, "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$")
            full = pc.match_substring_regex(texts, "^.{10}$")
            # Padded to a whole date, so that a month 13 is found out in one way with a day 32.
            padded = pc.utf8_slice_codeunits(
                pc.binary_join_element_wise(texts, "-01-01", ""), 0, 10
            )
            padded = pc.if_else(full, texts, padded)
            padded = pc.if_else(has_form, padded, pa.scalar(None, pa.string()))
            read = pc.strptime(padded, format="%Y-%m-%d", unit="s", error_is_null=True)
            # 30 February reads as 1 or 2 March: only what comes back unchanged was a date.
            real = pc.fill_null(pc.equal(pc.strftime(read, format="%Y-%m-%d"), padded), False)
            self.refuse("date.impossible", pc.invert(pc.or_(real, pc.equal(texts, ""))))
            dates = pc.if_else(pc.and_(real, full), read, pa.scalar(None, read.type)).cast(
                pa.date32()
            )
            years = pc.if_else(real, pc.year(read), pa.scalar(None, pa.int64()))
        impossible = pc.or_(pc.less(years, YEAR_MIN), pc.greater(years, year_max))
        self.refuse("date.impossible", impossible)
        possible = pc.if_else(pc.fill_null(impossible, False), pa.scalar(None, pa.int64()), years)
        return dates, possible.cast(pa.int16())

    def faults(self) -> tuple[Fault, ...]:
        """The first fault of each bad row, in the rows' order."""
        found = []
        for place in np.flatnonzero(self.bad):
            code = next(code for code, mask in self._codes if mask[place])
            row = {name: _shown(column[place]) for name, column in self._chunk.columns.items()}
            suggestion = (
                _look_alike(_bare(row.get("isrc", ""))) if code == "isrc.look-alike" else ""
            )
            found.append(fault(code, int(self._chunk.lines[place]), row, suggestion))
        return tuple(found)


def _as_text(column: Column) -> tuple[Column, Column]:
    """(`column` as strings, which of its values are not UTF-8; null in their place)."""
    if not (pa.types.is_string(column.type) or _is_bytes(column.type)):
        texts = column.cast(pa.string())
    else:
        # Parquet writers are not made to check their text, and pyarrow does not on reading.
        try:
            texts = column.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            decoded = [_decoded(value) for value in column.cast(pa.binary()).to_pylist()]
            texts = pa.array(decoded, pa.string())
    return texts, pc.and_(pc.is_null(texts), pc.is_valid(column))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _shown(value: Any) -> str:
    # Text as bytes, for it may be none that can be decoded.
    is_text = pa.types.is_string(value.type) and value.is_valid
    plain = value.as_buffer().to_pybytes() if is_text else value.as_py()
    if isinstance(plain, bytes):
        return plain.decode(errors="backslashreplace")
    return "" if plain is None else str(plain)


def _bare(text: str) -> str:
    return re.sub(r"^ISRC:?", "", re.sub(r"[\s‐-―-]", "", text).upper())


def _listed(text: str) -> list[str]:
    """The different codes of a list, sorted, so that the same list in another order is the same
    row; one empty text where there is none."""
    return sorted({bare for part in re.split("[;,|]", text) if (bare := _bare(part))}) or [""]


def _look_alike(code: str) -> str:
    """The ISRC that `code` is with O for 0, I for 1 or the like put right; empty where none."""
    meant = code[:2].translate(_LETTERS_MEANT) + code[2:5] + code[5:].translate(_DIGITS_MEANT)
    return meant if meant != code and re.fullmatch(_ISRC_FORM, meant) else ""
