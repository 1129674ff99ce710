"""From a query to its matches: stages over the shards of an index, each for what is left open.

The *plain* stage looks up the query's words as they are, the *closer* one also as they would be
had the query begun a little later or one bit been otherwise, and the *scaled* one its quints, which
no change of tempo, pitch or speed alters, the *far* one those of its views, for tempos about a half
and the double. Whatever a stage brings up is a candidate; what makes it
a match is `_judged`: the recording's words and its landmarks must both agree with the query's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonotheque.errors import BadInput
from sonotheque.matching.chromaprint import MARGIN_FRAMES, SILENCE_WORD
from sonotheque.matching.comparison import (
    Agreement,
    Words,
    agreement,
    is_clear,
    is_evidence,
    is_hint,
)
from sonotheque.matching.landmarks import (
    CENTRE_TICKS,
    CENTS_PER_STEP,
    STEPS_PER_OCTAVE,
    TICK_MS,
    Alignment,
    align,
    are_landmarks,
    ticks_and_steps,
)
from sonotheque.matching.performance import CENTS_SAME, TEMPO_SAME, is_performance, scatter
from sonotheque.matching.quints import octaves_and_steps, quints_of
from sonotheque.matching.sampling import sampled
from sonotheque.matching.shard import Entry, Shard
from sonotheque.matching.spectrum import HOP_MS
from sonotheque.matching.views import COARSE_ROWS, FINE_SCALE, View
from sonotheque.matching.votes import Candidate, Votes, candidates
from sonotheque.matching.warp import QUARTERS, Warper
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import Fingerprints, Match, MatchKind

CANDIDATES_MAX = 32
_OCTAVES_MAX = 1.1
_VIEW_OCTAVES_MAX = 0.65
"""How far from its own tempo a view is asked: further, others see more."""
_STEPS_MAX = 220
_ALIGNMENTS_MAX = 3
"""Of one candidate. With these, a query of ten hours takes seconds, however it was made."""
_VOTES_MIN = 2
_REPEATS_MAX = 16
"""Of one word in a query."""
_SAME_COVER_MIN = 0.8
_ENDS_APART_MAX_MS = 3_000
_STEPS_PER_QUARTER = 100 / QUARTERS / CENTS_PER_STEP
_TICKS_PER_HOP = HOP_MS / TICK_MS
_BY_SPEED_CENTS = 12
"""A copy that is so nearly as much higher as it is faster is said to be at another speed."""
_CLOSER_WORDS_MAX = 6_000
"""12 minutes: what is longer has words enough."""
_BITS = np.uint32(1) << np.arange(32, dtype=np.uint32)


Stage = Callable[["Query", Sequence[Shard]], Iterator["Candidate"]]


class _Asked(NamedTuple):
    """What a stage looks up: sampled words, and where each is in the query."""

    words: Words
    positions: NDArray[np.int64]


class Judged(NamedTuple):
    """What is known of a recording that was looked at, `alignment` by its landmarks and
    `agreement` by its words. The query plays `tempo` times as fast as it, 1 for a plain copy, and
    what is in hops is in those of the recording: `offset` is where it starts in the query. Of a
    suspect, `is_performance` says that all but the landmarks' scatter speaks for a copy."""

    entry: Entry
    tempo: float
    offset: int
    agreement: Agreement
    alignment: Alignment | None
    is_suspect: bool
    is_performance: bool = False


