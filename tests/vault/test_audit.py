"""Audits: everything is checked once, stopped or not, and nobody is kept waiting or accused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sonotheque.errors import Corrupt, EnvironmentFailure
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import db
from sonotheque.vault import audit as audits
from sonotheque.vault import ocfl
from sonotheque.vault.audit import Audit, preserved_events
from sonotheque.vault.buckets import BucketRoot
from sonotheque.vault.fixity import Checked, Known
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import Vault
from sonotheque.vault.replicas import replicate
from sonotheque.vault.roots import ROOT_ID

NOW = "2026-11-20T10:00:00.000000Z"
DAY = 86_400
HOLDINGS = [HoldingId(f"urn:sonotheque:holding:{number:013}") for number in range(8)]
ONE = HOLDINGS[0]
Make = Callable[..., Audit]
Validate = Callable[[Vault], None]


def fill(main: Vault, copies: Sequence[Vault | BucketRoot]) -> None:
    for holding in HOLDINGS:
        main.write_version(holding, {"audio/a": holding.encode()}, message="", now=NOW)
        replicate(main, copies, holding)


@pytest.fixture
def roots(main: Vault, copy: Vault) -> tuple[Vault, Vault]:
    fill(main, [copy])
    return main, copy


def events_of(checks: Sequence[Checked] | Iterator[Checked]) -> list[FixityEvent]:
    return [event for check in checks for event in check.events]


def wrong(checks: Sequence[Checked] | Iterator[Checked]) -> list[tuple[str, Outcome, str]]:
    return [
        (event.root, event.outcome, event.path)
        for event in events_of(checks)
        if event.outcome is not Outcome.PASS
    ]


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 4]))


@pytest.mark.parametrize("taken", [0, 1, 5, 15])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    roots: tuple[Vault, Vault],
    audit: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    taken: int,
) -> None:
    monkeypatch.setattr(audits, "_BATCH_COPIES", 1)
    stopped = audit(roots).run()
    begun = [next(stopped) for _ in range(taken)]
    stopped.close()
    rest = audit(roots)
    went_on = [*rest.run()]
    assert not {(c.name, c.root) for c in begun} & {(c.name, c.root) for c in went_on}
    (run,) = rest.preserve(roots[0], roots[1:], tmp_path)
    kept = Counter((event.holding, event.root) for event in preserved_events(roots, run))
    assert kept == {(holding, root.name): 1 for holding in HOLDINGS for root in roots}
    # The next one begins anew.
    assert len([*audit(roots).run()]) == 2 * len(HOLDINGS) + 2


# argv: the directory of the roots and the log, and at which event of the interpreter it is killed
# (a file that is opened, a name that is changed, a directory that is listed).
DYING_AUDIT = """
import contextlib, os, signal, sys
from pathlib import Path
from sonotheque.store import db
from sonotheque.store.clock import utc_now
from sonotheque.vault import audit
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import Vault

place, at = Path(sys.argv[1]), int(sys.argv[2])
events = 0

def count(event, arguments):
    global events
    if event in ("open", "os.rename", "os.scandir", "os.remove"):
        events += 1
        if events == at:
            os.kill(os.getpid(), signal.SIGKILL)

audit._BATCH_COPIES = 3
roots = [Vault(name, place / name) for name in ("main", "copy")]
log = FixityLog(db.open_database(place / "killed.db"))
one = audit.Audit(roots, log, locked=lambda _: contextlib.nullcontext(), now=utc_now, heal=True)
sys.addaudithook(count)
for _ in one.run():
    pass
