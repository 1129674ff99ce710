"""Every command that can be typed is in the handbook, with every option it has."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonotheque.cli.parser import build_parser

HANDBOOK = Path(__file__).parents[1] / "docs"


def commands(
    parser: argparse.ArgumentParser, name: str = "sonotheque"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that runs something, `sonotheque rights show` for example."""
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not nested:
        yield name, parser
    for action in nested:
        for word, below in action.choices.items():
            yield from commands(below, f"{name} {word}")


COMMANDS = dict(commands(build_parser()))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_and_its_options_are_documented(name: str) -> None:
    handbook = (HANDBOOK / "commands.md").read_text(encoding="utf-8")
    assert name in handbook
    for action in COMMANDS[name]._actions:
        for option in action.option_strings:
            if option.startswith("--") and option != "--help":
                assert option in handbook, f"{name} {option}"


def test_the_handbook_names_no_command_that_does_not_exist() -> None:
    handbook = (HANDBOOK / "commands.md").read_text(encoding="utf-8")
    known = {name.split()[1] for name in COMMANDS}
    usages = [line.split() for line in handbook.splitlines() if line.startswith("sonotheque ")]
    assert {usage[1] for usage in usages} <= known
    assert len(usages) >= len(known)