class Query:
    """What was asked about. Raises BadInput where its fingerprints are malformed."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        self.words, self.landmarks = _rows(fingerprints)
        self.duration_ms = fingerprints.duration_ms
        self._views = (
            (fingerprints.landmarks, 1.0),
            (fingerprints.coarse, COARSE_ROWS),
            (fingerprints.fine, FINE_SCALE),
        )
        if not all(are_landmarks(content) for content, _ in self._views):
            raise _malformed(fingerprints)
        try:
            self.warper = Warper(fingerprints.picture)
        except ValueError:
            raise _malformed(fingerprints) from None
        other = fingerprints.difference
        self.difference = Query(replace(other, difference=None)) if other else None

    @cached_property
    def views(self) -> tuple[View, ...]:
        """Its own landmarks first; their quints cost something, and are seldom needed."""
        return tuple(View(content, scale) for content, scale in self._views)


def entry_of(number: int, fingerprints: Fingerprints) -> Entry:
    """`fingerprints` as they are indexed. Raises BadInput where they are malformed."""
    words, landmarks = _rows(fingerprints)
    return Entry(number, fingerprints.duration_ms, words, landmarks, quints_of(landmarks))


def _rows(fingerprints: Fingerprints) -> tuple[Words, NDArray[np.uint32]]:
    """Words and landmarks."""
    is_whole = len(fingerprints.chromaprint) % 4 == 0 and are_landmarks(fingerprints.landmarks)
    if not is_whole or not 0 <= fingerprints.duration_ms < 1 << 63:
        raise _malformed(fingerprints)
    words = np.frombuffer(fingerprints.chromaprint, "<u4").astype(np.uint32)
    return words, np.frombuffer(fingerprints.landmarks, "<u4").astype(np.uint32)


def _malformed(fingerprints: Fingerprints) -> BadInput:
    return BadInput(
        "is not a fingerprint",
        where=f"{len(fingerprints.chromaprint)} bytes, {fingerprints.duration_ms} ms",
        remedy="give whole 32-bit words, landmarks in the order of time, and a duration from 0",
    )


def find(
    query: Query, shards: Sequence[Shard], is_current: Callable[[int, int], bool]
) -> tuple[Match, ...]:
    """The recordings in `shards` that `query` matches, best first. `is_current` says of a shard's
    number and a recording's whether that is where the recording's fingerprint stands."""
    matches = _found(query, shards, is_current)
    if query.difference and all(match.is_suspect for match in matches):
        matches += tuple(_inverted(match) for match in _found(query.difference, shards, is_current))
    return tuple(
        sorted(matches, key=lambda match: (match.is_suspect, -match.overlap_ms * match.similarity))
    )


def _inverted(match: Match) -> Match:
    """`match`, of the difference of the query's channels."""
    if match.kind is not MatchKind.SAME_WORK:
        match = replace(match, kind=MatchKind.MODIFIED_COPY)
    return replace(match, is_inverted=True)


def _found(
    query: Query, shards: Sequence[Shard], is_current: Callable[[int, int], bool]
) -> tuple[Match, ...]:
    """One match of each recording, in no order."""
    found: dict[int, Judged] = {}
    matches: tuple[Match, ...] = ()
    for stage in (plain_stage, _closer, _scaled, _far):
        for candidate in stage(query, shards):
            shard = shards[candidate.shard]
            if not is_current(candidate.shard, int(shard.numbers[candidate.which])):
                continue
            judged = _judged(query, candidate, shard.entry(candidate.which))
            if judged and _worth(judged) > _worth(found.get(judged.entry.number)):
                found[judged.entry.number] = judged
        matches = tuple(_match(judged, query.duration_ms) for judged in found.values())
        if any(_settles(match, stage) for match in matches):
            break
    return matches


def _settles(match: Match, stage: Stage) -> bool:
    """Whether `match` says what the query is. To the first stage a part may be one of several; and
    words, which bear with a little, bring up copies at a tempo or pitch that is only nearly theirs.
    """
    if match.is_suspect or stage in (_scaled, _far):
        return not match.is_suspect
    is_part = match.kind in (MatchKind.EXCERPT, MatchKind.CONTAINS)
    return match.kind is MatchKind.SAME_RECORDING or (is_part and stage is not plain_stage)


def _worth(judged: Judged | None) -> tuple[bool, float]:
    if judged is None:
        return False, -1.0
    support = judged.alignment.support if judged.alignment else 0.0
    return not judged.is_suspect, judged.agreement.length * judged.agreement.kappa * (1 + support)


def plain_stage(query: Query, shards: Sequence[Shard]) -> Iterator[Candidate]:
    """By the query's own words."""
    yield from _by_words(shards, _asked([query.words]))


def _closer(query: Query, shards: Sequence[Shard]) -> Iterator[Candidate]:
    """By the words of the query as it begins a third of a hop later, and two, and with each of
    their bits turned: of an excerpt few words are as they were."""
    if len(query.words) > _CLOSER_WORDS_MAX:
        return
    rows = [query.words]
    if len(query.warper):
        rows += [query.warper.words(1.0, 0, phase) for phase in (1 / 3, 2 / 3)]
    asked = _asked(rows)
    turned = [asked.words, *(asked.words ^ bit for bit in _BITS)]
    words, positions = np.concatenate(turned), np.tile(asked.positions, len(turned))
    yield from _by_words(shards, _Asked(words, positions))


