"""Others' catalogues on the site and in the API: found as people type, told source by source."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sonotheque import archive as archives
from sonotheque.access.site import create_app
from sonotheque.archive import Archive
from sonotheque.catalogue import additions
from sonotheque.catalogue.build import build_snapshot
from sonotheque.catalogue.sources.registry import import_source
from sonotheque.config import Config, Root

NOW = "2026-11-24T12:00:00.000000Z"
UPC = "602517754621"
ROWS: list[dict[str, Any]] = [
    {
        "source_id": "1",
        "isrc": "FRZ031400001",
        "title": "Forêt d’hiver",
        "artist": "Zoé Ångström",
        "album": "Saisons <b>",
        "upc": UPC,
        "year": 1999,
    },
    {"source_id": "2", "isrc": "FRZ031400001", "title": "FORET D'HIVER", "artist": "Zoe Angstrom"},
    {"source_id": "3", "title": "千本桜", "artist": "初音"},
    *({"source_id": f"n{n}", "title": f"Song {n}", "artist": "Many"} for n in range(50)),
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    base = tmp_path_factory.mktemp("catalogued")
    directory = base / "archive"
    config = Config(
        directory=directory,
        name="Essai",
        mandate="Test Act",
        roots=(Root("main", directory / "vault"),),
    )
    with archives.create(config) as archive:
        taken(archive, base / "a.csv", ROWS)
        build_snapshot(config.catalogue, NOW, memory_bytes_max=200_000_000)
        taken(
            archive, base / "b.csv", [{"source_id": "new", "title": "Added since", "artist": "X"}]
        )
        additions.add(config.catalogue, 2, NOW, archive.catalogue.snapshots())
        yield archive


def taken(archive: Archive, path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as output:
        names = ["source_id", "isrc", "title", "artist", "album", "upc", "year"]
        table = csv.DictWriter(output, names, restval="")
        table.writeheader()
        table.writerows(rows)
    directory = archive.config.catalogue
    import_source("table", directory, path, origin="The shop", licence="CC0-1.0", now=NOW)


@pytest.fixture
def client(archive: Archive) -> Iterator[TestClient[Litestar]]:
    with TestClient(create_app(archive)) as client:
        yield client


@pytest.mark.parametrize(
    "typed",
    [
        "foret dhiver",
        "FORÊT",
        "fore",
        "forte d'hiver",
        "zoe ang",
        "angstrm",
        "FR-Z03-14-00001",
        UPC,
    ],
)
def test_a_title_is_found_as_people_type_it(client: TestClient[Litestar], typed: str) -> None:
    page = client.get("/search", params={"q": typed})
    assert page.status_code == 200
    assert "Forêt d’hiver" in page.text
    suggested = client.get("/api/v1/suggest", params={"q": typed}).json()["recordings"]
    if not typed.isdecimal():
        assert suggested[0]["description"]["title"] == "Forêt d’hiver"


@pytest.mark.parametrize("typed", ["桜", "初音", "added sinc"])
def test_other_scripts_and_additions_are_found(client: TestClient[Litestar], typed: str) -> None:
    found = client.get("/api/v1/recordings", params={"q": typed}).json()
    assert (found["total"], found["total_is_exact"]) == (1, True)


def test_every_source_is_shown(client: TestClient[Litestar], archive: Archive) -> None:
    [recording] = archive.catalogue.by_upc(UPC)
    page = client.get(f"/recordings/{recording.id}", params={"lang": "en"})
    for shown in (
        "FORET D",
        "Zoe Angstrom",
        "Saisons &lt;b&gt;",
        'Forêt d’hiver</bdi> <span class="quiet">[1]',
        "does not hold its sound",
    ):
        assert shown in page.text
    french = client.get(f"/recordings/{recording.id}", params={"lang": "fr"})
    assert "Ce que disent les catalogues d’autres" in french.text
    listed = client.get(f"/api/v1/recordings/{recording.id}").json()["listed"]
    assert [row["source_id"] for row in listed["rows"]] == ["1", "2"]
    assert {"field": "title", "value": "FORET D'HIVER", "rows": [2]} in listed["fields"]
    assert [release["upc"] for release in listed["releases"]] == [UPC]
    assert listed["snapshots"] == [1]
    assert "<strong>53</strong>" in client.get("/", params={"lang": "en"}).text


def test_look_ups_by_other_keys(client: TestClient[Litestar], archive: Archive) -> None:
    [recording] = archive.catalogue.by_upc(UPC)
    for address in (f"upc/{UPC}", "upc/0-602517754621", "sources/The shop/2", "isrc/FRZ031400001"):
        found = client.get(f"/api/v1/{address}").json()
        assert [one["id"] for one in found["recordings"]] == [recording.id], address
    assert client.get("/api/v1/sources/The shop/none").json()["total"] == 0
    assert client.get("/api/v1/upc/nonsense").status_code == 400


def test_pages_go_on_while_there_is_more(client: TestClient[Litestar]) -> None:
    seen: list[str] = []
    for number in (1, 2, 3):
        page = client.get("/search", params={"q": "song", "page": number, "lang": "en"})
        seen += [part.split('"')[0] for part in page.text.split('href="/recordings/')[1:]]
        assert ('rel="next"' in page.text) == (number < 3)
    assert len(set(seen)) == len(seen) == 50


def test_the_catalogue_and_its_changes(client: TestClient[Litestar]) -> None:
    document = client.get("/api/v1/catalogue").json()
    assert document["snapshot"]["recordings"] == 52
    assert (document["added"], document["rows"]) == (1, 54)
    assert [about["origin"] for about in document["imports"]] == ["The shop"] * 2
    assert client.get("/api/v1/catalogue/changes?since=1").json()["changes"] == []
    assert client.get("/api/v1/catalogue/changes?since=9").status_code == 404
