"""Modified copies: found by what a change of speed, tempo or pitch leaves, and said how they were
changed; and the parts that find them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sounds import RATE_HZ, Samples, at_speed, fingerprints_of

from sonotheque.errors import BadInput, Corrupt
from sonotheque.matching import index as index_module
from sonotheque.matching.fingerprint import Printer
from sonotheque.matching.index import FingerprintIndex
from sonotheque.matching.landmarks import are_landmarks, ticks_and_steps
from sonotheque.matching.quints import quints_of
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import Fingerprints, MatchKind

Compose = Callable[..., Samples]


def id_of(number: int) -> RecordingId:
    return RecordingId(to_crockford(number))


@pytest.fixture(scope="module")
def pieces(compose: Compose) -> list[Samples]:
    return [compose(seed, 40.0)[::4, 0].copy() for seed in range(20, 24)]


@pytest.fixture(scope="module")
def prints(pieces: list[Samples]) -> list[Fingerprints]:
    return [fingerprints_of(piece) for piece in pieces]


@pytest.fixture
def index(tmp_path: Path, prints: list[Fingerprints]) -> FingerprintIndex:
    index = FingerprintIndex(tmp_path)
    for number, one in enumerate(prints):
        index.add(id_of(number), one)
    return index


@pytest.mark.parametrize("speed", [0.8, 0.95, 1.05, 1.25])
def test_another_speed_is_found_and_measured(
    index: FingerprintIndex, pieces: list[Samples], speed: float
) -> None:
    matches = index.find_matches(fingerprints_of(at_speed(pieces[1], speed)))
    (match,) = [match for match in matches if not match.is_suspect]
    assert (match.recording, match.kind) == (id_of(1), MatchKind.MODIFIED_COPY)
    assert match.tempo == pytest.approx(speed, rel=0.002)
    assert match.pitch_cents == pytest.approx(1_200 * np.log2(speed), abs=6)
    assert match.speed == match.tempo
    assert match.margin is not None


def test_an_excerpt_at_another_speed_says_where_it_is(
    index: FingerprintIndex, pieces: list[Samples]
) -> None:
    part = at_speed(pieces[2][10 * RATE_HZ : 34 * RATE_HZ], 1.1)
    match = index.find_matches(fingerprints_of(part))[0]
    assert (match.recording, match.kind) == (id_of(2), MatchKind.MODIFIED_COPY)
    assert match.offset_ms == pytest.approx(-10_000 / 1.1, abs=300)


def test_what_is_not_there_is_not_found_at_any_speed(
    index: FingerprintIndex, compose: Compose
) -> None:
    other = compose(99, 40.0)[::4, 0].copy()
    for speed in (0.9, 1.0, 1.1):
        matches = index.find_matches(fingerprints_of(at_speed(other, speed)))
        assert all(match.is_suspect for match in matches)


@pytest.mark.parametrize("seconds", [0.0, 0.2, 3.0])
def test_short_sound_has_prints_and_matches_nothing(
    index: FingerprintIndex, pieces: list[Samples], seconds: float
) -> None:
    short = fingerprints_of(pieces[0][: int(seconds * RATE_HZ)])
    index.add(id_of(9), short)
    assert index.find_matches(short) == ()


def test_silence_and_tones_match_nothing(index: FingerprintIndex) -> None:
    time = np.arange(30 * RATE_HZ)
    for number, sound in enumerate(
        (0 * time, 9_000 * np.sin(time / 9), 9_000 * np.sin(time / 9) + 5_000 * np.sin(time / 5))
    ):
        steady = fingerprints_of(sound.astype(np.int16))
        index.add(id_of(10 + number), steady)
        assert index.find_matches(steady) == ()


def test_how_sound_is_cut_into_blocks_does_not_matter(
    pieces: list[Samples], prints: list[Fingerprints]
) -> None:
    printer = Printer()
    for part in np.split(pieces[0], [1, 5_000, 50_000, 300_000]):
        printer.feed(part)
    assert printer.fingerprints(prints[0].duration_ms) == prints[0]


def test_landmarks_are_in_the_order_of_time_and_ten_a_second_at_most(
    prints: list[Fingerprints],
) -> None:
    for one in prints:
        assert are_landmarks(one.landmarks)
        landmarks = np.frombuffer(one.landmarks, "<u4")
        assert 100 < len(landmarks) <= 10.1 * one.duration_ms / 1_000 + 20
        ticks, steps = ticks_and_steps(landmarks)
        assert ticks.max() * 10.4 < one.duration_ms
        assert steps.min() >= 0 and steps.max() < 1_024


@pytest.mark.parametrize(("stretch", "shift"), [(2, 0), (1, 30), (2, -20)])
def test_quints_do_not_change_with_tempo_and_pitch(
    prints: list[Fingerprints], stretch: int, shift: int
) -> None:
    ticks, steps = ticks_and_steps(np.frombuffer(prints[0].landmarks, "<u4"))
    inside = (steps >= 40) & (steps < 900)
    ticks, steps = ticks[inside], steps[inside]
    plain = np.asarray(1_024 * ticks + steps, np.uint32)
    changed = np.asarray(1_024 * stretch * ticks + steps + shift, np.uint32)
    before, after = (set(quints_of(one)["hash"].tolist()) for one in (plain, changed))
    assert len(before) > 20
    # Those whose length is allowed in both.
    assert len(before & after) > (0.95 * len(before) if stretch == 1 else 0.05 * len(before))


def test_sealed_and_merged_shards_answer_as_before(
    tmp_path: Path,
    pieces: list[Samples],
    prints: list[Fingerprints],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "_MERGED_AT", 2)
    index = FingerprintIndex(tmp_path)
    query = fingerprints_of(at_speed(pieces[3], 1.2))
    for number, one in enumerate(prints):
        index.add(id_of(number), one)
        index.seal()
    index.add(id_of(0), prints[3])
    index.add(id_of(5), prints[0])
    for again in (index, FingerprintIndex(tmp_path)):
        assert len(again) == 5
        for number in (1, 2, 3):
            assert id_of(number) in {m.recording for m in again.find_matches(prints[number])}
        # Number 0 was replaced: its first sound is number 5's only.
        assert [m.recording for m in again.find_matches(prints[0])] == [id_of(5)]
        found = {m.recording for m in again.find_matches(query) if not m.is_suspect}
        assert found == {id_of(0), id_of(3)}
    index.seal()
    assert len(list(tmp_path.glob("*.shard"))) == 1
    assert [m.recording for m in index.find_matches(prints[0])] == [id_of(5)]
    assert len(index) == 5


@pytest.mark.parametrize("kept", [0, 100, -8])
def test_a_shard_cut_short_is_reported(
    tmp_path: Path, prints: list[Fingerprints], kept: int
) -> None:
    index = FingerprintIndex(tmp_path)
    index.add(id_of(1), prints[0])
    index.seal()
    (path,) = tmp_path.glob("*.shard")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(Corrupt):
        FingerprintIndex(tmp_path)
    path.unlink()
    with pytest.raises(Exception, match="shard"):
        FingerprintIndex(tmp_path)


@pytest.mark.parametrize(
    ("landmarks", "picture"),
    [(b"12345", b""), (np.array([9, 3], "<u4").tobytes(), b""), (b"", b"12345")],
)
def test_malformed_prints_are_refused(
    index: FingerprintIndex, landmarks: bytes, picture: bytes
) -> None:
    hostile = Fingerprints(chromaprint=b"", duration_ms=1, landmarks=landmarks, picture=picture)
    with pytest.raises(BadInput):
        index.find_matches(hostile)


def test_hostile_landmarks_and_pictures_take_bounded_room(index: FingerprintIndex) -> None:
    """The same few landmarks over and over, at one tick; and a picture of what is no number."""
    crowded = np.sort(np.arange(50_000, dtype=np.uint32) % 1_024)
    picture = np.full((2_000, 48), np.nan, "<f2").tobytes()
    words = np.arange(3_000, dtype="<u4").tobytes()
    index.find_matches(
        Fingerprints(chromaprint=words, duration_ms=1, landmarks=crowded.tobytes(), picture=picture)
    )
