"""The `sonotheque` command: the only place that prints, draws progress, and exits."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sonotheque.cli.parser import build_parser
from sonotheque.errors import EnvironmentFailure, SonothequeError, one_line

if TYPE_CHECKING:
    from sonotheque.cli.answer import Answer

DEBUG_VARIABLE = "SONOTHEQUE_DEBUG"
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code (0 done, 1 the answer is no, 2 bad input, 3 environment)."""
    try:
        arguments = build_parser().parse_args(argv)
        module, function = arguments.run.split(":")
        answer: Answer = getattr(importlib.import_module(module), function)(arguments)
        _print(answer.render(as_json=arguments.json))
        return answer.exit_code
    except SonothequeError as error:
        return _failed(error)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has had enough; leave nothing for the interpreter to flush.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        from pathlib import Path

        from sonotheque.store import files

        return _failed(files.explain(error, Path(error.filename or ".")))
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where it was", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _failed(
            EnvironmentFailure(
                f"unexpected {type(error).__name__}: {one_line(str(error))[:300]}",
                remedy=f"this is our mistake; please report what {DEBUG_VARIABLE}=1 shows of it",
            )
        )


def _failed(error: SonothequeError) -> int:
    print(f"sonotheque: {error.line()}", file=sys.stderr)
    return error.exit_code


def _print(text: str) -> None:
    # File names may hold bytes that are no text; they must not stop the report about them.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if text:
        print(text)
    sys.stdout.flush()
