"""The mutation rule: with any one sync of the write path left out, something must be noticed.

Where a sync is called is read from the sources, so that a new one is under the rule as soon as it
is written. A worker leaves that one out and the power is cut: at once, when what the call would
have put on the disk must be missing after it, or when the operation was acknowledged, when the
acknowledged set must have a hole. ext4 keeps one journal, so that any later sync does the work of
an earlier one of a directory: those syncs are left out on the simulated disk of `tests/disk.py`,
which forgets whatever the standard does not promise.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Engine, event

import ext4
import scenes
import sonotheque
from commands import Ran, fork, say
from criteria import tree_digest, valid
from power import missing, stage, until_said
from recovery import recover
from scenes import Scene
from sonotheque.store import db, files
from sonotheque.vault.objects import Vault
from tally import Tally
from works import EXPORTED, PRIMITIVES, Work, works_beside, works_simulated

SRC = Path(sonotheque.__file__).parent
_SYNCING = frozenset(
    {"fsync", "fdatasync", "syncfs", "sync_file", "sync_directory", "sync_tree", "sync_together"}
)
_ELSEWHERE = {
    "catalogue": "imports and snapshots, which their own sources restore",
    "simulation": "invented worlds",
    "demo.py": "the story",
    "access": "derived data",
    "matching/index.py": "derived data",
    "store/engine.py": "imports and snapshots",
    "publication/mirror.py": "another's copy of an edition, fetched again",
}
"""What is no part of the write path of holdings, statements and editions."""
_KINDS = ("version", "deposit", "heal", "heal-missing", "publish", "rights")
_OCCASIONS_MAX = 6
PRAGMA = "store/db.py: PRAGMA synchronous = FULL"


@dataclass(frozen=True, order=True)
class Site:
    """A call that syncs, in a file below src/sonotheque."""

    file: str
    first_line: int
    last_line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.first_line} {self.text}"

    def calls(self) -> bool:
        """Whether this process is inside the call now."""
        frame = sys._getframe(1)
        while frame.f_back:
            frame = frame.f_back
            here = self.first_line <= frame.f_lineno <= self.last_line
            if here and frame.f_code.co_filename == str(SRC / self.file):
                return True
        return False


def sites() -> Iterator[Site]:
    """Every call in the write path that syncs."""
    for path in sorted(SRC.rglob("*.py")):
        file = path.relative_to(SRC).as_posix()
        if any(file == name or file.startswith(f"{name}/") for name in _ELSEWHERE):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                if name in _SYNCING:
                    yield Site(file, node.lineno, node.end_lineno or 0, ast.unparse(node))


Sync = Callable[[int], None]
_CALLS = ((os, "fsync"), (files, "syncfs"))
"""Every way in which the write path asks the kernel for a sync, put in a child's place alone."""


def _leaving_out(site: Site, work: Work) -> Work:
    """`work` with the syncs of `site` left out."""

    def run_without(speaker: int) -> Any:
        for module, name in _CALLS:
            real = getattr(module, name)

            def sync(descriptor: int, real: Sync = real) -> None:
                if not site.calls():
                    real(descriptor)

            setattr(module, name, sync)
        return work(speaker)

    return run_without


def _cutting_at(site: Site, occasion: int, place: Path, work: Work, *, leave_out: bool) -> Work:
    """`work` whose power is cut the `occasion`th time (from 0) that `site` is done, or left out.
    It says what should be on the disk by then."""

    def run_until(speaker: int) -> Any:
        times = count()

        def watched(real: Sync, of_all: bool) -> Sync:
            def sync(descriptor: int) -> None:
                at_site = site.calls()
                if not (at_site and leave_out):
                    real(descriptor)
                if at_site and next(times) == occasion:
                    path = place if of_all else Path(f"/proc/self/fd/{descriptor}").readlink()
                    say(speaker, "promise", [str(path), _found(path, of_all=of_all), of_all])
                    ext4.cut(place)
                    os._exit(0)

            return sync

        for module, name in _CALLS:
            setattr(module, name, watched(getattr(module, name), of_all=name == "syncfs"))
        return work(speaker)

    return run_until


def _found(path: Path, *, of_all: bool) -> Any:
    """What a sync of `path` puts on the disk: the names in a directory, the bytes of a file; and
    a sync `of_all`, everything below it."""
    if of_all:
        return tree_digest(path)
    try:
        if path.is_dir():
            return sorted(name.name for name in path.iterdir())
        return hashlib.sha512(path.read_bytes()).hexdigest()
    except OSError as error:
        return error.strerror


