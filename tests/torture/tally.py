"""What a campaign of torture counted, and how each failure is had again."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field

_TELL_SECONDS = 60.0


@dataclass
class Tally:
    """`counts` are by name; `failures` are one line each and end in the words that replay them;
    `skipped` says what could not be done here, and why: it never counts as passed."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _told: float = field(default_factory=time.monotonic)

    def tell(self, name: str, number: int) -> None:
        """Say on standard error, now and then, how far a long form has come."""
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            line = f"{name}: {self.counts[name]:,} of {number:,}, {len(self.failures)} failed"
            sys.stderr.write(f"{line}\n")

    def add(self, other: Tally) -> None:
        self.counts.update(other.counts)
        self.failures += other.failures
        self.skipped += [line for line in other.skipped if line not in self.skipped]
        self.notes += [line for line in other.notes if line not in self.notes]
