"""The command `rights calendar`: what becomes or ceases to be allowed, and what is to be done."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from datetime import date

from sonotheque import archive as archives
from sonotheque.cli.answer import Answer
from sonotheque.cli.rights import day_of
from sonotheque.cli.text import paragraph
from sonotheque.errors import BadInput
from sonotheque.model.territories import EVERYWHERE, Territory, parse_territory
from sonotheque.rights.calendar import Coming, Earliest, Question, Turn, coming
from sonotheque.rights.days import after_months
from sonotheque.rights.protection import EUROPEAN_UNION
from sonotheque.store.clock import utc_now

_MARKS = {Turn.OVERDUE: "!", Turn.STEP: "→", Turn.BECOMES_ALLOWED: "✓", Turn.CEASES: "✗"}


def calendar(arguments: Namespace) -> Answer:
    now = utc_now()
    with archives.open_archive(arguments.archive) as archive:
        question = Question(
            now=now,
            until=_until(arguments.until, now),
            home=archive.home,
            territory=parse_territory(arguments.territory) if arguments.territory else EVERYWHERE,
        )
        earliest = Earliest(arguments.limit)
        for statements in archive.ledger.statements_by_recording():
            earliest.add(coming(statements, question))
    entries = earliest.entries
    lines = [line for entry in entries for line in _lines(entry)]
    if earliest.seen > len(entries):
        lines.append(f"… and {earliest.seen - len(entries)} more: use --limit, or --until")
    document = {
        "until": question.until,
        "territory": question.territory,
        "total": earliest.seen,
        "entries": entries,
    }
    return Answer(document, "\n".join(lines) or f"Nothing changes until {question.until}.")


def _until(day: str, now: str) -> str:
    if not day:
        return after_months(date.fromisoformat(now[:10]), 12).isoformat()
    until = day_of(day)
    if until < now[:10]:
        raise BadInput("is over", where=f"--until {day}", remedy="name a day to come")
    return until


def _lines(entry: Coming) -> Iterable[str]:
    head = f"{_MARKS[entry.turn]} {entry.on or 'any time':<10}  {entry.recording}  "
    what = {
        Turn.OVERDUE: "overdue",
        Turn.STEP: "to do",
        Turn.BECOMES_ALLOWED: "becomes allowed",
        Turn.CEASES: "ceases to be allowed",
    }[entry.turn]
    uses = f": {', '.join(entry.uses)}" if entry.uses else ""
    procedure = f" ({entry.procedure})" if entry.procedure else ""
    yield paragraph(
        f"{what}{uses}{_where(entry.territories)}{procedure}", indent=" " * 14, first=head
    )
    why = entry.why or "; ".join(
        reason.message + (f" (entry {reason.statement})" if reason.statement else "")
        for reason in entry.reasons
    )
    if why:
        yield paragraph(why, indent=" " * 14)
    if entry.next_step:
        yield paragraph(entry.next_step, indent=" " * 16, first=f"{' ' * 14}→ ")


def _where(territories: Iterable[Territory]) -> str:
    """The countries, with the European Union in one word where all of it is meant."""
    places = set(territories)
    if places >= EUROPEAN_UNION:
        names = ["the European Union", *sorted(places - EUROPEAN_UNION)]
    else:
        names = sorted(places)
    return f" in {', '.join(names)}" if names else ""
