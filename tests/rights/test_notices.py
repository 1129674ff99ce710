"""What has an address and allows nothing: recognised, and never taken for a licence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.rights.licences import find_licence
from sonotheque.rights.notices import find_notice

STATEMENTS = [
    *("InC", "InC-OW-EU", "InC-EDU", "InC-NC", "InC-RUU", "NoC-CR", "NoC-NC", "NoC-OKLR"),
    *("NoC-US", "CNE", "UND", "NKC"),
]


@pytest.mark.parametrize("identifier", STATEMENTS)
@pytest.mark.parametrize("base", ["http://", "https://www."])
@pytest.mark.parametrize("form", ["vocab", "page", "data"])
def test_every_statement_of_rightsstatements_org(identifier: str, base: str, form: str) -> None:
    url = f"{base}rightsstatements.org/{form}/{identifier}/1.0/"
    found = find_notice(f"See {url}?language=fr.")
    assert found
    assert found.identifier == identifier
    assert found.meaning
    assert find_licence(url) is None


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        ("licenses/sampling/1.0/br/", "sampling"),
        ("licenses/recombo/1.0/", "recombo"),
        ("licenses/sampling+/1.0/deed.en", "sampling+"),
        ("licenses/nc-sampling%2B/1.0/", "nc-sampling+"),
        ("licenses/devnations/2.0/legalcode", "devnations"),
        ("licenses/publicdomain/", "publicdomain"),
        ("licenses/publicdomain", "publicdomain"),
        ("publicdomain/certification/1.0/us/", "publicdomain"),
    ],
)
def test_the_retired_texts_of_creative_commons(path: str, identifier: str) -> None:
    found = find_notice(f"http://creativecommons.org/{path}")
    assert found
    assert found.identifier == identifier
    assert find_licence(f"http://creativecommons.org/{path}") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "InC",
        "In Copyright",
        "http://rightsstatements.org/vocab/InC/2.0/",
        "http://rightsstatements.org/vocab/InC-XX/1.0/",
        "http://rightsstatements.org.example.net/vocab/InC/1.0/",
        "http://creativecommons.org/licenses/by/4.0/",
        "http://creativecommons.org/licenses/samplings/1.0/",
        "http://rightsstatements.org/vocab/InC/1.0/ http://rightsstatements.org/vocab/CNE/1.0/",
    ],
)
def test_nothing_else(text: str) -> None:
    assert find_notice(text) is None


@given(st.text())
def test_no_text_fails(text: str) -> None:
    assert find_notice(text) is None or "org" in text.lower() or "CC-PDDC" in text
