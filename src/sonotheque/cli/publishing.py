"""The commands that choose and publish: select, publish, mirror, seed, simulate."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.errors import BadInput, NotFound, Refused
from sonotheque.model.identifiers import parse_recording_id
from sonotheque.model.plans import Choice
from sonotheque.quantities import parse_size
from sonotheque.store.clock import utc_now

if TYPE_CHECKING:
    from sonotheque.publication.edition import Edition

_SHOWN_MAX = 20
_WITHDRAWAL_POLL_SECONDS = 5


def select(arguments: Namespace) -> Answer:
    from sonotheque.selection import plan, policy

    now = utc_now()
    budget_bytes = parse_size(arguments.budget)
    rules = policy.read_policy(arguments.policy) if arguments.policy else policy.Policy()
    with archives.open_archive(arguments.archive) as archive:
        made = plan.plan(
            plan.candidates_of(archive, now), budget_bytes, rules, year_now=int(now[:4])
        )
        titles = {recording.id: recording for recording in archive.catalogue.each()}
    if arguments.explain:
        wanted = parse_recording_id(arguments.explain)
        found = [choice for choice in made.choices if choice.recording == wanted]
        if not found:
            raise NotFound("is not held", where=wanted, remedy="look with `sonotheque find`")
        return Answer(found[0], "\n".join(_explained(found[0])))
    lines = [
        text.recording_line(titles[choice.recording]) + f"  {choice.value:.2f}"
        for choice in made.chosen[:_SHOWN_MAX]
    ]
    if len(made.chosen) > _SHOWN_MAX:
        lines.append(f"… and {len(made.chosen) - _SHOWN_MAX} more")
    lines.append(
        f"{len(made.chosen)} of {len(made.choices)} recordings, {text.size(made.chosen_bytes)} of"
        f" {text.size(made.budget_bytes)}; at most {made.gap:.2%} from the best plan"
    )
    return Answer(made, "\n".join(lines))


def publish(arguments: Namespace) -> Answer:
    from sonotheque.publication import edition, tombstones

    now = utc_now()
    with archives.open_archive(arguments.archive) as archive:
        plan = edition.plan_edition(archive, now)
        if arguments.plan:
            lines = [
                f"Edition {plan.number} would hold {len(plan.items)} recordings,"
                f" {text.size(plan.byte_count)}, and leave out {len(plan.excluded)}:"
            ]
            for left in plan.excluded:
                reasons = "; ".join(reason.message for reason in left.reasons)
                lines.append(
                    text.paragraph(f"{left.recording} {reasons}", indent="    ", first="  ")
                )
            return Answer(plan, "\n".join(lines))
        with progress(publish="copying", verify="hashing torrents") as show:
            built = edition.build_edition(archive, plan, now, progress=show)
        tombstones.publish_tombstones(archive, utc_now())
    v1, v2 = built.torrents
    lines = [
        f"Edition {built.number}: {len(built.recordings)} recordings,"
        f" {text.size(built.total_bytes)}, {len(built.excluded)} left out",
        f"  in      {built.directory}",
        f"  v1      {v1}",
        f"  v2      {v2}",
        "Offer it with `sonotheque seed`.",
    ]
    return Answer(built, "\n".join(lines))


def mirror(arguments: Namespace) -> Answer:
    from sonotheque.publication.mirror import honour, mirror_edition
    from sonotheque.store.signing import parse_verifier

    verifier = parse_verifier(arguments.key) if arguments.key else None
    peer = _peer(arguments.peer) if arguments.peer else None
    listed = arguments.tombstones
    if arguments.to.exists():
        made = honour(arguments.source, arguments.to, verifier=verifier, tombstones=listed)
    else:
        with progress(torrent="fetching") as show:
            made = mirror_edition(
                arguments.source,
                arguments.to,
                verifier=verifier,
                peer=peer,
                tombstones=listed,
                progress=show,
            )
    lines = [
        f"Edition {made.edition} is mirrored in {made.directory}: {made.file_count} files,"
        f" {text.size(made.byte_count)}, every digest holds."
    ]
    if not made.tombstones_at:
        lines.append("No list of tombstones was found: give --tombstones FILE or its address.")
    else:
        kept = " and are not kept:" if made.withheld else "."
        lines.append(
            f"By the list of {made.tombstones_at[:10]}, {len(made.withheld)} of its recordings were"
            f" withdrawn{kept}"
        )
        lines += [f"  {recording}" for recording in made.withheld[:_SHOWN_MAX]]
    lines += [f"  removed {path}" for path in made.removed[:_SHOWN_MAX]]
    if verifier is None:
        lines.append("Give --key to know whose it is: the key beside an edition proves nothing.")
    return Answer(made, "\n".join(lines))


def seed(arguments: Namespace) -> Answer:
    from sonotheque.publication import edition, manifest, torrent

    with archives.open_archive(arguments.archive) as archive:
        newest = next(iter(edition.editions(archive.config)), None)
        if newest is None:
            raise NotFound(
                "no edition yet", where=archive.config.name, remedy="`sonotheque publish`"
            )
        _check_withdrawals(archive, newest)
        torrents = edition.read_torrents(newest.directory)
        content = newest.directory / manifest.CONTENT_NAME
        with torrent.seed(torrents, content, host=arguments.host, port=arguments.port) as port:
            stopped = _stop_signals()
            address = f"{arguments.host}:{port}"
            text.tell(f"Edition {newest.number} is offered on {address}; stop with Ctrl-C")
            while not stopped.wait(_WITHDRAWAL_POLL_SECONDS):
                _check_withdrawals(archive, newest)
    return Answer({"edition": newest.number, "port": port}, "")


def _stop_signals() -> threading.Event:
    """Set by Ctrl-C or a plain kill, also where whoever started us had them ignored."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def _check_withdrawals(archive: Archive, offered: Edition) -> None:
    from sonotheque.publication import edition

    withdrawn = edition.withdrawn_from(archive, offered, utc_now())
    if withdrawn:
        raise Refused(
            f"is not offered: {len(withdrawn)} of its recordings were withdrawn",
            where=f"edition {offered.number}",
            remedy="build the next one with `sonotheque publish`",
        )


