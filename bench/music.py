"""The music that matching is measured on: of many kinds, under free licences, from Debian's
packages of free games. Each is unpacked, not installed, and only its sound is kept.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from bench.table import tell
from sonotheque.demo import download_debian, fetch_music

DIRECTORY = Path(".cache/music")
SUFFIXES = (".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".m4a")
_DEMONSTRATION = Path("demo/music")
_PACKAGES = (
    "0ad-data",
    "ardentryst",
    "asc-music",
    "btanks-data",
    "caveexpress-data",
    "drascula-music",
    "extremetuxracer-data",
    "fillets-ng-data",
    "freedink-data",
    "fretsonfire-songs-muldjord",
    "fretsonfire-songs-sectoid",
    "hedgewars-data",
    "lincity-ng-data",
    "megaglest-data",
    "mrrescue",
    "naev-data",
    "neverball-data",
    "nexuiz-music",
    "openarena-data",
    "planetblupi-music-ogg",
    "singularity-music",
    "supertuxkart-data",
    "ufoai-music",
    "unknown-horizons",
    "warmux-data",
    "widelands-data",
)


def fetch() -> Path:
    """Where the music is: 1.1 GB that are fetched once, package by package. Where there is no apt,
    or it fails, the demonstration's music."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        tell("no apt-get here: the demonstration's music is taken")
        return fetch_music(_DEMONSTRATION).licensed
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    missing = [name for name in _PACKAGES if not (DIRECTORY / name).exists()]
    with tempfile.TemporaryDirectory(dir=DIRECTORY.parent) as scratch:
        for number, name in enumerate(missing, 1):
            tell(f"music: {number} of {len(missing)} packages, {name}")
            if not _fetched(name, Path(scratch) / name):
                tell(f"{name} cannot be fetched: the demonstration's music is taken")
                return fetch_music(_DEMONSTRATION).licensed
            (Path(scratch) / name / "sound").rename(DIRECTORY / name)
    return DIRECTORY


def _fetched(package: str, directory: Path) -> bool:
    """Whether the sound of `package` is in `directory`/sound now."""
    sound = directory / "sound"
    sound.mkdir(parents=True)
    if not download_debian([package], directory):
        return False
    (archive,) = directory.glob("*.deb")
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        is_whole = reader.stdout is not None and _extracted(reader.stdout, sound)
    return is_whole and reader.returncode == 0


def _extracted(stream: IO[bytes], directory: Path) -> bool:
    try:
        with tarfile.open(fileobj=stream, mode="r|") as members:
            for member in members:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    members.extract(member, directory, filter="data")
    except tarfile.TarError:
        return False
    # What is left is padding; unread, it would fail whoever writes it.
    stream.read()
    return True
