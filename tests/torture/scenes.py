"""What is tortured: an archive in some state, and one operation on it. Both follow from a seed."""

from __future__ import annotations

import contextlib
import importlib
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import PRELOADED, Ran, Said, Ways, commands, fork, piece
from criteria import BY_HAND
from sonotheque.vault.objects import Vault

KINDS = (
    *("deposit", "delivery", "version", "missing", "behind"),
    *("heal", "heal-missing", "heal-behind", "rights", "publish", "rebuild"),
)
_PAGE_BYTES = 4_096
MANDATE = "Torture Act, section 1"


@dataclass(frozen=True)
class Scene:
    """`start` is how the archive is before; `acknowledged` what was promised by then, and
    `whole` whether every copy of it is whole (a scene of healing starts without)."""

    kind: str
    seed: int
    base: Path
    operation: tuple[str, ...]
    acknowledged: tuple[Said, ...]
    whole: bool

    @property
    def archive(self) -> Path:
        return self.base / "archive"

    @property
    def start(self) -> Path:
        return self.base / "start"

    def restart(self) -> None:
        """Put the archive back to how it is before the operation."""
        shutil.rmtree(self.archive, ignore_errors=True)
        shutil.copytree(self.start, self.archive)

    def ways(self, attempt: int) -> Ways:
        return Ways(f"{self.kind}/{self.seed}/{attempt}", days=1 + attempt)

    def work(self, attempt: int) -> Callable[[int], None]:
        """The work of a child that does the operation for the `attempt`th time."""
        return commands(self.ways(attempt), [self.operation])


def preload() -> None:
    """Import here what the commands import when they run: a child that is forked afterwards
    need not, and most of its time would go into it."""
    for name in PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as place:

        def work(speaker: int) -> list[str]:
            base = Path(place)
            words = ("--archive", str(base / "a"))
            init = ("init", str(base / "a"), "--name", "N", "--mandate", "M")
            path = str(piece(base / "p.flac", 1))
            lines = [init, ("deposit", path, *words), ("deposit", path, *words)]
            lines += [("audit", *words), ("publish", *words), ("rebuild", *words)]
            commands(Ways("preload"), lines)(speaker)
            return sorted(sys.modules)

        ran = fork(work)
    if ran.problem or any(said.code for said in ran.said):
        raise RuntimeError(f"nothing can be imported before: {ran}")
    for name in ran.result:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def make(kind: str, seed: int, base: Path) -> Scene:
    """Make the scene in the new directory `base`, which must not move afterwards."""
    base.mkdir(parents=True)
    chance = random.Random(f"{kind}/{seed}")
    archive, place = base / "archive", ["--archive", str(base / "archive")]
    held = [piece(base / "held" / f"{n}.flac", n) for n in range(chance.randint(1, 2))]
    second = piece(base / "second" / "0-again.flac", 0, encoding=2)
    copies = range(1, chance.choice((2, 2, 3)))
    roots = [word for n in copies for word in ("--root", str(archive / f"copy-{n}"))]
    lines = [["init", str(archive), "--name", "Torture", "--mandate", MANDATE, *roots]]
    lines += [["deposit", str(path), *place] for path in held]
    ran = _done(lines, f"{kind}/{seed}/start")
    first = shutil.copytree(archive, base / "first")
    if kind in ("behind", "heal-behind", "heal", "publish") or (
        kind != "version" and chance.random() < 0.5
    ):
        ran += _done([["deposit", str(second), *place]], f"{kind}/{seed}/second", days=0.5)
    item = ran[1].document["items"][0]
    operation = _operation(kind, base, chance, item["recording"])
    target = Vault("", archive / f"copy-{copies[-1]}").object_path(item["holding"])
    _damage(kind, target, first / target.relative_to(archive), chance)
    shutil.rmtree(first)
    if kind == "rebuild":
        _damage_database(archive / "sonotheque.db", chance)
    archive.rename(base / "start")
    whole = kind in ("deposit", "delivery", "version", "rights", "publish")
    return Scene(kind, seed, base, (*operation, *place), ran, whole)


def _done(lines: Sequence[Sequence[str]], seed: str, days: float = 0.0) -> tuple[Said, ...]:
    """Run `lines`, which must succeed."""
    ran: Ran = fork(commands(Ways(seed, days=days), lines))
    failed = [said for said in ran.said if said.code]
    if ran.problem or failed or len(ran.said) < len(lines):
        raise RuntimeError(f"the scene cannot be set: {ran.problem or failed or ran}")
    return ran.said


def _operation(kind: str, base: Path, chance: random.Random, recording: str) -> tuple[str, ...]:
    action = chance.choice(("takedown", "grant"))
    said = ("--by", "Artist 0", "--evidence", BY_HAND)
    licence = ("--licence", "CC0-1.0") if action == "grant" else ()
    operations = {
        "deposit": ("deposit", str(base / "new" / "100-1.flac")),
        "delivery": ("deposit", str(base / "new")),
        "version": ("deposit", str(base / "second")),
        "missing": ("deposit", str(base / "held" / "0.flac")),
        "behind": ("deposit", str(base / "second")),
        "rights": ("rights", action, recording, *said, *licence),
        "publish": ("publish",),
        "rebuild": ("rebuild",),
    }
    for number, encoding in ((100, 1), (101, 1), (101, 2), (0, 3)):
        piece(base / "new" / f"{number}-{encoding}.flac", number, encoding)
    return operations.get(kind, ("audit", "--heal"))


def _damage_database(path: Path, chance: random.Random) -> None:
    """Leave a page of zeros in it."""
    content = path.read_bytes()
    start = chance.randrange(1, len(content) // _PAGE_BYTES) * _PAGE_BYTES
    path.write_bytes(content[:start] + bytes(_PAGE_BYTES) + content[start + _PAGE_BYTES :])


def _damage(kind: str, target: Path, first: Path, chance: random.Random) -> None:
    """Do to the object at `target` what the operation must put right; `first` is the object
    when it had one version."""
    if kind.endswith(("missing", "behind")):
        shutil.rmtree(target)
    if kind.endswith("behind"):
        shutil.copytree(first, target)
    if kind.endswith("missing"):
        for directory in target.parents:
            if any(directory.iterdir()):
                break
            directory.rmdir()
    if kind == "heal":
        files = sorted(path for path in target.rglob("*") if path.is_file())
        for path in chance.sample(files, chance.randint(1, 3)):
            content = bytearray(path.read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)