def _asked(rows: Sequence[Words]) -> _Asked:
    begun = [_beginnings(row) for row in rows]
    return _Asked(
        np.concatenate([words for words, _ in begun]),
        np.concatenate([positions for _, positions in begun]),
    )


def _by_words(shards: Sequence[Shard], asked: _Asked) -> Iterator[Candidate]:
    chosen = sampled(asked.words)
    asked = _Asked(asked.words[chosen], asked.positions[chosen])
    for number, shard in enumerate(shards):
        hits = shard.look_up(asked.words)
        diagonals = hits.place - asked.positions[hits.query]
        cells, first, counts = np.unique(diagonals, return_index=True, return_counts=True)
        # Votes one hop apart support each other: another encoding may begin a hop later.
        support = counts.copy()
        neighbours = np.flatnonzero(np.diff(cells) == 1)
        support[neighbours] += counts[neighbours + 1]
        support[neighbours + 1] += counts[neighbours]
        best = np.argsort(-support, kind="stable")[: 8 * CANDIDATES_MAX]
        best = best[support[best] >= _VOTES_MIN]
        recordings = shard.recordings_at(hits.place[first[best]]).tolist()
        offsets_of: dict[int, int] = {}
        for at, recording in zip(best.tolist(), recordings, strict=True):
            if recording not in offsets_of and len(offsets_of) == CANDIDATES_MAX:
                continue
            offsets_of[recording] = offsets_of.get(recording, 0) + 1
            if offsets_of[recording] <= _ALIGNMENTS_MAX:
                offset = int(cells[at]) - int(shard.word_begins[recording])
                start = offset * _TICKS_PER_HOP
                yield Candidate(number, recording, 1.0, 0.0, start, int(support[at]))


def _scaled(query: Query, shards: Sequence[Shard]) -> Iterator[Candidate]:
    """By the query's own quints."""
    return _by_quints(query, shards, 0)


def _far(query: Query, shards: Sequence[Shard]) -> Iterator[Candidate]:
    """By the quints of its other views."""
    for which in range(1, len(query.views)):
        yield from _by_quints(query, shards, which)


def _by_quints(query: Query, shards: Sequence[Shard], which: int) -> Iterator[Candidate]:
    """By the quints of a view: each that a recording shares says at which tempo and pitch; where
    several say the same and lie in the same order, the recording is a candidate."""
    view = query.views[which]
    quints, scale = view.quints, view.scale
    here, low = ticks_and_steps(view.landmarks[quints["first"]])
    octave, _ = octaves_and_steps(quints["shape"])
    for number, shard in enumerate(shards):
        hits = shard.look_up_quints(quints)
        octaves, steps = octaves_and_steps(hits.shape)
        octaves -= octave[hits.query]
        steps -= low.astype(np.float32)[hits.query]
        likely = (np.abs(octaves) <= _VIEW_OCTAVES_MAX) & (np.abs(steps) <= _STEPS_MAX)
        likely &= np.abs(octaves - np.log2(scale)) <= _OCTAVES_MAX
        quint, first = hits.query[likely], hits.first[likely]
        votes = Votes(octaves[likely], here[quint], -steps[likely], first)
        for candidate in candidates(number, shard, shard.recordings_of(first), votes):
            yield candidate._replace(tempo=candidate.tempo / scale, view=which)


def _judged(query: Query, candidate: Candidate, entry: Entry) -> Judged | None:
    """What is to be said of the candidate. Words do not tell octaves apart: where they alone say
    that it is the recording, it may be so an octave away."""
    judged = _weighed(query, candidate, entry)
    if judged and _says_only_words(judged):
        for octave in (-STEPS_PER_OCTAVE, STEPS_PER_OCTAVE):
            moved = candidate._replace(steps=candidate.steps + octave)
            other = _weighed(query, moved, entry)
            if other and not other.is_suspect:
                return other
    return judged


