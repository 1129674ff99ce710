"""A check of a delivery, to be handed on: as a page of its own, and as a table for spreadsheets.

The page is one file that needs nothing else, to be sent, printed or put on any web server. Findings
are in English whatever the language of the page, as everywhere; their codes are in the handbook.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from sonotheque.access.alignments import picture
from sonotheque.access.documents import document
from sonotheque.access.language import Language
from sonotheque.deposit.checking import LAID_MAX, Report
from sonotheque.matching.picture import Laid
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.identifiers import format_isrc
from sonotheque.store import files
from sonotheque.vault.objects import AGENT

COLUMNS = ("file", "title", "artist", "isrc", "severity", "code", "message", "remedy", "matches")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula where a cell begins with it."""


def page(name: str, report: Report, spoken: Language, laid: Mapping[int, Laid]) -> str:
    """A whole HTML document about `report`, made with the archive called `name`, with a picture of
    each file that is `laid` on its best match."""
    return document(
        "check.html",
        spoken,
        name=name,
        agent=AGENT,
        report=report,
        pictures=_pictures(report, spoken, laid),
        pictures_max=LAID_MAX,
        grave=[
            (place, item)
            for place, item in enumerate(report.items)
            if item.severity not in (None, Severity.INFO)
        ],
        fine=[item for item in report.items if item.severity in (None, Severity.INFO)],
    )


def _pictures(report: Report, spoken: Language, laid: Mapping[int, Laid]) -> dict[int, str]:
    """SVG by the place of the item."""
    drawn: dict[int, str] = {}
    for place, one in laid.items():
        item = report.items[place]
        best = item.matches[0]
        (held,) = [known for known in item.matched if known.id == best.recording]
        drawn[place] = picture(
            item.name, held.description, best, one, spoken, key=str(len(drawn) + 1)
        )
    return drawn


def table(report: Report) -> str:
    """CSV after RFC 4180: a row a finding, and one for each file without any."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for finding in report.findings:
        writer.writerow(map(_cell, [finding.where, "", "", "", *_said(finding), ""]))
    for item in report.items:
        said = item.description
        about = [item.name, said.title, said.artist, " ".join(map(format_isrc, said.isrcs))]
        matches = " ".join(match.recording for match in item.matches)
        for finding in item.findings:
            writer.writerow(map(_cell, [*about, *_said(finding), matches]))
        if not item.findings:
            writer.writerow(map(_cell, [*about, "", "", "", "", matches]))
    return written.getvalue()


def _said(finding: Finding) -> list[str]:
    return [finding.severity.value, finding.code, finding.message, finding.remedy]


def _cell(text: str) -> str:
    """`text` so that no spreadsheet runs it: names come from strangers."""
    plain = files.text_of(text)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain
