"""The command that checks what is held: audit."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.deposit import recovery
from sonotheque.deposit.agreement import Agreement, faults
from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure
from sonotheque.model.findings import Finding, Severity
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import HoldingId, holding_id_of, parse_recording_id
from sonotheque.quantities import parse_rate, parse_span
from sonotheque.store.clock import utc_now
from sonotheque.vault import audit as audits
from sonotheque.vault import ocfl, premis, replicas
from sonotheque.vault.fixity import Checked

_LEDGER_LINES = {
    Outcome.PASS: "The ledger hashes to its signed checkpoint.",
    Outcome.CORRUPT: "The ledger's files do not hash to its signed checkpoint:"
    " `sonotheque audit --heal` writes them again from the database.",
    Outcome.HEALED: "The ledger's files were damaged, and are written again from the database.",
    Outcome.LOST: "The ledger's files do not hash to its signed checkpoint, and the database has"
    " nothing better: restore the ledger directory from a mirror or a backup.",
}
_LISTED_MAX, _SHOWN_MAX = 1_000, 100
"""Events in the document and in the text: a root that was lost whole has millions."""


@dataclass(slots=True)
class _Found:
    passed: int = 0
    wrong: int = 0
    healed: int = 0
    byte_count: int = 0
    events: list[FixityEvent] = field(default_factory=list)
    lacking: list[HoldingId] = field(default_factory=list)
    """Of which the vault keeps what the database does not know: the first ones."""

    def add(self, check: Checked) -> None:
        self.byte_count += check.byte_count
        if check.passed:
            self.passed += 1
            return
        self.wrong += len(check.events)
        self.healed += sum(event.outcome is Outcome.HEALED for event in check.events)
        self.events += check.events[: _LISTED_MAX - len(self.events)]


def audit(arguments: Namespace) -> Answer:
    if arguments.earlier:
        with archives.open_archive(arguments.archive) as archive:
            return _preserved(archive, arguments)
    began = utc_now()
    # Before all else: what was checked, and what must be there, is known from the database.
    damage = [] if arguments.only else _damage(arguments.archive)
    if damage and not arguments.heal:
        document = _document(began, _Found(), database=Outcome.CORRUPT, findings=damage)
        return Answer(document, "\n".join(_database_lines(damage, healed=False)), exit_code=1)
    if damage:
        _restore_database(arguments.archive)
    return _audit(arguments, began, damage)


def _audit(arguments: Namespace, began: str, restored: Sequence[Finding]) -> Answer:
    """The audit, by a database that is whole; `restored` is what was wrong with it before."""
    with archives.open_archive(arguments.archive) as archive:
        within = {
            root.name: parse_span(span)
            for root in archive.config.roots
            if (span := arguments.within or root.audit_within)
        }
        rates = {
            root.name: parse_rate(rate)
            for root in archive.config.roots
            if (rate := arguments.rate or root.audit_rate)
        }
        # Before the rest: who writes publishes what is not, and stops at a checkpoint that is off.
        ledger = _audit_ledger(archive, heal=arguments.heal)
        for name in arguments.renew:
            _renew(archive, name, healing=arguments.heal)
        checker = archive.audit(utc_now, heal=arguments.heal)
        if arguments.only:
            found = _gather(archive, checker.check(_held(archive, arguments.only)))
        else:
            with archive.auditing():
                found = _gather(archive, checker.run(within_seconds=within, rates=rates))
        entering = arguments.heal and not arguments.only
        lacking = _settle_lacking(archive, found.lacking, entering=entering)
        runs = archive.preserve_audits(checker)
        if arguments.premis and runs:
            _write_premis(archive, runs[-1], arguments.premis)
    spread = replicas.spread(archive.config.roots)
    if entering and len(lacking) >= _LISTED_MAX:
        _restore_database(arguments.archive)
    findings = [*restored, *lacking]
    database = Outcome.PASS
    if findings:
        database = Outcome.CORRUPT if lacking and not entering else Outcome.HEALED
    document = _document(began, found, database=database, findings=findings) | {
        "runs": runs,
        "ledger": ledger,
        "spread": spread,
    }
    whole = found.healed == found.wrong and not {ledger, database} & {Outcome.CORRUPT, Outcome.LOST}
    lines = _lines(found, ledger, healing=arguments.heal)
    lines += _database_lines(findings, healed=database is Outcome.HEALED)
    lines += text.findings(one for one in spread.findings if one.severity is Severity.WARNING)
    return Answer(document, "\n".join(lines), exit_code=0 if whole else 1)


def _document(
    began: str, found: _Found, *, database: Outcome, findings: Sequence[Finding]
) -> dict[str, Any]:
    return {
        "at": began,
        "runs": [],
        "passed": found.passed,
        "wrong": found.wrong,
        "healed": found.healed,
        "byte_count": found.byte_count,
        "events": found.events,
        "ledger": None,
        "database": database,
        "findings": findings,
        "spread": None,
    }


def _damage(directory: Path) -> list[Finding]:
    """What is wrong with the database as a whole."""
    with archives.open_archive(directory) as archive:
        # Where that fails, the ledger or the database is damaged, which is looked at next.
        with contextlib.suppress(Corrupt, EnvironmentFailure):
            archive.ledger.publish()
        return list(faults(archive))


def _restore_database(directory: Path) -> None:
    # What is published is what the database is restored from.
    with (
        contextlib.suppress(Corrupt, EnvironmentFailure),
        archives.open_archive(directory) as archive,
    ):
        archive.ledger.heal()
    with progress(rebuild="restoring the database") as show:
        recovery.rebuild(directory, show)


def _settle_lacking(
    archive: Archive, holdings: Sequence[HoldingId], *, entering: bool
) -> list[Finding]:
    """What the database does not know of `holdings`, now that nobody writes; with `entering` it
    is entered, where it is not so much that the database is rebuilt."""
    if not holdings:
        return []
    with archive.writing():
        agreement = Agreement(archive)
        lacking = [one for holding in holdings if (one := agreement.behind(holding))]
        if entering and len(lacking) < _LISTED_MAX:
            agreement.enter([HoldingId(finding.where) for finding in lacking])
    return lacking


def _renew(archive: Archive, name: str, *, healing: bool) -> None:
    root = next((root for root in archive.roots if root.name == name), None)
    if root is None or not healing:
        raise BadInput(
            "names no storage root" if root is None else "makes an empty root",
            where=f"--renew {name}",
            remedy="say one of archive.toml" if root is None else "add --heal, which fills it",
        )
    with archive.writing():
        replicas.renew(root)


def _preserved(archive: Archive, arguments: Namespace) -> Answer:
    """An earlier run's events as PREMIS, and no audit."""
    if not arguments.premis:
        raise BadInput("needs a file to write to", where="--run", remedy="add --premis FILE")
    run = HoldingId(f"{audits.AUDIT_PREFIX}{arguments.earlier.removeprefix(audits.AUDIT_PREFIX)}")
    count = _write_premis(archive, run, arguments.premis)
    document = {"run": run, "premis": arguments.premis, "events": count}
    return Answer(document, f"{count} fixity events in {arguments.premis}")


