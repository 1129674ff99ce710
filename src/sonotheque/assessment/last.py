"""The last assessment of an archive, kept so that it can be shown without being made again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from sonotheque.assessment.ndsa2 import Assessment
from sonotheque.store import files
from sonotheque.vault.objects import AGENT

LAST_NAME = "assessment.json"
_BYTES_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class _Kept:
    agent: str
    assessment: Assessment


def keep(assessment: Assessment, derived: Path) -> None:
    """Keep `assessment` in the directory `derived`, in the place of the one before it."""
    document = msgspec.json.encode(_Kept(AGENT, assessment))
    files.replace(derived / LAST_NAME, document)


def read_last(derived: Path) -> Assessment | None:
    """The assessment that was kept last; None where there is none, or one by another version of
    this program, whose criteria may be other ones."""
    path = derived / LAST_NAME
    try:
        if path.stat().st_size > _BYTES_MAX:
            return None
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        return None
    return kept.assessment if kept.agent == AGENT else None
