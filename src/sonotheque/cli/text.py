"""How things read in a terminal of 80 columns (a Chinese character takes two)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.table import Table

from sonotheque.errors import one_line
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.holdings import ItemStatus, Receipt, ReceiptItem
from sonotheque.model.identifiers import format_isrc
from sonotheque.model.music import Recording
from sonotheque.model.procedures import TermFacts
from sonotheque.model.terms import Decision, Layer, Statement

WIDTH = 80
_MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "·"}
_STATUS = {
    ItemStatus.DEPOSITED: "✓ deposited",
    ItemStatus.ALREADY_HELD: "= already held",
    ItemStatus.REFUSED: "✗ refused",
}


def tell(line: str) -> None:
    """Say something while a command is still running."""
    print(line, file=sys.stderr, flush=True)


def tell_away(away: Mapping[str, str]) -> None:
    """Say which witnesses have not cosigned, and why; what they were asked about holds."""
    for name, why in away.items():
        tell(
            f"The witness {name} has not cosigned: {why}. `sonotheque rights witnesses` asks again."
        )


def size(byte_count: int) -> str:
    """`byte_count` as people say it, in decimal units."""
    value = float(byte_count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} PB"


def duration(milliseconds: int) -> str:
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def paragraph(text: str, *, indent: str = "", first: str | None = None) -> str:
    """`text` in lines of at most WIDTH columns; `first` stands in for the first line's indent."""
    lines = []
    line, begun = indent if first is None else first, False
    for word in one_line(text).split():
        # Of signs without a width of their own, chop_cells makes nothing.
        for part in chop_cells(word, WIDTH - len(indent)) or [word]:
            if begun and cell_len(f"{line} {part}") > WIDTH:
                lines.append(line)
                line, begun = indent, False
            line += f" {part}" if begun else part
            begun = True
    return "\n".join([*lines, line])