one.preserve(roots[0], roots[1:], place)
"""


def test_one_that_is_killed_anywhere_goes_on_and_tells_nothing_wrong(
    roots: tuple[Vault, Vault], validate: Validate, tmp_path: Path
) -> None:
    for holding in HOLDINGS[::3]:
        flip(roots[1].path_of(holding, "audio/a"))
    before = {holding: roots[0].read(holding, "audio/a") for holding in HOLDINGS}
    died = 0
    for at in range(15, 2_000, 35):
        command = [sys.executable, "-c", DYING_AUDIT, str(tmp_path), str(at)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        died += 1
    assert died > 3
    for root in roots:
        root.settle()
        assert {holding: root.read(holding, "audio/a") for holding in HOLDINGS} == before
        validate(root)
    engine = db.open_database(tmp_path / "killed.db")
    log = FixityLog(engine)
    events = [event for holding in HOLDINGS for event in log.events_of(holding)]
    # What was healed as it died is whole when it is looked at again.
    assert {event.outcome for event in events} <= {Outcome.PASS, Outcome.HEALED}
    assert {e.holding for e in events if e.outcome is Outcome.HEALED} <= {*HOLDINGS[::3]}
    known = [one.holding for _, one, _ in log.each("main") if one]
    runs = [holding for holding in known if holding.startswith(audits.AUDIT_PREFIX)]
    assert runs and log.unpreserved() == ()
    kept = [event for run in runs for event in preserved_events(roots, run)]
    checked = Counter((event.holding, event.root) for event in kept if event.holding in before)
    assert checked == {(holding, root.name): 1 for holding in HOLDINGS for root in roots}
    engine.dispose()


def test_one_that_is_to_heal_does_not_go_on_with_one_that_was_not(
    roots: tuple[Vault, Vault], audit: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "_BATCH_COPIES", 1)
    stopped = audit(roots).run()
    next(stopped)
    stopped.close()
    healing = audit(roots, heal=True)
    assert len([*healing.run()]) == 2 * len(HOLDINGS)
    first, second = healing.preserve(roots[0], roots[1:], tmp_path)
    assert 1 <= len([*preserved_events(roots, first)]) < 2 * len(HOLDINGS)
    assert len([*preserved_events(roots, second)]) == 2 * len(HOLDINGS)


def test_a_run_is_kept_as_a_holding_and_missed_when_it_is_lost(
    roots: tuple[Vault, Vault], audit: Make, validate: Validate, tmp_path: Path
) -> None:
    main, copy = roots
    first = audit(roots)
    events = events_of(first.run())
    (run,) = first.preserve(main, [copy], tmp_path)
    assert sorted(preserved_events(roots, run), key=repr) == sorted(events, key=repr)
    assert first.preserve(main, [copy], tmp_path) == []
    shutil.rmtree(main.object_path(run))
    assert len([*preserved_events(roots, run)]) == len(events)
    validate(copy)
    flip(copy.path_of(run, audits.EVENTS_NAME))
    with pytest.raises(Corrupt):
        preserved_events(roots, run)
    shutil.rmtree(copy.object_path(run))
    found = [check for check in audit(roots).run() if not check.passed]
    assert {(event.holding, event.outcome) for event in events_of(found)} == {
        (run, Outcome.MISSING)
    }


def test_what_is_wrong_with_a_root_itself_is_kept_with_the_run(
    roots: tuple[Vault, Vault], audit: Make, log: FixityLog, tmp_path: Path
) -> None:
    main, copy = roots
    path = ocfl.ROOT_FILES[0][0]
    (copy.path / path).unlink()
    (copy.path / path).mkdir()
    (copy.path / path / "whose").write_text("nobody knows")
    for heal, outcome in ((False, Outcome.MISSING), (True, Outcome.HEALED)):
        auditor = audit(roots, heal=heal)
        (event,) = [e for e in events_of(auditor.run()) if e.outcome is not Outcome.PASS]
        assert (event.holding, event.root, event.path) == (ROOT_ID, "copy", path)
        assert event.outcome is outcome
        assert log.events_of(ROOT_ID)[0] == event
        (kept,) = auditor.preserve(main, [copy], tmp_path)
        assert event in preserved_events([main, copy], kept)
        # It is the check of no copy, and nothing that must be held; nor is it after `rebuild`.
        log.restore(preserved_events(roots, kept), run_at=NOW)
        assert log.counts() == {"pass": 2 * len(HOLDINGS) + 2 * heal}
        assert log.known(ocfl.object_path(ROOT_ID), "copy") == (None, None)
    assert (copy.path.parent / event.detail.rpartition(" ")[2] / "whose").exists()


def test_what_was_found_whole_lately_is_left_out(
    roots: tuple[Vault, Vault], audit: Make, log: FixityLog
) -> None:
    _, copy = roots
    assert len([*audit(roots).run()]) == 2 * len(HOLDINGS)
    assert [*audit(roots).run(within_seconds={"main": DAY, "copy": DAY})] == []
    # What is known to be wrong, and what was checked by a clock that was ahead, is due.
    flip(copy.path_of(ONE, "audio/a"))
    assert wrong(audit([copy]).check(ONE)) == [("copy", Outcome.CORRUPT, "v1/content/audio/a")]
    ahead = FixityEvent(
        holding=HOLDINGS[1],
        root="main",
        outcome=Outcome.PASS,
        at="2036-01-01T00:00:00.000000Z",
        agent="a",
    )
    log.record([ahead])
    due = [*audit(roots).run(within_seconds={"main": DAY, "copy": DAY})]
    assert sorted((check.root, check.events[0].holding) for check in due) == [
        ("copy", ONE),
        ("main", HOLDINGS[1]),
    ]
    # Each root has a schedule of its own.
    due = [*audit(roots).run(within_seconds={"copy": DAY})]
    assert Counter(check.root for check in due) == {"main": len(HOLDINGS), "copy": 1}


@dataclass
class Recorder:
    """Stands in for the pace of one root, and counts what it is told."""

    rate: int
    sleep: object
    taken: int = 0

    def __call__(self, byte_count: int) -> None:
        self.taken += byte_count


def test_each_root_is_read_at_its_own_pace(
    roots: tuple[Vault, Vault], audit: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Recorder] = []

    def pace(rate: int, *, sleep: object) -> Recorder:
        made.append(Recorder(rate, sleep))
        return made[-1]

    monkeypatch.setattr(audits, "Pace", pace)
    held = sum(
        path.stat().st_size
        for name in roots[1].object_names()
        for path in (roots[1].path / name).rglob("*")
        if path.is_file()
    )
    for _ in range(2):
        checks = [*audit(roots).run(rates={"copy": 7})]
        assert all(check.passed for check in checks)
        assert sum(check.byte_count for check in checks if check.root == "copy") == held
    assert [(one.rate, one.taken) for one in made] == [(7, held), (7, held)]


@pytest.mark.parametrize("heal", [False, True])
def test_what_is_missing_from_every_root_is_found(
    roots: tuple[Vault, Vault], audit: Make, heal: bool
) -> None:
    assert all(check.passed for check in audit(roots).run())
    for root in roots:
        shutil.rmtree(root.object_path(ONE))
    outcome = Outcome.LOST if heal else Outcome.MISSING
    expected = [("copy", outcome, ""), ("main", outcome, "")]
    found = [check for check in audit(roots, heal=heal).run() if not check.passed]
    assert sorted(wrong(found)) == expected
    assert {event.holding for event in events_of(found)} == {ONE}
    assert sorted(wrong(audit(roots, heal=heal).check(ONE))) == expected


@pytest.mark.parametrize("heal", [False, True])
@pytest.mark.parametrize("seen", ["acknowledged", "audited"])
def test_what_went_back_to_an_older_version_everywhere_is_found(
    roots: tuple[Vault, Vault], audit: Make, log: FixityLog, seen: str, heal: bool
) -> None:
    main, copy = roots
    assert all(check.passed for check in audit(roots).run())
    before = [shutil.copytree(r.object_path(ONE), r.path.with_name(f"old {r.name}")) for r in roots]
    main.write_version(ONE, {"b": b"b"}, message="", now=NOW)
    replicate(main, [copy], ONE)
    if seen == "audited":
        assert all(check.passed for check in audit(roots).run())
    else:
        log.acknowledge([(ONE, 2)])
    for root, old in zip(roots, before, strict=True):
        shutil.rmtree(root.object_path(ONE))
        shutil.copytree(old, root.object_path(ONE))
    outcome = Outcome.LOST if heal else Outcome.STALE
    for _ in range(2):
        found = [check for check in audit(roots, heal=heal).run() if not check.passed]
        assert sorted(wrong(found)) == [("copy", outcome, ""), ("main", outcome, "")]
        assert {e.detail for e in events_of(found)} == {"version 1, and version 2 was acknowledged"}


def test_a_version_that_is_being_deposited_is_no_damage(
    roots: tuple[Vault, Vault], log: FixityLog
) -> None:
    """The deposit holds the lock, has written the primary, and reaches the replica while the
    audit waits for it."""
    main, copy = roots
    main.write_version(ONE, {"b": b"b"}, message="", now=NOW)
    asked = []

    @contextmanager
    def locked(_stopped: Callable[[], bool]) -> Iterator[None]:
        replicate(main, [copy], ONE)
        asked.append(True)
        yield

    for heal in (False, True):
        one = Audit(roots, log, locked=locked, now=lambda: NOW, heal=heal)
        assert all(check.passed for check in one.run())
    assert asked == [True]


def test_copies_that_are_whole_are_read_without_the_lock(
    roots: tuple[Vault, Vault], log: FixityLog
) -> None:
    def locked(_stopped: Callable[[], bool]) -> AbstractContextManager[None]:
        raise EnvironmentFailure("another sonotheque is writing")

    for heal in (False, True):
        one = Audit(roots, log, locked=locked, now=lambda: NOW, heal=heal)
        assert all(check.passed for check in one.run())
    flip(roots[1].path_of(ONE, "audio/a"))
    with pytest.raises(EnvironmentFailure, match="writing"):
        list(Audit(roots, log, locked=locked, now=lambda: NOW).run())


@pytest.mark.parametrize("first", [True, False])
def test_what_no_inventory_knows_is_found_and_left(
    roots: tuple[Vault, Vault], audit: Make, first: bool
) -> None:
    main, _ = roots
    if not first:
        assert all(check.passed for check in audit(roots).run())
    directory = main.object_path(ONE)
    (directory / "v1" / "notes.txt").write_text("mine")
    (directory / "v1" / "content" / "empty").mkdir()
    (directory / "v2" / "content").mkdir(parents=True)
    (directory / "v2" / "content" / "x").write_text("x")
    (directory / b"v1/content/audio/\xff".decode(errors="surrogateescape")).touch()
    (directory / "logs").mkdir()
    (directory / "logs" / "log").touch()
    for heal in (False, True):
        assert sorted(wrong(audit(roots, heal=heal).run())) == [
            ("main", Outcome.STRAY, path)
            for path in ("v1/content/audio/\\udcff", "v1/content/empty/", "v1/notes.txt", "v2/")
        ]
    assert (directory / "v2" / "content" / "x").read_text() == "x"


def test_what_stands_in_the_place_of_a_file_is_replaced(
    roots: tuple[Vault, Vault], audit: Make, validate: Validate
) -> None:
    main, copy = roots
    link, pipe = (main.path_of(holding, "audio/a") for holding in HOLDINGS[:2])
    link.unlink()
    link.symlink_to(copy.path_of(ONE, "audio/a"))
    pipe.unlink()
    os.mkfifo(pipe)
    assert {(root, outcome) for root, outcome, _ in wrong(audit(roots).run())} == {
        ("main", Outcome.CORRUPT)
    }
    assert {outcome for _, outcome, _ in wrong(audit(roots, heal=True).run())} == {Outcome.HEALED}
    validate(main)


@pytest.mark.parametrize("where", [0, 1])
def test_a_root_that_was_lost_whole_is_filled_again(
    roots: tuple[Vault, Vault], audit: Make, validate: Validate, where: int
) -> None:
    shutil.rmtree(roots[where].path)
    roots[where].create()
    found = [*audit(roots, heal=True).run()]
    name = roots[where].name
    assert wrong(found) == [(name, Outcome.HEALED, "")] * len(HOLDINGS)
    assert all(check.passed for check in audit(roots).run())
    validate(roots[where])


def test_a_bucket_is_audited_and_healed_as_a_directory_is(
    main: Vault, remote: BucketRoot, audit: Make
) -> None:
    fill(main, [remote])
    roots = (main, remote)
    assert all(check.passed for check in audit(roots).run())
    checks = [*audit(roots).run()]
    assert all(check.passed and not check.by_sha512 for check in checks)
    name = ocfl.object_path(ONE)
    remote.restore_file(name, "v1/content/audio/a", [b"x"], ocfl.digest_of(b"x"))
    remote.restore_file(name, "v1/extra", [b"x"], ocfl.digest_of(b"x"))
    stray = ("remote", Outcome.STRAY, "v1/extra")
    path = "v1/content/audio/a"
    assert wrong(audit(roots).run()) == [("remote", Outcome.CORRUPT, path), stray]
    assert wrong(audit(roots, heal=True).run()) == [("remote", Outcome.HEALED, path), stray]
    main.path_of(ONE, "audio/a").unlink()
    assert ("main", Outcome.HEALED, path) in wrong(audit(roots, heal=True).run())


def test_sha512_is_asked_at_first_in_doubt_and_once_a_year(
    roots: tuple[Vault, Vault], audit: Make, log: FixityLog
) -> None:
    def methods(checks: Iterator[Checked]) -> Counter[str]:
        return Counter(event.method for event in events_of([*checks]))

    count = 2 * len(HOLDINGS)
    assert methods(audit(roots).run()) == {"sha512": count}
    assert methods(audit(roots).run()) == {"blake3": count}
    # What the log has learnt may be rotten itself.
    known, _ = log.known(ocfl.object_path(ONE), "main")
    assert known
    bad = Known(ONE, known.version, known.inventory, known.sums[:-1] + b"x")
    (check,) = audit(roots[:1]).check(ONE)
    log.add_alone(NOW, [replace(check, learnt=bad)], heal=False)
    # The root that comes second may see already what the first has learnt anew.
    doubted = methods(audit(roots).run())
    assert doubted["sha512"] in (1, 2)
    assert doubted.total() == count
    assert methods(audit(roots).run()) == {"blake3": count}
    later = Audit(roots, log, locked=_unlocked, now=lambda: "2027-12-01T00:00:00.000000Z")
    assert methods(later.run()) == {"sha512": count}


@contextmanager
def _unlocked(_stopped: Callable[[], bool]) -> Iterator[None]:
    yield


def test_one_holding_is_checked_while_a_run_is_stopped(
    roots: tuple[Vault, Vault], audit: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "_BATCH_COPIES", 1)
    stopped = audit(roots).run()
    next(stopped)
    stopped.close()
    flip(roots[0].path_of(ONE, "audio/a"))
    alone = audit(roots, heal=True)
    assert wrong(alone.check(ONE)) == [("main", Outcome.HEALED, "v1/content/audio/a")]
    (run,) = alone.preserve(roots[0], roots[1:], tmp_path)
    assert {event.holding for event in preserved_events(roots, run)} == {ONE}
    assert len([*audit(roots).run()]) < 2 * len(HOLDINGS) + 2


class Failing(Vault):
    """A root that cannot read some files, or is away from some moment on."""

    def fresh_blocks(self, name: str, path: str) -> Iterator[bytes]:
        if (self.path / "away").exists():
            (self.path / ocfl.ROOT_MARKER[0]).unlink(missing_ok=True)
        if name == ocfl.object_path(ONE) and path.endswith("audio/a"):
            raise EnvironmentFailure("the disk failed to read or write", where=path)
        return super().fresh_blocks(name, path)


@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_cannot_be_read_is_corrupt_and_a_root_that_is_away_ends_it(
    roots: tuple[Vault, Vault], audit: Make, first: bool
) -> None:
    main, copy = roots
    if not first:
        assert all(check.passed for check in audit(roots).run())
    failing = Failing("copy", copy.path)
    found = [check for check in audit([main, failing]).run() if not check.passed]
    assert wrong(found) == [("copy", Outcome.CORRUPT, "v1/content/audio/a")]
    assert "the disk failed" in found[0].events[0].detail
    (copy.path / "away").touch()
    with pytest.raises(EnvironmentFailure):
        list(audit([main, failing], heal=True).run())


def test_threads_end_with_what_they_were_for() -> None:
    stop = threading.Event()
    running = threading.active_count()

    def endless() -> Iterator[list[Checked]]:
        while True:
            yield []

    def failing() -> Iterator[list[Checked]]:
        yield []
        raise Corrupt("as it was meant to be")

    with pytest.raises(Corrupt, match="meant"):
        list(audits._in_threads([endless(), failing()], stop))
    assert stop.is_set()
    one = audits._in_threads([endless()], threading.Event())
    next(one)
    one.close()
    assert threading.active_count() == running
