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
from sonotheque.model.identifiers import look_alike

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
        "give more than 0 and at most 48 hours (a table: whole milliseconds); or leave it empty",
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
    "isrc.missing": ("is a count of listens to no ISRC", "give the ISRC, or leave the row out"),
    "streams.missing": ("has no count of listens", "give a number, or leave the row out"),
    "json.broken": ("is not a JSON document", "fetch it again; look for a line that was cut"),
    "json.unexpected": (
        "is JSON, but no recording and no release as MusicBrainz writes them",
        "give recordings or releases, from the dump or from the web service",
    ),
    "xml.broken": ("is not well-formed XML", "fetch it again, or correct it: {}"),
    "xml.entities": (
        "declares a document type, which could hold entities; nothing in it was expanded",
        "take the <!DOCTYPE …> out",
    ),
    "release.no-tracks": (
        "has no sound recordings",
        "nothing to do, unless its tracks went missing on the way",
    ),
    "release.unknown": ("its release is not in releases.csv", "add the release, or take it out"),
    "document.too-large": (
        "is larger than a message about releases can be",
        "check that this file is one; split it by its releases",
    ),
    "message.other": (
        "is a message of another kind, and describes no recordings to import",
        "give NewReleaseMessages; enter a purge with `sonotheque rights read --enter`",
    ),
}
"""Code: what is wrong, and the remedy."""

_ISRC_FORM = "[A-Z]{2}[A-Z0-9]{3}[0-9]{7}"
_SCIENTIFIC = r"^[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+$"
_UPC = "^([0-9]{6,14})?$"
_SHOWN_CHARACTERS = 200
_ISRC_CHARACTERS = 12

# Control characters in UTF-8: below the space, this one, U+0080 to U+009F (C2 80 to C2 9F); and,
# for they break lines too, U+2028 and U+2029 (E2 80 A8, E2 80 A9).
_DELETE, _C1_LEAD, _C1_END, _SEPARATORS_LEAD = 0x7F, 0xC2, 0xA0, 0xE2

Mask = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]


def _bytes_among(*values: int) -> Mask:
    among = np.zeros(256, bool)
    among[list(values)] = True
    return among


# Every white space of Unicode begins, and ends, with one of these bytes in UTF-8.
_MAY_BEGIN_SPACE = _bytes_among(*range(0x21), 0xC2, 0xE1, 0xE2, 0xE3)
_MAY_END_SPACE = _bytes_among(*range(0x21), *range(0x80, 0x8B), 0x9F, 0xA0, 0xA8, 0xA9, 0xAF)


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


def clean(chunk: Chunk, *, source: str, year_max: int, listens: bool = False) -> Piece:
    """`chunk` in the one schema; rows with a value that cannot be are set aside, first fault told.

    `source` is for rows that name none; `year_max` the last year a release can be dated. Rows that
    are counts of `listens` need no title, but an ISRC, which is their key, and `streams`.
    """
    checks = _Checks(chunk)
    title = checks.text("title")
    source_id = checks.text("source_id")
    isrc, other_isrcs = checks.isrcs()
    date, date_year = checks.date(year_max)
    year = checks.integer("year", YEAR_MIN, year_max, "date.impossible", pa.int16())
    if listens:
        source_id = pc.fill_null(isrc, "")
        checks.refuse("isrc.missing", pc.equal(checks.text("isrc"), ""))
    else:
        checks.refuse("source-id.missing", pc.equal(source_id, ""))
        checks.refuse("title.missing", pc.equal(title, ""))
    columns = {
        "source": _filled(checks.text("source"), source),
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
        "year": pc.coalesce(date_year, year) if date_year.null_count else date_year,
        "duration_ms": checks.integer(
            "duration_ms", 1, DURATION_MS_MAX, "duration.impossible", pa.int32()
        ),
        "popularity": checks.integer("popularity", 0, 100, "popularity.impossible", pa.int8()),
        "streams": checks.integer("streams", 0, 1 << 62, "streams.impossible", pa.int64()),
        "line": pa.array(chunk.lines),
    }
    if listens:
        checks.refuse("streams.missing", pc.is_null(columns["streams"]))
    rows = pa.record_batch([columns[name] for name in ROW_SCHEMA.names], schema=ROW_SCHEMA)
    if not checks.bad.any():
        return Piece(rows)
    return Piece(rows.filter(pa.array(~checks.bad)), checks.faults())


def _filled(texts: Column, otherwise: str) -> Column:
    empty = pc.equal(texts, "")
    return pc.if_else(empty, pa.scalar(otherwise), texts) if pc.any(empty).as_py() else texts


