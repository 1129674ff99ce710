"""The command that looks through a delivery, or through the archive itself: check."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from sonotheque import archive as archives
from sonotheque.access import checks
from sonotheque.access.language import language
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.deposit.checking import Checked, Report, check_archive
from sonotheque.deposit.checking import check as check_delivery
from sonotheque.errors import BadInput
from sonotheque.model.findings import Severity
from sonotheque.store import files
from sonotheque.store.clock import utc_now

_SUFFIXES = (".html", ".csv", ".json", ".txt")
_LEADS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "·", None: "✓"}


def check(arguments: Namespace) -> Answer:
    for path in arguments.reports:
        if path.suffix.lower() not in _SUFFIXES:
            raise BadInput(
                "is no form that a report has",
                where=str(path),
                remedy=f"let its name end in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}",
            )
    with (
        archives.open_archive(arguments.archive) as archive,
        progress(inspect="listening", compare="comparing") as show,
    ):
        if arguments.paths:
            report = check_delivery(archive, arguments.paths, utc_now(), show)
        else:
            report = check_archive(archive, utc_now(), show)
        name = archive.config.name
    answer = Answer(report, "\n".join(_lines(report)), exit_code=int(report.attention))
    for path in arguments.reports:
        written = _written(path, name, report, answer, arguments.language)
        files.replace(path.absolute(), written.encode("utf-8", "backslashreplace"))
    return answer


def _written(path: Path, name: str, report: Report, answer: Answer, code: str) -> str:
    match path.suffix.lower():
        case ".html":
            return checks.page(name, report, language(code))
        case ".csv":
            return checks.table(report)
        case suffix:
            return answer.render(as_json=suffix == ".json") + "\n"


def _lines(report: Report) -> list[str]:
    lines = [text.paragraph(f"{report.source}, checked {report.at[:10]}")]
    lines += text.findings(report.findings)
    for item in report.items:
        lines += _item(item)
    grave = sum(i.severity in (Severity.ERROR, Severity.WARNING) for i in report.items)
    said = f"{grave} of {len(report.items)} have to be looked at."
    if not grave:
        said = "Something about the whole has to be looked at."
        if not report.attention:
            said = f"Nothing has to be looked at ({len(report.items)} checked)."
    return [*lines, "", said]


def _item(item: Checked) -> list[str]:
    said = item.description
    lines = ["", f"{_LEADS[item.severity]} {text.cut(item.name, 76)}"]
    who = " — ".join(filter(None, [said.artist, said.title]))
    if who:
        lines.append(text.paragraph(who, indent="  "))
    return lines + text.findings(item.findings, indent="  ", about=item.name)
