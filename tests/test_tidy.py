"""The house rules as tests: they read the sources, and say where a rule is broken."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import fnmatch
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sonotheque.cli.parser import build_parser
from sonotheque.config import Attestation, Limits, Root, Witness, Witnessed
from sonotheque.deposit.statements import DeclaredDescription, DeclaredStatement
from sonotheque.model.terms import Basis, Use
from sonotheque.selection.policy import Policy

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "sonotheque"
DOCS = ROOT / "docs"
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
UNDOCUMENTED_LINES_MAX = 12
"""A public function that is no longer may speak for itself by its name and its types."""

Function = ast.FunctionDef | ast.AsyncFunctionDef

# What DESIGN.md, section 2, puts into each room. What it names for later is not asked for yet:
# simulation/traffic.
ROOMS = {
    ".": "errors config archive demo __main__",
    "cli": "parser",
    "access": "guard",
    "deposit": "package accession",
    "selection": "policy plan",
    "publication": "edition dataset torrent mirror",
    "catalogue": "build lookup search",
    "catalogue/sources": "musicbrainz discogs ddex freemusicc table listens",
    "vault": "ocfl objects replicas fixity",
    "rights": "decision ledger proof",
    "matching": "fingerprint index clones linkage",
    "simulation": "universe",
    "model": "identifiers music holdings terms",
    "store": "db files engine objectstore",
}
# (file, what is written there): why it may stand. Nothing needs to, today.
SUPPRESSIONS: dict[tuple[str, str], str] = {}
# Tests that are of no one module, and what they are of.
OF_NO_ONE_MODULE = {
    "tests/test_tidy.py": "the house rules",
    "tests/test_licences.py": "the dependencies",
    "tests/torture/test_torture.py": "everything that writes, by violence",
    "tests/rights/test_rollback.py": "the ledger, after it came back from an older copy",
    "tests/test_docs.py": "the handbook and the command line",
    "tests/vault/test_radosgw.py": "storage roots on Ceph",
    "tests/access/test_browser.py": "the artist's path, in a browser",
    "tests/vault/test_killed.py": "audits, killed anywhere",
    "tests/consent/test_consenting.py": "what is served and published, against random histories",
    "tests/decades/test_decade.py": "the vault, over ten simulated years",
}
AT_THE_ROOT = {
    *(".ci", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    *("Makefile", "README.md", "bench", "changelog.d", "docs", "pyproject.toml"),
    *("requirements-dev.lock", "requirements.lock", "src", "tests", "zensical.toml"),
}
FILE_SUFFIXES = {
    *(
        "arrow",
        "bin",
        "csv",
        "db",
        "done",
        "html",
        "index",
        "ini",
        "json",
        "jsonl",
        "key",
        "keys",
        "mdb",
    ),
    *("npy", "opus", "parquet", "pub", "sql", "toml", "torrent", "tsv", "txt"),
}
DOTTED_CODE = re.compile(r"[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*")


def _ignored(path: Path) -> bool:
    relative = path.relative_to(ROOT).as_posix()
    for line in (".git", *(ROOT / ".gitignore").read_text(encoding="utf-8").split()):
        pattern = line.rstrip("/")
        if pattern.startswith("/"):
            if relative == pattern[1:]:
                return True
        elif fnmatch.fnmatch(path.name, pattern):
            return True
    return False


@cache
def repository() -> tuple[Path, ...]:
    """Every file of the repository, without what .gitignore names."""
    found: list[Path] = []
    for directory, below, names in os.walk(ROOT):
        below[:] = sorted(name for name in below if not _ignored(Path(directory) / name))
        found += [Path(directory) / n for n in names if not _ignored(Path(directory) / n)]
    return tuple(sorted(found))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def python_files(*below: str) -> list[Path]:
    tops = tuple(ROOT / name for name in below)
    return [
        path
        for path in repository()
        if path.suffix == ".py" and any(path.is_relative_to(top) for top in tops)
    ]


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, Function):
            yield node


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """Functions and classes of a module, and methods of its classes, that others may use."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def length(node: Function | ast.ClassDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command ("rights claim") and its parser."""

    def below(
        prefix: str, parser: argparse.ArgumentParser
    ) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not groups:
            yield prefix, parser
        for group in groups:
            for name, child in group.choices.items():
                yield from below(f"{prefix} {name}".strip(), child)

    return below("", build_parser())