def universe(arguments: Namespace) -> Answer:
    from sonotheque.simulation.universe import write_universe

    with progress(universe="making up blocks") as show:
        write_universe(
            arguments.out, recordings=arguments.recordings, seed=arguments.seed, progress=show
        )
    document = {
        "out": str(arguments.out),
        "recordings": arguments.recordings,
        "seed": arguments.seed,
    }
    return Answer(document, f"{arguments.recordings} recordings in {arguments.out}")


def durability(arguments: Namespace) -> Answer:
    from sonotheque.simulation import durability_tables
    from sonotheque.simulation.durability import Assumptions

    path: Path | None = arguments.assumptions
    given = durability_tables.read_assumptions(path) if path else Assumptions()
    found = durability_tables.tables(given)
    document = {"assumptions": given, "tables": found}
    return Answer(document, "\n\n".join(text.table(one.head, one.rows) for one in found))


def _explained(choice: Choice) -> list[str]:
    from sonotheque.selection import policy

    verdict = "chosen" if choice.chosen else "not within the budget"
    lines = [
        f"{choice.recording}: {choice.value:.2f} points, {text.size(choice.byte_count)}, {verdict}"
    ]
    return lines + [
        f"  {points:+7.2f}  {code:<12} {policy.WHY[code]}" for code, points in choice.reasons
    ]


def _peer(written: str) -> tuple[str, int]:
    host, colon, port = written.rpartition(":")
    if not colon or not port.isdecimal():
        raise BadInput("is not HOST:PORT", where=written, remedy="as in 127.0.0.1:6881")
    return host, int(port)
