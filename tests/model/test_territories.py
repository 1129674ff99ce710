"""Countries: those of ISO 3166-1, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonotheque.errors import BadInput
from sonotheque.model.territories import COUNTRIES, parse_territories, parse_territory

TABLE = Path("/usr/share/zoneinfo/iso3166.tab")


def test_the_countries_are_those_of_the_standard() -> None:
    if not TABLE.exists():
        pytest.skip("this machine has no table of countries (tzdata)")
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    assert {line.split("\t")[0] for line in lines} == COUNTRIES


def test_countries_come_in_order_and_once() -> None:
    assert parse_territories(["us", " FR", "US"]) == ("FR", "US")


@pytest.mark.parametrize("text", ["", "XX", "EU", "FRA", "World", "F"])
def test_what_is_no_country_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="ISO 3166-1"):
        parse_territory(text)


def test_the_remedy_names_what_was_meant() -> None:
    with pytest.raises(BadInput) as caught:
        parse_territory("uk")
    assert "GB" in caught.value.line()
