"""The artist's path: claim, proof, change of mind; and what is not taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from sonotheque.access.claims import FORMS_PER_DAY
from sonotheque.access.site import create_app
from sonotheque.desk.case import Outcome
from sonotheque.desk.handling import Desk
from sonotheque.rights.evidence import parse_inclusion, verify_inclusion
from sonotheque.store.clock import utc_now

FIELDS = {
    "ask": "claim",
    "name": "Ada Ångström",
    "contact": "ada@example.org",
    "layer-recording": "yes",
    "use-stream": "no",
    "use-download": "yes",
    "use-mine": "no",
    "use-train-ai": "no",
    "use-train-generative-ai": "no",
    "said": "I played it.\nAt home.",
    "faith": "yes",
}


@pytest.fixture
def room(room_apart: Any) -> Any:
    return room_apart


@pytest.fixture
def visitor(room: Any) -> Iterator[Any]:
    """Somebody with bounds of their own."""
    with TestClient(create_app(room.archive)) as client:
        yield client


def form_of(room: Any, name: str) -> str:
    return f"/recordings/{room.recordings[name]}/claim"


def test_a_claim_holds_with_the_answer_and_its_page_shows_all(room: Any, visitor: Any) -> None:
    path = form_of(room, "studio.aiff")
    sound = path.replace("/claim", "/audio")
    assert visitor.get(sound).status_code == 200
    files = {"documents": ("session.txt", b"us, playing")}
    answer = visitor.post(path, data=FIELDS, files=files, follow_redirects=False)
    assert answer.status_code == 303
    # No wait: the very next request.
    assert visitor.get(sound).status_code == 403
    page = answer.headers["location"]
    assert re.fullmatch(r"/cases/[0-9A-Z]{13}/[\w-]{32}", page)
    for code, words in (("en", "Your case"), ("fr", "Votre dossier")):
        shown = visitor.get(page, headers={"Accept-Language": code})
        assert shown.status_code == 200 and words in shown.text
        assert shown.headers["cache-control"] == "no-store"
        assert "session.txt" in shown.text and "us, playing" not in shown.text
        assert "ada@example.org" not in shown.text
        assert re.search(r"/recordings/\w+#entry-\d+", shown.text)
    # Nobody without the secret.
    assert visitor.get(page[:-1]).status_code == 404
    public = visitor.get(path.removesuffix("/claim")).text
    assert "(case" not in public and "somebody whose name is not public" in public
    desk = Desk(room.archive)
    number = page.split("/")[2]
    desk.decide(number, "Bo Lind", Outcome.UPHELD, "She showed the session.", utc_now())
    shown = visitor.get(page).text
    assert "She showed the session." in shown and "Appeal" in shown
    # A change of mind: a yes that waits, a no that does not.
    download = path.replace("/claim", "/download")
    assert visitor.get(download).status_code == 200
    changed = {"step": "change", "use-stream": "yes", "use-download": "no"}
    assert visitor.post(page, data=changed, follow_redirects=False).status_code == 303
    assert visitor.get(download).status_code == 403
    assert visitor.get(sound).status_code == 403
    desk.decide(number, "Bo Lind", Outcome.UPHELD, "Her link.", utc_now())
    assert visitor.get(sound).status_code == 200


def test_a_claimant_keeps_proofs_that_name_nobody(room: Any, visitor: Any) -> None:
    path = form_of(room, "plain.flac")
    page = visitor.post(path, data=FIELDS, follow_redirects=False).headers["location"]
    links = re.findall(r'href="(/ledger/proofs/(\d+))"', visitor.get(page).text)
    assert links
    keys = room.archive.ledger.keys()
    for link, number in links:
        kept = visitor.get(link)
        assert f"entry-{number}.tlog-proof" in kept.headers["content-disposition"]
        found = parse_inclusion(kept.text)
        assert verify_inclusion(found, keys).size > found.index == int(number) - 1
        assert b"Ada" not in found.extra and b"private:" in found.extra
    assert visitor.get("/ledger/proofs/999999").status_code == 404
    issuers = {s.issuer for s in room.archive.ledger.statements() if s.issuer.startswith("priv")}
    assert room.archive.commitments.erase(issuers.pop(), utc_now()) > 1
    assert visitor.get(page).status_code == 200


def test_a_name_is_public_where_the_claimant_says_so(room: Any, visitor: Any) -> None:
    path = form_of(room, "plain.flac")
    visitor.post(path, data=FIELDS | {"public": "yes"}, follow_redirects=False)
    assert "Ada Ångström (case" in visitor.get(path.removesuffix("/claim")).text


def test_a_takedown_is_taken_back_before_it_is_decided(room: Any, visitor: Any) -> None:
    path = form_of(room, "plain.flac")
    sound = path.replace("/claim", "/audio")
    asked = FIELDS | {"ask": "takedown"}
    page = visitor.post(path, data=asked, follow_redirects=False).headers["location"]
    assert visitor.get(sound).status_code == 451
    visitor.post(page, data={"step": "take-back"})
    assert visitor.get(sound).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [{"faith": ""}, {"name": ""}, {"said": " "}, {"layer-recording": ""}, {"name": "x" * 121}],
)
def test_a_form_that_lacks_something_comes_back_filled_in(
    room: Any, visitor: Any, wrong: dict[str, str]
) -> None:
    answer = visitor.post(form_of(room, "plain.flac"), data=FIELDS | wrong)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text and "ada@example.org" in answer.text


def test_forms_of_other_sites_and_floods_are_refused(room: Any, visitor: Any) -> None:
    path = form_of(room, "second.ogg")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert visitor.post(path, data=FIELDS, headers=headers).status_code == 403
    size = room.archive.ledger.size()
    wrong = FIELDS | {"faith": ""}
    codes = [visitor.post(path, data=wrong).status_code for _ in range(FORMS_PER_DAY + 1)]
    assert codes == [400] * FORMS_PER_DAY + [429]
    assert room.archive.ledger.size() == size
    assert visitor.post("/recordings/0000000000000/claim", data=FIELDS).status_code in (404, 429)


def test_what_people_write_stays_text(room: Any, visitor: Any) -> None:
    hostile = "<script>alert(1)</script>"
    fields = FIELDS | {"name": hostile, "said": hostile, "ask": "claim"}
    page = visitor.post(form_of(room, "hostile.flac"), data=fields).text
    assert hostile not in page and "&lt;script&gt;" in page


def test_the_pages_are_there_in_both_languages(room: Any, visitor: Any) -> None:
    path = form_of(room, "plain.flac")
    for code in ("en", "fr"):
        for one in ("/artists", path, f"{path}?ask=takedown"):
            answer = visitor.get(one, headers={"Accept-Language": code})
            assert answer.status_code == 200 and f'<html lang="{code}"' in answer.text
    # AI is asked apart, and no is what stands there.
    text = visitor.get(path).text
    for use in ("mine", "train-ai", "train-generative-ai"):
        assert re.search(rf'name="use-{use}" value="no" checked', text)
        assert not re.search(rf'name="use-{use}" value="yes" checked', text)
