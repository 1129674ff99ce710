"""The log of fixity: what is due, what was found, and how it is restored."""

from __future__ import annotations

from dataclasses import replace

from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.vault import ocfl
from sonotheque.vault.fixity import Checked, Known
from sonotheque.vault.fixity_log import FixityLog, LastCheck

NOW, LATER = "2026-11-20T10:00:00.000000Z", "2026-11-21T10:00:00.000000Z"
ONE = HoldingId("urn:sonotheque:holding:0000000000001")
TWO = HoldingId("urn:sonotheque:holding:0000000000002")


def event(
    root: str = "main", outcome: Outcome = Outcome.PASS, at: str = NOW, path: str = ""
) -> FixityEvent:
    return FixityEvent(
        holding=ONE, root=root, outcome=outcome, at=at, agent="a", path=path, version=1
    )


def check(*events: FixityEvent, learnt: Known | None = None, by_sha512: bool = True) -> Checked:
    return Checked(
        name=ocfl.object_path(events[0].holding),
        root=events[0].root,
        events=events,
        learnt=learnt,
        by_sha512=by_sha512,
    )


def test_the_log_answers(log: FixityLog) -> None:
    assert log.last_audit_at() is None
    assert log.counts() == {}
    log.record([])
    bad, good = event(outcome=Outcome.CORRUPT), event(outcome=Outcome.HEALED, at=LATER)
    other = event("copy")
    log.record([bad, other])
    log.record([good])
    assert log.events_of(ONE) == (good, other, bad)
    assert log.events_of(TWO) == ()
    assert log.last_audit_at() == LATER
    assert log.counts() == {"healed": 1, "pass": 1}


def test_a_copy_is_as_bad_as_the_worst_of_its_files(log: FixityLog) -> None:
    outcomes = (Outcome.CORRUPT, Outcome.STRAY, Outcome.HEALED)
    log.record([event(outcome=outcome, path=outcome) for outcome in outcomes])
    assert log.counts() == {"corrupt": 1}


def test_only_passes_that_are_preserved_and_overtaken_are_forgotten(log: FixityLog) -> None:
    read_back = event(at="2026-11-01T10:00:00.000000Z")
    log.record([read_back])
    run = log.begin(NOW, heal=False)
    passed, damaged = event(), event("copy", Outcome.CORRUPT)
    log.add(run, [check(passed), check(damaged)])
    log.end(run)
    log.record([event("copy")])
    assert log.events_of(ONE) == (event("copy"), damaged, passed, read_back)
    assert list(log.events_of_run(run)) == [passed, damaged]
    later = event(at=LATER)
    log.add_alone(LATER, [check(later)], heal=False)
    assert passed in log.events_of(ONE), "it is nowhere else yet"
    assert [one.at for one in log.unpreserved()] == [NOW, LATER]
    for one in log.unpreserved():
        log.preserved(one)
    newest = event(at="2026-11-22T10:00:00.000000Z")
    log.add_alone(newest.at, [check(newest)], heal=False)
    assert log.events_of(ONE) == (newest, event("copy"), damaged, read_back)


def test_what_is_known_of_an_object_never_goes_back(log: FixityLog) -> None:
    name = ocfl.object_path(ONE)

    def known() -> Known | None:
        return log.known(name, "main")[0]

    assert known() is None
    log.acknowledge([(ONE, 1)])
    assert known() == Known(ONE, 1)
    learnt = Known(ONE, 1, b"inventory", b"sums")
    log.add_alone(NOW, [check(event(), learnt=learnt)], heal=False)
    log.acknowledge([(ONE, 1)])
    assert known() == learnt
    log.record([replace(event(), version=2)])
    assert known() == Known(ONE, 2), "the digests were those of version 1"
    log.add_alone(NOW, [check(event(), learnt=learnt)], heal=False)
    assert known() == Known(ONE, 2)


def test_every_object_comes_in_order_with_its_newest_check(log: FixityLog) -> None:
    holdings = [HoldingId(f"urn:sonotheque:holding:{number:013}") for number in range(1_200)]
    log.acknowledge((holding, 1) for holding in holdings)
    run = log.begin(NOW, heal=True)
    log.add(run, [check(replace(event(), holding=holdings[7]), by_sha512=True)])
    glanced = replace(event(at=LATER), holding=holdings[7])
    log.add(run, [check(glanced, by_sha512=False)])
    found = list(log.each("main"))
    assert [name for name, _, _ in found] == sorted(map(ocfl.object_path, holdings))
    checks = {name: last for name, _, last in found if last}
    assert checks == {
        ocfl.object_path(holdings[7]): LastCheck(Outcome.PASS, LATER, NOW, run.number)
    }
    assert [last for _, _, last in log.each("copy") if last] == []


def test_restored_events_are_in_the_order_of_their_times(log: FixityLog) -> None:
    first = event(outcome=Outcome.CORRUPT, at="2026-11-01T10:00:00.000000Z")
    second = event(outcome=Outcome.HEALED, at=NOW)
    third = event(at=LATER)
    assert log.restore([third]) == 1
    assert log.restore([first, second], run_at=first.at) == 2
    log.sort()
    assert log.events_of(ONE) == (third, second, first)
    assert log.counts() == {"pass": 1}
    assert log.unpreserved() == ()
    assert log.last_audit_at() == LATER


def test_what_has_lost_a_file_is_not_begun_anew(log: FixityLog) -> None:
    """Found by living through decades: with it went what was left of it, and nobody was told."""
    name, whole = ocfl.object_path(ONE), Known(ONE, 1)
    for number, (path, held) in enumerate(
        [("v1/content/a", 1), ("v1/inventory.json", 1), ("inventory.json", 0), ("", 0)]
    ):
        run = log.begin(f"{LATER}{number}", heal=True)
        lost = event(outcome=Outcome.LOST, at=f"{LATER}{number}", path=path)
        healed = event(outcome=Outcome.HEALED, at=f"{LATER}{number}", path="v1/content/b")
        log.add(run, [check(healed, lost, learnt=whole)])
        log.end(run)
        assert log.acknowledged(name, "main") == held, path