def _weighed(query: Query, candidate: Candidate, entry: Entry) -> Judged | None:
    """Lay the candidate over the query and weigh how the two agree, by their words and by their
    landmarks; None where neither says anything."""
    tempo, steps, start = candidate.tempo, candidate.steps, candidate.start_ticks
    alignment, view = None, query.views[candidate.view]
    if len(view.landmarks) and len(entry.landmarks):
        alignment = align(view.landmarks, entry.landmarks, tempo * view.scale, steps, start)
        if alignment:
            alignment = replace(alignment, tempo=alignment.tempo / view.scale)
    if alignment and is_hint(alignment):
        tempo, steps, start = alignment.tempo, alignment.steps, alignment.offset_ticks
    quarters = round(steps / _STEPS_PER_QUARTER)
    changed = abs(tempo - 1) > TEMPO_SAME or quarters != 0
    if not changed:
        tempo, rows = 1.0, [query.words]
    else:
        rows = [query.warper.words(tempo, quarters, phase) for phase in (0.0, 1 / 3, 2 / 3)]
    begin = round((start - CENTRE_TICKS * (1 - tempo)) / _TICKS_PER_HOP)
    found = [
        Judged(entry, tempo, -offset, agreed, alignment, False)
        for row in rows
        for offset in (begin - 1, begin, begin + 1)
        if (agreed := agreement(row, entry.words, -offset))
    ]
    if not found:
        return None
    best = max(found, key=lambda one: one.agreement.length * one.agreement.kappa)
    if len(view.landmarks) and len(entry.landmarks):
        is_match = is_clear(best.agreement, alignment)
    else:
        is_match = is_evidence(best.agreement) and not changed
    if is_match and alignment and _is_played_again(view, entry, alignment):
        return best._replace(is_suspect=True, is_performance=True)
    is_suspect = is_evidence(best.agreement) or (alignment is not None and is_hint(alignment))
    return best._replace(is_suspect=not is_match) if is_match or is_suspect else None


def _says_only_words(judged: Judged) -> bool:
    is_open = judged.is_suspect and not judged.is_performance
    return is_open and is_evidence(judged.agreement)


def _is_played_again(view: View, entry: Entry, alignment: Alignment) -> bool:
    seen = replace(alignment, tempo=alignment.tempo * view.scale)
    return is_performance(scatter(view.landmarks, entry.landmarks, seen), alignment)


def _match(judged: Judged, query_ms: int) -> Match:
    """What the evidence says. The same recording starts and ends at the same time and agrees over
    most of both; otherwise the shorter of the two is called a part of the longer."""
    tempo, alignment = judged.tempo, judged.alignment
    cents = alignment.steps * CENTS_PER_STEP if alignment else 0.0
    changed = tempo != 1 or abs(cents) > CENTS_SAME
    offset_ms = round(judged.offset * HOP_MS / tempo)
    recording_ms = round(judged.entry.duration_ms / tempo)
    shorter_ms, longer_ms = sorted((query_ms, recording_ms))
    overlap_ms = round((judged.agreement.length + MARGIN_FRAMES) * HOP_MS / tempo)
    overlap_ms = min(overlap_ms, shorter_ms)
    apart_ms = max(abs(offset_ms), abs(offset_ms + recording_ms - query_ms))
    if judged.is_performance:
        kind = MatchKind.SAME_WORK
    elif changed:
        kind = MatchKind.MODIFIED_COPY
    elif apart_ms <= _ENDS_APART_MAX_MS and overlap_ms >= _SAME_COVER_MIN * longer_ms:
        kind = MatchKind.SAME_RECORDING
    elif query_ms <= recording_ms:
        kind = MatchKind.EXCERPT
    else:
        kind = MatchKind.CONTAINS
    by_speed = abs(cents - 1_200 * float(np.log2(tempo))) <= _BY_SPEED_CENTS
    return Match(
        recording=RecordingId(to_crockford(judged.entry.number)),
        kind=kind,
        similarity=round(judged.agreement.similarity, 4),
        offset_ms=offset_ms,
        overlap_ms=overlap_ms,
        tempo=round(tempo, 4) if changed else 1.0,
        pitch_cents=round(cents, 1) if changed else 0.0,
        speed=round(tempo, 4) if changed and by_speed else None,
        is_suspect=judged.is_suspect,
        margin=round(alignment.margin, 1) if alignment else None,
    )


def _beginnings(words: Words) -> tuple[Words, NDArray[np.int64]]:
    """The words that say something, and where they begin: not silence, not the repetitions of
    a word that lasts, and of each word the first _REPEATS_MAX places."""
    begins = np.ones(len(words), np.bool_)
    begins[1:] = words[1:] != words[:-1]
    positions = np.flatnonzero(begins & (words != SILENCE_WORD))
    order = positions[np.argsort(words[positions], kind="stable")]
    ordered = words[order]
    first = np.searchsorted(ordered, ordered, side="left")
    kept = np.sort(order[np.arange(len(order)) - first < _REPEATS_MAX])
    return words[kept], kept