def cut(text: str, width: int) -> str:
    """`text` on one line of at most `width` columns."""
    text = one_line(text)
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as what is in them; all but the first wrap where WIDTH is too narrow."""
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(head):
        drawn.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    shown = StringIO()
    Console(file=shown, width=WIDTH, color_system=None, markup=False).print(drawn)
    return "\n".join(line.rstrip() for line in shown.getvalue().splitlines()).strip("\n")


def recording_line(recording: Recording, *, indent: str = "") -> str:
    """`recording` on one line: identifier, artist and title, how long."""
    width = 55 - len(indent)
    description = recording.description
    generated = " [AI-generated]" if description.generated else ""
    title = f"{description.artist or 'unknown artist'} — {description.title}{generated}"
    said = set_cell_size(cut(title, width), width)
    return f"{indent}{recording.id}  {said}  {duration(recording.duration_ms):>8}"


def findings(found: Iterable[Finding], *, indent: str = "", about: str | None = None) -> list[str]:
    """One paragraph a finding; its place is left out where it is `about`, the line above."""
    lines = []
    for finding in found:
        where = f"{finding.where}: " if finding.where and finding.where != about else ""
        head = f"{indent}{_MARKS[finding.severity]} "
        body = f"[{finding.code}] {where}{finding.message}. → {finding.remedy}"
        lines.append(paragraph(body, indent=indent + "  ", first=head))
    return lines


def decisions(found: Sequence[Decision], *, indent: str = "  ") -> list[str]:
    """One paragraph for all the uses that have the same answer for the same reasons."""
    grouped: dict[tuple[bool, str], list[str]] = {}
    for decision in found:
        reasons = "; ".join(
            reason.message + (f" (entry {reason.statement})" if reason.statement else "")
            for reason in decision.reasons
        )
        grouped.setdefault((decision.allowed, reasons), []).append(decision.use.value)
    return [
        paragraph(
            f"{', '.join(uses)}: {reasons}",
            indent=indent + "  ",
            first=f"{indent}{'✓' if allowed else '✗'} ",
        )
        for (allowed, reasons), uses in grouped.items()
    ]


def statement(entry: Statement) -> str:
    """An entry of the ledger as a paragraph: what, by whom, on what ground, for how long."""
    what = entry.kind.value
    if entry.step:
        what += f" of step {entry.step!r}"
    if entry.revokes:
        what += f" of entry {entry.revokes}"
    uses = ", ".join(entry.uses)
    parts = [f"{what} by {entry.issuer}", f"({entry.status})" if uses else "", uses]
    if entry.licence or entry.basis:
        parts.append(f"— {entry.licence or entry.basis}")
    if entry.article:
        parts.append(f"({entry.article})")
    if entry.layers and len(entry.layers) < len(Layer):
        parts.append(f"— for the {entry.layers[0]}")
    if entry.territories:
        parts.append(f"— in {', '.join(entry.territories)}")
    if entry.territories_except:
        parts.append(f"— not in {', '.join(entry.territories_except)}")
    if entry.procedure:
        parts.append(f"— {'after' if uses else 'in'} the procedure {entry.procedure}")
    if entry.facts:
        parts.append(f"— {_facts(entry.facts)}")
    if entry.begins_at:
        parts.append(f"— {'on' if entry.step else 'from'} {entry.begins_at[:10]}")
    if entry.ends_at:
        parts.append(f"— until {entry.ends_at[:10]}")
    parts.append(f"— {entry.evidence}")
    head = f"{entry.id:>6}  {entry.at[:10]}  "
    return paragraph(" ".join(part for part in parts if part), indent=" " * 20, first=head)


def _facts(facts: TermFacts) -> str:
    """What is known for a term of protection: the fields that say something."""
    said = {name: getattr(facts, name) for name in facts.__slots__}
    said["died"] = ", ".join(map(str, facts.died))
    return "; ".join(
        f"{name.replace('_', ' ')} {'no' if value is False else 'yes' if value is True else value}"
        for name, value in said.items()
        if value not in ("", None) and (name != "authors" or value)
    )


def receipt(given: Receipt) -> str:
    held = sum(not item.refused for item in given.items)
    lines = [f"Receipt {given.deposit}  {given.at[:19]}Z  {cut(given.source, 30)}"]
    lines += findings(given.findings)
    for item in given.items:
        lines += ["", *_item(item)]
    kept = sum(item.byte_count for item in given.items if not item.refused)
    lines += ["", f"{held} of {len(given.items)} files are in the archive ({size(kept)})."]
    return "\n".join(lines)


def _item(item: ReceiptItem) -> list[str]:
    lines = [f"{_STATUS[item.status]}: {cut(item.path, 60)}"]
    if item.recording:
        roots = ", ".join(item.roots)
        lines.append(f"  recording {item.recording}")
        where = f"{item.holding}, version {item.version} in {roots}"
        lines.append(paragraph(where, indent=" " * 12, first="  holding   "))
    if item.audio:
        audio = item.audio
        lines.append(
            f"  {audio.codec} in {audio.container}, {audio.sample_rate_hz} Hz,"
            f" {audio.channels} ch, {duration(audio.duration_ms)}, {size(item.byte_count)}"
        )
        if audio.iscc:
            lines.append(f"  {audio.iscc}")
    if item.sha512:
        lines += sha512(item.sha512)
    lines += decisions(item.decisions)
    return lines + findings(item.findings, indent="  ", about=item.path)


def sha512(digest: str) -> list[str]:
    """`digest` on the two lines that it needs."""
    return [f"  sha512    {digest[:64]}", f"            {digest[64:]}"]


def recording(shown: Recording) -> list[str]:
    """What the catalogue says of a recording, one field a paragraph."""
    description = shown.description
    fields = {
        "title": description.title,
        "artist": description.artist,
        "album": description.album,
        "label": description.label,
        "year": str(description.year or ""),
        "genre": description.genre,
        "duration": duration(shown.duration_ms),
        "ISRC": ", ".join(format_isrc(isrc) for isrc in description.isrcs),
        "origin": "AI-generated" if description.generated else "",
        "added": shown.added_at[:10],
    }
    return [f"Recording {shown.id}"] + [
        paragraph(value, indent=" " * 12, first=f"  {name:<9} ")
        for name, value in fields.items()
        if value
    ]
