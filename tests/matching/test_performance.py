"""Another performance is told from a copy by how its landmarks scatter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sounds import RATE_HZ, Samples, at_speed, fingerprints_of

from sonotheque.matching.index import FingerprintIndex
from sonotheque.matching.landmarks import STEP_BITS, Alignment, align
from sonotheque.matching.performance import Scatter, is_performance, scatter
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import MatchKind

WORK_SECONDS, NOTE_SECONDS = 40, 0.4
WORK = RecordingId(to_crockford(1))
FLUTE, REED, BELL = (1.0, 0.2, 0.1), (1.0, 0.1, 0.8, 0.1, 0.5, 0.1, 0.3), (0.6, 0.0, 0.0, 1.0, 0.4)


def perform(
    timbre: tuple[float, ...], player: int, tempo: float = 1.0, semitones: int = 0
) -> Samples:
    """The work, a melody over chords, as a `player` plays it: onsets stray by 20 ms, the tempo
    goes to and fro by 2 %. `timbre` is how strong each partial is."""
    score, random = np.random.default_rng(1), np.random.default_rng(1_000 + player)
    scale = 57 + np.array([0, 2, 3, 5, 7, 8, 10, 12])
    sound = np.zeros(WORK_SECONDS * RATE_HZ)
    period, phase = random.uniform(12, 30), random.uniform(0, 6)
    for beat in range(int(1.2 * WORK_SECONDS / NOTE_SECONDS)):
        pitches = [score.choice(scale) + 12, *score.choice(scale - 12, 2, replace=False)]
        length = NOTE_SECONDS * float(score.choice([0.5, 1, 1.5]))
        written = beat * NOTE_SECONDS
        drift = 0.02 * period * np.sin(written / period + phase)
        for pitch in pitches:
            at = round(RATE_HZ * ((written + drift) / tempo + random.normal(0, 0.02)))
            count = min(round(length / tempo * RATE_HZ), len(sound) - at)
            if at < 0 or count <= 0:
                continue
            time = np.arange(count) / RATE_HZ
            hz = 440 * 2 ** ((pitch + semitones - 69) / 12)
            tone = np.zeros(count)
            for partial, strength in enumerate(timbre, 1):
                tone += strength * np.sin(2 * np.pi * hz * partial * time)
            sound[at : at + count] += random.uniform(0.6, 1) * tone * np.exp(-3 * time)
    return np.asarray(sound / np.abs(sound).max() * 25_000, np.int16)


@pytest.fixture(scope="module")
def held() -> Samples:
    return perform(FLUTE, 0)


@pytest.fixture
def work_index(tmp_path: Path, held: Samples) -> FingerprintIndex:
    index = FingerprintIndex(tmp_path)
    index.add(WORK, fingerprints_of(held))
    return index


@pytest.mark.parametrize(
    ("timbre", "tempo", "semitones"),
    [
        (FLUTE, 1.0, 0),
        (FLUTE, 1.1, 0),
        (FLUTE, 0.95, -1),
        (REED, 1.0, 0),
        (BELL, 1.0, 0),
        (REED, 1.05, 0),
        (BELL, 0.96, 2),
    ],
)
@pytest.mark.parametrize("player", [1, 2])
def test_another_performance_is_not_merged(
    work_index: FingerprintIndex,
    player: int,
    timbre: tuple[float, ...],
    tempo: float,
    semitones: int,
) -> None:
    version = perform(timbre, player, tempo, semitones)
    assert all(match.is_suspect for match in work_index.find_matches(fingerprints_of(version)))


def test_the_same_sounds_played_again_are_said_to_be(work_index: FingerprintIndex) -> None:
    match = work_index.find_matches(fingerprints_of(perform(FLUTE, 3)))[0]
    assert (match.recording, match.kind) == (WORK, MatchKind.SAME_WORK)
    assert match.is_suspect


def test_a_copy_with_noise_is(work_index: FingerprintIndex, held: Samples) -> None:
    noise = np.random.default_rng(3).normal(0, 800, len(held))
    copy = np.clip(0.7 * held + noise, -32_768, 32_767).astype(np.int16)
    match = work_index.find_matches(fingerprints_of(copy))[0]
    assert (match.recording, match.kind) == (WORK, MatchKind.SAME_RECORDING)
    assert not match.is_suspect


def test_a_copy_at_another_speed_is(work_index: FingerprintIndex, held: Samples) -> None:
    match = work_index.find_matches(fingerprints_of(at_speed(held, 1.05)))[0]
    assert (match.recording, match.kind) == (WORK, MatchKind.MODIFIED_COPY)
    assert not match.is_suspect


ONSETS, NOTES = 150, 3


def struck(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Ticks and steps of chords, shape (ONSETS, NOTES)."""
    random = np.random.default_rng(seed)
    ticks = np.cumsum(random.integers(20, 60, ONSETS))[:, np.newaxis] + np.zeros(NOTES)
    return ticks, np.sort(random.choice(900, (ONSETS, NOTES)), axis=1)


