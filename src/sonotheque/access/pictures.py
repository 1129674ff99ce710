"""The pictures of the home page: SVG drawn by Vega on this side, kept in `derived/pictures`.

Each has a light and a dark form, a title and a description inside, and beside it on the page
the same figures as a table.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from sonotheque.access.language import Language
from sonotheque.access.overview import Overview
from sonotheque.model.terms import Answer, Use
from sonotheque.store import files

NAMES = ("uses", "years")
THEMES = ("light", "dark")
_DRAWING = 5
"""Raise it when the drawing changes, so that nobody is shown an older one."""
_YEARS_MAX = 40
"""A wider span of years is shown by decade."""
_INK = {"light": "#34302a", "dark": "#d8d2c7"}
_RULE = {"light": "#ddd6c9", "dark": "#3a3d42"}
_BAR = {"light": "#1f5c66", "dark": "#7fc3cd"}
# Told apart by lightness as well as by hue, in both themes and for colour-blind readers.
_ANSWERS = {
    "light": {Answer.ALLOWED: "#1f5c66", Answer.UNKNOWN: "#c9bfae", Answer.REFUSED: "#a8442a"},
    "dark": {Answer.ALLOWED: "#7fc3cd", Answer.UNKNOWN: "#5b5f66", Answer.REFUSED: "#e08a6d"},
}
_LABEL_WIDTH = 240
_YEAR_LABELS = 6
_FONT = "system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
_drawing_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's figures: a table with its header. `key` changes with what it shows."""

    name: str
    title: str
    description: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The table as people read it."""
    marks: tuple[dict[str, Any], ...]
    """The same as Vega reads it."""
    language: str

    @property
    def key(self) -> str:
        told = [_DRAWING, self.name, self.title, self.description, self.language, self.marks]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def pictures_of(overview: Overview, language: Language) -> tuple[Picture, ...]:
    """The pictures worth drawing: none of an empty archive, no years where none is known."""
    drawn = []
    if overview.holding_count:
        drawn.append(_uses(overview, language))
    if overview.years:
        drawn.append(_years(overview, language))
    return tuple(drawn)


def drawn(picture: Picture, theme: str, derived: Path) -> bytes:
    """`picture` as SVG, from `derived`/pictures where it was drawn before."""
    directory = derived / "pictures"
    stem = f"{picture.name}-{picture.language}-{theme}"
    path = directory / f"{stem}-{picture.key}.svg"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    # Vega is one engine on one thread: draw one picture at a time.
    with _drawing_lock:
        content = _draw(picture, theme)
    files.make_directory(directory)
    older = [other for other in directory.glob(f"{stem}-*.svg") if other != path]
    files.replace(path, content)
    for other in older:
        other.unlink(missing_ok=True)
    return content


def _uses(overview: Overview, language: Language) -> Picture:
    answers = (Answer.ALLOWED, Answer.UNKNOWN, Answer.REFUSED)
    rows, marks = [], []
    for use in Use:
        counts = overview.answers[use]
        name = language.text(f"use.{use}")
        rows.append((name, *(language.number(counts[answer]) for answer in answers)))
        marks += [
            {
                "use": name,
                "answer": language.text(f"answer.{answer}"),
                "kind": answer.value,
                "order": order,
                "count": counts[answer],
            }
            for order, answer in enumerate(answers)
        ]
    return Picture(
        name="uses",
        title=language.text("picture.uses.title"),
        description=language.text("picture.uses.text"),
        header=(
            language.text("picture.uses.use"),
            *(language.text(f"answer.{answer}") for answer in answers),
        ),
        rows=tuple(rows),
        marks=tuple(marks),
        language=language.code,
    )


def _years(overview: Overview, language: Language) -> Picture:
    first, last = overview.years[0][0], overview.years[-1][0]
    step = 1 if last - first < _YEARS_MAX else 10
    totals = dict.fromkeys(range(first - first % step, last + 1, step), 0)
    for year, holdings in overview.years:
        totals[year - year % step] += holdings
    return Picture(
        name="years",
        title=language.text("picture.years.title"),
        description=language.text("picture.years.text"),
        header=(
            language.text("picture.years.year" if step == 1 else "picture.years.decade"),
            language.text("picture.holdings"),
        ),
        rows=tuple((str(year), language.number(n)) for year, n in totals.items() if n),
        marks=tuple({"year": str(year), "count": n} for year, n in totals.items()),
        language=language.code,
    )


def _draw(picture: Picture, theme: str) -> bytes:
    # Imported here: they cost a second that only the first drawing need pay.
    import altair
    import vl_convert

    data = altair.InlineData(values=list(picture.marks))
    chart = _uses_chart(data, theme) if picture.name == "uses" else _years_chart(data, theme)
    chart = chart.configure(
        background="transparent", font=_FONT, padding=2, view=altair.ViewConfig(stroke=None)
    ).configure_axis(
        labelColor=_INK[theme],
        titleColor=_INK[theme],
        labelFontSize=16,
        titleFontSize=16,
        titleFontWeight="normal",
        domainColor=_RULE[theme],
        tickColor=_RULE[theme],
        gridColor=_RULE[theme],
        labelLimit=250,
    )
    svg = vl_convert.vegalite_to_svg(
        chart.to_dict(), vl_version=altair.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
    )
    head, _, tail = svg.partition(">")
    words = f"<title>{escape(picture.title)}</title><desc>{escape(picture.description)}</desc>"
    return f'{head} role="img" lang="{picture.language}">{words}{tail}'.encode()


def _uses_chart(data: Any, theme: str) -> Any:
    import altair

    colours = _ANSWERS[theme]
    return (
        altair.Chart(data)
        .mark_bar(height=22)
        .encode(
            y=altair.Y("use:N", sort=None, title=None).axis(
                # Vega measures with its own fonts: a fixed margin suits a visitor's wider ones.
                labelAlign="left",
                labelPadding=_LABEL_WIDTH,
                minExtent=_LABEL_WIDTH,
                ticks=False,
                domain=False,
            ),
            x=altair.X("count:Q", title=None, stack=True).axis(tickMinStep=1, tickCount=5),
            order="order:Q",
            color=altair.Color("kind:N", legend=None).scale(
                domain=[answer.value for answer in colours], range=list(colours.values())
            ),
        )
        .properties(width=290, height=30 * len(Use))
    )


def _years_chart(data: Any, theme: str) -> Any:
    import altair

    years = [mark["year"] for mark in data.values]
    return (
        altair.Chart(data)
        .mark_bar(color=_BAR[theme])
        .encode(
            x=altair.X("year:O", title=None).axis(
                values=years[:: -(-len(years) // _YEAR_LABELS)],
                labelAngle=0,
                labelPadding=8,
                ticks=False,
                grid=False,
            ),
            y=altair.Y("count:Q", title=None).axis(tickMinStep=1, tickCount=5, domain=False),
        )
        .properties(width=440, height=210)
    )
