"""The last assessment comes back as it was, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonotheque.archive import Archive
from sonotheque.assessment import gathering, last, ndsa2
from sonotheque.config import Attestation

NOW = "2026-11-20T10:00:00.000000Z"


@pytest.fixture
def made(archive: Archive) -> ndsa2.Assessment:
    word = Attestation("integrity-1-viruses", "Ada", "2026-11-01", "Seen.")
    return ndsa2.assess(gathering.gather(archive, NOW), [word], NOW)


def test_it_comes_back_as_it_was(made: ndsa2.Assessment, tmp_path: Path) -> None:
    assert last.read_last(tmp_path) is None
    last.keep(made, tmp_path)
    assert last.read_last(tmp_path) == made


def test_what_is_damaged_or_of_another_version_is_none(
    made: ndsa2.Assessment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last.keep(made, tmp_path)
    path = tmp_path / last.LAST_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert last.read_last(tmp_path) is None
    path.write_bytes(whole)
    monkeypatch.setattr(last, "AGENT", "sonotheque 99")
    assert last.read_last(tmp_path) is None