class _Checks:
    """The checks of one chunk, and which rows failed them.

    Nearly all of millions of rows are in order: every check first asks, in the cheapest way,
    whether any row fails, and looks for which only then.
    """

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._codes: list[tuple[str, Mask]] = []
        self._texts: dict[str, Column] = {}
        self.bad: Mask = np.zeros(len(chunk.lines), bool)

    def refuse(self, code: str, where: Column) -> None:
        if pc.any(where).as_py():
            mask = pc.fill_null(where, False).to_numpy(zero_copy_only=False)
            self._codes.append((code, mask))
            self.bad |= mask

    def text(self, name: str) -> Column:
        """A column as text on one line, trimmed, empty where null, refused where it is no text."""
        if name in self._texts:
            return self._texts[name]
        column = self._chunk.columns.get(name)
        if column is None:
            texts = self._texts[name] = pa.repeat(pa.scalar("", pa.string()), len(self.bad))
            return texts
        texts = _as_text(column)
        if texts.null_count:
            self.refuse("encoding.broken", pc.and_(pc.is_null(texts), pc.is_valid(column)))
            texts = pc.fill_null(texts, "")
        texts = _on_one_line(texts)
        longest_bytes = pc.max(pc.binary_length(texts)).as_py() or 0
        if longest_bytes > TEXT_CHARACTERS_MAX:
            self.refuse("text.too-long", pc.greater(pc.utf8_length(texts), TEXT_CHARACTERS_MAX))
        self._texts[name] = texts
        return texts

    def isrcs(self) -> tuple[Column, Column]:
        """(the ISRC of each row, those it carries besides): several stand with `;`, `,` or `|`
        between them, as tables hold lists."""
        codes = self.text("isrc")
        if _are_isrcs(codes):
            empty = pc.equal(codes, "")
            if pc.any(empty).as_py():
                codes = pc.if_else(empty, pa.scalar(None, pa.string()), codes)
            return codes, pa.repeat(pa.scalar("", pa.string()), len(self.bad))
        several = pc.match_substring_regex(codes, "[;,|]")
        first = codes
        others = pa.repeat(pa.scalar("", pa.string()), len(self.bad))
        if pc.any(several).as_py():
            lists = [_listed(text) for text in pc.filter(codes, several).to_pylist()]
            first = pc.replace_with_mask(
                codes, several, pa.array([found[0] for found in lists], pa.string())
            )
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
            alike = [look_alike(code) != "" for code in pc.filter(plain, broken).to_pylist()]
            mistyped = pc.replace_with_mask(
                pc.and_(empty, broken), broken, pa.array(alike, pa.bool_())
            )
            self.refuse("isrc.look-alike", mistyped)
            self.refuse("isrc.broken", pc.and_not(broken, mistyped))
        return pc.if_else(well_formed, plain, pa.scalar(None, pa.string()))

    def upc(self) -> Column:
        codes = self.text("upc")
        if pc.all(pc.match_substring_regex(codes, _UPC)).as_py() is False:
            codes = pc.replace_substring_regex(codes, r"[\s-]", "")
            self.refuse("number.scientific", pc.match_substring_regex(codes, _SCIENTIFIC))
            self.refuse("upc.broken", pc.invert(pc.match_substring_regex(codes, _UPC)))
        return codes

    def integer(self, name: str, low: int, high: int, code: str, kind: Any) -> Column:
        """A column as whole numbers from `low` to `high`; null where empty."""
        column = self._chunk.columns.get(name)
        if column is None:
            return pa.nulls(len(self.bad), kind)
        if pa.types.is_integer(column.type):
            numbers = column.cast(pa.int64(), safe=False)
        else:
            texts = self.text(name)
            is_number = pc.match_substring_regex(texts, "^[0-9]{1,18}$")
            if not pc.all(pc.or_(is_number, pc.equal(texts, ""))).as_py():
                self.refuse("number.scientific", pc.match_substring_regex(texts, _SCIENTIFIC))
                texts = pc.replace_substring_regex(texts, r"^\+|\.0*$", "")
                is_number = pc.match_substring_regex(texts, "^-?[0-9]{1,18}$")
                self.refuse(code, pc.invert(pc.or_(is_number, pc.equal(texts, ""))))
            numbers = pc.if_else(is_number, texts, pa.scalar(None, pa.string())).cast(pa.int64())
        return self._within(numbers, low, high, code).cast(kind)

    def _within(self, numbers: Column, low: int, high: int, code: str) -> Column:
        least, most = pc.min_max(numbers).values()
        if not least.is_valid or (least.as_py() >= low and most.as_py() <= high):
            return numbers
        impossible = pc.or_(pc.less(numbers, low), pc.greater(numbers, high))
        self.refuse(code, impossible)
        return pc.if_else(pc.fill_null(impossible, False), pa.scalar(None, pa.int64()), numbers)

    def date(self, year_max: int) -> tuple[Column, Column]:
        """(the date where all of it is known, its year)."""
        column = self._chunk.columns.get("release_date")
        if column is not None and pa.types.is_temporal(column.type):
            dates = column.cast(pa.date32(), safe=False)
            years = pc.year(dates)
        else:
            # Many rows share a date, and reading one takes long.
            encoded = self.text("release_date").dictionary_encode()
            texts, places = encoded.dictionary, encoded.indices
            dates, years, real = _dates(texts)
            wrong = pc.invert(pc.or_(real, pc.equal(texts, "")))
            self.refuse("date.impossible", wrong.take(places))
            dates, years = dates.take(places), years.take(places)
        return dates, self._within(years, YEAR_MIN, year_max, "date.impossible").cast(pa.int16())

    def faults(self) -> tuple[Fault, ...]:
        """The first fault of each bad row, in the rows' order."""
        found = []
        for place in np.flatnonzero(self.bad):
            code = next(code for code, mask in self._codes if mask[place])
            row = {name: _shown(column[place]) for name, column in self._chunk.columns.items()}
            suggestion = look_alike(_bare(row.get("isrc", ""))) if code == "isrc.look-alike" else ""
            found.append(fault(code, int(self._chunk.lines[place]), row, suggestion))
        return tuple(found)


