"""What a campaign of torture counted, and how each failure is had again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """`counts` are by name; `failures` are one line each and end in the words that replay them;
    `skipped` says what could not be done here, and why: it never counts as passed."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.counts.update(other.counts)
        self.failures += other.failures
        self.skipped += [line for line in other.skipped if line not in self.skipped]
        self.notes += [line for line in other.notes if line not in self.notes]
