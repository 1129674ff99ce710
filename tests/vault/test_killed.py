"""An audit that is killed anywhere goes on when it is run again, and tells nothing wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sonotheque.model.holdings import Outcome
from sonotheque.model.identifiers import HoldingId
from sonotheque.store import db
from sonotheque.vault.audit import AUDIT_PREFIX, preserved_events
from sonotheque.vault.fixity_log import FixityLog
from sonotheque.vault.objects import Vault
from sonotheque.vault.replicas import replicate

NOW = "2026-11-20T10:00:00.000000Z"
HOLDINGS = [HoldingId(f"urn:sonotheque:holding:{number:013}") for number in range(8)]
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
    main: Vault, copy: Vault, validate: Callable[[Vault], None], tmp_path: Path
) -> None:
    roots = (main, copy)
    for holding in HOLDINGS:
        main.write_version(holding, {"audio/a": holding.encode()}, message="", now=NOW)
        replicate(main, [copy], holding)
    for holding in HOLDINGS[::3]:
        copy.path_of(holding, "audio/a").write_bytes(b"rot")
    before = {holding: main.read(holding, "audio/a") for holding in HOLDINGS}
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
    held = [known.holding for _, known, _ in log.each("main") if known]
    runs = [holding for holding in held if holding.startswith(AUDIT_PREFIX)]
    assert runs and log.unpreserved() == ()
    # Whoever is killed as it keeps its run has ended it, and begins another one.
    for run in runs:
        kept = [event for event in preserved_events(roots, run) if event.holding in before]
        checked = Counter((event.holding, event.root) for event in kept)
        assert checked == {(holding, root.name): 1 for holding in HOLDINGS for root in roots}
    engine.dispose()
