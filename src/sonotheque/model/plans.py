"""Plans that one room makes and another executes."""

from __future__ import annotations

from dataclasses import dataclass

from sonotheque.model.identifiers import RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the selection policy says of one recording.

    `value` is the policy's score (dimensionless, higher is sooner); `reasons` are the terms it
    is the sum of, as (code, points), so that a person can check it.
    """

    recording: RecordingId
    byte_count: int
    value: float
    reasons: tuple[tuple[str, float], ...]
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionPlan:
    """What to keep or publish first within `budget_bytes`.

    `gap` is 1 − plan value ÷ the value of the LP relaxation's optimum: how much better any
    plan could be at most (0 is optimal).
    """

    budget_bytes: int
    chosen_bytes: int
    value: float
    gap: float
    choices: tuple[Choice, ...]
    """Every candidate, most valuable per byte first."""

    @property
    def chosen(self) -> tuple[Choice, ...]:
        return tuple(choice for choice in self.choices if choice.chosen)
