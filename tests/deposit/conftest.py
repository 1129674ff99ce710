"""What the tests of this room share: looking into a file as a deposit does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from sonotheque.deposit.appraisal import Appraisal, appraise
from sonotheque.deposit.inspection import FUNCTION, Inspection, inspect_file
from sonotheque.deposit.package import read_package
from sonotheque.model.terms import Status
from sonotheque.store.sandbox import Sandbox

NOW = "2026-11-20T10:00:00.000000Z"


def look_into(path: Path) -> Inspection:
    """As in the sandbox, but in this process: for files that we made ourselves."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return msgspec.convert(inspect_file(descriptor, path.name), Inspection)
    finally:
        os.close(descriptor)


@pytest.fixture
def appraised() -> Callable[..., Appraisal]:
    """Appraise one file (with the statements.toml beside it)."""

    def run(
        path: Path, *, policy: Status = Status.VERIFIED, tag_bytes_max: int = 16_000_000
    ) -> Appraisal:
        (file,) = read_package([path]).files
        return appraise(
            file,
            look_into(path),
            embedded_licences=policy,
            tag_bytes_max=tag_bytes_max,
            now=NOW,
        )

    return run


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(FUNCTION, memory_bytes_max=2_000_000_000, seconds_max=60) as confined:
        yield confined
