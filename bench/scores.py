"""Versions of a work, made from its score: a MIDI file, played in another way each time.

The score is read by mido and sounds through FluidSynth. A player is made up: each note comes a
little early or late and louder or softer than it is written, and the tempo goes to and fro.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.transformations import Samples, decoded, faster

if TYPE_CHECKING:
    from mido import Message, MidiFile

SECONDS = 60
SOUNDFONTS = tuple(
    Path("/usr/share/sounds/sf2") / name for name in ("FluidR3_GM.sf2", "TimGM6mb.sf2")
)
_DRUMS = 9
_RENDER_RATE_HZ = 22_050
"""Twice what fingerprints hear; 44,100 takes twice as long."""
_RENDER_SECONDS_MAX = 90
_TICKS_PER_SECOND = 10_000
_VELOCITY_SPREAD = 8.0
_DRIFT_SECONDS = (11.0, 40.0)
"""How long the tempo takes to go to and fro."""
_PROGRAMS = np.array([0, 6, 11, 16, 21, 24, 40, 42, 48, 56, 61, 65, 68, 71, 73, 75, 80, 89])
"""Pitched instruments of General MIDI, of many kinds."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a score is played. `spread_ms` is the standard deviation of a note's onset, `drift` that
    of the tempo, as a share; with neither, it is a sequencer that plays. What was played is then
    made `speed` times as fast, and as much higher."""

    tempo: float = 1.0
    semitones: int = 0
    soundfont: int = 0
    spread_ms: float = 0.0
    drift: float = 0.0
    has_other_instruments: bool = False
    speed: float = 1.0


class _Event(NamedTuple):
    """What a score says at a time. `note` numbers the note that begins or ends; others have −1."""

    seconds: float
    message: Message
    note: int


def what_is_missing() -> str:
    """What this takes and is not here, as one line; empty where nothing is."""
    lacking = [] if shutil.which("fluidsynth") else ["fluidsynth"]
    lacking += [path.name for path in SOUNDFONTS if not path.exists()]
    lacking += [] if find_spec("mido") else ["mido (the development group has it)"]
    packages = "apt-get install fluidsynth fluid-soundfont-gm timgm6mb-soundfont openttd-openmsx"
    return f"no {', '.join(lacking)}; {packages}" if lacking else ""


def played(score: Path, manner: Manner, seed: int, directory: Path) -> Samples:
    """The sound of the first minute of `score`; its files are made in `directory` and removed.

    The same `seed` plays in the same way. Raises OSError, EOFError or ValueError where the score
    is malformed.
    """
    random = np.random.default_rng(seed)
    events = _moved(_events(score), manner, random)
    instruments = _instruments(random) if manner.has_other_instruments else None
    midi, wave = directory / "played.mid", directory / "played.wav"
    _written(events, manner, instruments).save(midi)
    command = ["fluidsynth", "-q", "-n", "-i", "-r", f"{_RENDER_RATE_HZ}", "-g", "0.4", "-T", "wav"]
    soundfont = SOUNDFONTS[manner.soundfont]
    command += ["-F", str(wave), str(soundfont), str(midi)]
    subprocess.run(command, check=True, capture_output=True, timeout=_RENDER_SECONDS_MAX)
    sound = decoded(wave, SECONDS)
    for made in (midi, wave):
        made.unlink()
    return sound if manner.speed == 1 else faster(sound, manner.speed)


def _events(score: Path) -> list[_Event]:
    from mido import MidiFile

    events, sounding = [], dict[tuple[int, int], int]()
    seconds, notes = 0.0, 0
    # Its tempo is in its times from here on.
    for message in MidiFile(score, clip=True):
        seconds += message.time
        if message.is_meta or message.type == "sysex":
            continue
        note = -1
        if message.type in ("note_on", "note_off"):
            key = message.channel, message.note
            if message.type == "note_on" and message.velocity:
                note = sounding[key] = notes
                notes += 1
            else:
                note = sounding.pop(key, -1)
        events.append(_Event(seconds, message, note))
    return events


def _moved(events: list[_Event], manner: Manner, random: np.random.Generator) -> list[_Event]:
    """When they come as they are played, in this order. A note keeps about its length, and some of
    it always."""
    count = 1 + max((event.note for event in events), default=0)
    late = manner.spread_ms / 1_000 * random.standard_normal(count)
    louder = _VELOCITY_SPREAD * random.standard_normal(count) * bool(manner.spread_ms)
    clock = _clock(manner, random)
    began: dict[int, float] = {}
    moved = []
    for seconds, message, note in events:
        now = clock(seconds)
        if note >= 0:
            now = max(0.0, now + late[note], began.get(note, -1.0) + 0.02)
            began.setdefault(note, now)
        if note >= 0 and message.type == "note_on" and message.velocity:
            velocity = int(np.clip(message.velocity + louder[note], 1, 127))
            moved.append(_Event(now, message.copy(velocity=velocity), note))
        else:
            moved.append(_Event(now, message, note))
    return sorted(moved, key=lambda event: event.seconds)


def _clock(manner: Manner, random: np.random.Generator) -> Callable[[float], float]:
    """When what a score has at so many seconds is played."""
    periods, phases = random.uniform(*_DRIFT_SECONDS, 2), random.uniform(0, 2 * np.pi, 2)
    # Two sines of this height have the standard deviation `drift` together.
    heights = manner.drift * periods / (2 * np.pi)

    def clock(seconds: float) -> float:
        turns = 2 * np.pi * seconds / periods
        drifted = seconds + float((heights * (np.cos(phases) - np.cos(turns + phases))).sum())
        return drifted / manner.tempo

    return clock


def _instruments(random: np.random.Generator) -> list[int]:
    """Another for each channel, by its number."""
    return [int(program) for program in random.choice(_PROGRAMS, 16, replace=False)]


def _written(events: list[_Event], manner: Manner, instruments: list[int] | None) -> MidiFile:
    from mido import Message, MetaMessage, MidiFile, MidiTrack

    track = MidiTrack([MetaMessage("set_tempo", tempo=1_000_000)])
    for channel, program in enumerate(instruments or ()):
        if channel != _DRUMS:
            track.append(Message("program_change", channel=channel, program=program))
    at = 0
    for seconds, message, _ in events:
        if seconds > SECONDS:
            break
        if instruments and message.type == "program_change" and message.channel != _DRUMS:
            continue
        ticks = round(seconds * _TICKS_PER_SECOND)
        changes = {"time": ticks - at}
        if message.type in ("note_on", "note_off") and message.channel != _DRUMS:
            changes["note"] = int(np.clip(message.note + manner.semitones, 0, 127))
        track.append(message.copy(**changes))
        at = ticks
    # FluidSynth plays on for as long as a note sounds, which may be for ever.
    track += [Message("control_change", channel=channel, control=120) for channel in range(16)]
    return MidiFile(ticks_per_beat=_TICKS_PER_SECOND, tracks=[track])
