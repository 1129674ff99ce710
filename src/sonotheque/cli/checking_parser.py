"""What can be typed after `check`. Imports nothing heavy, so that `--help` is instant."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_check(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `check` to `commands`; `command` makes one command."""
    check = command(
        commands, "check", "checking:check", "is there anything of others in this delivery?"
    )
    check.add_argument(
        "paths",
        metavar="DELIVERY",
        nargs="*",
        type=Path,
        help="directories, bags, files, DDEX messages; default: what the archive itself holds",
    )
    check.add_argument(
        "--report",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        dest="reports",
        help="write it as well: .html, .csv, .json or .txt; repeatable",
    )
    check.add_argument("--language", choices=["en", "fr"], default="en", help="of the page")
