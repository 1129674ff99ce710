"""What can be typed after `watch`. Imports nothing heavy, so that `--help` is instant."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_watch(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `watch` to `commands`; `command` makes one command."""
    watch = commands.add_parser("watch", help="who is told when a deposit sounds like theirs")
    actions = watch.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = command(actions, "add", "watching:add", "tell somebody of later deposits like theirs")
    add.add_argument("--artist", default="", metavar="NAME", help="whose recordings")
    add.add_argument("--label", default="", metavar="NAME", help="in place of --artist")
    add.add_argument("--contact", required=True, metavar="TEXT", help="where to reach them")
    command(actions, "list", "watching:listing", "every watch")
    remove = command(actions, "remove", "watching:remove", "end a watch")
    remove.add_argument("watch", metavar="WATCH")
