"""The selection policy: what one recording is worth, as a sum that anyone can check. Pure.

What vanishes first is music that few people hear, of which there is one copy, and that no one
else holds. So points are given for being at risk, and fewer for being asked for; the weights
are the archive's to set in a policy file, and every recording can be explained term by term.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.store import files

POINTS_MAX = 1_000_000
WHY = {
    "obscurity": "few people are known to ask for it",
    "demand": "people ask for it",
    "single-copy": "there is only one whole copy",
    "lossless": "nothing was thrown away when it was encoded",
    "age": "it is old, or nobody says how old",
    "publishable": "it may be published, so mirrors can help to keep it",
    "generated": "a model made it and could make it again",
}
"""What each reason of a score means, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the archive knows of a recording when it chooses.

    `popularity` is 0 to 100, None where nobody has said. `copies` counts the roots whose
    newest check found it whole.
    """

    recording: RecordingId
    byte_count: int
    popularity: int | None
    lossless: bool
    copies: int
    year: int | None
    publishable: bool
    generated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Points for each reason; a policy file may set any of them.

    obscurity: at popularity 0, falling in a straight line to none at 100 (half where unknown).
    demand: at popularity 100, falling in a straight line to none at 0.
    single_copy: only one root holds it. lossless: nothing was thrown away when it was encoded.
    age: at `age_years` and more, in a straight line from none today (half where unknown).
    publishable: it may be published today, so that mirrors can help to keep it.
    generated: made by a model, and so able to be made again (a penalty by default).
    """

    obscurity: float = 4.0
    demand: float = 1.0
    single_copy: float = 3.0
    lossless: float = 1.0
    age: float = 2.0
    age_years: int = 50
    publishable: float = 1.0
    generated: float = -4.0


def score(candidate: Candidate, policy: Policy, *, year_now: int) -> tuple[tuple[str, float], ...]:
    """The terms of the candidate's value, as (reason, points); terms of no points are left out."""
    popularity = candidate.popularity
    obscurity = 0.5 if popularity is None else 1 - popularity / 100
    demand = 0.0 if popularity is None else popularity / 100
    age = 0.5
    if candidate.year is not None:
        age = min(1.0, max(0.0, (year_now - candidate.year) / policy.age_years))
    terms = (
        ("obscurity", policy.obscurity * obscurity),
        ("demand", policy.demand * demand),
        ("single-copy", policy.single_copy * (candidate.copies <= 1)),
        ("lossless", policy.lossless * candidate.lossless),
        ("age", policy.age * age),
        ("publishable", policy.publishable * candidate.publishable),
        ("generated", policy.generated * candidate.generated),
    )
    return tuple((reason, points) for reason, points in terms if points)


def read_policy(path: Path) -> Policy:
    """Read a policy file (TOML, the names of `Policy`). Raises BadInput."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise files.explain(error, path) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"is not TOML ({error})", where=str(path), remedy="correct it") from error
    known = {field.name for field in fields(Policy)}
    for name, value in document.items():
        if name not in known:
            raise BadInput(
                f"has an unknown name {name!r}",
                where=str(path),
                remedy=f"use {', '.join(sorted(known))}",
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(f"{name} is no number", where=str(path), remedy="write a number")
        # TOML has inf and nan; no comparison with nan holds, so this refuses both.
        if not abs(value) <= POINTS_MAX:
            raise BadInput(
                f"{name} is {value}",
                where=str(path),
                remedy=f"write a number from -{POINTS_MAX:,} to {POINTS_MAX:,}",
            )
    policy = Policy(**document)
    if policy.age_years < 1:
        raise BadInput("age_years is under 1", where=str(path), remedy="write 1 or more")
    return policy
