"""What a command answers: a document for programs, text for people, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is anything msgspec can write as JSON, and paths, which are written as text."""

    document: Any
    text: str
    exit_code: int = 0

    def render(self, *, as_json: bool) -> str:
        if not as_json:
            return self.text
        return msgspec.json.format(
            msgspec.json.encode(self.document, enc_hook=str), indent=2
        ).decode()


@contextmanager
def progress(**labels: str) -> Iterator[Progress]:
    """A progress bar a stage on stderr, where stderr is a terminal; otherwise nothing.

    `labels` maps a stage's name to what people read; stages without a label are not shown.
    """
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("  {task.description:<24}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage in labels:
                if stage not in tasks:
                    tasks[stage] = bars.add_task(labels[stage], total=total)
                bars.update(tasks[stage], completed=done, total=total)

        yield show
