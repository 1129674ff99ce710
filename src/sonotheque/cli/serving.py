"""The commands that open the doors: serve, demo."""

from __future__ import annotations

from argparse import Namespace

from sonotheque.cli import text
from sonotheque.cli.answer import Answer, progress


def serve(arguments: Namespace) -> Answer:
    from sonotheque.access.server import serve as run

    run(arguments.archive, host=arguments.host, port=arguments.port, ready=_opened)
    return Answer({"closed": True}, "")


def demo(arguments: Namespace) -> Answer:
    from sonotheque import demo as story

    steps = []
    with progress(
        inspect="listening",
        store="storing",
        publish="copying",
        verify="hashing",
        torrent="fetching",
    ) as show:
        for step in story.run(arguments.directory, show):
            text.tell(f"{step.number:>2}/{story.STEPS}  {step.title}")
            for line in step.lines:
                text.tell(text.paragraph(line, indent="       "))
            steps.append(step)
    if not arguments.no_serve:
        from sonotheque.access.server import serve as run

        directory = arguments.directory / "archive"
        run(directory, host=arguments.host, port=arguments.port, ready=_opened)
    return Answer(steps, "")


def _opened(address: str) -> None:
    text.tell(f"The reading room is open: {address}  (Ctrl-C closes it)")
