"""What is written into the picture of a match: in both languages, whoever named the file."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from sonotheque.access.alignments import captions_of, picture
from sonotheque.access.language import language
from sonotheque.matching.picture import Captions, Laid
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Description, Match, MatchKind

HELD = Description(title="Nebula", artist="The Alices")
MATCH = Match(
    recording=RecordingId("0000000000001"),
    kind=MatchKind.MODIFIED_COPY,
    similarity=0.871,
    offset_ms=-12_000,
    overlap_ms=54_000,
    tempo=1.06,
    pitch_cents=100.9,
    speed=1.06,
)
LAID = Laid(
    query_ms=54_000,
    held_ms=90_000,
    tempo=1.06,
    start_ms=12_340,
    begin_ms=-12_340,
    end_ms=77_660,
    pairs=np.array([[1_000.0, 1.0, 13_400.0, 1.0]]),
    alone=(np.empty((0, 2)), np.empty((0, 2))),
    coinciding=1_234,
    possible=2_000,
)


def words(code: str, match: Match = MATCH, laid: Laid = LAID) -> Captions:
    return captions_of("a.mp3", HELD, match, laid, language(code))


def test_offset_change_and_evidence_are_told() -> None:
    english, french = words("en"), words("fr")
    assert english.heading == "A modified copy, 1.060 times the speed"
    assert english.notes == (
        "0:00.0 in the file is 0:12.3 in the recording.",
        "1,234 of 2,000 landmarks coincide.",
        "Over 0:54 in common, words are 87.1\u00a0% alike.",
    )
    assert french.heading == "Une copie modifiée, 1,060 fois la vitesse"
    assert french.upper.startswith("Fichier\u202f: ")
    assert french.notes[1] == "1\u202f234 repères sur 2\u202f000 coïncident."
    for told in (english, french):
        assert told.heading in told.description
        assert all(note in told.description for note in told.notes)


@pytest.mark.parametrize(
    ("match", "heading"),
    [
        (replace(MATCH, kind=MatchKind.EXCERPT, tempo=1.0), "A part of the recording"),
        (replace(MATCH, is_suspect=True), "Perhaps: A modified copy, 1.060 times the speed"),
        (
            replace(MATCH, speed=None, pitch_cents=0.0),
            "A modified copy, 1.060 times the tempo",
        ),
        (
            replace(MATCH, speed=None, tempo=1.0, pitch_cents=-200.0),
            "A modified copy, 200 cents lower",
        ),
        (
            replace(MATCH, speed=1.0, tempo=1.0, pitch_cents=0.0, is_inverted=True),
            "A modified copy, one channel inverted",
        ),
    ],
)
def test_the_heading_says_what_the_match_is(match: Match, heading: str) -> None:
    assert words("en", match).heading == heading


def test_where_nothing_coincides_that_is_told() -> None:
    assert words("en", laid=replace(LAID, coinciding=0)).notes[1].startswith("No landmarks")


def test_only_a_picture_of_a_part_says_that_it_is_one() -> None:
    told = language("en").text("aligned.part")
    assert told not in words("en").description
    assert told in words("en", laid=replace(LAID, end_ms=60_000.0)).description


@pytest.mark.parametrize("name", ["</text><script>x</script>", "\u202egnp.3pm", "\x00\ufffe", ""])
def test_names_of_strangers_do_no_harm(name: str) -> None:
    held = Description(title=name, artist=name)
    drawn = picture(name, held, MATCH, LAID, language("fr"))
    assert ElementTree.fromstring(drawn).attrib["lang"] == "fr"
    assert "<script" not in drawn
    assert "\u202e" not in drawn
