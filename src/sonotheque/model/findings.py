"""Findings: the coded results of a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a check found. `code` is stable (`audio.truncated`); `where` names the file."""

    code: str
    severity: Severity
    message: str
    remedy: str
    where: str = ""
