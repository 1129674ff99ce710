"""The picture of a match: what coincides lies on the match's line, and whatever is drawn is XML."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sounds import RATE_HZ, Samples, at_speed, fingerprints_of

from sonotheque.matching.picture import POINTS_MAX, Captions, Laid, draw, lay
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Fingerprints, Match, MatchKind

Compose = Callable[..., Samples]
SVG = "{http://www.w3.org/2000/svg}"
CAPTIONS = Captions("A on B", "Two strips", "A modified copy", "File: A", "Recording: B", ("n",))


def match_at(speed: float = 1.0, offset_ms: int = 0) -> Match:
    return Match(
        recording=RecordingId("0000000000001"),
        kind=MatchKind.SAME_RECORDING if speed == 1 else MatchKind.MODIFIED_COPY,
        similarity=0.9,
        offset_ms=offset_ms,
        overlap_ms=10_000,
        tempo=speed,
        pitch_cents=round(1_200 * float(np.log2(speed)), 1),
        speed=speed if speed != 1 else None,
    )


@pytest.fixture(scope="module")
def piece(compose: Compose) -> Samples:
    return compose(31, 40.0)[::4, 0].copy()


@pytest.fixture(scope="module")
def held(piece: Samples) -> Fingerprints:
    return fingerprints_of(piece)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.25, 2.0])
def test_what_coincides_lies_on_the_line(piece: Samples, held: Fingerprints, speed: float) -> None:
    laid = lay(fingerprints_of(at_speed(piece, speed)), held, match_at(round(speed * 1.001, 4)))
    assert laid.tempo == pytest.approx(speed, rel=0.001)
    assert laid.start_ms == pytest.approx(0, abs=60)
    assert laid.coinciding > 0.4 * laid.possible
    here, high, there, higher = laid.pairs.T
    assert np.abs(laid.tempo * here + laid.start_ms - there).max() <= 45
    assert np.median(high - higher) == pytest.approx(np.log2(speed), abs=0.01)
    assert not laid.is_part


def test_of_an_excerpt_only_the_surroundings_are_shown(piece: Samples, held: Fingerprints) -> None:
    part = fingerprints_of(piece[20 * RATE_HZ : 26 * RATE_HZ])
    laid = lay(part, held, match_at(offset_ms=-20_200))
    assert laid.start_ms == pytest.approx(20_000, abs=60)
    assert laid.common_ms == pytest.approx((0, 6_000), abs=1)
    assert laid.on_axis_ms == pytest.approx(-20_000, abs=60)
    assert (laid.is_part, laid.begin_ms, laid.end_ms) == (True, -9_000, 15_000)
    assert laid.alone[1][:, 0].min() >= 11_000 - 60


def test_an_unlike_recording_has_next_to_nothing_in_common(
    compose: Compose, held: Fingerprints
) -> None:
    other = fingerprints_of(compose(32, 40.0)[::4, 0].copy())
    laid = lay(other, held, match_at())
    assert laid.coinciding < 0.2 * laid.possible


def test_of_an_inverted_copy_the_difference_is_laid(held: Fingerprints) -> None:
    silent = replace(held, landmarks=b"", coarse=b"", fine=b"")
    laid = lay(replace(silent, difference=held), held, replace(match_at(), is_inverted=True))
    assert laid.coinciding == laid.possible > 0


@pytest.mark.parametrize("duration_ms", [0, 40_000])
def test_without_landmarks_the_strips_lie_where_the_match_says(
    held: Fingerprints, duration_ms: int
) -> None:
    bare = Fingerprints(chromaprint=b"", duration_ms=duration_ms)
    laid = lay(bare, held, match_at(offset_ms=-1_000))
    assert (laid.coinciding, laid.possible, laid.start_ms) == (0, 0, 1_000)
    assert ElementTree.fromstring(draw(laid, CAPTIONS)).tag == f"{SVG}svg"


def test_a_file_of_ten_hours_makes_no_larger_picture(held: Fingerprints) -> None:
    ticks = np.arange(350_000, dtype=np.uint32) * np.uint32(10)
    long = (ticks << np.uint32(10) | np.uint32(300)).astype("<u4").tobytes()
    hours = Fingerprints(chromaprint=b"", duration_ms=36_000_000, landmarks=long)
    for query, there in ((hours, hours), (hours, held), (held, hours)):
        laid = lay(query, there, match_at())
        assert max(len(laid.pairs), *map(len, laid.alone)) <= POINTS_MAX
        assert len(draw(laid, CAPTIONS)) < 60_000


def test_what_is_drawn_says_what_it_is_and_runs_nothing(held: Fingerprints) -> None:
    laid = lay(held, held, match_at())
    alone = draw(laid, CAPTIONS)
    root = ElementTree.fromstring(alone)
    assert root.attrib["role"] == "img"
    named = {element.attrib["id"]: element.text for element in root.iter() if element.get("id")}
    assert [named[id_] for id_ in root.attrib["aria-labelledby"].split()] == [
        CAPTIONS.title,
        CAPTIONS.description,
    ]
    assert {element.text for element in root.iter(f"{SVG}text")} >= {
        *CAPTIONS[2:5],
        *CAPTIONS.notes,
        "0:00",
    }
    assert "prefers-color-scheme" in alone
    parts = [draw(laid, CAPTIONS, key=key) for key in "12"]
    assert set(ElementTree.fromstring(parts[0]).attrib["aria-labelledby"].split()).isdisjoint(
        ElementTree.fromstring(parts[1]).attrib["aria-labelledby"].split()
    )
    for outside in ("<script", "href", "http", "url(", "@import"):
        assert outside not in parts[0]


def places(drawn: str, kind: str) -> list[tuple[float, float]]:
    """Where each line of the path of this kind begins and ends, across."""
    (path,) = re.findall(rf'class="{kind}" d="([^"]*)"', drawn)
    return [(float(a), float(b)) for a, b in re.findall(r"M([\d.]+) [\d.]+L([\d.]+) ", path)]


def ticks(drawn: str) -> list[tuple[str, float]]:
    found = re.findall(r'class="quiet" x="([\d.]+)"[^>]*>(\d+:\d\d)<', drawn)
    return [(clock, float(x)) for x, clock in found]


def test_lines_stand_upright_at_one_tempo_and_lean_ever_more_at_another(
    piece: Samples, held: Fingerprints
) -> None:
    part = fingerprints_of(piece[10 * RATE_HZ : 30 * RATE_HZ])
    drawn = draw(lay(part, held, match_at(offset_ms=-10_000)), CAPTIONS)
    assert all(abs(there - here) < 1 for here, there in places(drawn, "join"))
    first, *_ = ticks(drawn)
    assert first[0] == "0:00"
    # The offset: the file begins where the recording's clock shows ten seconds.
    below = ticks(drawn)[len(ticks(drawn)) // 2 :]
    assert dict(below)["0:10"] == pytest.approx(first[1], abs=1.5)
    drawn = draw(lay(fingerprints_of(at_speed(piece, 1.25)), held, match_at(1.25)), CAPTIONS)
    lean = [there - here for here, there in places(drawn, "join")]
    assert lean[0] < 5
    assert lean[-1] > 90
    assert (np.diff(lean) > -2).all()


@given(
    words=st.text(st.characters()),
    lengths_ms=st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40)),
    tempo=st.floats(0.1, 10),
    offset_ms=st.integers(-(1 << 40), 1 << 40),
)
def test_whatever_it_is_called_and_wherever_it_lies_it_is_xml(
    words: str, lengths_ms: tuple[int, int], tempo: float, offset_ms: int
) -> None:
    query, held = (Fingerprints(chromaprint=b"", duration_ms=ms) for ms in lengths_ms)
    match = replace(match_at(offset_ms=offset_ms), tempo=tempo)
    laid: Laid = lay(query, held, match)
    drawn = draw(laid, Captions(words, words, words, words, words, (words,)))
    assert ElementTree.fromstring(drawn.encode()).tag == f"{SVG}svg"
    assert "nan" not in drawn.replace(words, "")
    assert len(drawn) < 20_000 + 12 * len(words)
