"""Objects: versions arrive whole or not at all, and an independent validator agrees."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, NotFound, SonothequeError
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import files
from sonotheque.vault import ocfl
from sonotheque.vault.objects import KnownFile, Vault, Version

_spec = importlib.util.spec_from_file_location("disk", Path(__file__).parents[1] / "disk.py")
disk = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]
_spec.loader.exec_module(disk)  # type: ignore[union-attr]

NOW = "2026-11-20T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:" + "Ü /:" * 40)
Validate = Callable[[Vault], None]
Known = Callable[[str, bytes], KnownFile]
Change = Callable[[Any], object]
Step = tuple[Vault, Callable[[], object], dict[str, bytes]]


def _tree(vault: Vault) -> dict[str, bytes]:
    return {
        str(path.relative_to(vault.path)): path.read_bytes()
        for path in vault.path.rglob("*")
        if path.is_file()
    }


def _whole_tree(vault: Vault) -> dict[str, bytes]:
    """As `_tree`, with empty directories and what is staged."""
    directories = {str(path): b"" for path in vault.path.rglob("*") if path.is_dir()}
    staged = {str(path): b"" for path in vault.staging.rglob("*")}
    return _tree(vault) | directories | staged


def test_new_objects_and_versions_are_valid(main: Vault, validate: Validate, known: Known) -> None:
    validate(main)
    sound = known("a.flac", b"sound" * 1000)
    made = main.write_version(
        ONE, {"audio/a.flac": sound, "recording.json": b"{}"}, message="new", now=NOW
    )
    assert (made.id, made.version, made.created_at) == (ONE, 1, NOW)
    assert {file.path: file.byte_count for file in made.files} == {
        "audio/a.flac": 5000,
        "recording.json": 2,
    }
    validate(main)
    more = main.write_version(
        ONE,
        {"audio/b.mp3": known("b.mp3", b"smaller"), "recording.json": b'{"x": 1}', "e": b""},
        message="more",
        now=NOW,
    )
    assert more.version == 2
    assert [file.path for file in more.audio] == ["audio/a.flac", "audio/b.mp3"]
    main.write_version(TWO, {"é/ü ñ.txt": b"x", "same": b"x"}, message="other", now=NOW)
    validate(main)
    assert main.read(ONE, "recording.json") == b'{"x": 1}'
    assert main.path_of(ONE, "audio/a.flac").read_bytes() == sound.path.read_bytes()
    assert main.holding(ONE) == more
    assert {holding.id for holding in main.holdings()} == {ONE, TWO}


def test_the_validator_sees_what_is_wrong(main: Vault, validate: Validate) -> None:
    """The fixture would notice."""
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    main.path_of(ONE, "a").write_bytes(b"b")
    with pytest.raises(AssertionError):
        validate(main)


def test_the_command_of_the_validator_agrees(main: Vault) -> None:
    main.write_version(ONE, {"a": b"a"}, message="m", now=NOW)
    main.write_version(ONE, {"b": b"b"}, message="m", now=NOW)
    tool = Path(os.sys.executable).with_name("ocfl-root.py")  # type: ignore[attr-defined]
    ran = subprocess.run(
        [tool, "validate", "--validate-objects", "--check-digests", "--root", main.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0
    assert "1 / 1 are VALID" in ran.stdout + ran.stderr or "VALID" in ran.stdout
    assert "INVALID" not in ran.stdout + ran.stderr


def test_content_that_changes_nothing_makes_no_version(
    main: Vault, validate: Validate, known: Known
) -> None:
    content: dict[str, KnownFile | bytes] = {"audio/a": known("a", b"sound"), "b": b"b"}
    first = main.write_version(ONE, content, message="one", now=NOW)
    before = _tree(main)
    assert main.write_version(ONE, content, message="two", now="later") == first
    assert main.write_version(ONE, {"b": b"b"}, message="three", now="later") == first
    assert _tree(main) == before
    validate(main)


def test_bytes_that_are_held_are_not_stored_again(main: Vault, validate: Validate) -> None:
    main.write_version(ONE, {"a": b"x" * 10_000}, message="", now=NOW)
    main.write_version(ONE, {"b": b"x" * 10_000, "c": b"x" * 10_000}, message="", now=NOW)
    contents = [name for name in _tree(main) if "/content/" in name]
    assert len(contents) == 1
    assert main.read(ONE, "c") == main.read(ONE, "a")
    validate(main)


@pytest.mark.parametrize("held", [False, True])
def test_a_file_that_is_not_what_was_known_is_refused(
    main: Vault, validate: Validate, known: Known, held: bool
) -> None:
    if held:
        main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    before = _tree(main)
    sound = known("a", b"sound")
    sound.path.write_bytes(b"other")
    with pytest.raises(Corrupt, match="changed while it was read"):
        main.write_version(ONE, {"z": b"z", "audio/a": sound}, message="", now=NOW)
    assert _tree(main) == before
    validate(main)
    with pytest.raises(BadInput, match="does not exist"):
        missing = KnownFile(sound.path.with_name("missing"), sound.sha512)
        main.write_version(ONE, {"audio/a": missing}, message="", now=NOW)
    assert _tree(main) == before


# Batches.


def _many(number: int, content: bytes = b"x") -> list[Version]:
    return [
        Version(
            holding=HoldingId(f"urn:sonotheque:holding:many-{n}"),
            additions={"audio/a": b"%d" % n + content, "r": b"r"},
            message="m",
            now=NOW,
        )
        for n in range(number)
    ]


def test_a_batch_holds_what_its_versions_would_hold_alone(
    main: Vault, copy: Vault, validate: Validate
) -> None:
    for content in (b"first", b"second"):
        batch = _many(9, content)
        alone = [
            copy.write_version(v.holding, v.additions, message=v.message, now=v.now) for v in batch
        ]
        assert main.write_versions(batch) == alone
        assert _tree(main) == _tree(copy)
    unchanged = _tree(main)
    more = [*_many(2, b"second"), *_many(10, b"second")[9:]]
    assert [held.version for held in main.write_versions(more)] == [2, 2, 1]
    assert _tree(main).items() > unchanged.items()
    validate(main)
    assert main.write_versions([]) == []


def test_a_batch_with_one_wrong_file_leaves_nothing(
    main: Vault, copy: Vault, validate: Validate, known: Known
) -> None:
    main.write_versions(_many(1))
    copy.adopt(main, _many(1)[0].holding)
    before = _tree(main)
    sound = known("a", b"sound")
    sound.path.write_bytes(b"other")
    wrong = Version(holding=ONE, additions={"audio/a": sound}, message="", now=NOW)
    with pytest.raises(Corrupt, match="changed while it was read"):
        main.write_versions([*_many(3, b"new"), wrong])
    assert _tree(main) == before
    validate(main)
    main.write_versions(_many(3, b"new"))
    main.path_of(_many(3)[2].holding, "audio/a").write_bytes(b"rotten")
    with pytest.raises(Corrupt, match="digest"):
        copy.adopt(main, *(version.holding for version in _many(3)))
    assert _tree(copy) == before
    validate(copy)


def test_a_batch_shares_its_syncs(main: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    with files.opened(main.path) as descriptor:
        if not files.is_synced_whole(descriptor):
            pytest.skip("NOT TESTED: syncs are not shared on this filesystem")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append("fsync"))
    monkeypatch.setattr(files, "syncfs", lambda _: synced.append("syncfs"))
    main.write_versions(_many(50))
    # The one of a file's kind is for the staging directory's own name.
    assert sorted(synced) == ["fsync", "syncfs", "syncfs"]
    synced.clear()
    main.write_versions(_many(50, b"again"))
    assert synced == ["syncfs"] * 3


def test_what_is_not_held(main: Vault) -> None:
    assert main.holding(ONE) is None
    with pytest.raises(NotFound, match="not held"):
        main.read(ONE, "a")
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    with pytest.raises(NotFound, match="no file"):
        main.read(ONE, "b")


def test_read_never_gives_wrong_bytes(main: Vault) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    main.path_of(ONE, "a").write_bytes(b"b")
    with pytest.raises(Corrupt, match="digest"):
        main.read(ONE, "a")


def test_create_wants_an_empty_place(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "photos").mkdir()
    with pytest.raises(BadInput, match="not empty"):
        Vault("x", place).create()
    assert [path.name for path in place.iterdir()] == ["photos"]


def test_create_can_be_cut_short_anywhere(tmp_path: Path, validate: Validate) -> None:
    for fault in count():
        vault = Vault("x", tmp_path / f"root-{fault}")
        with disk.Disk("die", fault).watched(tmp_path) as watching:
            try:
                vault.create()
            except disk.Died:
                assert not vault.present or (vault.path / "ocfl_layout.json").exists()
        vault.create()
        assert vault.present
        validate(vault)
        if not watching.hit:
            break
    assert fault > 10


def test_create_refuses_a_mount_point(tmp_path: Path) -> None:
    """What is staged beside the root could not be renamed into it."""
    place = tmp_path / "mounted"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: mounting a disk needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("NOT TESTED: this machine does not let us mount a disk")
    try:
        with pytest.raises(BadInput, match="mounted"):
            Vault("x", place).create()
        Vault("x", place / "root").create()
    finally:
        subprocess.run(["umount", place], check=True)


# Adoption.


def test_adopt_what_is_missing_and_what_is_older(
    main: Vault, copy: Vault, validate: Validate
) -> None:
    main.write_version(ONE, {"a": b"a", "b": b"b"}, message="", now=NOW)
    copy.adopt(main, ONE)
    assert _tree(copy) == _tree(main)
    for number in range(3):
        main.write_version(ONE, {"a": b"%d" % number, "c": b"c"}, message="", now=NOW)
    copy.adopt(main, ONE)
    copy.adopt(main, ONE)
    assert _tree(copy) == _tree(main)
    validate(copy)
    main.write_version(TWO, {"a": b"a"}, message="", now=NOW)
    main.write_version(TWO, {"a": b"b"}, message="", now=NOW)
    copy.adopt(main, TWO)
    assert _tree(copy) == _tree(main)
    validate(copy)
    with pytest.raises(NotFound):
        copy.adopt(main, HoldingId("urn:other"))


def test_adopt_checks_what_it_copies(main: Vault, copy: Vault, validate: Validate) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    copy.adopt(main, ONE)
    main.write_version(ONE, {"b": b"b"}, message="", now=NOW)
    before = _tree(copy)
    directory = main.object_path(ONE)
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "v1" not in path.parts and path.name != ocfl.OBJECT_MARKER[0]:
            whole = path.read_bytes()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            try:
                copy.adopt(main, ONE)
            except Corrupt:
                assert _tree(copy) == before
            else:
                # The sidecar of one place may be wrong while that of the other speaks.
                assert path.name == ocfl.SIDECAR
                shutil.rmtree(copy.path)
                copy.create()
                path.write_bytes(whole)
                main_now = _tree(main)
                copy.adopt(main, ONE)
                assert _tree(copy) == main_now
                return
            path.write_bytes(whole)
            validate(copy)


def test_adopt_refuses_another_history(main: Vault, copy: Vault) -> None:
    for vault in (main, copy):
        vault.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    copy.write_version(ONE, {"b": b"theirs"}, message="", now=NOW)
    before = _tree(copy)
    for content in (b"ours", b"ours again"):
        main.write_version(ONE, {"b": content}, message="", now=NOW)
        with pytest.raises(Corrupt, match="another history"):
            copy.adopt(main, ONE)
        with pytest.raises(Corrupt, match="another history"):
            main.adopt(copy, ONE)
    assert _tree(copy) == before


# A process that ends at any call.


@pytest.fixture(params=["new object", "new version", "batch", "adopt missing", "adopt versions"])
def step(request: pytest.FixtureRequest, main: Vault, copy: Vault, known: Known) -> Step:
    """The root that is written to, how, and what was acknowledged in it before."""
    sound = known("sound", b"sound" * 100)
    held: dict[str, bytes] = {}
    if request.param != "new object":
        held = {"r": b"first", "q": b"q"}
        main.write_version(ONE, {**held}, message="m", now=NOW)
    if request.param == "adopt versions":
        copy.adopt(main, ONE)
        main.write_version(ONE, {"audio/a": sound}, message="m", now=NOW)
    if request.param.startswith("adopt"):
        main.write_version(ONE, {"audio/a": sound, "r": b"new"}, message="m", now=NOW)
        if request.param == "adopt missing":
            held = {}
        return copy, lambda: copy.adopt(main, ONE), held
    one = Version(holding=ONE, additions={"audio/a": sound, "r": b"new"}, message="m", now=NOW)
    others = _many(3) if request.param == "batch" else []
    return main, lambda: main.write_versions([*others[1:], one, *others[:1]]), held


@pytest.mark.parametrize("mode", ["die", "fail", "full"])
def test_it_ends_whole_wherever_it_is_stopped(
    step: Step,
    mode: str,
    tmp_path: Path,
    validate: Validate,
) -> None:
    vault, run, held = step
    if mode == "fail" and vault.name == "copy":
        pytest.skip("one call that fails ends as it does for the primary: the code is the same")
    start = shutil.copytree(vault.path, tmp_path / "start")
    validated: list[dict[str, bytes]] = []  # most calls end in one of few states
    for fault in count(0, 1 if mode == "die" else 3):
        shutil.rmtree(vault.path)
        shutil.copytree(start, vault.path)
        shutil.rmtree(vault.staging, ignore_errors=True)
        acknowledged = False
        with disk.Disk(mode, fault).watched(vault.staging) as watching:
            try:
                run()
                acknowledged = True
            except (SonothequeError, OSError, disk.Died):
                pass
        ended = not watching.hit
        for goes_on in (vault.settle, run, vault.settle):
            with watching.restarted():
                goes_on()
            if acknowledged:
                assert vault.read(ONE, "r") == b"new"
            for path, content in held.items():
                assert vault.read(ONE, path) in (content, b"new")
            if _whole_tree(vault) not in validated:
                validate(vault)
                validated.append(_whole_tree(vault))
        assert vault.read(ONE, "r") == b"new"
        assert vault.read(ONE, "audio/a") == b"sound" * 100
        if ended:
            break
    assert fault > 15


def test_what_returned_survives_a_power_cut(
    step: Step,
) -> None:
    vault, run, _ = step
    with disk.Disk().watched(vault.path.parent) as watching:
        run()
    assert watching.violations == []
    assert _tree(vault).items() <= watching.after_power_cut(vault.path).items()


@pytest.mark.parametrize("held", [False, True])
def test_what_was_visible_but_not_synced_is_synced_by_settle(
    main: Vault, tmp_path: Path, known: Known, held: bool
) -> None:
    """A process dies between the rename and the sync; the next one takes what it sees for kept."""
    sound = known("sound", b"sound")

    def run() -> None:
        main.write_version(ONE, {"audio/a": sound}, message="m", now=NOW)

    for fault in count():
        shutil.rmtree(main.path)
        shutil.rmtree(main.staging, ignore_errors=True)
        main.create()
        if held:
            main.write_version(ONE, {"r": b"r"}, message="m", now=NOW)
        died = disk.Disk("die", fault)
        with died.watched(tmp_path), contextlib.suppress(disk.Died):
            run()
        ended = not died.hit
        with died.restarted():
            main.settle()
            run()
        assert _tree(main).items() <= died.after_power_cut(main.path).items()
        assert died.violations == []
        if ended:
            break


def test_settle_never_takes_back_a_version(main: Vault) -> None:
    """A version that went missing is for the audit to find, not for settle to forget."""
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    main.write_version(ONE, {"b": b"b"}, message="", now=NOW)
    shutil.rmtree(main.object_path(ONE) / "v2")
    stage = main.staging / "0123"
    stage.mkdir(parents=True)
    (stage / "targets").write_text(ocfl.object_path(ONE))
    before = _tree(main)
    main.settle()
    assert _tree(main) == before
    assert list(main.staging.iterdir()) == []


def test_settle_does_not_stop_at_damage(main: Vault) -> None:
    main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    (main.object_path(ONE) / ocfl.INVENTORY).write_bytes(b"{}")
    stage = main.staging / "0123"
    stage.mkdir(parents=True)
    (stage / "targets").write_text(ocfl.object_path(ONE))
    (main.staging / "x.file").write_bytes(b"")
    main.settle()
    assert list(main.staging.iterdir()) == []


def test_nothing_is_written_where_the_disk_is_not_mounted(main: Vault) -> None:
    """Found by living through decades: the empty mount point took the deposit."""
    shutil.rmtree(main.path)
    main.path.mkdir()
    with pytest.raises(EnvironmentFailure, match="main is away"):
        main.write_version(ONE, {"a": b"a"}, message="", now=NOW)
    assert list(main.path.iterdir()) == []
    assert not main.staging.exists()