COMMANDS = dict(parsers())


def test_every_module_says_what_it_is_for() -> None:
    assert [short(p) for p in python_files("src", "tests", "bench") if not _described(p)] == []


def _described(path: Path) -> bool:
    return len(ast.get_docstring(parsed(path)) or "") > 20


def test_public_names_are_documented() -> None:
    """Every public class, and every public function that is more than a few lines long.

    Not asked of enumerations, whose members are; nor of the functions that carry out a command,
    whose text is the command's help and its page in the handbook.
    """
    carried_out = {p.get_default("run").split(":")[1] for p in COMMANDS.values()}
    missing = []
    for path in python_files("src"):
        for node in public(parsed(path).body):
            if ast.get_docstring(node):
                continue
            if isinstance(node, ast.ClassDef):
                obvious = any(ast.unparse(base) == "StrEnum" for base in node.bases)
            else:
                command = path.parent.name == "cli" and node.name in carried_out
                obvious = command or length(node) <= UNDOCUMENTED_LINES_MAX
            if not obvious:
                missing.append(f"{short(path)}:{node.lineno} {node.name}")
    assert missing == []


def test_functions_fit_on_a_page() -> None:
    long = [
        f"{short(path)}:{node.lineno} {node.name} has {length(node)} lines"
        for path in python_files("src", "tests", "bench")
        for node in functions(path)
        if length(node) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_files_can_be_read_in_one_sitting() -> None:
    long = [
        f"{short(path)} has {count} lines"
        for path in python_files("src", "tests", "bench")
        if (count := path.read_text(encoding="utf-8").count("\n")) > FILE_LINES_MAX
    ]
    assert long == []


def test_no_room_for_odds_and_ends() -> None:
    named = [path for path in repository() if re.search(r"util|helper|manager", path.stem.lower())]
    classes = [
        f"{short(path)} {node.name}"
        for path in python_files("src")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and re.search("Util|Helper|Manager", node.name)
    ]
    assert [*map(short, named), *classes] == []


def test_only_the_command_line_speaks() -> None:
    speaking = [
        f"{short(path)}:{node.lineno}"
        for path in python_files("src")
        if path.parent.name != "cli"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "input", "sys.stdout.write", "sys.stderr.write")
    ]
    assert speaking == []


