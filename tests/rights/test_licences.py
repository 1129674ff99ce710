"""Public licences: every one of Creative Commons is found, and nothing is guessed."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import TRAINING, Kind, Statement, Status
from sonotheque.rights.decision import decide_all
from sonotheque.rights.licence_tables import (
    CREATIVE_COMMONS,
    RIGHTS_STATEMENTS,
    SPDX,
    SPDX_DEPRECATED,
)
from sonotheque.rights.licences import PUBLIC_USES, Licence, find_licence, name_of

RECORDING = RecordingId("0000000000001")
NOW = "2026-11-28T00:00:00.000000Z"

SIX = {"by", "by-nc", "by-sa", "by-nd", "by-nc-sa", "by-nc-nd"}
DEEDS = [
    (unit, version, port)
    for (unit, version), ports in CREATIVE_COMMONS.items()
    for port in sorted(ports)
]


def test_the_list_of_deeds_is_as_long_as_creative_commons_has_it() -> None:
    current = [deed for deed in DEEDS if deed[0] in SIX]
    other_name = CREATIVE_COMMONS["by-nd-nc", "1.0"]
    assert (len(current), len(DEEDS) - len(current) - len(other_name)) == (606, 30)
    assert ("by", "2.1", "") not in DEEDS  # there are only ports of 2.1
    assert {port for unit, version, port in DEEDS if version == "4.0"} == {""}


@pytest.mark.parametrize("scheme", ["http://", "https://", "HTTP://www.", "https://www."])
def test_every_creative_commons_deed(scheme: str) -> None:
    for unit, version, port in DEEDS:
        path = f"{unit}/{version}" + (f"/{port}" if port else "")
        elements = unit.replace("by-nd-nc", "by-nc-nd")
        named = f"CC-{elements.upper()}-{version}" + (f"-{port.upper()}" if port else "")
        for end in ("", "/", "/deed", "/deed.fr", "/deed.en_US", "/legalcode", "/legalcode.txt"):
            found = find_licence(f"{scheme}creativecommons.org/licenses/{path}{end}")
            assert found, (path, end)
            assert found.identifier == named
        assert found
        assert found == find_licence(found.url)
        assert found.non_commercial == ("nc" in unit)
        assert found.no_derivatives == ("nd" in unit.split("-"))
        assert not found.public_domain
        words = [elements.upper(), version, *([port.upper()] if port else [])]
        assert name_of(found.url) == f"CC {' '.join(words)}"
        assert found.uses == (() if unit in ("sampling", "devnations") else PUBLIC_USES)
        assert not set(TRAINING) & set(found.uses)
        if elements in SIX:
            assert find_licence(named) == found


def test_version_one_names_its_elements_in_another_order() -> None:
    found = find_licence("http://creativecommons.org/licenses/by-nd-nc/1.0/")
    assert found
    assert found.identifier == "CC-BY-NC-ND-1.0"
    assert found.url == "https://creativecommons.org/licenses/by-nd-nc/1.0/"
    assert found == find_licence("https://creativecommons.org/licenses/by-nc-nd/1.0/")
    assert find_licence("https://creativecommons.org/licenses/by-nd-nc/3.0/") is None


@pytest.mark.parametrize(("tool", "spdx"), [("zero", "CC0-1.0"), ("mark", "CC-PDM-1.0")])
def test_the_public_domain_tools(tool: str, spdx: str) -> None:
    found = find_licence(f"http://creativecommons.org/publicdomain/{tool}/1.0/deed.en")
    assert found
    assert found.identifier == spdx
    assert found.public_domain
    assert found.is_of_holder == (tool == "zero")  # the mark is a label that anybody puts on
    assert found == find_licence(spdx) == find_licence(found.url)
    assert found.uses == PUBLIC_USES


def test_the_old_dedication_to_the_public_domain() -> None:
    found = find_licence("http://creativecommons.org/licenses/publicdomain/")
    assert found
    assert (found.identifier, found.public_domain) == ("CC-PDDC", True)
    assert found == find_licence("CC-PDDC") == find_licence(found.url)


@pytest.mark.parametrize("spdx", [*SPDX, *SPDX_DEPRECATED, " CC-BY-4.0\n"])
def test_other_identifiers(spdx: str) -> None:
    named = find_licence(spdx)
    assert named
    assert named.uses == PUBLIC_USES


@pytest.mark.parametrize("code", RIGHTS_STATEMENTS)
@pytest.mark.parametrize("form", ["vocab/{}/1.0/", "page/{}/1.0/?language=fr", "vocab/{}/1.0"])
def test_rights_statements_allow_what_they_say_and_no_more(code: str, form: str) -> None:
    found = find_licence(f"http://rightsstatements.org/{form.format(code)}")
    assert found
    assert (found.identifier, found.is_of_holder) == (code, False)
    assert found == find_licence(found.url)
    assert found.uses == (PUBLIC_USES if code in ("InC-NC", "NoC-US") else ())
    assert found.territories == (("US",) if code == "NoC-US" else ())


@pytest.mark.parametrize(
    "text",
    [
        "© 2009 El Senator, see {}",
        "Licensed under {}.",
        "({})",
        "<a rel='license' href='{}'>this</a>",
        "{}, verify at http://example.org/",
        "{} and again {}.",
        "One: {}; two, without its last stroke: {}",
        "{}\n",
        "WCOP={}\0",
    ],
)
@pytest.mark.parametrize("path", ["by-sa/3.0/", "by-sa/3.0", "by/2.0/uk"])
def test_a_url_in_prose_is_found(text: str, path: str) -> None:
    url = f"http://creativecommons.org/licenses/{path}"
    assert find_licence(text.replace("{}", url)) == find_licence(url) is not None


@pytest.mark.parametrize(
    "other",
    ["licenses/by/3.0/", "licenses/by-sa/4.0/", "licenses/by-sa/3.0/de/", "publicdomain/zero/1.0/"],
)
def test_two_licences_are_for_a_person(other: str) -> None:
    text = f"http://creativecommons.org/licenses/by-sa/3.0/ or http://creativecommons.org/{other}"
    assert find_licence(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "All rights reserved",
        "Creative Commons",
        "CC BY",
        "CC-BY",
        "Attribution-ShareAlike 3.0",
        "licensed under CC-BY-4.0 they say",
        "CC-BY-9.0",
        "CC-BY-ND-SA-4.0",
        "http://creativecommons.org/",
        "http://creativecommons.org/licenses/",
        "http://creativecommons.org/licenses/by/",
        "http://creativecommons.org/licenses/by/5.0/",
        "http://creativecommons.org/licenses/by/4.7/",
        "http://creativecommons.org/licenses/by/3.0.1/",
        "http://creativecommons.org/licenses/by/3.0-draft/",
        "http://creativecommons.org/licenses/by-sa-nd/3.0/",
        "http://creativecommons.org/licenses/by/2.1/",
        "http://creativecommons.org/licenses/by/3.0/zz/",
        "http://creativecommons.org/licenses/by/3.0/de_AT/",
        "http://creativecommons.org/licenses/by/4.0/fr/",
        "http://creativecommons.org/licenses/sampling/2.0/",
        "http://creativecommons.org/licenses/by/9.9/ http://creativecommons.org/licenses/by/3.0/",
        "CC-BY-2.1",
        "CC-BY-4.0-FR",
        "CC-BY-4.0 OR MIT",
        "http://rightsstatements.org/vocab/InC/2.0/",
        "http://rightsstatements.org/vocab/FREE/1.0/",
        "http://rightsstatements.org/",
        "http://creativecommons.org/publicdomain/zero/2.0/",
        "http://creativecommons.org.example.net/licenses/by/3.0/",
        "http://notcreativecommons.org/licenses/by/3.0/",
        "http://example.net/creativecommons.org/licenses/by/3.0/",
        "ftp://creativecommons.org/licenses/by/3.0/",
    ],
)
def test_nothing_is_guessed(text: str) -> None:
    assert find_licence(text) is None
    assert name_of(text) == text


def test_suffixes_that_are_no_port() -> None:
    rdf = find_licence("http://creativecommons.org/licenses/by/3.0/rdf")
    assert rdf == find_licence("CC-BY-3.0")
    scotland = find_licence("http://creativecommons.org/licenses/by/2.5/scotland/")
    assert scotland
    assert scotland != find_licence("CC-BY-2.5")


@given(st.text())
def test_free_text_allows_nothing(text: str) -> None:
    if "creativecommons.org" not in text.lower() and "-" not in text and text.strip() != "MIT":
        assert find_licence(text) is None


def test_the_netlabels_licences() -> None:
    """Of 2,289 real releases each turns into a statement and a decision, or is left to a person."""
    data = Path(__file__).parents[2].parent / "shared/data/metadata/freemusicc/releases.csv"
    if not data.exists():
        pytest.skip("NOT TESTED: ../shared/data/metadata/freemusicc is not here")
    with data.open(newline="", encoding="utf-8") as lines:
        texts = [row["licenseurl"] for row in csv.DictReader(lines)]
    counts: Counter[str] = Counter()
    for text in texts:
        licence = find_licence(text)
        decisions = decide_all(_said(licence) if licence else [], RECORDING, NOW)
        allowed = {decision.use for decision in decisions if decision.allowed}
        assert allowed == (set(PUBLIC_USES) if licence else set())
        if licence is None:
            counts["none" if not text.strip() else text] += 1
        elif licence.no_derivatives:
            counts["no derivatives"] += 1
        else:
            counts["non-commercial" if licence.non_commercial else "free"] += 1
    assert counts == {
        "no derivatives": 1_230,
        "non-commercial": 624,
        "free": 145,
        "none": 286,
        "http://freemusicarchive.org/FMA_License": 4,
    }


def _said(licence: Licence) -> list[Statement]:
    return [
        Statement(
            recording=RECORDING,
            kind=Kind.GRANT,
            uses=licence.uses,
            status=Status.VERIFIED,
            issuer="A netlabel",
            evidence="the address of its licence",
            at=NOW,
            id=1,
            basis=licence.basis,
            licence=licence.url,
            territories=licence.territories,
        )
    ]
