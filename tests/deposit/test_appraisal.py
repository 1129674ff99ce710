"""Licences and descriptions as real tags carry them: read where they are said, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import mutagen
import mutagen.id3
import pytest

from sonotheque.deposit.appraisal import Appraisal
from sonotheque.model.findings import Severity
from sonotheque.model.terms import TRAINING, Basis, Kind, Layer, Status, Use

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
PUBLIC = tuple(use for use in Use if use not in TRAINING)
Appraise = Callable[..., Appraisal]


class Music(Protocol):
    def file(self, path: Path, seed: int, *, seconds: float = ..., **tags: Any) -> Path: ...
    def bare(self, path: Path, seed: int, *, seconds: float = ...) -> Path: ...


def codes(appraisal: Appraisal) -> set[str]:
    return {finding.code for finding in appraisal.findings}


def licences(appraisal: Appraisal) -> list[tuple[str, Status]]:
    return [(statement.licence, statement.status) for statement in appraisal.statements]


def piece(music: Music, directory: Path, suffix: str, **tags: str) -> Path:
    return music.file(directory / f"song{suffix}", 1, seconds=4, title="T", artist="A", **tags)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus", ".mp3", ".m4a", ".wv", ".wav"])
@pytest.mark.parametrize("name", ["license", "copyright"])
def test_a_licence_url_counts_in_every_format(
    music: Music, tmp_path: Path, appraised: Appraise, suffix: str, name: str
) -> None:
    found = appraised(piece(music, tmp_path, suffix, **{name: CC_BY}))
    (statement,) = found.statements
    assert (statement.licence, statement.status) == (CC_BY, Status.VERIFIED)
    assert (statement.kind, statement.uses, statement.basis) == (Kind.GRANT, PUBLIC, Basis.LICENCE)
    assert statement.issuer == "A"


def test_id3_user_text_and_the_verify_at_sentence(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    path = piece(music, tmp_path, ".mp3")
    file, frames = mutagen.File(path), cast(Any, mutagen.id3)
    file.tags.add(frames.TXXX(encoding=3, desc="LICENSE", text=["CC-BY-SA-4.0"]))
    file.save()
    assert licences(appraised(path)) == [
        ("https://creativecommons.org/licenses/by-sa/4.0/", Status.VERIFIED)
    ]
    sentence = (
        "2004 A. Licensed to the public under http://creativecommons.org/licenses/by-nc/2.0/"
        " verify at http://example.org/licences.html"
    )
    path = piece(music, tmp_path, ".mp3", copyright=sentence)
    assert licences(appraised(path)) == [
        ("https://creativecommons.org/licenses/by-nc/2.0/", Status.VERIFIED)
    ]


@pytest.mark.parametrize(
    "prose", ["Creative Commons", "free to use", "CC BY", "© 2019 A. All rights reserved."]
)
def test_prose_is_never_taken_for_a_licence(
    music: Music, tmp_path: Path, appraised: Appraise, prose: str
) -> None:
    found = appraised(piece(music, tmp_path, ".flac", license=prose))
    assert found.statements == ()
    assert "rights.free-text" in codes(found)
    # A copyright notice is no licence and is not expected to be one.
    found = appraised(piece(music, tmp_path, ".flac", copyright=prose))
    assert (found.statements, codes(found)) == ((), set())


def test_contradictory_licences_cancel_each_other(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    other = "https://creativecommons.org/licenses/by-nc-nd/4.0/"
    found = appraised(piece(music, tmp_path, ".flac", license=CC_BY, copyright=other))
    assert found.statements == ()
    assert "rights.contradictory-tags" in codes(found)


def test_a_licence_in_a_comment_alone_is_a_claim(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    comment = f"Contains a sample by somebody, {CC_BY}"
    found = appraised(piece(music, tmp_path, ".mp3", comment=comment))
    assert licences(found) == [(CC_BY, Status.CLAIMED)]
    found = appraised(piece(music, tmp_path, ".mp3", comment=comment, license=CC_BY))
    assert licences(found) == [(CC_BY, Status.VERIFIED)]


def test_the_policy_of_the_archive_decides_on_embedded_licences(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    path = piece(music, tmp_path, ".flac", license=CC_BY)
    assert licences(appraised(path, policy=Status.CLAIMED)) == [(CC_BY, Status.CLAIMED)]


def test_description_isrcs_and_years(music: Music, tmp_path: Path, appraised: Appraise) -> None:
    path = piece(
        music, tmp_path, ".flac", isrc="FR-Z03-14-00123; nonsense", date="12/05/1987", track="3/12"
    )
    found = appraised(path)
    assert found.description.isrcs == ("FRZ031400123",)
    assert found.description.year == 1987
    assert found.description.track_number == 3
    assert "isrc.malformed" in codes(found)


def test_a_file_without_tags_is_named_after_itself(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    found = appraised(music.bare(tmp_path / "01 - Song.wav", 1, seconds=4))
    assert found.description.title == "01 - Song"
    assert {"tags.no-title", "tags.no-artist"} <= codes(found)
    assert found.acceptable


def test_what_the_depositor_says_is_laid_over_the_tags(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    (tmp_path / "statements.toml").write_text(
        '[[description]]\nfiles = ["*.flac"]\nartist = "B"\ngenerated = true\n'
        '[[description]]\nfiles = ["*.mp3"]\nartist = "C"\n'
        '[[statement]]\nissuer = "B"\nevidence = "mail"\nlicence = "CC0-1.0"\n'
        '[[statement]]\nissuer = "B"\nevidence = "mail"\nrefuse = true\nuses = ["train-ai"]\n'
    )
    found = appraised(piece(music, tmp_path, ".flac"))
    assert (found.description.artist, found.description.generated) == ("B", True)
    grant, refusal = found.statements
    assert (grant.kind, grant.status, grant.uses) == (Kind.GRANT, Status.CLAIMED, PUBLIC)
    assert (refusal.kind, refusal.uses) == (Kind.REFUSAL, (Use.TRAIN_AI,))


def test_tags_over_the_bound_are_refused_and_long_ones_are_cut(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    path = piece(music, tmp_path, ".flac", lyrics="la " * 2_000)
    found = appraised(path)
    assert "tags.too-long" in codes(found)
    assert found.acceptable
    found = appraised(path, tag_bytes_max=5_000)
    assert "tags.too-large" in codes(found)
    assert not found.acceptable
    assert all(f.remedy for f in found.findings if f.severity is Severity.ERROR)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3", ".m4a"])
def test_another_author_keeps_the_work(
    music: Music, tmp_path: Path, appraised: Appraise, suffix: str
) -> None:
    found = appraised(piece(music, tmp_path, suffix, license=CC_BY, composer="Édvard Grieg"))
    (statement,) = found.statements
    assert statement.layers == (Layer.RECORDING,)
    (finding,) = [f for f in found.findings if f.code == "rights.other-author"]
    assert "Édvard Grieg" in finding.message
    assert "--layer work" in finding.remedy


def test_who_plays_their_own_work_licenses_both(
    music: Music, tmp_path: Path, appraised: Appraise
) -> None:
    for tags in ({}, {"composer": "a"}):
        found = appraised(piece(music, tmp_path, ".flac", license=CC_BY, **tags))
        assert [statement.layers for statement in found.statements] == [tuple(Layer)]
        assert "rights.other-author" not in codes(found)
