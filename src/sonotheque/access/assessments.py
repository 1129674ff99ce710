"""An assessment in words: sentences for the terminal and for programs, and a page of its own.

The page is one file that needs nothing else, to be sent, printed or put on any web server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sonotheque.access.documents import document
from sonotheque.access.language import Language
from sonotheque.assessment.ndsa2 import LEVELS, Area, Assessment, Said, Standing, Verdict
from sonotheque.config import Attestation
from sonotheque.vault.objects import AGENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A verdict in one language. `remedy` is empty where nothing is left to do."""

    criterion: str
    area: Area
    level: int
    standing: Standing
    text: str
    evidence: tuple[str, ...]
    remedy: str
    attestation: Attestation | None


def tell(verdict: Verdict, spoken: Language) -> Told:
    """`verdict` in words."""
    failed = verdict.standing is Standing.FAILED
    return Told(
        criterion=verdict.criterion,
        area=verdict.area,
        level=verdict.level,
        standing=verdict.standing,
        text=spoken.text(f"ndsa2.is.{verdict.criterion}"),
        evidence=tuple(_sentence(said, spoken) for said in verdict.evidence),
        remedy=spoken.text(f"ndsa2.do.{verdict.criterion}") if failed else "",
        attestation=verdict.attestation,
    )


def counted(assessment: Assessment, spoken: Language) -> str:
    """How many criteria are proved, attested, failed."""
    standings = [verdict.standing for verdict in assessment.verdicts]
    return spoken.text(
        "ndsa2.counts", **{standing.value: standings.count(standing) for standing in Standing}
    )


def page(name: str, assessment: Assessment, spoken: Language) -> str:
    """A whole HTML document about the archive called `name`."""
    return document("assessment.html", spoken, name=name, **shown(assessment, spoken))


def shown(assessment: Assessment, spoken: Language) -> dict[str, Any]:
    """What a page about `assessment` shows."""
    return {
        "agent": AGENT,
        "assessment": assessment,
        "areas": Area,
        "levels": LEVELS,
        "told": [tell(verdict, spoken) for verdict in assessment.verdicts],
        "counts": counted(assessment, spoken),
    }


def _sentence(said: Said, spoken: Language) -> str:
    values = {}
    for name, value in said.values.items():
        if isinstance(value, int):
            values[name] = spoken.number(value)
        else:
            values[name] = spoken.time(value) if name == "at" else value
    return spoken.text(f"ndsa2.said.{said.key}", **values)
