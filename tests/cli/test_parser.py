"""What can be typed: help that needs nothing heavy, and usage errors on one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

HEAVY = ("numpy", "av", "sqlalchemy", "litestar", "tantivy", "duckdb", "pyarrow", "rich", "altair")
COMMANDS = (
    *("init", "deposit", "audit", "find", "show", "match", "import", "select", "publish"),
    *("mirror", "seed", "serve", "demo", "rebuild", "simulate universe"),
    *(f"rights {action}" for action in ("show", "decide", "grant", "claim", "takedown", "revoke")),
    *("rights notice", "rights calendar"),
)


def test_help_needs_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from sonotheque.cli import main\n"
        "for command in sys.argv[1].split(';'):\n"
        "    try:\n        main([*command.split(), '--help'])\n"
        "    except SystemExit as ended:\n        assert ended.code == 0, command\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, ";".join(("", *COMMANDS))],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    assert ran.stdout.splitlines()[-1] == "[]"
    assert all(len(line) <= 80 for line in ran.stdout.splitlines())
    assert ran.stdout.count("--json") >= len(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "COMMAND"),
        (("sing",), 2, "sing"),
        (("find",), 2, "QUERY"),
        (("find", "x", "--limit", "many"), 2, "many is not a number over 0"),
        (("find", "x", "--limit", "0"), 2, "over 0"),
        (("serve", "--port", "99999"), 2, "99999 is not a port"),
        (("deposit", "x", "--archive", "/no\nwhere"), 1, "no archive here"),
        (("show", "x", "--archive", "/dev/null"), 1, "no archive here"),
        (("init", "/proc/none", "--name", "N", "--mandate", "M"), 2, ""),
        (("init", "x", "--name", " ", "--mandate", "M"), 2, "--name"),
    ],
)
def test_usage_errors(
    fails: Callable[..., str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert words in fails(code, *arguments)