def _dates(texts: Column) -> tuple[Column, Column, Column]:
    """(the date where `texts` give all of it, its year, whether it is one at all)."""
    has_form = pc.match_substring_regex(texts, "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$")
    full = pc.match_substring_regex(texts, "^.{10}$")
    # Padded to a whole date, so that a month 13 is found out in one way with a day 32.
    padded = pc.utf8_slice_codeunits(pc.binary_join_element_wise(texts, "-01-01", ""), 0, 10)
    padded = pc.if_else(full, texts, padded)
    padded = pc.if_else(has_form, padded, pa.scalar(None, pa.string()))
    read = pc.strptime(padded, format="%Y-%m-%d", unit="s", error_is_null=True)
    # 30 February reads as 1 or 2 March: only what comes back unchanged was a date.
    real = pc.fill_null(pc.equal(pc.strftime(read, format="%Y-%m-%d"), padded), False)
    dates = pc.if_else(pc.and_(real, full), read, pa.scalar(None, read.type)).cast(pa.date32())
    years = pc.if_else(real, pc.year(read), pa.scalar(None, pa.int64()))
    return dates, years, real


def _as_text(column: Column) -> Column:
    """`column` as strings; null where a value is not UTF-8."""
    if not (pa.types.is_string(column.type) or _is_bytes(column.type)):
        return column.cast(pa.string())
    try:
        # Parquet writers are not made to check their text, and pyarrow does not on reading.
        column.validate(full=True)
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = [_decoded(value) for value in column.cast(pa.binary()).to_pylist()]
        return pa.array(decoded, pa.string())


def _laid_out(texts: Column) -> tuple[Offsets, Bytes]:
    """(where each text begins in the bytes of all, and where the last one ends; those bytes)."""
    _, offsets_buffer, data_buffer = texts.buffers()
    if not len(texts):
        return np.zeros(1, np.int32), np.empty(0, np.uint8)
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset :][: len(texts) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.empty(0, np.uint8)
    return offsets - offsets[0], data[offsets[0] : offsets[-1]]


def _on_one_line(texts: Column) -> Column:
    """`texts` (none null) trimmed; where one has control characters in it, each run of these and
    of white space is one space. Only the rows that need it are touched."""
    offsets, data = _laid_out(texts)
    if not len(data):
        return texts
    at = _controls(data)
    if len(at):
        mask = np.zeros(len(texts), bool)
        mask[np.searchsorted(offsets, at, side="right") - 1] = True
        chosen = pa.array(mask)
        fixed = pc.replace_substring_regex(texts.filter(chosen), r"[\s\p{Z}\p{Cc}]+", " ")
        texts = pc.replace_with_mask(texts, chosen, fixed)
        offsets, data = _laid_out(texts)
    # An empty text is asked about a neighbour's byte, which does no harm.
    begins = data[np.minimum(offsets[:-1], len(data) - 1)]
    edged = _MAY_BEGIN_SPACE[begins] | _MAY_END_SPACE[data[np.maximum(offsets[1:] - 1, 0)]]
    if not edged.any():
        return texts
    chosen = pa.array(edged)
    before = texts.filter(chosen)
    after = pc.utf8_trim_whitespace(before)
    return texts if after.equals(before) else pc.replace_with_mask(texts, chosen, after)


def _controls(data: Bytes) -> npt.NDArray[np.intp]:
    """Where control characters (Unicode's Cc, Zl and Zp) begin in UTF-8 `data`, in no order."""
    found = [np.flatnonzero(data == _DELETE)]
    if data.min() < ord(" "):
        found.append(np.flatnonzero(data < ord(" ")))
    leads = np.flatnonzero(data == _C1_LEAD)
    found.append(leads[data[leads + 1] < _C1_END])
    leads = np.flatnonzero(data == _SEPARATORS_LEAD)
    found.append(leads[(data[leads + 1] == 0x80) & ((data[leads + 2] & 0xFE) == 0xA8)])
    return np.concatenate(found)


def _are_isrcs(texts: Column) -> bool:
    """Whether each text is a well-formed ISRC or empty."""
    offsets, data = _laid_out(texts)
    lengths = np.diff(offsets)
    if not ((lengths == _ISRC_CHARACTERS) | (lengths == 0)).all():
        return False
    signs = data.reshape(-1, _ISRC_CHARACTERS)
    # Unsigned: what is below the first wraps to far above the last.
    digits = (signs - np.uint8(ord("0"))) < 10
    letters = (signs - np.uint8(ord("A"))) < 26
    return bool(letters[:, :2].all() and (digits | letters)[:, 2:5].all() and digits[:, 5:].all())


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
