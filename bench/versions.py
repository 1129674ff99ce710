"""Whether two recordings of one work are ever taken for one, by versions made of scores.

Each score is played once for the index, in each of three ways: freely, to a click, and by a
sequencer. Then it is played again as other players would, and looked up: a match that is no suspect
is a merger, and there may be none. So that this can fail, copies of what is held must match.
How performances are told from copies was learnt from scores whose digest begins with a figure;
what is measured here are those whose digest begins with a letter.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import transformations
from bench.matching import prints_of
from bench.scores import Manner, played, what_is_missing
from bench.table import Row, tell
from bench.transformations import RATE_HZ, Samples
from sonotheque.matching.index import FingerprintIndex
from sonotheque.model.identifiers import RecordingId, to_crockford
from sonotheque.model.music import Match

SCORES = Path("/usr/share/games")
_SOUND_SECONDS_MIN = 40
_COPY_SPEED = 1.04
_FREE, _CLICK, _SEQUENCED = Manner(spread_ms=20, drift=0.02), Manner(spread_ms=15), Manner()


@dataclass(frozen=True, slots=True)
class _Session:
    """A way to play: how the held recording is `held`, and what its versions are. `is_performed`
    says that people's timing is in it, so that no version may be merged."""

    name: str
    held: Manner
    versions: dict[str, Manner]
    is_performed: bool = True


SESSIONS = (
    _Session(
        "played freely",
        _FREE,
        {
            "again, by the same instruments": _FREE,
            "again, by the same instruments, tempo × 1.08": replace(_FREE, tempo=1.08),
            "again, by the same instruments, made 1.05 × as fast": replace(_FREE, speed=1.05),
            "another soundfont": replace(_FREE, soundfont=1),
            "another soundfont, tempo × 0.95": replace(_FREE, soundfont=1, tempo=0.95),
            "another soundfont, tempo × 1.06": replace(_FREE, soundfont=1, tempo=1.06),
            "another soundfont, −3 semitones": replace(_FREE, soundfont=1, semitones=-3),
            "another soundfont, +2 semitones": replace(_FREE, soundfont=1, semitones=2),
        },
    ),
    _Session(
        "played to a click",
        _CLICK,
        {
            "again, by the same instruments": _CLICK,
            "again, by the same instruments, tempo × 1.08": replace(_CLICK, tempo=1.08),
            "again, by the same instruments, made 1.05 × as fast": replace(_CLICK, speed=1.05),
            "another soundfont": replace(_CLICK, soundfont=1),
            "another soundfont, tempo × 1.04": replace(_CLICK, soundfont=1, tempo=1.04),
            "other instruments": replace(_CLICK, soundfont=1, has_other_instruments=True),
        },
    ),
    _Session(
        "by a sequencer, the same timing",
        _SEQUENCED,
        {
            "another soundfont": replace(_SEQUENCED, soundfont=1),
            "another soundfont, tempo × 1.04": replace(_SEQUENCED, soundfont=1, tempo=1.04),
            "other instruments": replace(_SEQUENCED, has_other_instruments=True),
            "other instruments, tempo × 1.04": replace(
                _SEQUENCED, tempo=1.04, has_other_instruments=True
            ),
        },
        is_performed=False,
    ),
)


@dataclass(slots=True)
class _Count:
    asked: int = 0
    accepted: list[str] = field(default_factory=list)
    """Of which score, and by how much."""
    suspects: int = 0
    elsewhere: int = 0
    """Accepted as a recording of another work."""

    def add(self, score: str, work: RecordingId, matches: Sequence[Match]) -> None:
        self.asked += 1
        mine = [match for match in matches if match.recording == work]
        accepted = [match for match in mine if not match.is_suspect]
        if accepted:
            self.accepted.append(f"{score} ({_evidence(accepted[0])})")
        self.suspects += bool(mine) and not accepted
        self.elsewhere += any(not m.is_suspect and m.recording != work for m in matches)


