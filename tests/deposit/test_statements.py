"""statements.toml: everything it may say, and a clear no to everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonotheque.deposit.package import read_package
from sonotheque.deposit.statements import Declaration, read_declaration
from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.music import Description
from sonotheque.model.terms import Layer, Status

WHO = 'issuer = "A"\nevidence = "a letter"\n'
GRANT = f'[[statement]]\n{WHO}licence = "CC-BY-4.0"\n'


def read(directory: Path, content: str) -> Declaration:
    path = directory / "statements.toml"
    path.write_text(content)
    return read_declaration(path)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("not toml", "understood"),
        (f"[[statements]]\n{WHO}", "unknown name"),
        (f"{GRANT}licens = 'x'\n", "unknown name"),
        ("[[description]]\ntitel = 'x'\n", "unknown name"),
        ("[[statement]]\nissuer = 'A'\nlicence = 'CC-BY-4.0'\n", "evidence"),
        ("[[statement]]\nissuer = ' '\nevidence = 'x'\nlicence = 'CC-BY-4.0'\n", "no issuer"),
        (f"[[statement]]\n{WHO}", "licence"),
        (f"[[statement]]\n{WHO}uses = ['preserve']\n", "no legal basis"),
        (f"[[statement]]\n{WHO}uses = ['sing']\nbasis = 'agreement'\n", "sing"),
        (f"[[statement]]\n{WHO}uses = ['preserve']\nbasis = 'because'\n", "because"),
        (f"[[statement]]\n{WHO}licence = 'my own words'\n", "licence"),
        (f"{GRANT}ends_at = '2026-02-30'\n", "date"),
        (f"{GRANT}ends_at = '20260131'\n", "date"),
        (f"{GRANT}ends_at = 'next year'\n", "date"),
        (f"{GRANT}begins_at = '2026-02-01'\nends_at = '2026-01-01'\n", "before it begins"),
        (f"{GRANT}files = '*.ogg'\n", "files"),
        (f"{GRANT}layers = ['song']\n", "song"),
        (f"{GRANT}territories = ['Mars']\n", "'Mars' is no country"),
        (f"{GRANT}territories = ['FR']\nterritories_except = ['fr']\n", "no country: all"),
        (f"{GRANT}article = 'Article 6'\n", "article"),
        (f"[[statement]]\n{WHO}uses = ['preserve']\nbasis = 'statutory-exception'\n", "no law"),
        (f"[[statement]]\nissuer = 'A'\nevidence = '{'x' * 5_000}'\nlicence = 'MIT'\n", "over"),
        ("# " + "x" * 1_100_000, "over"),
    ],
)
def test_what_cannot_be_meant_is_bad_input(tmp_path: Path, content: str, word: str) -> None:
    with pytest.raises(BadInput) as raised:
        read(tmp_path, content)
    assert word in raised.value.line()
    assert "statements.toml" in raised.value.where
    assert raised.value.remedy


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "statements.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput):
        read_declaration(tmp_path / "statements.toml")


def test_dates_are_read_as_toml_dates_and_as_text(tmp_path: Path) -> None:
    said = read(tmp_path, f"{GRANT}begins_at = 2026-01-31\nends_at = '2027-01-31'\n")
    (statement,) = said.statement
    assert (f"{statement.begins_at}", f"{statement.ends_at}") == ("2026-01-31", "2027-01-31")


def test_a_refusal_needs_no_licence_no_basis_and_no_uses(tmp_path: Path) -> None:
    (statement,) = read(tmp_path, f"[[statement]]\n{WHO}refuse = true\n").statement
    assert statement.refuse
    assert statement.about("whatever.mp3")


def test_layers_and_places_are_read(tmp_path: Path) -> None:
    said = read(
        tmp_path,
        f"{GRANT}layers = ['work']\nterritories = ['us', 'FR']\nterritories_except = ['US']\n",
    )
    claim = said.statement[0].said_of(RecordingId("0000000000001"), "2026-11-28")
    assert (claim.layers, claim.status) == ((Layer.WORK,), Status.CLAIMED)
    assert (claim.territories, claim.territories_except) == (("FR", "US"), ("US",))


def test_later_descriptions_lie_over_earlier_ones(tmp_path: Path) -> None:
    said = read(
        tmp_path,
        '[[description]]\nartist = "A"\nyear = 1999\n'
        '[[description]]\nfiles = ["b/*"]\nartist = "B"\n',
    )
    assert said.described("b/x.ogg", Description(title="T")) == Description(
        title="T", artist="B", year=1999
    )
    assert said.described("a/x.ogg", Description()).artist == "A"


def delivery(directory: Path, *names: str) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
    return directory


def issuers(package_paths: list[Path]) -> dict[str, list[str]]:
    return {
        file.name: [s.issuer for s in file.declaration.statement if s.about(file.name)]
        for file in read_package(package_paths).files
    }


def test_statements_are_about_their_own_directory_and_below(tmp_path: Path) -> None:
    top = delivery(tmp_path / "d", "x.ogg", "cd [1]/x.ogg", "cd [1]/sub/y.ogg", "cd2/x.ogg")
    (top / "statements.toml").write_text(GRANT.replace('"A"', '"Top"'))
    (top / "cd [1]" / "statements.toml").write_text(GRANT + 'files = ["*x.ogg", "sub/*"]\n')
    assert issuers([top]) == {
        "x.ogg": ["Top"],
        "cd [1]/x.ogg": ["Top", "A"],
        "cd [1]/sub/y.ogg": ["Top", "A"],
        "cd2/x.ogg": ["Top"],
    }


def test_one_directory_says_nothing_of_another(tmp_path: Path) -> None:
    first = delivery(tmp_path / "1" / "cd", "x.ogg")
    second = delivery(tmp_path / "2" / "cd", "x.ogg", "y.ogg")
    (first / "statements.toml").write_text(GRANT)
    package = read_package([first, second])
    said = [[s.issuer for s in f.declaration.statement if s.about(f.name)] for f in package.files]
    assert said == [["A"], [], []]
    assert [file.name for file in package.files] == ["cd/x.ogg", "cd/x.ogg", "cd/y.ogg"]


def test_statements_beside_a_file_that_is_named_singly_count(tmp_path: Path) -> None:
    top = delivery(tmp_path / "d", "x.ogg", "y.ogg")
    (top / "statements.toml").write_text(GRANT + 'files = ["x.ogg"]\n')
    assert issuers([top / "x.ogg", top / "y.ogg", top / "statements.toml"]) == {
        "x.ogg": ["A"],
        "y.ogg": [],
    }


def test_a_given_file_stands_for_those_in_the_delivery(tmp_path: Path) -> None:
    top = delivery(tmp_path / "d", "x.ogg")
    (top / "statements.toml").write_text(GRANT)
    given = tmp_path / "given.toml"
    given.write_text(GRANT.replace('"A"', '"B"'))
    (file,) = read_package([top], statements=given).files
    assert [statement.issuer for statement in file.declaration.statement] == ["B"]


def test_a_statement_about_no_file_is_pointed_out(tmp_path: Path) -> None:
    top = delivery(tmp_path / "d", "x.ogg")
    (top / "statements.toml").write_text(f'[[statement]]\n{WHO}refuse=true\nfiles=["x.oga"]\n')
    (finding,) = read_package([top]).findings
    assert finding.code == "statements.no-file"
    assert "x.oga" in finding.message


def test_a_linked_statements_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text(GRANT)
    top = delivery(tmp_path / "d", "x.ogg")
    (top / "statements.toml").symlink_to(tmp_path / "elsewhere.toml")
    package = read_package([top])
    assert package.files[0].declaration == Declaration()
    assert [finding.code for finding in package.findings] == ["package.symlink"]
    assert issuers([top / "x.ogg"]) == {"x.ogg": []}
