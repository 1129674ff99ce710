"""`rights notice` and `rights calendar`, from the first step to the day it is allowed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from sonotheque.rights.days import after_months

Run = Callable[..., tuple[int, str, str]]
TODAY = datetime.now(UTC).date()
BY = ("--by", "A. Archivist", "--evidence", "file 12")
STEPS = ("held", "searched", "unrepresented", "published")


@pytest.fixture
def archive(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "archive")


def _day(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


def _entries(run: Run, archive: Path, *options: str) -> list[dict[str, Any]]:
    code, out, err = run("rights", "calendar", "--json", *options, "--archive", archive)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["total"] >= len(document["entries"])
    entries: list[dict[str, Any]] = document["entries"]
    return entries


def test_a_ledger_without_terms_changes_nothing(run: Run, archive: Path) -> None:
    assert _entries(run, archive) == []
    _, out, _ = run("rights", "calendar", "--until", _day(10), "--archive", archive)
    assert out == f"Nothing changes until {_day(10)}.\n"


def test_an_exception_from_its_first_step_to_its_day(
    run: Run, identifier: Callable[[str], str], archive: Path
) -> None:
    at, id_ = ("--archive", archive), identifier("桜")
    number = json.loads(run("rights", "show", id_, "--json", *at)[1])[0]["id"]
    run("rights", "revoke", str(number), *BY, *at)
    procedure = ("--procedure", "eu-out-of-commerce-exception")
    for step in STEPS:
        code, _, err = run(
            *("rights", "notice", id_, *procedure, "--step", step, "--on", _day(-30), *BY, *at)
        )
        assert (code, err) == (0, "")
    (asked,) = [e for e in _entries(run, archive) if e["turn"] == "step"]
    assert asked["next_step"] == "enter the grant that rests on it"
    code, out, err = run(
        *("rights", "grant", id_, *procedure, "--use", "stream", *BY, *at),
        *("--basis", "statutory-exception", "--article", "Directive (EU) 2019/790, art. 8(2)"),
    )
    assert (code, err) == (0, "")
    opening = after_months(TODAY - timedelta(days=30), 6).isoformat()
    (entry,) = _entries(run, archive)
    assert (entry["on"], entry["turn"]) == (opening, "becomes-allowed")
    _, out, _ = run("rights", "calendar", *at)
    assert all(cell_len(line) <= 80 for line in out.splitlines())
    assert f"✓ {opening}  {id_}  becomes allowed: listen-on-site, stream" in out
    assert "in the European Union" in " ".join(out.split())
    for country, code in (("DE", 0), ("US", 1)):
        decided, _, _ = run(
            *("rights", "decide", id_, "stream", "--territory", country, "--at", opening, *at)
        )
        assert decided == code
    assert _entries(run, archive, "--territory", "US") == []


def test_a_licence_that_ends_and_terms_that_end(
    run: Run, identifier: Callable[[str], str], archive: Path
) -> None:
    at, id_ = ("--archive", archive), identifier("桜")
    number = json.loads(run("rights", "show", id_, "--json", *at)[1])[0]["id"]
    run("rights", "revoke", str(number), *BY, *at)
    granted = ("rights", "grant", id_, *BY, *at, "--use", "stream")
    _, out, _ = run(*granted, "--basis", "agreement", "--until", _day(40), "--json")
    agreement = json.loads(out)["statement"]["id"]
    (entry,) = _entries(run, archive)
    assert (entry["on"], entry["turn"]) == (_day(40), "ceases")
    run("rights", "revoke", str(agreement), *BY, *at)
    year = str(TODAY.year - 70)
    facts = ("--published", "1950", "--authors", "2", "--died", year, "--died", "1901")
    code, out, err = run(*granted, "--basis", "public-domain", *facts, "--work-published", "1900")
    assert (code, err) == (0, "")
    assert f"died 1901, {year}" in " ".join(out.split())
    found = [e for e in _entries(run, archive) if e["turn"] == "becomes-allowed"]
    assert {e["on"] for e in found} == {f"{TODAY.year + 1}-01-01"}
    assert {place for e in found for place in e["territories"]} >= {"DE", "GB"}
    of = ("--procedure", "us-pre-1972", "--step", "searched", "--fixed", "1950")
    _, noticed, _ = run("rights", "notice", id_, *of, "--on", _day(-1), *BY, "--json", *at)
    number = str(json.loads(noticed)["statement"]["id"])
    another = ("--by", "Somebody else", "--evidence", "a letter")
    assert run("rights", "revoke", number, *another, *at)[0] == 0
    run("rights", "notice", id_, *of, "--on", _day(-1), *BY, *at)
    code, out, _ = run("rights", "calendar", "--limit", "1", *at)
    assert code == 0
    assert out.splitlines()[-1].startswith("… and ")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("calendar", "--until", "soon"), "is not a date"),
        (("calendar", "--until", "2020-01-01"), "is over"),
        (("calendar", "--territory", "EU"), "is no country"),
        (("calendar", "--limit", "0"), "not a number over 0"),
        (("notice", "ID", "--procedure", "us-pre-1972", "--step", "held"), "does not have"),
        (("notice", "ID", "--procedure", "us-pre-1972", "--step", "x"), "invalid choice"),
        (
            (
                *("notice", "ID", "--procedure", "us-pre-1972", "--step", "searched"),
                *("--on", "2999-01-01"),
            ),
            "is to come",
        ),
        (
            (
                *("notice", "ID", "--procedure", "us-pre-1972", "--step", "searched"),
                *("--fixed", "1972-02"),
            ),
            "is no date",
        ),
        (
            (
                *("grant", "ID", "--use", "torrent", "--basis", "statutory-exception"),
                *("--article", "17 USC 1401(c)", "--procedure", "us-pre-1972"),
            ),
            "does not open",
        ),
        (
            (
                *("grant", "ID", "--use", "stream", "--basis", "agreement"),
                *("--procedure", "us-pre-1972"),
            ),
            "waits for a procedure",
        ),
        (
            ("grant", "ID", "--use", "stream", "--basis", "agreement", "--published", "1900"),
            "term of protection",
        ),
        (
            ("grant", "ID", "--use", "stream", "--basis", "public-domain", "--died", "1900"),
            "1 deaths of 0 authors",
        ),
    ],
)
def test_bad_input_is_one_line(
    fails: Callable[..., str],
    identifier: Callable[[str], str],
    filled: Path,
    arguments: tuple[str, ...],
    what: str,
) -> None:
    typed = [identifier("桜") if word == "ID" else word for word in arguments]
    if typed[0] != "calendar":
        typed += BY
    if typed[0] == "notice" and "--on" not in typed:
        typed += ("--on", "2026-01-01")
    assert what in fails(2, "rights", *typed, "--archive", filled)
