"""What offering an edition does when something in it is withdrawn."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sonotheque.archive import Archive
from sonotheque.cli import main
from sonotheque.model.holdings import Receipt


@pytest.fixture
def published(
    archive: Archive, deposit: Callable[..., Receipt], music: object, tmp_path: Path
) -> tuple[Path, str]:
    """An archive's directory with edition 1, and the one recording in it."""
    music.file(tmp_path / "in" / "a.flac", 1, seconds=4)  # type: ignore[attr-defined]
    item = deposit(tmp_path / "in").items[0]
    directory = archive.config.directory
    assert main(["publish", "--archive", str(directory)]) == 0
    assert item.recording
    return directory, item.recording


def take_down(directory: Path, recording: str) -> None:
    told = ["--by", "the artist", "--evidence", "a letter", "--archive", str(directory)]
    assert main(["rights", "takedown", recording, *told]) == 0


@contextmanager
def seeding(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """`sonotheque seed`, once it says that it offers the edition."""
    command = [sys.executable, "-m", "sonotheque", "seed", "--archive", str(directory)]
    with subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert "is offered on 127.0.0.1:" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def test_a_withdrawal_ends_the_offer(
    published: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    directory, recording = published
    with seeding(directory) as process:
        take_down(directory, recording)
        assert process.wait(60) == 1
        assert process.stderr
        assert "withdrawn" in process.stderr.read()
    capsys.readouterr()
    assert main(["seed", "--archive", str(directory)]) == 1
    error = capsys.readouterr().err
    assert "sonotheque publish" in error
    assert error.count("\n") == 1


def test_ctrl_c_ends_the_offer(published: tuple[Path, str]) -> None:
    with seeding(published[0]) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_durability_with_assumptions_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Half of the data on the same disks takes half of them."""
    mine = tmp_path / "mine.toml"
    mine.write_text("data_tb = 150\n", encoding="utf-8")
    assert main(["simulate", "durability", "--assumptions", str(mine), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["assumptions"]["data_tb"] == 150
    schemes = next(table for table in document["tables"] if table["name"] == "schemes")
    assert schemes["rows"][0][1:3] == ["300", "15"]
    assert main(["simulate", "durability", "--assumptions", str(mine)]) == 0
    shown = capsys.readouterr().out
    assert all(len(line) <= 80 for line in shown.splitlines())
    mine.write_text("data = 150\n", encoding="utf-8")
    assert main(["simulate", "durability", "--assumptions", str(mine)]) == 2