def landmarks(ticks: NDArray[np.float64], steps: NDArray[np.int64]) -> NDArray[np.uint32]:
    packed = np.round(ticks + 100).astype(np.int64) << STEP_BITS | steps
    return np.unique(packed).astype(np.uint32)


def scattered(seed: int, apart: float, by: float, together: float) -> tuple[Scatter, Alignment]:
    """Of a recording and a copy each of whose landmarks is `by` ticks off its line, in the standard
    deviation, and each of whose chords `together`."""
    random = np.random.default_rng(seed + 1)
    ticks, steps = struck(seed)
    off = by * random.standard_normal(ticks.shape)
    off += together * random.standard_normal((ONSETS, 1))
    recording, copy = landmarks(ticks, steps), landmarks(ticks / apart + off, steps)
    alignment = align(copy, recording, apart, 0.0, 100 * (1 - apart))
    assert alignment is not None
    return scatter(copy, recording, alignment), alignment


@given(seed=st.integers(0, 10_000), apart=st.sampled_from([1.0, 0.9, 1.2]))
def test_the_jitter_is_what_was_put_in(seed: int, apart: float) -> None:
    still, alignment = scattered(seed, apart, 0.0, 0.0)
    moved, _ = scattered(seed, apart, 2.0, 0.0)
    assert still.jitter_ticks < 0.8
    assert 1.4 < moved.jitter_ticks / apart < 2.8
    assert not is_performance(still, alignment)


@given(seed=st.integers(0, 10_000))
def test_what_is_late_together_is_told_from_chance(seed: int) -> None:
    chance, _ = scattered(seed, 1.0, 2.0, 0.0)
    together, alignment = scattered(seed, 1.0, 0.5, 2.0)
    assert chance.together < 1 < together.together
    assert is_performance(together, replace(alignment, support=0.5))


def test_nobody_plays_exactly_as_much_higher_as_faster() -> None:
    loose = Scatter(jitter_ticks=1.5, together=0.6)
    by_speed = Alignment(
        tempo=1.05,
        steps=200 * float(np.log2(1.05)),
        offset_ticks=0.0,
        count=100,
        support=0.4,
        margin=9.0,
    )
    assert not is_performance(loose, by_speed)
    faster = Alignment(tempo=1.05, steps=0.0, offset_ticks=0.0, count=100, support=0.4, margin=9.0)
    assert is_performance(loose, faster)
    assert is_performance(Scatter(jitter_ticks=4.0, together=3.0), by_speed)


def test_what_would_be_joined_must_be_more_surely_a_copy() -> None:
    doubtful = Scatter(jitter_ticks=2.0, together=0.5)
    unchanged = Alignment(tempo=1.0, steps=0.0, offset_ticks=0.0, count=100, support=0.65, margin=9)
    assert is_performance(doubtful, unchanged)
    assert is_performance(doubtful, replace(unchanged, tempo=1.003, steps=2.0))
    assert not is_performance(doubtful, replace(unchanged, tempo=1.01))
    assert not is_performance(doubtful, replace(unchanged, support=0.75))


@pytest.mark.parametrize("speed", [0.9, 1.04, 1.2])
def test_another_performance_made_faster_is_not_merged(
    work_index: FingerprintIndex, speed: float
) -> None:
    faster = at_speed(perform(FLUTE, 4), speed)
    assert all(match.is_suspect for match in work_index.find_matches(fingerprints_of(faster)))
