"""The command that holds the archive against a preservation profile: prove."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from sonotheque import archive as archives
from sonotheque.access.assessments import Told, counted, page, tell
from sonotheque.access.language import language
from sonotheque.assessment import gathering, last, ndsa2
from sonotheque.assessment.ndsa2 import Area, Assessment, Standing
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.store import files
from sonotheque.store.clock import utc_now

_NO_BREAK = "\u00a0"
_MARKS = {Standing.PROVED: "✓", Standing.ATTESTED: "~", Standing.FAILED: "✗"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What `prove --json` answers. `level` is the one that every area has reached."""

    profile: str
    at: str
    level: int
    levels: dict[Area, int]
    verdicts: tuple[Told, ...]


def prove(arguments: Namespace) -> Answer:
    now, english = utc_now(), language("en")
    with (
        archives.open_archive(arguments.archive) as archive,
        progress(gather="looking at holdings") as show,
    ):
        # What people say is checked before everything is read.
        ndsa2.check_attestations(archive.config.attestations, now)
        facts = gathering.gather(archive, now, show)
        assessment = ndsa2.assess(facts, archive.config.attestations, now)
        last.keep(assessment, archive.config.derived)
        name = archive.config.name
    out: Path | None = arguments.out
    if out:
        written = page(name, assessment, language(arguments.language))
        files.replace(out.absolute(), written.encode())
    told = tuple(tell(verdict, english) for verdict in assessment.verdicts)
    document = Proof(
        profile=arguments.profile,
        at=now,
        level=assessment.level,
        levels=assessment.levels,
        verdicts=told,
    )
    lines = _lines(name, assessment, told)
    reached = assessment.level >= arguments.level
    verdict = "is" if reached else "is not"
    lines.append(f"Level {arguments.level} {verdict} reached in every area.")
    if out:
        lines.append(text.paragraph(f"The page is in {out}"))
    return Answer(document, "\n".join(lines), exit_code=0 if reached else 1)


def _lines(name: str, assessment: Assessment, told: tuple[Told, ...]) -> list[str]:
    english = language("en")
    title = f"NDSA Levels of Digital Preservation 2.0: {name}, {assessment.at[:10]}"
    lines = [text.paragraph(title)]
    for area in Area:
        lines += ["", f"{area.value.capitalize()}: level {assessment.levels[area] or 'none'}"]
        for one in told:
            if one.area is area:
                lines += _criterion(one)
    return [*lines, "", counted(assessment, english) + "."]


def _criterion(one: Told) -> list[str]:
    indent = " " * 6
    head = f"  {_MARKS[one.standing]} {one.level} "
    lines = [text.paragraph(f"{one.text} [{one.criterion}]", indent=indent, first=head)]
    for sentence in one.evidence:
        # Spaces that do not break are for pages; here they would show as their codes.
        lines.append(text.paragraph(f"{sentence.replace(_NO_BREAK, ' ')}.", indent=indent))
    if one.attestation:
        said = one.attestation
        lines.append(text.paragraph(f"{said.by}, {said.on}: “{said.statement}”", indent=indent))
    if one.remedy:
        lines.append(text.paragraph(f"→ {one.remedy}", indent=indent))
    return lines