def _never_called(seed: int, base: Path) -> list[Site]:
    """The sites that no scene comes by: of these the rule can say nothing."""
    left = list(sites())
    for kind in _KINDS:
        scene = scenes.make(kind, seed, base / kind)
        works = [scene.work(1), *(works_beside(scene, scene.base) if kind == "version" else [])]
        for work in works:
            scene.restart()
            ran = fork(_noting(left, work))
            _raise_where_it_failed(ran)
            left = [site for site in left if str(site) not in ran.result]
    return left


def _noting(left: list[Site], work: Work) -> Work:
    """`work`, and which of `left` it came by."""

    def run_watched(speaker: int) -> list[str]:
        seen: set[Site] = set()

        def noted(real: Sync) -> Sync:
            def sync(descriptor: int) -> None:
                seen.update(site for site in left if site not in seen and site.calls())
                real(descriptor)

            return sync

        for module, name in _CALLS:
            setattr(module, name, noted(getattr(module, name)))
        work(speaker)
        return [str(site) for site in seen]

    return run_watched


def run(seed: int, _number: int, base: Path, only: tuple[str, str] = ("", "")) -> Tally:
    """Leave out every sync of the write path, each alone, or the one that `only` names; and see
    that the scenes come by all of them, whichever is named."""
    tally = Tally()
    if why := missing():
        tally.skipped.append(f"the mutation rule: {why}")
        return tally
    for site in _never_called(seed, base / "called"):
        tally.failures.append(f"mutation rule: no scene calls {site}")
    disk = ext4.Disk(base)
    left = [site for site in sites() if only[1] in str(site)]
    for kind in _KINDS:
        scene, _ = stage(disk, kind, seed)
        works = [scene.work(1)]
        if kind == "version":
            works += works_beside(scene, disk.place)
            tally.add(_without_full_sync(disk, scene, only[1]))
        for work in works:
            noticed = {s: _notice(tally, disk, s, work) for s in left}
            left = [site for site in left if not noticed[site]]
    for site in left:
        _on_the_simulated_disk(tally, site, seed, base / "simulated")
    return tally


def _notice(tally: Tally, disk: ext4.Disk, site: Site, work: Work) -> bool:
    for occasion in range(_OCCASIONS_MAX):
        lost = []
        for leave_out in (True, False):
            disk.restore()
            with disk.mounted() as place:
                ran = fork(_cutting_at(site, occasion, place, work, leave_out=leave_out))
            if ran.promise is None:
                _raise_where_it_failed(ran)
                return False
            path, promised, of_all = ran.promise
            with disk.mounted():
                lost.append(_found(Path(path), of_all=of_all) != promised)
            tally.counts["power cuts: mutation rule"] += 1
            if not lost[0]:
                break  # ext4 put it on the disk without being asked; try the next occasion
        if lost == [True, False]:
            tally.counts["syncs whose absence a real power cut showed"] += 1
            tally.notes.append(f"real disk: {site}")
            return True
        if lost == [True, True]:
            tally.failures.append(f"mutation rule: done, and yet not on the disk: {site}")
            return True
    return False


def _raise_where_it_failed(ran: Ran) -> None:
    """A command that failed shows nothing of a sync, whatever it left on the disk."""
    if ran.problem:
        raise RuntimeError(ran.problem)
    for said in ran.said:
        if said.code:
            raise RuntimeError(f"{' '.join(said.words)}: exit {said.code}: {said.error}")


