"""The commands about others' catalogues: import, catalogue; and what show tells of them."""

from __future__ import annotations

from argparse import Namespace
from itertools import islice

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.catalogue import additions, build, changes, provenance
from sonotheque.catalogue.catalogue import Listed
from sonotheque.catalogue.lookup import SnapshotAbout, SnapshotSummary
from sonotheque.catalogue.sources import registry
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.errors import BadInput, NotFound
from sonotheque.store.clock import utc_now

CHANGES_MAX = 10_000
"""A longer list is read from its file."""
_FIELD_NAMES = {"release_date": "released", "duration_ms": "duration", "isrc": "ISRC"}


def import_source(arguments: Namespace) -> Answer:
    now = utc_now()
    with archives.open_archive(arguments.archive) as archive, archive.writing():
        directory = archive.config.catalogue
        imported = registry.import_source(
            arguments.source,
            directory,
            arguments.path,
            origin=arguments.origin,
            licence=arguments.licence,
            now=now,
            mapping=arguments.mapping,
        )
        added = None
        if imported.rows_staged <= additions.ROWS_MAX:
            known = archive.catalogue.snapshots()
            added = additions.add(directory, imported.number, now, known)
        waiting = build.pending_imports(directory)
    lines = [
        f"{imported.rows_read} rows read, {imported.rows_staged} taken in,"
        f" {imported.rows_quarantined} set aside.",
    ]
    if imported.rows_quarantined:
        lines.append(f"What was set aside, and why: {imported.quarantine}")
    if added:
        lines.append(f"{added.recordings} new recordings can be found now.")
    lines.append(_waiting_line(waiting))
    document = {"import": imported, "snapshot": added, "waiting": waiting}
    return Answer(document, "\n".join(lines), exit_code=1 if imported.rows_quarantined else 0)


def catalogue(arguments: Namespace) -> Answer:
    if arguments.since is not None and arguments.action != "changes":
        raise BadInput(
            "goes with `catalogue changes`", where="--since", remedy="leave it out, or ask for them"
        )
    with archives.open_archive(arguments.archive) as archive:
        match arguments.action:
            case "build":
                return _build(archive)
            case "changes":
                return _changes(archive, arguments.since)
            case _:
                return _status(archive)


def _build(archive: Archive) -> Answer:
    with (
        archive.writing(),
        progress(
            spread="parting the rows", rank="making recordings", search="indexing words"
        ) as show,
    ):
        built = build.build_snapshot(
            archive.config.catalogue,
            utc_now(),
            memory_bytes_max=archive.config.limits.catalogue_memory_bytes_max,
            progress=show,
        )
    counted = built.changes
    lines = [
        *_snapshot_lines(built),
        f"Since the snapshot before: {counted['added']} recordings added, {counted['merged']}"
        f" merged, {counted['changed']} described anew.",
    ]
    return Answer(built, "\n".join(lines))


def _status(archive: Archive) -> Answer:
    snapshots = archive.catalogue.snapshots()
    directory = archive.config.catalogue
    waiting = build.pending_imports(directory)
    current = next((one.summary for one in snapshots if one.summary.number), None)
    added = sum(one.count() for one in snapshots if not one.summary.number)
    lines = _snapshot_lines(current) if current else ["No snapshot has been built."]
    if added:
        lines.append(f"{added} recordings were added since, and can be found.")
    lines.append(_waiting_line(waiting))
    if (directory / build.WORKSPACE_NAME).exists():
        lines.append("A build was begun: `sonotheque catalogue build` goes on with it.")
    if current:
        lines.append("Imports it is made of")
        lines += [
            text.paragraph(
                f"{about.origin} ({about.licence})",
                indent=" " * 14,
                first=f"  {about.at[:10]}  ",
            )
            for about in current.imports
        ]
        lines.append("Snapshots before it")
        lines += [_about_line(about) for about in current.before] or ["  none"]
    document = {"snapshot": current, "added": added, "waiting": waiting}
    return Answer(document, "\n".join(lines))


def _changes(archive: Archive, since: int | None) -> Answer:
    directory = archive.config.catalogue
    snapshots = [one.summary for one in archive.catalogue.snapshots() if one.summary.number]
    if not snapshots:
        raise NotFound(
            "no snapshot yet", where=str(directory), remedy="run `sonotheque catalogue build` first"
        )
    before = [about.number for about in snapshots[0].before]
    first = since if since is not None else max(before, default=snapshots[0].number)
    found = list(islice(changes.changes_since(directory, first), CHANGES_MAX + 1))
    lines = [
        text.cut(f"{one.kind:<8} {one.recording}  {one.artist} — {one.title}", text.WIDTH)
        for one in found[:CHANGES_MAX]
    ]
    if len(found) > CHANGES_MAX:
        lines.append(f"… and more: all of them are in {directory}/<n>/changes.tsv.zst")
    if not found:
        lines.append(f"Nothing has changed since snapshot {first}.")
    document = {
        "since": first,
        "changes": found[:CHANGES_MAX],
        "more": len(found) > CHANGES_MAX,
    }
    return Answer(document, "\n".join(lines))


def listed_lines(listed: Listed) -> list[str]:
    """What others' catalogues say of a recording, in lines of at most 80 columns."""
    lines = ["What others' catalogues say"]
    for number, row in enumerate(listed.stored.rows, 1):
        told = f"{row.source}, {row.source_id}"
        lines.append(text.paragraph(told, indent=" " * 14, first=f"  [{number}]".ljust(14)))
    previous = ""
    for one in provenance.said(listed.stored):
        name = _FIELD_NAMES.get(one.field, one.field) if one.field != previous else ""
        previous = one.field
        value = text.duration(int(one.value)) if one.field == "duration_ms" else one.value
        marks = f"[{', '.join(map(str, one.rows))}]"
        lines.append(text.paragraph(f"{value} {marks}", indent=" " * 14, first=f"  {name:<11} "))
    lines.append("On these releases")
    for release in provenance.releases(listed.stored):
        parts = [release.title or "untitled", release.label, release.release_date, release.upc]
        marks = f"[{', '.join(map(str, release.rows))}]"
        told = f"{', '.join(part for part in parts if part)} {marks}"
        lines.append(text.paragraph(told, indent="    ", first="  "))
    numbers = listed.snapshot.appeared_in(listed.stored)
    where = f"snapshots {', '.join(map(str, numbers))}" if any(numbers) else "additions, not built"
    lines.append(f"  in {where}")
    return lines


def listed_document(listed: Listed) -> dict[str, object]:
    return {
        "rows": listed.stored.rows,
        "fields": provenance.said(listed.stored),
        "releases": provenance.releases(listed.stored),
        "snapshots": listed.snapshot.appeared_in(listed.stored),
        "former_ids": listed.stored.former_ids,
    }


def _snapshot_lines(summary: SnapshotSummary) -> list[str]:
    served = sum(summary.files.values())
    return [
        f"Snapshot {summary.number} of {summary.built_at[:10]}: {summary.recordings} recordings,"
        f" {summary.isrcs} ISRCs,",
        f"  of {summary.rows} rows, in {text.size(served)}"
        f" ({summary.isrc_index_bits_per_key:.1f} bits an ISRC in its index).",
    ]


def _about_line(about: SnapshotAbout) -> str:
    return f"  {about.built_at[:10]}  snapshot {about.number}: {about.recordings} recordings"


def _waiting_line(waiting: tuple[int, ...]) -> str:
    if not waiting:
        return "No import waits for a build."
    imports = "1 import waits" if len(waiting) == 1 else f"{len(waiting)} imports wait"
    return f"{imports} to be folded in: `sonotheque catalogue build`."