def _write_premis(archive: Archive, run: HoldingId, path: Path) -> int:
    events = audits.preserved_events(archive.roots, run)
    with path.open("wb") as file:
        return premis.write_xml(run, events, file)


def _held(archive: Archive, identifier: str) -> HoldingId:
    """The holding of a recording that is held, or was: what every root has lost is to be told."""
    holding = holding_id_of(parse_recording_id(identifier))
    known, _ = archive.fixity.known(ocfl.object_path(holding), archive.vault.name)
    if known is None and not any(
        root.has_object(ocfl.object_path(holding)) for root in archive.roots
    ):
        archive.vault.required(holding)
    return holding


def _gather(archive: Archive, checks: Iterable[Checked]) -> _Found:
    found, agreement = _Found(), Agreement(archive)
    with progress(audit="checking copies") as show:
        for number, check in enumerate(checks, 1):
            found.add(check)
            holding = check.events[0].holding
            if (
                check.name  # a root's own files are of no holding
                and check.root == archive.vault.name
                and len(found.lacking) < _LISTED_MAX
                and agreement.behind(holding)
            ):
                found.lacking.append(holding)
            show("audit", number, number)
    return found


def _lines(found: _Found, ledger: Outcome, *, healing: bool) -> list[str]:
    lines = [_event_line(event) for event in found.events[:_SHOWN_MAX]]
    if found.wrong > len(lines):
        lines.append(f"… and {found.wrong - len(lines)} more, all of them kept with the run.")
    lines.append(
        f"{found.passed} copies are whole, {found.wrong} files are not, {found.healed} healed."
    )
    if found.healed < found.wrong and not healing:
        lines.append("`sonotheque audit --heal` replaces what another copy can restore.")
    if any(event.outcome is Outcome.STRAY for event in found.events):
        strays = "No inventory knows what is a stray: look at it, and move it out of its root."
        lines.append(text.paragraph(strays))
    return [*lines, text.paragraph(_LEDGER_LINES[ledger])]


def _database_lines(findings: Sequence[Finding], *, healed: bool) -> list[str]:
    if not findings:
        return []
    if not healed:
        return ["The database is not as it should be:", *text.findings(findings[:_SHOWN_MAX])]
    lines = ["The database was not as it should be, and is restored:"]
    for finding in findings[:_SHOWN_MAX]:
        what = f"[{finding.code}] {finding.where}: {finding.message}"
        lines.append(text.paragraph(what, indent="  "))
    return lines


def _event_line(event: FixityEvent) -> str:
    what = f"{event.holding}, root {event.root}: {event.path or 'the whole object'} {event.detail}"
    return text.paragraph(what, indent="    ", first=f"{event.outcome.value:<8} ")


def _audit_ledger(archive: Archive, *, heal: bool) -> Outcome:
    """Whether the published ledger still hashes to what was signed."""
    try:
        archive.ledger.publish()
        archive.ledger.verify()
    except Corrupt:
        if not heal:
            return Outcome.CORRUPT
        try:
            archive.ledger.heal()
            archive.ledger.publish()
            archive.ledger.verify()
        except Corrupt:
            return Outcome.LOST
        return Outcome.HEALED
    return Outcome.PASS
