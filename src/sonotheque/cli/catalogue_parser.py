"""What can be typed about others' catalogues: import, catalogue, link. Imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sonotheque.model.music import SOURCE_KINDS


def add_catalogue(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to `commands`; `command` makes one of them."""
    bring = command(
        commands, "import", "cataloguing:import_source", "take in a catalogue of others"
    )
    bring.add_argument(
        "source", choices=SOURCE_KINDS, metavar="SOURCE", help=", ".join(SOURCE_KINDS)
    )
    bring.add_argument("path", metavar="PATH", type=Path)
    bring.add_argument("--origin", required=True, help="where the data comes from")
    bring.add_argument("--licence", required=True, help="SPDX identifier or URL")
    bring.add_argument("--mapping", type=Path, metavar="FILE", help="column names (TOML)")
    catalogue = command(
        commands, "catalogue", "cataloguing:catalogue", "what was imported, and folding it in"
    )
    catalogue.add_argument(
        "action",
        choices=["status", "build", "changes"],
        metavar="ACTION",
        nargs="?",
        default="status",
        help="status (the default), build, or changes",
    )
    catalogue.add_argument(
        "--since", type=_number, metavar="N", help="changes: those after snapshot N"
    )
    link = command(
        commands, "link", "linking:link", "which rows of the catalogue are one recording?"
    )
    link.add_argument(
        "--explain",
        nargs=2,
        metavar="ID|ISRC|SOURCE:ID",
        help="why these two are one recording, or not; links nothing",
    )
    link.add_argument(
        "--threshold",
        type=_probability,
        default=0.9,
        metavar="P",
        help="link from this probability on (0.9)",
    )
    link.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="pairs that you have judged, to learn from (CSV)",
    )


def _number(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number over 0")
    return number


def _probability(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.5 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a probability from 0.5 to below 1")
    return number
