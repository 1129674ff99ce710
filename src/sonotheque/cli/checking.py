"""The command that looks through a delivery, or through the archive itself: check."""

from __future__ import annotations

from argparse import Namespace

from sonotheque import archive as archives
from sonotheque.access import checks
from sonotheque.access.language import language
from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress
from sonotheque.deposit.checking import Checked, Report, check_archive
from sonotheque.deposit.checking import check as check_delivery
from sonotheque.errors import BadInput
from sonotheque.matching.picture import Laid
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
    is_page_wanted = any(path.suffix.lower() == ".html" for path in arguments.reports)
    laid: dict[int, Laid] | None = {} if is_page_wanted else None
    with (
        archives.open_archive(arguments.archive) as archive,
        progress(inspect="listening", compare="comparing") as show,
    ):
        if arguments.paths:
            report = check_delivery(archive, arguments.paths, utc_now(), show, laid)
        else:
            report = check_archive(archive, utc_now(), show, laid)
        name = archive.config.name
    answer = Answer(report, "\n".join(_lines(report)), exit_code=int(report.attention))
    for path in arguments.reports:
        if path.suffix.lower() == ".html":
            written = checks.page(name, report, language(arguments.language), laid or {})
        elif path.suffix.lower() == ".csv":
            written = checks.table(report)
        else:
            written = answer.render(as_json=path.suffix.lower() == ".json") + "\n"
        files.replace(path.absolute(), written.encode("utf-8", "backslashreplace"))
    return answer


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
