"""`watch`: added, listed, told of by a deposit, and removed from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
Run = Callable[..., tuple[int, str, str]]


def test_a_watch_from_the_command_line(
    run: Run, fails: Callable[..., str], music: Any, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    assert run("init", archive, "--name", "Test", "--mandate", "Test Act")[0] == 0
    at = ("--archive", archive)
    assert run("watch", "list", *at)[1] == "Nobody watches.\n"
    code, out, err = run(
        "watch", "add", "--artist", "B", "--contact", "b@example.org", *at, "--json"
    )
    assert (code, "Nobody is told before" in err) == (0, True)
    watch = json.loads(out)["id"]
    config = archive / "archive.toml"
    config.write_text(config.read_text().replace('notify = ""', 'notify = "mailbox:mail.jsonl"'))
    for name, artist in (("a.flac", "B"), ("b.mp3", "C")):
        music.file(tmp_path / name, 1, title="T", artist=artist, license=CC_BY)
        run("deposit", tmp_path / name, *at)
    (notice,) = map(json.loads, (archive / "mail.jsonl").read_text().splitlines())
    assert (notice["watch"], notice["file"]) == (watch, "b.mp3")
    assert watch in run("watch", "list", *at)[1]
    assert run("watch", "remove", watch, *at)[0] == 0
    assert "no such watch" in fails(1, "watch", "remove", watch, *at)
    assert "give --artist or --label" in fails(2, "watch", "add", "--contact", "x", *at)
