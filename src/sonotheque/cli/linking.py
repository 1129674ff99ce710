"""The command that links a catalogue's rows, and what it and show tell of the links."""

from __future__ import annotations

import csv
from argparse import Namespace
from pathlib import Path

import pyarrow as pa

from sonotheque import archive as archives
from sonotheque.archive import Archive
from sonotheque.catalogue.catalogue import Listed
from sonotheque.catalogue.inputs import described_rows
from sonotheque.catalogue.normalise import fold
from sonotheque.catalogue.rows import SourceRow
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.cli.finding import wanted
from sonotheque.errors import BadInput, NotFound
from sonotheque.matching import explanation, linkage
from sonotheque.matching.explanation import Explanation, Linked, Row
from sonotheque.matching.likelihood import logit2
from sonotheque.store import files

LINKS_NAME = "links"
_LOCK_NAME = ".lock"
_YES, _NO = frozenset({"yes", "1", "true"}), frozenset({"no", "0", "false"})


def link(arguments: Namespace) -> Answer:
    if arguments.explain and arguments.labels:
        raise BadInput(
            "links nothing, and learns nothing", where="--explain", remedy="leave out --labels"
        )
    with archives.open_archive(arguments.archive) as archive:
        if arguments.explain:
            return _explain(archive, *arguments.explain)
        return _link(archive, arguments.threshold, arguments.labels)


def _link(archive: Archive, threshold: float, labels: Path | None) -> Answer:
    current = next((one for one in archive.catalogue.snapshots() if one.summary.number), None)
    if current is None:
        raise NotFound(
            "there is no snapshot to link",
            where=str(archive.config.catalogue),
            remedy="run `sonotheque catalogue build` first",
        )
    links = archive.config.derived / LINKS_NAME
    target = links / str(current.summary.number)
    judged = read_labels(labels) if labels else None
    files.make_directory(links)
    with (
        files.exclusive(links / _LOCK_NAME, busy="another `sonotheque link` is at work"),
        progress(spread="parting the rows", learn="learning", compare="comparing pairs") as show,
    ):
        found = linkage.link(
            described_rows(current.directory),
            target,
            rows=current.summary.rows,
            fold=fold,
            memory_bytes_max=archive.config.limits.catalogue_memory_bytes_max,
            threshold=threshold,
            labels=judged,
            progress=show,
        )
        for older in links.glob("*"):
            if older.is_dir() and older != target:
                files.remove_tree(older)
    lines = [
        f"{found.rows} rows of snapshot {current.summary.number}: {found.clusters} recordings by"
        " what is said of them;",
        f"  {found.linked} rows are linked to others, at a probability of {found.threshold:g} or"
        " more.",
        f"The links, as Parquet: {target}",
    ]
    return Answer(
        {"snapshot": current.summary.number, "links": target, **_said(found)}, "\n".join(lines)
    )


def _said(found: linkage.LinkSummary) -> dict[str, object]:
    return {
        "rows": found.rows,
        "clusters": found.clusters,
        "linked": found.linked,
        "pairs": found.pairs,
        "threshold": found.threshold,
        "learnt_from": found.learnt_from,
        "priors": found.priors,
    }


def _explain(archive: Archive, one: str, other: str) -> Answer:
    rows = [_row(archive, which) for which in (one, other)]
    directory = _links_of(archive, rows[0][1])
    if directory is None or directory != _links_of(archive, rows[1][1]):
        raise NotFound(
            "nothing was linked since the last build",
            where=str(archive.config.derived / LINKS_NAME),
            remedy="run `sonotheque link` first",
        )
    (first, _), (second, _) = rows
    found = explanation.explain(first, second, directory, fold)
    lines = [
        text.cut(f"{row.source}, {row.source_id}: {row.artist} — {row.title}", text.WIDTH)
        for row in (first, second)
    ]
    document = {"rows": [first, second], "explanation": found}
    return Answer(document, "\n".join([*lines, *_why(found)]), exit_code=0 if found.linked else 1)


