"""How probable it is that two rows are one recording: the model of Fellegi and Sunter, learnt.

A pair of rows is compared in ten ways, each with a few levels. How often a level comes among pairs
that are one recording (m) and among the others (u) gives its weight, log2(m/u) in bits; the weights
and the prior add up to the odds (I. P. Fellegi and A. B. Sunter, *A Theory for Record Linkage*,
JASA 64, 1969). m, u and the prior are learnt without labels by expectation maximisation (W. E.
Winkler, 1988), in each of three populations apart: all pairs of one artist, of one title under
other artists, of one ISRC. Within one of them the ways are nearly independent; among candidates of
all kinds together they are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from sonotheque.errors import BadInput

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


class Route(StrEnum):
    """What the pairs of a population have in common."""

    ARTIST = "artist"
    TITLE = "title"
    ISRC = "isrc"


UNSAID = "unsaid"
"""A level that weighs nothing: one of the two rows does not say."""

COMPARISONS: dict[str, tuple[str, ...]] = {
    "title": ("same", "one qualified", "one more qualified", "near", "other"),
    "artist": ("same", "one within the other", "near", "other", UNSAID),
    "duration": ("within 1 s", "within 3 s", "further", UNSAID),
    "isrc": ("same", "other", UNSAID),
    "album": ("same, same place", "same, of one source", "same, of two sources", "other", UNSAID),
    "year": ("same", "next", "other", UNSAID),
    "remaster": ("alike", "one of the two"),
    "stage": ("alike", "on one live album"),
    "source": ("one recording to it", "two recordings to it", "on one release", UNSAID),
    "crowd": ("2 rows", "to 4 rows", "to 16 rows", "to 64 rows", "to 256 rows", "more rows"),
}
"""The comparisons and their levels, in the order of linkage.sql, step `compare`. `crowd` is how
many rows share the artist, the title or the ISRC."""

_NAMES = tuple(COMPARISONS)
_SIZES = tuple(len(levels) for levels in COMPARISONS.values())
_M_FIRST: dict[str, tuple[float, ...]] = {
    "title": (0.88, 0.05, 0.02, 0.04, 0.01),
    "artist": (0.85, 0.08, 0.04, 0.03, 0),
    "duration": (0.75, 0.17, 0.08, 0),
    "isrc": (0.9, 0.1, 0),
    "album": (0.1, 0.1, 0.1, 0.7, 0),
    "year": (0.5, 0.1, 0.4, 0),
    "remaster": (0.95, 0.05),
    "stage": (0.997, 0.003),
    "source": (0.6, 0.2, 0.2, 0),
    "crowd": (1 / 6,) * 6,
}
"""What is believed of pairs that are one recording before any was seen; of a crowd, nothing."""
_NEVER_FOR = ("title", "artist", "duration", "isrc", "remaster", "stage")
"""Their last level that says something is never evidence for, however rare it is."""
_FAR = {"duration": (0.04, 0.06, 0.9, 0), "isrc": (0.001, 0.999, 0)}
_U_FIRST: dict[Route, dict[str, tuple[float, ...]]] = {
    Route.ARTIST: {"title": (0.005, 0.005, 0.003, 0.005, 0.982), **_FAR},
    Route.TITLE: {"artist": (0.001, 0.01, 0.005, 0.984, 0), **_FAR},
    Route.ISRC: {
        "title": (0.005, 0.005, 0.005, 0.005, 0.98),
        "artist": (0.3, 0.05, 0.02, 0.63, 0),
        "duration": (0.06, 0.12, 0.82, 0),
    },
}
"""… and of the others, where that is not believed of the first, too. Hardly anything is learnt of
pairs that wrongly share an ISRC, from data in which nearly all that share one are one recording."""
_BELIEF_PAIRS = 100.0
"""So many pairs weigh as much as a belief."""
_PRIOR_FIRST = {Route.ARTIST: 0.02, Route.TITLE: 0.02, Route.ISRC: 0.9}
_ROUNDS_MAX = 500
_STILL = 1e-7


def evidence_sql() -> str:
    """The levels of a pair as one number, of the columns that linkage.sql calls them by."""
    text = ""
    for name, size in COMPARISONS.items():
        text = name if not text else f"({text}) * {len(size)} + {name}"
    return text


def levels_of(evidence: Numbers) -> Numbers:
    """The levels, shape (n, comparisons), of numbers of `evidence_sql`, shape (n,)."""
    parts = np.unravel_index(np.asarray(evidence), _SIZES)
    levels: Numbers = np.stack(parts, axis=-1).astype(np.int64)
    return levels


@dataclass(frozen=True, slots=True)
class Weights:
    """One population: the `prior` probability of a pair, and for each comparison the weight in bits
    of each of its levels. `pairs` is how many it was learnt from, `labelled` how many of them a
    person had judged."""

    prior: float
    bits: dict[str, tuple[float, ...]]
    pairs: int
    labelled: int = 0

    def probabilities(self, levels: Numbers) -> Floats:
        """Of pairs with these `levels`, shape (n, comparisons); shape (n,)."""
        odds = np.full(len(levels), logit2(self.prior))
        for place, name in enumerate(_NAMES):
            odds += np.array(self.bits[name])[levels[:, place]]
        # Nothing is certain; and no overflow.
        chances: Floats = 1 / (1 + np.exp2(-np.clip(odds, -60, 60)))
        return chances

    def table(self) -> Floats:
        """The probability of every evidence there can be, in its order."""
        return self.probabilities(levels_of(np.arange(math.prod(_SIZES))))


def logit2(chance: float) -> float:
    """The odds of `chance`, in bits."""
    return math.log2(chance / (1 - chance))


@dataclass(frozen=True, slots=True)
class Patterns:
    """Pairs that were counted by their levels: `levels` shape (n, comparisons), `pairs` shape (n,).
    `judged` are pairs a person has judged, as (levels, is one recording) for each."""

    levels: Numbers
    pairs: Floats
    judged: tuple[Numbers, npt.NDArray[np.bool_]] | None = None


def learn(route: Route, seen: Patterns) -> Weights:
    """Learn the weights of `route` from what was `seen`.

    What was judged counts as it was judged; of the others the model says at each round how many
    are one recording, and learns from that, until nothing moves. Raises BadInput where levels are
    outside of COMPARISONS.
    """
    levels, pairs, fixed = _together(seen)
    if levels.size and (levels.min() < 0 or (levels >= np.array(_SIZES)).any()):
        raise BadInput("evidence is of unknown levels", remedy="link anew")
    belief = [np.array(_M_FIRST[name]) * _BELIEF_PAIRS for name in _NAMES]
    doubt = [np.array(_U_FIRST[route].get(name, _M_FIRST[name])) * _BELIEF_PAIRS for name in _NAMES]
    # Before any was told from the others, all are the others; but for those that share an ISRC.
    u = [
        _shares(np.bincount(levels[:, place], pairs, size) * (route is not Route.ISRC) + one, name)
        for place, (size, one, name) in enumerate(zip(_SIZES, doubt, _NAMES, strict=True))
    ]
    m = [_shares(one, name) for one, name in zip(belief, _NAMES, strict=True)]
    m[-1] = u[-1]
    prior = _PRIOR_FIRST[route]
    for _ in range(_ROUNDS_MAX):
        weights = _weights(prior, m, u, seen)
        chance = np.where(np.isnan(fixed), weights.probabilities(levels), fixed)
        matched, others = pairs * chance, pairs * (1 - chance)
        before = prior
        believed = _BELIEF_PAIRS * _PRIOR_FIRST[route]
        prior = (matched.sum() + believed) / (pairs.sum() + _BELIEF_PAIRS)
        belief[-1] = u[-1] * _BELIEF_PAIRS
        for place, (size, name) in enumerate(zip(_SIZES, _NAMES, strict=True)):
            # Nobody counts the crowd of a pair that was judged.
            counts = np.isnan(fixed) if name == "crowd" else 1
            among_matched = np.bincount(levels[:, place], matched * counts, size)
            among_others = np.bincount(levels[:, place], others * counts, size)
            m[place] = _shares(among_matched + belief[place], name)
            u[place] = _shares(among_others + doubt[place], name)
        if abs(prior - before) < _STILL * before:
            break
    return _weights(prior, m, u, seen)


def _together(seen: Patterns) -> tuple[Numbers, Floats, Floats]:
    """(levels, how many pairs, what was judged of them or NaN) of all that was seen."""
    if seen.judged is None:
        return seen.levels, seen.pairs, np.full(len(seen.pairs), np.nan)
    levels, is_one = seen.judged
    return (
        np.concatenate([seen.levels, levels]),
        np.concatenate([seen.pairs, np.ones(len(levels))]),
        np.concatenate([np.full(len(seen.pairs), np.nan), is_one.astype(np.float64)]),
    )


def _shares(counts: Floats, name: str) -> Floats:
    """`counts` as shares of those that say something; the level that does not, nothing."""
    said = np.array([level != UNSAID for level in COMPARISONS[name]])
    counts = np.where(said, np.maximum(counts, 1e-3), 0)
    shares: Floats = counts / counts.sum()
    return shares


def _weights(prior: float, m: list[Floats], u: list[Floats], seen: Patterns) -> Weights:
    bits = {}
    for name, ours, theirs in zip(_NAMES, m, u, strict=True):
        is_said = theirs > 0
        ratio = np.where(is_said, ours, 1.0) / np.where(is_said, theirs, 1.0)
        weights = np.log2(ratio)
        if name in _NEVER_FOR:
            last = np.flatnonzero(is_said)[-1]
            weights[last] = min(weights[last], 0)
        bits[name] = tuple(float(one) for one in weights)
    judged = len(seen.judged[1]) if seen.judged else 0
    prior = min(max(float(prior), 1e-9), 1 - 1e-9)
    return Weights(prior, bits, int(seen.pairs.sum()), judged)
