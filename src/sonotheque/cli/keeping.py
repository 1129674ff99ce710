"""The commands that keep music: init, deposit, audit."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.config import Config, Root
from sonotheque.errors import BadInput, Corrupt
from sonotheque.model.holdings import FixityEvent, Outcome
from sonotheque.model.identifiers import holding_id_of, parse_recording_id
from sonotheque.store.clock import utc_now
from sonotheque.vault import fixity, replicas

_LEDGER_LINES = {
    Outcome.PASS: "The ledger hashes to its signed checkpoint.",
    Outcome.CORRUPT: "The ledger's files do not hash to its signed checkpoint:"
    " `sonotheque audit --heal` writes them again from the database.",
    Outcome.HEALED: "The ledger's files were damaged, and are written again from the database.",
    Outcome.LOST: "The ledger's files do not hash to its signed checkpoint, and the database has"
    " nothing better: restore the ledger directory from a mirror or a backup.",
}


def init(arguments: Namespace) -> Answer:
    for option in ("name", "mandate"):
        if not getattr(arguments, option).strip():
            raise BadInput("is empty", where=f"--{option}", remedy="say it in a few words")
    directory: Path = arguments.directory.absolute()
    places = arguments.root or [str(directory / "replica")]
    config = Config(
        directory=directory,
        name=arguments.name,
        mandate=arguments.mandate,
        contact=arguments.contact,
        roots=(
            Root("main", directory / "vault"),
            *(_root(f"copy-{n}", place, arguments.endpoint) for n, place in enumerate(places, 1)),
        ),
    )
    with archives.create(config) as archive:
        key = archive.signer.verifier.text()
    lines = [f"{config.name} is ready in {directory}"]
    lines += [f"  storage root {root.name}: {root.where}" for root in config.roots]
    lines += [
        f"  public key {key}",
        text.paragraph(
            "Keep a copy of the keys directory somewhere else. Say in archive.toml where each"
            " root stands: two copies on one disk are one copy.",
            indent="  ",
        ),
    ]
    spread = replicas.spread(config.roots)
    lines += text.findings(spread.findings, indent="  ")
    document = {"archive": str(directory), "name": config.name, "key": key, "spread": spread}
    return Answer(document, "\n".join(lines))


def _root(name: str, place: str, endpoint: str) -> Root:
    if "://" in place:
        return Root(name, url=place.rstrip("/"), endpoint=endpoint)
    return Root(name, Path(place).absolute())


def deposit(arguments: Namespace) -> Answer:
    from sonotheque.deposit import accession

    with (
        archives.open_archive(arguments.archive) as archive,
        progress(inspect="listening", store="storing") as show,
    ):
        receipt = accession.deposit(
            archive, arguments.paths, utc_now(), statements=arguments.statements, progress=show
        )
    return Answer(receipt, text.receipt(receipt), exit_code=0 if receipt.accepted else 1)


def audit(arguments: Namespace) -> Answer:
    only = holding_id_of(parse_recording_id(arguments.only)) if arguments.only else None
    now = utc_now()
    with archives.open_archive(arguments.archive) as archive, archive.writing():
        if only:
            archive.vault.required(only)
        events = list(fixity.audit(archive.roots, now, heal=arguments.heal, only=only))
        archive.fixity.record(events)
        fixity.preserve(archive.vault, archive.replicas, events, now)
        ledger = _audit_ledger(archive, heal=arguments.heal)
    wrong = [event for event in events if event.outcome is not Outcome.PASS]
    healed = [event for event in wrong if event.outcome is Outcome.HEALED]
    lines = [_event_line(event) for event in wrong]
    passed = len(events) - len(wrong)
    lines.append(f"{passed} copies are whole, {len(wrong)} files are not, {len(healed)} healed.")
    if len(healed) < len(wrong) and not arguments.heal:
        lines.append("`sonotheque audit --heal` replaces what another copy can restore.")
    lines.append(text.paragraph(_LEDGER_LINES[ledger]))
    document = {
        "at": now,
        "passed": passed,
        "healed": len(healed),
        "events": wrong,
        "ledger": ledger,
    }
    whole = len(healed) == len(wrong) and ledger in (Outcome.PASS, Outcome.HEALED)
    return Answer(document, "\n".join(lines), exit_code=0 if whole else 1)


def _audit_ledger(archive: Archive, *, heal: bool) -> Outcome:
    """Whether the published ledger still hashes to what was signed."""
    try:
        archive.ledger.verify()
    except Corrupt:
        if not heal:
            return Outcome.CORRUPT
        try:
            archive.ledger.heal()
            archive.ledger.verify()
        except Corrupt:
            return Outcome.LOST
        return Outcome.HEALED
    return Outcome.PASS


def rebuild(arguments: Namespace) -> Answer:
    from sonotheque.deposit import recovery

    with progress(rebuild="reading holdings") as show:
        rebuilt = recovery.rebuild(arguments.archive, show)
    line = (
        f"Restored {rebuilt.recordings} recordings, {rebuilt.receipts} receipts,"
        f" {rebuilt.statements} ledger entries and {rebuilt.fixity_events} fixity events."
    )
    return Answer(rebuilt, text.paragraph(line))


def _event_line(event: FixityEvent) -> str:
    what = f"{event.holding}, root {event.root}: {event.path or 'the whole object'} {event.detail}"
    return text.paragraph(what, indent="    ", first=f"{event.outcome.value:<8} ")
