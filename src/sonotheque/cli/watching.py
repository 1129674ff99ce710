"""The commands `watch`: who is told when a later deposit sounds like theirs."""

from __future__ import annotations

from argparse import Namespace

from sonotheque import archive as archives
from sonotheque.cli import text
from sonotheque.cli.answer import Answer
from sonotheque.desk.watches import Watch, Watches
from sonotheque.store.clock import utc_now


def add(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        watch = Watches(archive).add(
            artist=arguments.artist, label=arguments.label, contact=arguments.contact, now=utc_now()
        )
        if not archive.config.desk.notify:
            text.tell("Nobody is told before [desk] notify is set in archive.toml.")
    return Answer(watch, _line(watch))


def listing(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        watches = Watches(archive).each()
    return Answer(watches, "\n".join(map(_line, watches)) or "Nobody watches.")


def remove(arguments: Namespace) -> Answer:
    with archives.open_archive(arguments.archive) as archive:
        watch = Watches(archive).remove(arguments.watch)
    return Answer(watch, f"{watch.id} is ended.")


def _line(watch: Watch) -> str:
    whose = f"artist {watch.artist}" if watch.artist else f"label {watch.label}"
    said = f"{whose}, since {watch.since[:10]}: {watch.contact}"
    return text.paragraph(said, indent=" " * 15, first=f"{watch.id}  ")
