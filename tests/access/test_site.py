"""The pages: what they say, in which language, and what they never let through."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from sonotheque.model.terms import Kind, Layer, Use

PATHS = (
    "/",
    "/search",
    "/search?q=Piece",
    "/search?q=zzzz",
    "/editions",
    "/editions/1",
    "/about",
    "/api",
)


class _Elements(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(text: str, tag: str) -> list[dict[str, str | None]]:
    return [attributes for found, attributes in _Elements(text).found if found == tag]


def recording(room: Any, name: str) -> str:
    return f"/recordings/{room.recordings[name]}"


def every_path(room: Any) -> list[str]:
    return [*PATHS, *(recording(room, name) for name in room.recordings)]


@pytest.mark.parametrize("code", ["en", "fr"])
def test_every_page_is_whole_in_both_languages(room: Any, code: str) -> None:
    for path in every_path(room):
        answer = room.client.get(path, headers={"Accept-Language": code})
        assert answer.status_code == 200, path
        assert answer.headers["content-language"] == code
        assert "Accept-Language" in answer.headers["vary"]
        (html,) = elements(answer.text, "html")
        assert html["lang"] == code
        assert len(elements(answer.text, "h1")) == 1
        alternates = {link.get("hreflang") for link in elements(answer.text, "link")}
        assert {"en", "fr"} <= alternates
        ids = [
            attributes["id"] for _, attributes in _Elements(answer.text).found if "id" in attributes
        ]
        assert len(ids) == len(set(ids)), path


def test_no_page_asks_anything_of_anybody_else_or_runs_anything_of_its_own(room: Any) -> None:
    for path in every_path(room):
        answer = room.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        for tag, attributes in _Elements(answer.text).found:
            assert "style" not in attributes, path
            assert not [name for name in attributes if name.startswith("on")], path
            if tag in ("script", "img", "source", "audio", "iframe"):
                address = attributes.get("src") or attributes.get("srcset") or "/"
                assert address.startswith("/") and not address.startswith("//"), path
            if tag == "script" and "src" not in attributes:
                assert attributes["type"] == "application/ld+json"


def test_a_chosen_language_is_remembered(room: Any) -> None:
    room.client.get("/?lang=fr")
    assert room.client.cookies["language"] == "fr"
    assert (
        room.client.get("/about", headers={"Accept-Language": "en"}).headers["content-language"]
        == "fr"
    )
    room.client.get("/?lang=xx")
    assert room.client.cookies["language"] == "fr"


def test_the_switch_keeps_the_page_and_its_query(room: Any) -> None:
    text = room.client.get("/search?q=Piece&page=1").text
    addresses = [a["href"] for a in elements(text, "a") if a.get("hreflang") == "fr"]
    assert addresses == ["/search?q=Piece&page=1&lang=fr"]


def test_hostile_metadata_is_only_text(room: Any) -> None:
    for path in ("/", recording(room, "hostile.flac"), "/search?q=alert"):
        text = room.client.get(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert "\u202e" not in text
        assert "\x07" not in text
        assert len(text) < 60_000


def test_a_hostile_query_is_only_text(room: Any) -> None:
    query = '"><script>alert(1)</script>\u202e'
    text = room.client.get("/search", params={"q": query}).text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert room.client.get("/search", params={"q": "x" * 5_000}).status_code == 200
    assert room.client.get("/search", params={"q": 'title:"(((', "page": -3}).status_code == 200
    assert room.client.get("/search", params={"q": "Piece", "page": 10**9}).status_code == 200


def test_linked_data_is_json_that_names_the_licence(room: Any) -> None:
    for name in ("plain.flac", "hostile.flac", "claimed.ogg"):
        text = room.client.get(recording(room, name)).text
        found = re.search(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
        assert found
        data = json.loads(found[1])
        assert data["@type"] == "MusicRecording"
        licensed = "https://creativecommons.org/licenses/by/4.0/" in data.get("license", [])
        assert licensed == (name != "claimed.ogg")


def test_a_recording_says_why_in_the_readers_language(room: Any) -> None:
    path = recording(room, "claimed.ogg")
    assert "nobody has verified this yet" in room.client.get(path).text
    french = room.client.get(path, headers={"Accept-Language": "fr"}).text
    assert "personne ne l’a encore vérifié" in french
    assert elements(french, "audio") == []


def test_every_reason_leads_to_its_ledger_entry_on_the_page(room: Any) -> None:
    for name in room.recordings:
        text = room.client.get(recording(room, name)).text
        ids = {a["id"] for _, a in _Elements(text).found if "id" in a}
        anchors = {
            str(a["href"])[1:] for a in elements(text, "a") if str(a["href"]).startswith("#")
        }
        assert anchors - {"content"}
        assert anchors <= ids


def test_a_recording_that_may_be_heard_has_a_player_and_a_download(room: Any) -> None:
    text = room.client.get(recording(room, "studio.aiff")).text
    (player,) = elements(text, "audio")
    assert player["preload"] == "none"
    (source,) = elements(text, "source")
    assert source == {"src": recording(room, "studio.aiff") + "/audio", "type": "audio/ogg"}
    assert "access copy in Opus" in text
    assert "FR-Z03-14-00141" in text
    assert recording(room, "studio.aiff") + "/download" in [a["href"] for a in elements(text, "a")]


def test_an_entry_is_shown_with_its_layer_its_countries_and_its_law(room: Any) -> None:
    room.say(
        "plain.flac",
        Kind.GRANT,
        Use.TRAIN_AI,
        layers=(Layer.WORK,),
        territories=("FR", "BE"),
        territories_except=("BE",),
        article="Code du patrimoine, L132-4",
        evidence_sha512="ab" * 64,
    )
    for code, words in (
        ("en", ("the work", "holds in some countries only: FR, BE, but not BE", "ab" * 64)),
        ("fr", ("l’œuvre", "ne vaut que dans certains pays\u202f: FR, BE, mais pas BE")),
    ):
        text = room.client.get(recording(room, "plain.flac"), params={"lang": code}).text
        for word in (*words, "Code du patrimoine, L132-4"):
            assert word in text


def test_an_isrc_finds_its_recording_however_it_is_written(room: Any) -> None:
    for query in ("FR-Z03-14-00141", "frz031400141"):
        assert "Piece studio.aiff" in room.client.get("/search", params={"q": query}).text


def test_other_letters_lead_to_the_canonical_address(room: Any) -> None:
    canonical = recording(room, "plain.flac")
    answer = room.client.get(canonical.lower() + "?lang=fr", follow_redirects=False)
    assert answer.status_code == 308
    assert answer.headers["location"] == canonical + "?lang=fr"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/recordings/0000000000000", 404),
        ("/recordings/not-an-id", 400),
        ("/editions/99", 404),
        ("/editions/1/archive.toml", 404),
        ("/editions/1/..%2f..%2farchive.toml", 404),
        ("/static/..%2f..%2fsite.py", 404),
        ("/pictures/uses?lang=../../x", 404),
        ("/pictures/uses?theme=neon", 404),
        ("/search?page=x", 400),
    ],
)
def test_errors_are_pages_that_help(room: Any, path: str, status: int) -> None:
    answer = room.client.get(path, headers={"Accept": "text/html", "Host": "evil.example"})
    assert answer.status_code == status
    assert elements(answer.text, "h1")
    assert "evil.example" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    if status == 404:
        assert elements(answer.text, "form")


def test_only_reading_is_offered(room: Any) -> None:
    assert room.client.post("/").status_code == 405
    assert room.client.delete("/api/v1/archive").status_code == 405


def test_static_files_are_kept_for_good_by_their_digest(room: Any) -> None:
    (style,) = (
        str(link["href"])
        for link in elements(room.client.get("/").text, "link")
        if link.get("rel") == "stylesheet"
    )
    answer = room.client.get(style)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    again = room.client.get(style, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert room.client.get("/static/site.css?v=old").headers["cache-control"] == "no-cache"


def test_pictures_are_kept_for_good_by_their_key(room: Any) -> None:
    images = elements(room.client.get("/").text, "img")
    assert len(images) == 2
    for image in images:
        answer = room.client.get(str(image["src"]))
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert "immutable" in answer.headers["cache-control"]
        assert image["alt"]


def test_an_edition_hands_out_what_a_mirror_begins_with(room: Any) -> None:
    directory = room.archive.config.editions / "1"
    for name in ("edition.v1.torrent", "edition.v2.torrent", "manifest.txt", "signing.pub"):
        assert room.client.get(f"/editions/1/{name}").content == (directory / name).read_bytes()
    manifest = room.client.get("/editions/1/manifest.json")
    assert manifest.content == (directory / "content" / "manifest.json").read_bytes()
    text = room.client.get("/editions/1").text
    assert "Nobody has checked this" in text.partition('id="out"')[2]


def test_our_own_faults_are_told_without_their_details(
    room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object, _limit: int) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(room.archive.catalogue), "newest", broken)
    answer = room.client.get("/")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert elements(answer.text, "h1")