def run(words: list[str]) -> list[Row]:
    parser = argparse.ArgumentParser(prog="python -m bench versions", description=__doc__)
    parser.add_argument("--scores", type=Path, default=SCORES, help="a directory of MIDI files")
    parser.add_argument("--works", type=int, default=4, help="how many of them")
    options = parser.parse_args(words)
    missing = what_is_missing()
    scores = _in_order(options.scores)
    if missing or not scores:
        lacking = missing or f"no MIDI files in {options.scores}: apt-get install openttd-openmsx"
        return [Row("versions of one work", lacking, "measured", False)]
    rows, elsewhere, asked = [], 0, 0
    with tempfile.TemporaryDirectory() as directory:
        for session in SESSIONS:
            counts = _counted(session, scores, options.works, Path(directory))
            elsewhere += sum(count.elsewhere for count in counts.values())
            asked += sum(count.asked for count in counts.values())
            made = _rows(session, counts)
            rows += made
            # All of it takes long; what is known by now is not lost with the rest.
            for row in made:
                tell(row.markdown())
    what = f"accepted as a recording of another work, {asked} queries"
    return [*rows, Row(what, f"{elsewhere}", "0", not elsewhere)]


def _in_order(directory: Path) -> list[Path]:
    """By their digests, each score once, without those that were learnt from."""
    paths = sorted(path for path in directory.rglob("*") if path.suffix.lower() == ".mid")
    by_digest = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    return [by_digest[digest] for digest in sorted(by_digest) if digest[0] in "abcdef"]


def _counted(
    session: _Session, scores: Sequence[Path], works: int, directory: Path
) -> dict[str, _Count]:
    counts = {name: _Count() for name in (*_COPIES, *session.versions)}
    held: list[tuple[Path, RecordingId, Samples]] = []
    with FingerprintIndex(directory / session.name) as index:
        for score in scores:
            if len(held) == works:
                break
            # Every seed is of one playing: no two are alike.
            sound = _sounded(score, session.held, 0, directory)
            if sound is None or len(sound) < _SOUND_SECONDS_MIN * RATE_HZ:
                tell(f"{score.stem} is left out: under {_SOUND_SECONDS_MIN} s")
                continue
            held.append((score, RecordingId(to_crockford(len(held))), sound))
            index.add(held[-1][1], prints_of(sound))
        for number, (score, work, sound) in enumerate(held, 1):
            tell(f"{session.name}: {number} of {len(held)}, {score.stem}")
            for name, copy in _copies(sound).items():
                counts[name].add(score.stem, work, index.find_matches(prints_of(copy)))
            for seed, (name, manner) in enumerate(session.versions.items(), 1):
                version = _sounded(score, manner, seed, directory)
                if version is not None:
                    matches = index.find_matches(prints_of(version))
                    counts[name].add(score.stem, work, matches)
    return counts


def _sounded(score: Path, manner: Manner, playing: int, directory: Path) -> Samples | None:
    """None where the score is malformed. No two scores and no two playings share a seed."""
    seed = int.from_bytes(hashlib.sha256(score.read_bytes()).digest()[:6], "big") + playing
    try:
        return played(score, manner, seed, directory)
    except (OSError, EOFError, ValueError, subprocess.SubprocessError) as error:
        tell(f"{score.name} is not played: {error}")
        return None


_COPIES = ("a copy, MP3, 96 kbit/s", f"a copy, Opus, at {_COPY_SPEED} × the speed")


def _copies(sound: Samples) -> dict[str, Samples]:
    faster = transformations.faster(sound, _COPY_SPEED)
    copies = (
        transformations.encoded(sound, "libmp3lame", 96_000, "mp3"),
        transformations.encoded(faster, "libopus", 48_000, "ogg", 48_000),
    )
    return dict(zip(_COPIES, copies, strict=True))


def _rows(session: _Session, counts: dict[str, _Count]) -> list[Row]:
    rows = []
    for name, count in counts.items():
        what = f"{session.name}: {name}, {count.asked} asked"
        accepted = len(count.accepted)
        measured = f"{accepted} accepted, {count.suspects} suspects"
        if name in _COPIES:
            rows.append(Row(what, measured, "all", bool(accepted) and accepted == count.asked))
            continue
        if not session.is_performed:
            rows.append(Row(what, measured))
        else:
            rows.append(Row(what, measured, "0 accepted", not accepted and bool(count.asked)))
        if accepted:
            rows.append(Row("… accepted", "; ".join(count.accepted)))
    return rows


def _evidence(match: Match) -> str:
    seconds = match.overlap_ms / 1_000
    return f"similarity {match.similarity:.2f}, margin {match.margin}, {seconds:.0f} s"
