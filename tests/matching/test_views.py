"""Copies at about half and twice the tempo, whose own landmarks are others than the recording's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sounds import RATE_HZ, Samples, fingerprints_of

from sonotheque.errors import BadInput
from sonotheque.matching.fingerprint import Printer
from sonotheque.matching.index import FingerprintIndex
from sonotheque.matching.landmarks import CENTRE_TICKS, TICK_MS, are_landmarks, ticks_and_steps
from sonotheque.matching.views import FINE_SCALE, FINE_SECONDS
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import Fingerprints, MatchKind


@pytest.fixture(scope="module")
def notes() -> Callable[[float], Samples]:
    """A piece of 300 notes a third of a second apart, played at any tempo in the same key."""
    random = np.random.default_rng(5)
    hz = 220 * 2 ** (random.integers(0, 36, 300) / 12)
    apart = random.uniform(0.25, 0.42, 300)

    def played(tempo: float) -> Samples:
        sound = np.zeros(int(RATE_HZ * (apart.sum() + 1) / tempo))
        begins = np.concatenate([[0], apart.cumsum()[:-1]]) / tempo
        for begin, one, length in zip(begins, hz, apart / tempo, strict=True):
            at, time = int(begin * RATE_HZ), np.arange(int(2 * length * RATE_HZ)) / RATE_HZ
            # One partial: with more, the piece an octave higher would be much the same.
            note = np.sin(2 * np.pi * one * time) * np.exp(-3 * time / length)
            part = sound[at : at + len(time)]
            part += note[: len(part)]
        return np.asarray(12_000 * sound / np.abs(sound).max(), np.int16)

    return played


@pytest.mark.parametrize("tempo", [0.5, 0.6, 1.7, 2.0])
def test_far_tempos_are_found_and_measured(
    notes: Callable[[float], Samples], tmp_path: Path, tempo: float
) -> None:
    index = FingerprintIndex(tmp_path)
    held = RecordingId(to_crockford(1))
    index.add(held, fingerprints_of(notes(1.0)))
    copy = fingerprints_of(notes(tempo))
    (match,) = [match for match in index.find_matches(copy) if not match.is_suspect]
    assert (match.recording, match.kind) == (held, MatchKind.MODIFIED_COPY)
    assert match.tempo == pytest.approx(tempo, rel=0.002)
    assert match.pitch_cents == pytest.approx(0, abs=10)


def test_views_have_their_peaks_at_the_same_time() -> None:
    """No view is early or late: bursts are where they are to all three."""
    random = np.random.default_rng(6)
    time, sound = np.arange(60 * RATE_HZ) / RATE_HZ, np.zeros(60 * RATE_HZ)
    bursts = np.arange(1, 58, 0.73)
    for burst in bursts:
        loudness = np.exp(-(((time - burst) / 0.08) ** 2))
        sound += loudness * np.sin(2 * np.pi * random.uniform(500, 3_000) * time)
    prints = fingerprints_of(np.asarray(12_000 * sound, np.int16))
    views = ((prints.landmarks, 1.0), (prints.coarse, 2.0), (prints.fine, FINE_SCALE))
    for content, scale in views:
        assert are_landmarks(content)
        ticks, _ = ticks_and_steps(np.frombuffer(content, "<u4"))
        # A landmark is in the middle of its frame; before and after a burst there are others.
        late = ((ticks + CENTRE_TICKS) * scale)[:, np.newaxis] - bursts * 1_000 / TICK_MS
        near = late[np.abs(late) < 30]
        assert len(near) > len(bursts)
        assert abs(np.median(near)) <= 1


def test_the_fine_view_is_of_the_beginning_only(notes: Callable[[float], Samples]) -> None:
    piece = notes(0.9)
    assert len(piece) > (FINE_SECONDS + 10) * RATE_HZ
    begin = fingerprints_of(piece[: FINE_SECONDS * RATE_HZ])
    assert begin.fine and fingerprints_of(piece).fine == begin.fine


def test_how_sound_is_cut_into_blocks_does_not_matter(notes: Callable[[float], Samples]) -> None:
    piece = notes(1.0)
    printer = Printer()
    for part in np.split(piece, [1, 5_000, 50_000, 995_000, 1_000_000]):
        printer.feed(part)
    whole = fingerprints_of(piece)
    assert printer.fingerprints(whole.duration_ms) == whole


@pytest.mark.parametrize(("coarse", "fine"), [(b"123", b""), (b"", b"\2\0\0\0\1\0\0\0")])
def test_malformed_views_are_refused(tmp_path: Path, coarse: bytes, fine: bytes) -> None:
    hostile = Fingerprints(chromaprint=b"", duration_ms=1, coarse=coarse, fine=fine)
    with pytest.raises(BadInput):
        FingerprintIndex(tmp_path).find_matches(hostile)
