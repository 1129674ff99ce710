"""The commands that exchange with other archives: adopt, export."""

from __future__ import annotations

from argparse import Namespace

from sonotheque import archive as archives
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
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
