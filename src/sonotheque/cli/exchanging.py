"""The commands that exchange with other archives: adopt, export."""

from __future__ import annotations

from argparse import Namespace

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.cli.finding import wanted
from sonotheque.model.identifiers import HoldingId, holding_id_of
from sonotheque.store.clock import utc_now

_MARKS = {
    "adopted": "✓ adopted",
    "already-held": "= already held",
    "refused": "✗ refused",
    "left": "· left where it is",
}
OBJECTS_MAX = 1_000
"""A longer list is read with --json."""


def adopt(arguments: Namespace) -> Answer:
    from sonotheque.deposit import adoption
    from sonotheque.deposit.adoption import AdoptionStatus

    with (
        archives.open_archive(arguments.archive) as archive,
        progress(adopt="validating and copying") as show,
    ):
        adopted = adoption.adopt(
            archive, arguments.root, utc_now(), origin=arguments.origin, progress=show
        )
    lines = text.findings(adopted.findings)
    shown = [one for one in adopted.objects if one.status is not AdoptionStatus.ALREADY_HELD]
    for one in shown[:OBJECTS_MAX]:
        versions = "1 version" if one.versions == 1 else f"{one.versions} versions"
        name = text.cut(one.id or one.path, 44)
        lines.append(f"{_MARKS[one.status]}: {name}  OCFL {one.spec}, {versions}")
        lines += text.findings(one.findings, indent="  ")
    if len(shown) > OBJECTS_MAX:
        lines.append(f"… and {len(shown) - OBJECTS_MAX} more: --json has all of them")
    counts = {status: adopted.count(status) for status in AdoptionStatus}
    lines.append(
        f"{counts[AdoptionStatus.ADOPTED]} objects adopted,"
        f" {counts[AdoptionStatus.ALREADY_HELD]} already held,"
        f" {counts[AdoptionStatus.REFUSED]} refused, {counts[AdoptionStatus.LEFT]} left."
    )
    return Answer(adopted, "\n".join(lines), exit_code=0 if adopted.accepted else 1)


def export(arguments: Namespace) -> Answer:
    from sonotheque import export as exports

    now = utc_now()
    exported = []
    with (
        archives.open_archive(arguments.archive) as archive,
        progress(export="writing bags") as show,
    ):
        which = [id_ for word in arguments.which for id_ in _holdings(archive, word)]
        plan = exports.plan_export(archive, which, arguments.to, now)
        for number, bag in enumerate(exports.execute(archive, plan, now), 1):
            exported.append(bag)
            show("export", number, len(plan))
    lines = []
    for bag in exported:
        lines.append(f"{text.cut(bag.holding, 70)}, version {bag.version}")
        size = text.size(bag.payload_bytes)
        lines.append(
            text.paragraph(f"{bag.directory}: {bag.payload_files} files, {size}", indent="  ")
        )
    document = {"exported": exported, "format": arguments.format}
    return Answer(document, "\n".join(lines))


def _holdings(archive: Archive, which: str) -> list[HoldingId]:
    """The holding that `which` names as such, or those of the recordings that it names."""
    if archive.vault.holding(HoldingId(which)):
        return [HoldingId(which)]
    return [holding_id_of(recording.id) for recording in wanted(archive, which)]
