"""An archive that was filled by commands alone, and ways to run more of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from sonotheque.cli import main

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
Run = Callable[..., tuple[int, str, str]]


class Music(Protocol):
    def file(self, path: Path, seed: int, **tags: str) -> Path: ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; its exit code, stdout and stderr."""

    def command(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return command


@pytest.fixture(scope="session")
def filled(music: Music, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with a FLAC and a Japanese MP3 of long names, made by commands alone."""
    directory = tmp_path_factory.mktemp("filled")
    archive = directory / "archive"
    assert main(["init", str(archive), "--name", "Test", "--mandate", "Test Act"]) == 0
    top = directory / "delivery"
    music.file(top / ("a very long name " * 6 + ".flac"), 1, isrc="FRZ031400123", license=CC_BY)
    music.file(
        *(top / "日本.mp3", 2), title="千本桜の夜に咲く花" * 9, artist="初音" * 30, license=CC_BY
    )
    assert main(["deposit", str(top), "--archive", str(archive)]) == 0
    return archive


@pytest.fixture
def fails(run: Run) -> Callable[..., str]:
    """Run a command that must end with `code`; its one line on stderr. stdout stays empty."""

    def failing(code: int, *arguments: str | Path) -> str:
        got, out, err = run(*arguments)
        assert got == code, (got, out, err)
        assert out == ""
        assert err.startswith("sonotheque: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err

    return failing


@pytest.fixture
def identifier(run: Run, filled: Path) -> Callable[[str], str]:
    """The identifier of the first recording that a query finds."""

    def find(query: str) -> str:
        _, out, _ = run("find", query, "--json", "--archive", filled)
        found: dict[str, Any] = json.loads(out)
        return str(found["recordings"][0]["id"])

    return find