def _without_full_sync(disk: ext4.Disk, scene: Scene, only: str) -> Tally:
    """With `synchronous=NORMAL`, a receipt that was acknowledged is lost."""
    tally = Tally()
    if only not in PRAGMA:
        return tally
    real = db.open_database

    def relaxed(path: Path, **keywords: Any) -> Engine:
        engine = real(path, **keywords)

        @event.listens_for(engine, "connect")
        def _relax(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous = NORMAL")

        return engine

    def work(speaker: int) -> None:
        db.open_database = relaxed
        until_said(scene, disk.place)(speaker)

    disk.restore()
    with disk.mounted():
        ran = fork(work)
    tally.counts["power cuts: mutation rule"] += 1
    with disk.mounted():
        wrong = recover(scene, ran.said, set())
    if ran.problem or not ran.said or not wrong:
        tally.failures.append(f"mutation rule: nobody misses {PRAGMA} {ran.problem}")
    else:
        tally.counts["syncs whose absence a real power cut showed"] += 1
        tally.notes.append(f"real disk: {PRAGMA}: {wrong[0]}")
    return tally


def _simulated() -> ModuleType:
    spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("tests/disk.py is gone")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _on_the_simulated_disk(tally: Tally, site: Site, seed: int, base: Path) -> None:
    base.mkdir(exist_ok=True)
    ends = [(_missed_at_its_end, kind) for kind in ("version", "heal", "publish", "heal-behind")]
    # Longer, and nothing that starts with damage can be called valid.
    cuts = [(_missed_at_a_cut, kind) for kind in ("version", "publish", "deposit")]
    for missed_in, kind in (*ends, *cuts):
        shutil.rmtree(base / "scene", ignore_errors=True)
        scene = scenes.make(kind, seed, base / "scene")
        for missed in missed_in(scene, site):
            tally.counts["syncs whose absence the simulated disk showed"] += 1
            tally.notes.append(f"simulated disk: {site}: {missed}")
            return
    tally.failures.append(f"mutation rule: nobody misses {site}")


def _with_and_without(
    scene: Scene, site: Site, watch: Callable[..., Any], *arguments: Any
) -> Iterator[Any]:
    """What `watch` sees without `site`, and with it. Raises where something is wrong with it."""
    for left_out in (site, None):
        scene.restart()
        for made in (PRIMITIVES, EXPORTED):
            shutil.rmtree(scene.base / made, ignore_errors=True)
        ran = fork(partial(watch, scene, left_out, *arguments))
        _raise_where_it_failed(ran)
        yield ran.result
    if ran.result:
        raise RuntimeError(f"the simulated disk cries wolf: {ran.result[0]}")


def _missed_at_its_end(scene: Scene, site: Site) -> Iterator[str]:
    for work in (scene.work(1), *works_simulated(scene, scene.base)):
        without, _ = _with_and_without(scene, site, _lose, work)
        if without:
            yield without[0]


def _missed_at_a_cut(scene: Scene, site: Site) -> Iterator[str]:
    for fault in count():
        without, with_it = _with_and_without(scene, site, _break_off_at, fault)
        if without is None or with_it is None:
            return
        if without:
            yield f"cut at call {fault}: {without[0]}"


def _lose(scene: Scene, site: Site | None, work: Work, speaker: int) -> list[str]:
    """What a power cut after `work` would lose or bring back, and what was shown unwhole."""
    simulated = _simulated().Disk()
    with simulated.watched(scene.base):
        (_leaving_out(site, work) if site else work)(speaker)
    left = simulated.after_power_cut(scene.base)
    lost = []
    for place in (*_roots(scene), *(scene.archive / name for name in ("ledger", "editions")),
                  scene.base / PRIMITIVES, scene.base / EXPORTED):  # fmt: skip
        prefix = f"{place.relative_to(scene.base)}/"
        found = {
            str(path.relative_to(scene.base)): path
            for path in place.rglob("*")
            if path.is_file() and path.name != ".lock"  # empty, and made again by whoever needs it
        }
        lost += [f"{n} is lost" for n, p in found.items() if left.get(n) != p.read_bytes()]
        # A partial tile of the ledger may stay beside the wider one that took its place.
        back = [n for n in left if n.startswith(prefix) and n not in found and ".p/" not in n]
        lost += [f"{name} is back" for name in back]
    return [*lost, *simulated.violations]


def _break_off_at(scene: Scene, site: Site | None, fault: int, speaker: int) -> list[str] | None:
    """What is wrong with the roots when the power is cut at call `fault` and the next writer has
    settled what is left; None once the operation ends before that call."""
    module = _simulated()
    simulated = module.Disk("die", fault)
    work = scene.work(1)
    with simulated.watched(scene.base), contextlib.suppress(module.Died):
        (_leaving_out(site, work) if site else work)(speaker)
    if not simulated.hit:
        return None
    left = simulated.after_power_cut(scene.base)
    wrong: list[str] = []
    for root in _roots(scene):
        vault = Vault(root.name, root)
        for place in (vault.path, vault.staging):
            shutil.rmtree(place, ignore_errors=True)
            for name in [n for n in left if n.startswith(f"{place.relative_to(scene.base)}/")]:
                path = scene.base / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(left[name])
        vault.settle()
        wrong += valid(vault, set())
    return wrong


def _roots(scene: Scene) -> list[Path]:
    return sorted(path.parent for path in scene.archive.glob("*/0=ocfl_1.1"))