def _why(found: Explanation) -> list[str]:
    verdict = "One recording" if found.linked else "Not one recording"
    lines = [
        f"{verdict}, by what is said of them; the pair's probability is {found.probability:.4f}."
    ]
    lines += [f"  never, because {reason}" for reason in found.conflicts]
    share = f"to begin with, pairs of one {_SHARED[found.route]}"
    lines.append(f"  {logit2(found.prior):+7.2f} bits  {share}: {found.prior:.6f}")
    lines += [
        f"  {weight.bits:+7.2f} bits  {weight.comparison}: {weight.level}"
        for weight in found.weights
        if weight.bits
    ]
    return lines


_SHARED = {"artist": "artist", "title": "title under two artists", "isrc": "ISRC"}


def linked_rows(archive: Archive, listed: Listed) -> tuple[Linked, ...]:
    """What a linkage found to be one recording with `listed`, of other recordings; none where none
    was made of its snapshot."""
    directory = _links_of(archive, listed)
    if directory is None:
        return ()
    rows = [(row.source, row.source_id) for row in listed.stored.rows]
    return explanation.linked_with(directory, rows)


def linked_lines(linked: tuple[Linked, ...]) -> list[str]:
    """In lines of at most 80 columns."""
    if not linked:
        return []
    lines = ["The same recording, by what is said of them (see `sonotheque link --explain`)"]
    for one in linked:
        told = f"{one.recording_id}  {one.source}, {one.source_id}"
        lines.append(
            text.paragraph(told, indent=" " * 14, first=f"  {one.probability:.4f}".ljust(14))
        )
    return lines


def _links_of(archive: Archive, listed: Listed) -> Path | None:
    directory = archive.config.derived / LINKS_NAME / str(listed.snapshot.summary.number)
    return directory if (directory / linkage.SUMMARY_NAME).exists() else None


def _row(archive: Archive, which: str) -> tuple[Row, Listed]:
    """The row that `which` names, or the one that describes the recording it names."""
    for recording in wanted(archive, which):
        if listed := archive.catalogue.listed(recording.id):
            source, _, source_id = which.partition(":")
            named = [
                row
                for row in listed.stored.rows
                if (row.source, row.source_id) == (source.strip(), source_id.strip())
            ]
            return _compared(*(named or listed.stored.rows)[:1]), listed
    raise NotFound("is in no imported catalogue", where=which, remedy="look with `sonotheque find`")


def _compared(row: SourceRow) -> Row:
    return Row(
        source=row.source,
        source_id=row.source_id,
        title=row.title,
        artist=row.artist,
        album=row.album,
        isrc=row.isrcs[0] if row.isrcs else None,
        other_isrcs=" ".join(row.isrcs[1:]),
        year=row.year or (int(row.release_date[:4]) if row.release_date else None),
        duration_ms=row.duration_ms,
    )


def read_labels(path: Path) -> pa.Table:
    """Pairs that a person has judged, of a CSV file with the columns a, b (each SOURCE:ID) and
    same (yes or no), in the form that linkage takes. Raises BadInput."""
    judged = []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if not {"a", "b", "same"} <= set(reader.fieldnames or ()):
                raise BadInput(
                    "does not have the columns a, b and same",
                    where=str(path),
                    remedy="name them so",
                )
            for row in reader:
                judged.append(_label(row, f"{path}, line {reader.line_num}"))
    except OSError as error:
        raise files.explain(error, path) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadInput(
            f"is no CSV in UTF-8 ({error})", where=str(path), remedy="save it as one"
        ) from error
    return pa.Table.from_pylist(judged, schema=linkage.LABELS_SCHEMA)


def _label(row: dict[str, str], where: str) -> dict[str, object]:
    said = (row["same"] or "").strip().lower()
    sides = [(row[name] or "").partition(":") for name in ("a", "b")]
    if said not in _YES | _NO or not all(source and source_id for source, _, source_id in sides):
        raise BadInput(
            "is no judged pair", where=where, remedy="write SOURCE:ID,SOURCE:ID,yes or no"
        )
    keys = [linkage.row_key(source.strip(), source_id.strip()) for source, _, source_id in sides]
    return {"row_a": keys[0], "row_b": keys[1], "same": said in _YES}
