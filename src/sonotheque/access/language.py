"""The languages of the site: which one to answer in, its texts, and how it writes things."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

CODES = ("en", "fr")
"""The languages on offer; the first is spoken where a visitor asks for none of them."""

_NO_BREAK = "\u00a0"
_NARROW = "\u202f"
_SIZE_STEP = 1000


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its texts by key, and its ways of writing numbers, sizes, dates, durations.

    Texts are plain (templates escape them); `{names}` in them are filled in.
    """

    code: str
    texts: Mapping[str, str]

    def text(self, key: str, **values: object) -> str:
        """The text of `key`; KeyError where there is none, so that none goes missing unseen."""
        return self.texts[key].format(**values)

    def known(self, key: str) -> bool:
        return key in self.texts

    def count(self, key: str, number: int, **values: object) -> str:
        """The text of `key`.one or `key`.other, as the language counts; `{n}` is the number."""
        # CLDR plural rules: French counts nought with one, English does not.
        one = number in (0, 1) if self.code == "fr" else number == 1
        return self.text(f"{key}.{'one' if one else 'other'}", n=self.number(number), **values)

    def number(self, value: float, decimals: int = 0) -> str:
        """`value` with grouped thousands and the language's decimal mark."""
        english = f"{value:,.{decimals}f}"
        if self.code == "fr":
            return english.replace(",", _NARROW).replace(".", ",")
        return english

    def size(self, byte_count: int) -> str:
        """A number of bytes with its decimal SI unit, to three figures or so."""
        value, unit = float(byte_count), 0
        while value >= _SIZE_STEP and unit < 5:
            value, unit = value / _SIZE_STEP, unit + 1
        decimals = 1 if unit and value < 100 else 0
        return self.number(value, decimals) + _NO_BREAK + self.text("units.sizes").split()[unit]

    def date(self, at: str) -> str:
        """The day of an ISO 8601 time, in words."""
        moment = _moment(at)
        month = self.text("units.months").split()[moment.month - 1]
        day = f"{moment.day}"
        if self.code == "fr" and moment.day == 1:
            day = "1er"
        return f"{day}{_NO_BREAK}{month} {moment.year}"

    def time(self, at: str) -> str:
        """The day and minute of an ISO 8601 time, in UTC."""
        moment = _moment(at)
        clock = (
            f"{moment:%H:%M}"
            if self.code == "en"
            else f"{moment:%H}{_NO_BREAK}h{_NO_BREAK}{moment:%M}"
        )
        return self.text("units.moment", date=self.date(at), clock=clock)

    def duration(self, duration_ms: int) -> str:
        """A length of time as a clock shows it: 4:05, 1:02:03."""
        minutes, seconds = divmod(round(duration_ms / 1000), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

    def hours(self, duration_ms: int) -> str:
        """A long length of time in words: 63 minutes, 4 hours 12 minutes."""
        hours, minutes = divmod(round(duration_ms / 60_000), 60)
        parts = [self.count("units.hours", hours)] if hours else []
        parts += [self.count("units.minutes", minutes)] if minutes or not hours else []
        return " ".join(parts)


@cache
def language(code: str) -> Language:
    """The language `code`, one of CODES."""
    source = resources.files(__package__).joinpath("texts", f"{code}.toml")
    return Language(code, dict(_flat(tomllib.loads(source.read_text(encoding="utf-8")))))


def choose(asked: str, remembered: str, accepted: str) -> Language:
    """The language to answer in: the one asked for (`?lang=`), else remembered (the cookie),
    else the one that the Accept-Language header likes best, else the first of CODES."""
    for code in (asked, remembered, *_accepted(accepted)):
        if code in CODES:
            return language(code)
    return language(CODES[0])


def iso_duration(duration_ms: int) -> str:
    """A length of time as ISO 8601 writes it: PT4M5S."""
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"PT{minutes}M{seconds}S"


def _accepted(header: str) -> list[str]:
    """Primary language tags of an Accept-Language header, most wanted first."""
    wanted: list[tuple[float, str]] = []
    for part in header[:500].split(","):
        tag, _, parameters = part.partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if weight > 0:
            wanted.append((-weight, tag.strip().lower().partition("-")[0]))
    # The sort is stable: at equal weight, the order of the header holds.
    return [tag for _, tag in sorted(wanted, key=lambda pair: pair[0])]


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)
