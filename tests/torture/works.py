"""What is done while the mutation rule leaves out a sync: beside the operations of the scenes,
whatever else in the write path promises to be on the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from commands import Ways, commands
from scenes import Scene
from sonotheque import archive as archives
from sonotheque.desk.case import Event, Side, Step
from sonotheque.desk.notices import Notice, Outbox
from sonotheque.desk.watches import Watches
from sonotheque.model.identifiers import RecordingId
from sonotheque.store import files
from sonotheque.store.clock import utc_now
from sonotheque.vault import ocfl
from sonotheque.vault.objects import Vault

Work = Callable[[int], Any]
PRIMITIVES, EXPORTED = "primitives", "exported"
"""The directories beside the archive that these works make."""


def works_beside(scene: Scene, place: Path) -> list[Work]:
    """All of them, on the archive of `scene` and in `place`, where the scene is as well."""
    return [
        *works_simulated(scene, place),
        *(rebuilding(scene), rotating(scene), clearing(scene), watching(scene)),
    ]


def works_simulated(scene: Scene, place: Path) -> list[Work]:
    """Those of which the simulated disk can tell what should be there at their end."""
    return [
        *(primitives(place), together(place), telling(place)),
        *(settling(scene, version=version) for version in (False, True)),
        exporting(scene),
    ]


def primitives(place: Path) -> Work:
    """Every function of `store/files` that promises to be on the disk."""

    def work(_speaker: int) -> None:
        base = place / PRIMITIVES
        files.make_directory(base / "a" / "b")
        files.replace(base / "old", b"old")
        files.copy(base / "old", base / "copy")
        files.create(base / "new", b"new")
        files.sync_directory(base)
        (base / "tree" / "deep" / "empty").mkdir(parents=True)
        files.sync_tree(base / "tree")
        (base / "other").write_bytes(b"written by something else")
        files.sync_file(base / "other")
        files.sync_directory(base)
        files.move(base / "new", base / "a" / "moved")
        files.append_line(base / "a" / "lines", b"one")

    return work


def together(place: Path) -> Work:
    """Many paths at once. Alone, for it does the work of every sync before it."""

    def work(_speaker: int) -> None:
        many = place / PRIMITIVES / "many"
        many.mkdir(parents=True)
        for number in range(files.ONE_BY_ONE_MAX):
            files.create(many / str(number), b"one of many", synced=False)
        files.sync_together([place, many.parent, *files.tree(many)])

    return work


def telling(place: Path) -> Work:
    """A party is told of its case by a mailbox: once it was, no notice waits any more."""

    def work(_speaker: int) -> None:
        desk = place / PRIMITIVES / "desk"
        event = Event(at="2026-11-28T10:00:00Z", step=Step.OPENED, side=Side.CLAIMANT, by="A")
        notice = Notice(
            id="1-0-0", case="1", recording=RecordingId("0" * 13), to="A", contact="", event=event,
            side=Side.CLAIMANT, stage="", outcome="", due_on="", appeal_until="",
        )  # fmt: skip
        outbox = Outbox(desk / "outbox", desk, "mailbox:box")
        outbox.put([notice])
        outbox.deliver()

    return work


def settling(scene: Scene, *, version: bool) -> Work:
    """A writer comes after one that died between a rename and the sync that makes it last: of a
    new object, or of a new version."""

    def work(_speaker: int) -> None:
        vault = Vault("main", scene.archive / "vault")
        holding = scene.acknowledged[1].document["items"][0]["holding"]
        target = vault.object_path(holding)

        def settle(renamed: Path, older: Mapping[Path, bytes]) -> None:
            stage = vault.staging / "0123"
            stage.mkdir()
            (stage / "targets").write_text(ocfl.object_path(holding))
            aside = renamed.rename(vault.staging / "aside")
            for path, content in older.items():
                path.write_bytes(content)
            with files.opened(vault.path) as descriptor:
                files.syncfs(descriptor)
            aside.rename(renamed)
            vault.settle()

        if not version:
            settle(target, {})
            return
        older = {path: path.read_bytes() for path in target.iterdir() if path.is_file()}
        made = vault.write_version(holding, {"more": b"more"}, message="", now=utc_now())
        settle(target / f"v{made.version}", older)

    return work


def rebuilding(scene: Scene) -> Work:
    words = ("--archive", str(scene.archive))
    return commands(Ways("rebuild", days=2), [("rebuild", *words)])


def exporting(scene: Scene) -> Work:
    recording = scene.acknowledged[1].document["items"][0]["recording"]
    words = ("--to", str(scene.base / EXPORTED), "--archive", str(scene.archive))
    return commands(Ways("export", days=2), [("export", recording, *words)])


def rotating(scene: Scene) -> Work:
    words = ("--archive", str(scene.archive))
    return commands(Ways("rotate", days=2), [("rights", "rotate-key", *words)])


def clearing(scene: Scene) -> Work:
    words = ("--out", str(scene.base / "cleared.parquet"), "--archive", str(scene.archive))
    return commands(Ways("clear", days=2), [("rights", "clear", *words)])


def watching(scene: Scene) -> Work:
    """A watch that was ended tells nobody any more."""

    def work(_speaker: int) -> None:
        with archives.open_archive(scene.archive) as archive:
            watches = Watches(archive)
            watch = watches.add(artist="A", label="", contact="a@example.org", now=utc_now())
            watches.remove(watch.id)

    return work
