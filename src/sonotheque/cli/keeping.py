"""The commands that keep music: init, deposit, rebuild."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.config import Config, Root
from sonotheque.errors import BadInput, SonothequeError
from sonotheque.store.clock import utc_now
from sonotheque.vault import replicas


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
        _tell_watches(archive)
    return Answer(receipt, text.receipt(receipt), exit_code=0 if receipt.accepted else 1)


def _tell_watches(archive: Archive) -> None:
    """Tell those who watch. What was deposited is kept in any case."""
    from sonotheque.desk.watches import Watches

    try:
        watches = Watches(archive)
        if watches.tell():
            watches.outbox.deliver()
    except SonothequeError as error:
        text.tell(f"Not everybody who watches knows yet: {error.line()}")


def rebuild(arguments: Namespace) -> Answer:
    from sonotheque.deposit import recovery

    with progress(rebuild="reading holdings") as show:
        rebuilt = recovery.rebuild(arguments.archive, show)
    line = (
        f"Restored {rebuilt.recordings} recordings, {rebuilt.receipts} receipts,"
        f" {rebuilt.statements} ledger entries and {rebuilt.fixity_events} fixity events."
    )
    if rebuilt.adopted:
        line += f" {rebuilt.adopted} objects came from other storage roots."
    return Answer(rebuilt, text.paragraph(line))
