"""Depositing the demonstration's music, beside the least that could be done with it.

The peer is `cp` of the files, synced, `sha512sum` over them, and a bare loop that decodes them
with the same decoder: three commands, one after the other. The deposit does that, and listens,
matches, decides, writes each file to two storage roots and reads both back.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import av

from bench.table import Row, Watch
from sonotheque import archive as archives
from sonotheque.config import Config, Root
from sonotheque.demo import fetch_music
from sonotheque.deposit import accession
from sonotheque.store.clock import utc_now

MUSIC = Path("demo/music")
ROUNDS = 3
BAR = 1.5


def run() -> list[Row]:
    """Alternates peer and deposit, and takes the median of their ratios."""
    music = fetch_music(MUSIC).licensed
    files = sorted(path for path in music.rglob("*") if path.suffix in (".ogg", ".opus"))
    results = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=MUSIC.parent) as directory:
            peer = _peer(files, Path(directory) / "copy")
            ours = _deposit(music, Path(directory) / "archive")
        results.append((ours[0] / peer[0], ours, peer))
    ratio, ours, peer = sorted(results)[ROUNDS // 2]
    size = sum(path.stat().st_size for path in files) / 1e6
    return [
        Row(
            f"deposit of {len(files)} files, {size:.0f} MB, wall time, median of {ROUNDS}",
            f"{ratio:.2f} × cp + sync + sha512sum + decode ({ours[0]:.1f} s to {peer[0]:.1f} s)",
            f"≤ {BAR} ×",
            ratio <= BAR,
        ),
        Row(
            "the same, processor time over all cores",
            f"{ours[1] / peer[1]:.2f} × ({ours[1]:.1f} s to {peer[1]:.1f} s)",
        ),
    ]


def _peer(files: list[Path], target: Path) -> tuple[float, float]:
    target.mkdir()
    watch = Watch()
    subprocess.run(["cp", "--", *files, target], check=True)
    copies = [str(path) for path in target.iterdir()]
    subprocess.run(["sync", "--", *copies, str(target)], check=True)
    subprocess.run(["sha512sum", "--", *copies], stdout=subprocess.DEVNULL, check=True)
    for path in copies:
        with av.open(path) as container:
            for frame in container.decode(audio=0):
                frame.to_ndarray()
    return watch.read()


def _deposit(music: Path, directory: Path) -> tuple[float, float]:
    roots = (Root("main", directory / "vault"), Root("copy-1", directory / "replica"))
    config = Config(directory=directory, name="bench", mandate="measuring", roots=roots)
    with archives.create(config) as archive:
        watch = Watch()
        receipt = accession.deposit(archive, [music], utc_now())
        seconds = watch.read()
    if not receipt.accepted:
        raise SystemExit("bench: the music was not accepted")
    return seconds
