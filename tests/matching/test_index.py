"""The index: every re-encoding is found, nothing unlike is, and the files withstand use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray

from sonotheque.errors import BadInput, Corrupt
from sonotheque.matching import index as index_module
from sonotheque.matching import shard as shard_module
from sonotheque.matching.chromaprint import Chromaprinter
from sonotheque.matching.fingerprint import measure
from sonotheque.matching.index import FingerprintIndex
from sonotheque.matching.spectrum import HOP_MS
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import Fingerprints, MatchKind

Samples = NDArray[np.int16]
Compose = Callable[..., Samples]
Encode = Callable[..., Path]


ENCODINGS: dict[str, tuple[str, dict[str, int | str]]] = {
    "flac": ("flac", {}),
    "mp3": ("libmp3lame", {"bit_rate_bps": 48_000}),
    "opus": ("libopus", {"rate_hz": 48_000, "bit_rate_bps": 32_000}),
    "m4a": ("aac", {"bit_rate_bps": 96_000}),
    "wv": ("wavpack", {"sample_format": "s16p"}),
    "mono.mp3": ("libmp3lame", {"rate_hz": 22_050, "layout": "mono"}),
}


def id_of(number: int) -> RecordingId:
    return RecordingId(to_crockford(number))


def fingerprints_of(samples: Samples) -> Fingerprints:
    """Of samples at 44.1 kHz, shape (n, channels), by the first channel."""
    printer = Chromaprinter()
    printer.feed(samples[::4, 0].copy())
    return Fingerprints(
        chromaprint=printer.words().astype("<u4").tobytes(),
        duration_ms=round(len(samples) / 44.1),
    )


def fingerprints_from(words: NDArray[np.uint32]) -> Fingerprints:
    return Fingerprints(
        chromaprint=words.astype("<u4").tobytes(), duration_ms=round((len(words) + 19) * HOP_MS)
    )


def random_fingerprints(seed: int, words: int = 400) -> Fingerprints:
    random = np.random.default_rng(seed)
    return fingerprints_from(random.integers(0, 1 << 32, words, dtype=np.uint32))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FingerprintIndex]:
    with FingerprintIndex(tmp_path / "fingerprints") as opened:
        yield opened


@pytest.fixture(scope="module")
def pieces(compose: Compose) -> list[Samples]:
    return [compose(seed, 20.0) for seed in range(8)]


def test_every_encoding_is_the_same_recording_and_no_other(
    index: FingerprintIndex, pieces: list[Samples], encode: Encode, tmp_path: Path
) -> None:
    for number, piece in enumerate(pieces):
        index.add(id_of(number), fingerprints_of(piece))
    for number, (suffix, (codec, settings)) in enumerate(ENCODINGS.items()):
        path = encode(pieces[number], tmp_path / f"a.{suffix}", codec, **settings)
        (match,) = index.find_matches(measure(path).fingerprints)
        assert (match.recording, match.kind) == (id_of(number), MatchKind.SAME_RECORDING), suffix
        assert match.similarity > 0.9
        assert abs(match.offset_ms) < 2 * HOP_MS
        assert match.overlap_ms > 18_000


def test_unlike_pieces_do_not_match(index: FingerprintIndex, pieces: list[Samples]) -> None:
    for number, piece in enumerate(pieces):
        fingerprints = fingerprints_of(piece)
        assert index.find_matches(fingerprints) == ()
        index.add(id_of(number), fingerprints)


def test_excerpt_and_contains(index: FingerprintIndex, pieces: list[Samples]) -> None:
    whole, part = pieces[0], pieces[0][44_100 * 6 : 44_100 * 18]
    index.add(id_of(1), fingerprints_of(whole))
    (match,) = index.find_matches(fingerprints_of(part))
    assert match.kind is MatchKind.EXCERPT
    assert match.offset_ms == pytest.approx(-6_000, abs=2 * HOP_MS)
    assert match.overlap_ms == pytest.approx(12_000, abs=1_000)

    index.add(id_of(1), fingerprints_of(part))
    (match,) = index.find_matches(fingerprints_of(whole))
    assert match.kind is MatchKind.CONTAINS
    assert match.offset_ms == pytest.approx(6_000, abs=2 * HOP_MS)


def test_a_mix_contains_all_that_is_in_it(index: FingerprintIndex, pieces: list[Samples]) -> None:
    for number, piece in enumerate(pieces[:4]):
        index.add(id_of(number), fingerprints_of(piece))
    matches = index.find_matches(fingerprints_of(np.concatenate(pieces[:3])))
    assert {match.recording for match in matches} == {id_of(0), id_of(1), id_of(2)}
    assert {match.kind for match in matches} == {MatchKind.CONTAINS}


def test_best_comes_first(index: FingerprintIndex, pieces: list[Samples]) -> None:
    index.add(id_of(1), fingerprints_of(pieces[0][: 44_100 * 12]))
    index.add(id_of(2), fingerprints_of(pieces[0]))
    matches = index.find_matches(fingerprints_of(pieces[0]))
    assert [match.recording for match in matches] == [id_of(2), id_of(1)]


def test_a_stem_is_not_the_song(index: FingerprintIndex, pieces: list[Samples]) -> None:
    guitar, others = pieces[0], pieces[1]
    song = (guitar // 2 + others // 2).astype(np.int16)
    index.add(id_of(1), fingerprints_of(song))
    assert not any(
        match.kind is MatchKind.SAME_RECORDING
        for match in index.find_matches(fingerprints_of(guitar))
    )


def steady_sound(seed: int) -> Samples:
    """Ambient: one chord that swells slowly under a little noise."""
    random = np.random.default_rng(seed)
    time = np.arange(44_100 * 40) / 44_100
    sound = sum(
        np.sin(2 * np.pi * hz * time) * (1 + np.sin(2 * np.pi * time * random.uniform(0.02, 0.1)))
        for hz in (110.0, 164.8, 220.0, 329.6)
    )
    noisy = np.asarray(sound) * 2_000 + 20 * random.standard_normal(len(time))
    return noisy.astype(np.int16)[:, np.newaxis]


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((44_100 * 30, 1), np.int16),
        np.full((44_100 * 30, 1), 9_000, np.int16),
        (9_000 * np.sin(np.arange(44_100 * 30) / 16)).astype(np.int16)[:, np.newaxis],
    ],
    ids=["silence", "constant", "tone"],
)
def test_what_says_nothing_matches_nothing(index: FingerprintIndex, samples: Samples) -> None:
    index.add(id_of(1), fingerprints_of(samples))
    assert index.find_matches(fingerprints_of(samples)) == ()


def test_unlike_ambient_pieces_do_not_match(index: FingerprintIndex) -> None:
    for seed in range(4):
        fingerprints = fingerprints_of(steady_sound(seed))
        assert index.find_matches(fingerprints) == ()
        index.add(id_of(seed), fingerprints)


def test_three_seconds_are_too_little(index: FingerprintIndex, pieces: list[Samples]) -> None:
    index.add(id_of(1), fingerprints_of(pieces[0]))
    assert index.find_matches(fingerprints_of(pieces[0][: 44_100 * 3])) == ()
    assert len(index.find_matches(fingerprints_of(pieces[0][: 44_100 * 10]))) == 1


def test_two_qualities_of_real_recordings(index: FingerprintIndex, shared_audio: Path) -> None:
    paths = [
        path
        for path in sorted((shared_audio / "librosa-data").glob("*.ogg"))
        if not path.name.endswith(".hq.ogg") and path.stat().st_size > 100
    ]
    long_enough = 0
    for number, path in enumerate(paths):
        index.add(id_of(number), measure(path).fingerprints)
    for number, path in enumerate(paths):
        fingerprints = measure(path.with_suffix(".hq.ogg")).fingerprints
        matches = [(match.recording, match.kind) for match in index.find_matches(fingerprints)]
        expected = [(id_of(number), MatchKind.SAME_RECORDING)]
        if fingerprints.duration_ms > 10_000:
            long_enough += 1
            assert matches == expected, path.name
        else:
            assert matches in ([], expected), path.name
    assert long_enough >= 10


def test_adding_again_replaces(index: FingerprintIndex) -> None:
    first, second = random_fingerprints(1), random_fingerprints(2)
    index.add(id_of(1), first)
    index.add(id_of(1), first)
    assert [match.recording for match in index.find_matches(first)] == [id_of(1)]
    index.add(id_of(1), second)
    assert len(index) == 1
    assert index.find_matches(first) == ()
    assert [match.recording for match in index.find_matches(second)] == [id_of(1)]


def test_what_was_added_is_there_in_another_process(tmp_path: Path) -> None:
    index = FingerprintIndex(tmp_path)
    index.add(id_of(1), random_fingerprints(1))
    again = FingerprintIndex(tmp_path)
    assert len(again) == 1
    script = (
        "import sys; from pathlib import Path;"
        "from sonotheque.matching.index import FingerprintIndex;"
        "print(len(FingerprintIndex(Path(sys.argv[1]))))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "1\n"


def test_it_is_made_again_where_it_was_deleted(tmp_path: Path) -> None:
    index = FingerprintIndex(tmp_path / "a" / "b")
    index.add(id_of(1), random_fingerprints(1))
    for path in (tmp_path / "a" / "b").iterdir():
        path.unlink()
    again = FingerprintIndex(tmp_path / "a" / "b")
    assert len(again) == 0
    again.add(id_of(1), random_fingerprints(1))
    assert len(again.find_matches(random_fingerprints(1))) == 1


def test_an_index_of_an_earlier_kind_is_empty_and_made_anew(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), max_dbs=3) as environment:
        for name in (b"entries", b"orders", b"facts"):
            environment.open_db(name)
        with environment.begin(db=environment.open_db(b"facts"), write=True) as transaction:
            transaction.put(b"count", (7).to_bytes(8, "big"))
    index = FingerprintIndex(tmp_path)
    assert len(index) == 0
    index.add(id_of(1), random_fingerprints(1))
    assert len(FingerprintIndex(tmp_path)) == 1


def test_it_grows_while_others_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_MAP_BYTES_AT_FIRST", 1 << 17)
    index = FingerprintIndex(tmp_path)
    script = (
        "import sys; from pathlib import Path;"
        "from sonotheque.matching.index import FingerprintIndex;"
        "index = FingerprintIndex(Path(sys.argv[1])); print(len(index), flush=True)\n"
        "while len(index) < 40: pass\n"
        "print(len(index))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        if reader.stdout is None:
            pytest.fail("no pipe")
        assert reader.stdout.readline() == "0\n"
        for number in range(40):
            index.add(id_of(number), random_fingerprints(number))
        assert reader.stdout.readline() == "40\n"
        assert reader.wait() == 0
    assert (tmp_path / "data.mdb").stat().st_size > 1 << 17
    for number in (0, 39):
        (match,) = index.find_matches(random_fingerprints(number))
        assert match.recording == id_of(number)


def test_a_file_cut_short_is_reported(tmp_path: Path) -> None:
    index = FingerprintIndex(tmp_path)
    for number in range(5):
        index.add(id_of(number), random_fingerprints(number))
    path = tmp_path / "data.mdb"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Corrupt, match="cut short"):
        FingerprintIndex(tmp_path)
    with pytest.raises(Corrupt, match="cut short"):
        index.find_matches(random_fingerprints(1))


def test_places_that_have_rotted_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "RECENT_MAX", 5)
    index = FingerprintIndex(tmp_path)
    for number in range(5):
        index.add(id_of(number), random_fingerprints(number))
    index.close()
    (path,) = tmp_path.glob("*.shard")
    buckets = shard_module.open_shard(path).buckets
    wrong = buckets.copy()
    wrong[1:-1] = np.uint32(0xFFFF_FF00)
    path.write_bytes(path.read_bytes().replace(buckets.tobytes(), wrong.tobytes()))
    with pytest.raises(Corrupt, match="damaged"):
        index.find_matches(random_fingerprints(1))


def test_a_file_that_is_no_index_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"\1" * 10_000)
    with pytest.raises(Corrupt, match="damaged"):
        FingerprintIndex(tmp_path)


@pytest.mark.parametrize(
    "fingerprints",
    [
        Fingerprints(chromaprint=b"123", duration_ms=1_000),
        Fingerprints(chromaprint=b"1234", duration_ms=-1),
        Fingerprints(chromaprint=b"1234", duration_ms=1 << 70),
    ],
)
def test_malformed_fingerprints(index: FingerprintIndex, fingerprints: Fingerprints) -> None:
    with pytest.raises(BadInput):
        index.find_matches(fingerprints)
    with pytest.raises(BadInput):
        index.add(id_of(1), fingerprints)
    assert len(index) == 0


def test_no_words(index: FingerprintIndex) -> None:
    nothing = Fingerprints(chromaprint=b"", duration_ms=900)
    index.add(id_of(1), nothing)
    assert len(index) == 1
    assert index.find_matches(nothing) == ()


def test_a_hostile_query_takes_bounded_room(index: FingerprintIndex) -> None:
    """Two words by turns, in the query and in the archive, agree at every second offset."""
    flutter = np.tile(np.array([1, 2], np.uint32), 100_000)
    for number in range(3):
        index.add(id_of(number), fingerprints_from(flutter))
    assert index.find_matches(fingerprints_from(flutter)) == ()


def test_a_word_that_many_share_is_capped(
    index: FingerprintIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_module, "POSTINGS_MAX", 3)
    seeds = count()
    for number in range(6):
        words = np.frombuffer(random_fingerprints(next(seeds), 600).chromaprint, "<u4").copy()
        words[::2] = 7
        index.add(id_of(number), fingerprints_from(words))
    for number in range(6):
        words = np.frombuffer(random_fingerprints(number, 600).chromaprint, "<u4").copy()
        words[::2] = 7
        found = index.find_matches(fingerprints_from(words))
        assert [match.recording for match in found] == [id_of(number)]