def test_no_assert_outside_tests() -> None:
    """`python -O` strips them."""
    found = [
        f"{short(path)}:{node.lineno}"
        for path in python_files("src", "bench")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_nothing_is_left_for_later_or_hushed_up() -> None:
    pattern = re.compile(
        r"TODO|FIXME|\bXXX(?!-)|\bHACK\b|NotImplemented\w*|pragma:|noqa(?:: \w+)?"
        r"|type: ignore(?:\[[\w-]+\])?|mypy: \w+|fmt: \w+"
    )
    found = {
        (path.relative_to(SRC).as_posix(), match[0])
        for path in python_files("src")
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == SUPPRESSIONS.keys()


def test_no_registry_and_no_machine_is_named() -> None:
    # One letter of each in brackets, so that this file does not name them either.
    pattern = re.compile(
        r"py[p]i\.org|python[h]osted\.org|npm[j]s\.|crate[s]\.io|debia[n]\.org|anacond[a]\.org"
        r"|(?<![\w.~:/-])/(?:work|tmp|home|root|Users)/(?=\w)"
    )
    found = []
    for path in repository():
        if path == Path(__file__) or b"\0" in (content := path.read_bytes())[:8192]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{short(path)}:{number} {match[0]}")
    assert found == []


def test_the_root_holds_what_it_should() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in repository()} <= AT_THE_ROOT


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_its_content(room: str) -> None:
    expected = {SRC / room / f"{name}.py" for name in ROOMS[room].split()}
    assert sorted(expected - set(python_files("src"))) == []


def test_no_file_is_a_stub() -> None:
    stubs = [
        short(path)
        for path in python_files("src")
        if path.name != "__init__.py"
        and all(
            isinstance(node, ast.Import | ast.ImportFrom | ast.Expr) for node in parsed(path).body
        )
    ]
    assert stubs == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=[\w.-]+==)", text)
    assert len(entries) > 20
    assert [entry.split(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_schemas_can_be_applied_again() -> None:
    wrong = []
    for path in repository():
        if path.suffix == ".sql":
            text = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
            for match in re.finditer(r"(?im)^\s*(CREATE|ALTER|DROP)\b[^;(]*", text):
                if not re.search(r"\bIF NOT EXISTS\b", match[0], re.IGNORECASE):
                    wrong.append(f"{short(path)}: {match[0].strip()}")
    assert wrong == []


def test_tests_stand_where_what_they_test_stands() -> None:
    lost = []
    for path in python_files("tests"):
        if not path.name.startswith("test_") or short(path) in OF_NO_ONE_MODULE:
            continue
        room = SRC / path.parent.relative_to(ROOT / "tests")
        name = path.stem.removeprefix("test_")
        if not any(p.stem == name for p in (*room.glob("*.py"), *room.glob("sources/*.py"))):
            lost.append(short(path))
    assert lost == []


def codes_in_source() -> set[str]:
    """Every code of a finding, a fault or a reason: what is passed as `code`, and, since some
    are made by functions, every text of the form `word.word` that is no file's name.

    The site's own texts have keys of that form too; it makes no findings.
    """
    found: set[str] = set()
    for path in python_files("src/sonotheque"):
        if path.is_relative_to(SRC / "access"):
            continue
        for node in ast.walk(parsed(path)):
            if (
                isinstance(node, ast.keyword)
                and node.arg == "code"
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                found.add(node.value.value)
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and DOTTED_CODE.fullmatch(node.value)
                and node.value.rpartition(".")[2] not in FILE_SUFFIXES
            ):
                found.add(node.value)
    return found


def test_every_code_is_in_the_handbook() -> None:
    page = (DOCS / "findings.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z.-]+)` \|", page, re.MULTILINE))
    assert codes_in_source() == listed


def command_sections() -> dict[str, str]:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    parts = re.split(r"^### `sonotheque ([a-z -]+)`$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_handbook_has_every_command_and_no_other() -> None:
    assert command_sections().keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_handbook_has_every_option(command: str) -> None:
    section = command_sections().get(command, "")
    names = [
        option
        for action in COMMANDS[command]._actions
        for option in action.option_strings or [str(action.metavar)]
        if option not in ("-h", "--help", "--json", "--archive")
    ]
    assert [name for name in names if f"`{name}" not in section] == []
    takes_archive = any(action.dest == "archive" for action in COMMANDS[command]._actions)
    assert takes_archive != ("Takes no `--archive`." in section)


@pytest.mark.parametrize(
    ("page", "values"),
    [
        ("configuration.md", (Limits, Root, Attestation, Witness, Witnessed)),
        ("deposit.md", (DeclaredStatement, DeclaredDescription)),
        ("select.md", (Policy,)),
    ],
)
def test_the_handbook_has_every_setting(page: str, values: tuple[type, ...]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    names = [f.name for value in values for f in dataclasses.fields(value)]
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", ["rights.md", "deposit.md"])
def test_the_handbook_has_every_use_and_basis(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [word for word in (*Use, *Basis) if f"`{word}`" not in text] == []


def test_links_within_the_texts_lead_somewhere() -> None:
    broken = []
    for path in repository():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{short(path)}: {target}")
    assert broken == []
