"""The picture of a match: a file and the recording that it matches, on one time axis, as SVG. Pure.

Two strips, the file's above the recording's, a second equally wide in both. Every dot is a
landmark, the higher the higher its sound; those that coincide are large, and lines join some of
them. Where the lines stand upright, both play at one tempo; where they lean ever more, at two. It
is one file without script, and tells what it shows by size and form before it does by colour.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from sonotheque.matching.landmarks import (
    CENTRE_TICKS,
    CENTS_PER_STEP,
    STEPS_PER_OCTAVE,
    TICK_MS,
    Alignment,
    align,
    coinciding,
    ticks_and_steps,
)
from sonotheque.matching.views import COARSE_ROWS, FINE_SCALE
from sonotheque.model.music import Fingerprints, Match
from sonotheque.store.markup import xml_text

POINTS_MAX = 600
"""Of each kind and side that are drawn: more would make one grey strip."""
_LINES_MAX = 48
_COMMON_SHARE_MIN = 0.2
"""Where both play for less of the axis, it shows the surroundings alone."""
_AROUND = 1.5
_COMMON_MIN_MS = 5_000.0
_OCTAVES = 5.2
_WIDTH, _MARGIN = 600, 12
_STRIP, _BETWEEN, _LINE = 92, 56, 23
_COLUMNS_MAX, _HEADING_COLUMNS_MAX = 58, 46
_TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400)
_TICKS_MAX = 7
_STYLE = """
.aligned text{font:18px system-ui,'Segoe UI','Liberation Sans',Arial,sans-serif;fill:#1f1c18}
.aligned .heading{font-weight:600;font-size:20px}
.aligned .quiet{fill:#5f584d;font-size:16.5px}
.aligned path{fill:none;stroke:#5f584d;stroke-width:1}
.aligned .paper{fill:#fffefb}
.aligned .both{fill:#ece6d9;stroke:none}
.aligned .other{stroke:#8a8171;stroke-width:2;stroke-linecap:round}
.aligned .same{stroke:#17525c;stroke-width:4.5;stroke-linecap:round}
.aligned .join{stroke:#17525c}
@media (prefers-color-scheme:dark){
.aligned text{fill:#e9e4da}
.aligned .quiet{fill:#aca596}
.aligned path{stroke:#aca596}
.aligned .paper{fill:#1c1f23}
.aligned .both{fill:#2d2b27}
.aligned .other{stroke:#7d7a73}
.aligned .same,.aligned .join{stroke:#86cbd5}
}
"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A file laid on a recording: at its time t it plays what the recording does at
    `tempo` · t + `start_ms`. Of their landmarks, `pairs` coincide, shape (n, 4): ms and octaves
    over 130 Hz in the file, then in the recording; `alone` do not, each of shape (n, 2): the file's
    and the recording's. Of each there are POINTS_MAX at most, of those between `begin_ms` and
    `end_ms` of the axis (see `on_axis_ms`); `coinciding` says how many pairs there are in all, and
    `possible` how many landmarks of the file lie where both play."""

    query_ms: int
    held_ms: int
    tempo: float
    start_ms: float
    begin_ms: float
    end_ms: float
    pairs: Floats
    alone: tuple[Floats, Floats]
    coinciding: int
    possible: int

    @property
    def common_ms(self) -> tuple[float, float]:
        """When the file begins to play what the recording has, and when it can do so no more."""
        return _common_ms(self.query_ms, self.held_ms, self.tempo, self.start_ms)

    @property
    def on_axis_ms(self) -> float:
        """Where on the axis, which counts the time of the file, the recording begins: both strips
        begin together to play the same."""
        begin = self.common_ms[0]
        return begin - (self.tempo * begin + self.start_ms)

    @property
    def is_part(self) -> bool:
        """Whether something of the two is outside the axis."""
        whole = (min(0.0, self.on_axis_ms), max(self.query_ms, self.on_axis_ms + self.held_ms))
        return (self.begin_ms, self.end_ms) != whole


class Captions(NamedTuple):
    """The words of a picture: `title` and `description` for those who do not see it, `heading`
    over it, `upper` and `lower` beside the strips, `notes` below, a line each."""

    title: str
    description: str
    heading: str
    upper: str
    lower: str
    notes: tuple[str, ...]


def lay(query: Fingerprints, held: Fingerprints, match: Match) -> Laid:
    """`query` as it lies on `held`, the recording of `match`, which says where to look."""
    if match.is_inverted and query.difference:
        query = query.difference
    there = np.frombuffer(held.landmarks, "<u4").astype(np.uint32)
    here, scale, alignment = _aligned(query, there, match)
    which = other = np.empty(0, np.intp)
    tempo, start_ms = match.tempo, -match.tempo * match.offset_ms
    if alignment:
        tempo, start_ms = alignment.tempo / scale, alignment.offset_ticks * TICK_MS
        which, other = coinciding(here, there, alignment)
    ours, theirs = _points(here, scale), _points(there, 1.0)
    begin, end = _common_ms(query.duration_ms, held.duration_ms, tempo, start_ms)
    shift = begin - (tempo * begin + start_ms)
    axis = _axis_ms(query.duration_ms, held.duration_ms, shift, (begin, end), tempo)
    pairs = np.hstack([ours[which], theirs[other]])
    return Laid(
        query_ms=query.duration_ms,
        held_ms=held.duration_ms,
        tempo=tempo,
        start_ms=start_ms,
        begin_ms=axis[0],
        end_ms=axis[1],
        pairs=_some(_within(pairs, axis), POINTS_MAX),
        alone=(
            _some(_within(np.delete(ours, which, axis=0), axis), POINTS_MAX),
            _some(_within(np.delete(theirs, other, axis=0), axis, shift), POINTS_MAX),
        ),
        coinciding=len(which),
        possible=int(((ours[:, 0] >= begin) & (ours[:, 0] <= end)).sum()),
    )


def draw(laid: Laid, captions: Captions, *, key: str = "", language: str = "en") -> str:
    """An SVG element. `key` tells it from others on one page; without, it is a file of its own."""
    heading = textwrap.wrap(captions.heading, _HEADING_COLUMNS_MAX)
    top = 58 + _LINE * len(heading)
    lower = top + _STRIP + _BETWEEN
    foot = lower + _STRIP
    height = foot + 56 + _LINE * len(captions.notes)
    name = f"aligned-{key}"
    xmlns = "" if key else ' xmlns="http://www.w3.org/2000/svg"'
    bounds = ((0.0, laid.query_ms), (laid.on_axis_ms, laid.on_axis_ms + laid.held_ms))
    parts = [
        f'<svg{xmlns} class="aligned" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f" lang={quoteattr(language)}"
        f' aria-labelledby="{name}-title {name}-text">',
        f'<title id="{name}-title">{escape(xml_text(captions.title))}</title>',
        f'<desc id="{name}-text">{escape(xml_text(captions.description))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        *(_text(_MARGIN, 26 + _LINE * n, line, "heading") for n, line in enumerate(heading)),
        _text(_MARGIN, top - 28, captions.upper),
        _both(laid, top, lower),
        *_strip(laid, bounds[0], top, top - 6),
        *_strip(laid, bounds[1], lower, foot + 18),
        *_dots(laid, top, lower),
        _text(_MARGIN, foot + 44, captions.lower),
        *(
            _text(_MARGIN, foot + 44 + _LINE * number, note, "quiet")
            for number, note in enumerate(captions.notes, 1)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _aligned(
    query: Fingerprints, held: NDArray[np.uint32], match: Match
) -> tuple[NDArray[np.uint32], float, Alignment | None]:
    """The view of `query` of which most landmarks lie on those of `held`, its scale, and how."""
    views = ((query.landmarks, 1.0), (query.coarse, COARSE_ROWS), (query.fine, FINE_SCALE))
    start = -match.tempo * match.offset_ms / TICK_MS
    steps = match.pitch_cents / CENTS_PER_STEP
    found = []
    for content, scale in views:
        here = np.frombuffer(content, "<u4").astype(np.uint32)
        line = (
            align(here, held, match.tempo * scale, steps, start)
            if len(here) and len(held)
            else None
        )
        found.append((here, float(scale), line))
    return max(found, key=lambda one: one[2].count if one[2] else 0)


def _points(landmarks: NDArray[np.uint32], scale: float) -> Floats:
    """Their ms and octaves, shape (n, 2); a tick lasts as long as `scale` of the recording's."""
    ticks, steps = ticks_and_steps(landmarks)
    return np.column_stack([(ticks + CENTRE_TICKS) * scale * TICK_MS, steps / STEPS_PER_OCTAVE])


def _common_ms(query_ms: int, held_ms: int, tempo: float, start_ms: float) -> tuple[float, float]:
    begin = min(max(0.0, -start_ms / tempo), float(query_ms))
    return begin, max(begin, min(float(query_ms), (held_ms - start_ms) / tempo))


def _axis_ms(
    query_ms: int, held_ms: int, shift: float, common: tuple[float, float], tempo: float
) -> tuple[float, float]:
    """What of the axis is shown."""
    begin, end = min(0.0, shift), max(float(query_ms), shift + held_ms)
    length = max(_COMMON_MIN_MS, (common[1] - common[0]) * max(1.0, tempo))
    if length < _COMMON_SHARE_MIN * (end - begin):
        begin = max(begin, common[0] - _AROUND * length)
        end = min(end, common[0] + (1 + _AROUND) * length)
    return begin, max(end, begin + 1.0)


def _within(points: Floats, axis: tuple[float, float], shift: float = 0.0) -> Floats:
    at = points[:, 0] + shift
    return points[(at >= axis[0]) & (at <= axis[1])]


def _some(points: Floats, count_max: int) -> Floats:
    """At most so many of `points`, evenly."""
    if len(points) <= count_max:
        return points
    return points[np.linspace(0, len(points) - 1, count_max).astype(np.intp)]


def _x(laid: Laid, at_ms: float) -> float:
    share = (at_ms - laid.begin_ms) / (laid.end_ms - laid.begin_ms)
    return _MARGIN + min(1.0, max(0.0, share)) * (_WIDTH - 2 * _MARGIN)


def _y(top: int, octaves: float) -> float:
    return top + _STRIP - 4 - min(octaves, _OCTAVES) / _OCTAVES * (_STRIP - 8)


def _both(laid: Laid, top: int, lower: int) -> str:
    """What both can play, as a ground behind the strips."""
    begin, end = laid.common_ms
    length = laid.tempo * (end - begin)
    left, right, there = _x(laid, begin), _x(laid, end), _x(laid, begin + length)
    base, foot = lower + _STRIP, top + _STRIP
    return (
        f'<path class="both" d="M{left:.1f} {top}H{right:.1f}V{foot}L{there:.1f} {lower}'
        f'V{base}H{left:.1f}Z"/>'
    )


def _strip(laid: Laid, bounds: tuple[float, float], top: int, label_y: int) -> Iterator[str]:
    """The edges of a strip, without those ends that are outside, and its time."""
    left, right = (_x(laid, at) for at in bounds)
    edges = [f"M{left:.1f} {top}H{right:.1f}M{left:.1f} {top + _STRIP}H{right:.1f}"]
    for at in bounds:
        if laid.begin_ms <= at <= laid.end_ms:
            edges.append(f"M{_x(laid, at):.1f} {top}V{top + _STRIP}")
    begin, end = max(bounds[0], laid.begin_ms), min(bounds[1], laid.end_ms)
    span = (laid.end_ms - laid.begin_ms) / 1_000
    step = next((one for one in _TICK_SECONDS if span / one <= _TICKS_MAX), int(span / 5) + 1)
    first = int(-(-(begin - bounds[0]) // (1_000 * step)))
    edge, length = (top, 5) if label_y < top else (top + _STRIP, -5)
    for number in range(first, int((end - bounds[0]) // (1_000 * step)) + 1):
        x = _x(laid, bounds[0] + 1_000 * step * number)
        edges.append(f"M{x:.1f} {edge}v{length}")
        anchor = "start" if x < _MARGIN + 20 else "end" if x > _WIDTH - _MARGIN - 20 else "middle"
        yield (
            f'<text class="quiet" x="{x:.1f}" y="{label_y}"'
            f' text-anchor="{anchor}">{_clock(step * number)}</text>'
        )
    yield f'<path d="{"".join(edges)}"/>'


def _dots(laid: Laid, top: int, lower: int) -> Iterator[str]:
    shift = laid.on_axis_ms
    ours, theirs = laid.alone
    other = [(_x(laid, at), _y(top, high)) for at, high in ours.tolist()]
    other += [(_x(laid, at + shift), _y(lower, high)) for at, high in theirs.tolist()]
    same = []
    for here, high, there, higher in laid.pairs.tolist():
        same.append((_x(laid, here), _y(top, high)))
        same.append((_x(laid, there + shift), _y(lower, higher)))
    joined = "".join(
        f"M{_x(laid, here):.1f} {top + _STRIP}L{_x(laid, there + shift):.1f} {lower}"
        for here, _, there, _ in _some(laid.pairs, _LINES_MAX).tolist()
    )
    for kind, places in (("other", other), ("same", same)):
        if places:
            yield f'<path class="{kind}" d="{"".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)}"/>'
    if joined:
        yield f'<path class="join" d="{joined}"/>'


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    role = f' class="{kind}"' if kind else ""
    return f'<text{role} x="{x}" y="{y}">{escape(xml_text(_cut(words)))}</text>'


def _cut(words: str) -> str:
    """`words` in so many columns: a line of SVG does not wrap."""
    width = 0
    for at, character in enumerate(words):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > _COLUMNS_MAX:
            return words[:at].rstrip() + "…"
    return words
