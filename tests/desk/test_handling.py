"""The desk with a real archive: what is asked, what holds meanwhile, who is told."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sonotheque.archive import Archive, create, open_archive
from sonotheque.config import Config, DeskPolicy, Root
from sonotheque.deposit import accession
from sonotheque.desk.case import ASKED, Ask, Outcome, Stage, Step
from sonotheque.desk.cases import DOCUMENT_BYTES_MAX
from sonotheque.desk.handling import Desk, Request
from sonotheque.errors import BadInput, NotFound, Refused
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.terms import Kind, Layer, Use

NOW = "2026-11-20T10:00:00.000000Z"
LATER = "2026-11-21T10:00:00.000000Z"
LATE = "2027-11-21T10:00:00.000000Z"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, music: Any) -> Path:
    place = tmp_path_factory.mktemp("desk")
    licence = "https://creativecommons.org/licenses/by/4.0/"
    music.file(place / "in/a.flac", 1, seconds=4, title="A", artist="Ann", license=licence)
    roots = (Root("main", place / "archive/vault"),)
    config = Config(directory=place / "archive", name="T", mandate="M", roots=roots)
    with create(config) as archive:
        accession.deposit(archive, [place / "in"], NOW)
    return place / "archive"


@pytest.fixture
def archive(template: Path, tmp_path: Path) -> Iterator[Archive]:
    shutil.copytree(template, tmp_path / "archive")
    with open_archive(tmp_path / "archive") as opened:
        opened.config = replace(opened.config, desk=DeskPolicy(notify="mailbox:post.jsonl"))
        yield opened


@pytest.fixture
def recording(archive: Archive) -> RecordingId:
    return archive.catalogue.newest(1)[0].id


def claim(recording: RecordingId, name: str = "Ann", **more: Any) -> Request:
    asked: dict[str, Any] = {
        "ask": Ask.CLAIM,
        "contact": f"{name}@example.org",
        "said": "I made it",
        "allowed": (Use.STREAM,),
        "refused": (Use.TRAIN_AI, Use.TRAIN_GENERATIVE_AI),
    }
    return Request(recording=recording, name=name, **(asked | more))


def allowed(archive: Archive, recording: RecordingId, at: str = LATER) -> set[Use]:
    return {d.use for d in archive.decisions(recording, at) if d.allowed}


def test_a_takedown_holds_at_once_and_a_wrong_one_is_answered_and_lifted(
    archive: Archive, recording: RecordingId
) -> None:
    desk = Desk(archive)
    before = allowed(archive, recording)
    assert Use.STREAM in before
    request = claim(recording, "Mallory", ask=Ask.TAKEDOWN, allowed=(), refused=())
    case, secret = desk.open(request, NOW)
    assert allowed(archive, recording).isdisjoint(ASKED)
    assert case.due_on == "2026-12-04"
    assert secret not in "".join(
        path.read_text() for path in archive.config.desk_directory.rglob("*.json")
    )
    _, other = desk.invite(case.id, "A label", "label@example.org", NOW)
    _, label = desk.party(case.id, other)
    contract = ("contract.txt", b"we agreed")
    case = desk.answer(case.id, label, "We have a contract", [contract], LATER)
    assert [document.name for document in case.documents] == ["contract.txt"]
    case = desk.decide(case.id, "Ada Martin", Outcome.REJECTED, "the contract holds", LATER)
    assert allowed(archive, recording) == before
    with pytest.raises(Refused, match="nothing to decide"):
        desk.decide(case.id, "Ada Martin", Outcome.UPHELD, "after all", LATER)
    _, mallory = desk.party(case.id, secret)
    desk.appeal(case.id, mallory, "it is forged", LATER)
    assert allowed(archive, recording) == before
    with pytest.raises(Refused, match="somebody else"):
        desk.decide(case.id, " ada  MARTIN", Outcome.REJECTED, "no", LATER)
    case = desk.decide(case.id, "Bo Lind", Outcome.REJECTED, "it is not", LATER)
    assert case.stage is Stage.CLOSED
    with pytest.raises(Refused, match="cannot be appealed"):
        desk.appeal(case.id, mallory, "once more", LATER)
    # Whoever was not believed suspends nothing by asking again.
    again, _ = desk.open(request, LATER)
    assert allowed(archive, recording) == before
    desk.decide(again.id, "Bo Lind", Outcome.UPHELD, "this time the papers hold", LATER)
    assert allowed(archive, recording).isdisjoint(ASKED)


def test_a_public_name_stands_in_the_ledger_with_the_digest_of_its_document(
    archive: Archive, recording: RecordingId
) -> None:
    desk = Desk(archive)
    request = replace(claim(recording), is_public=True, documents=(("id.txt", b"me"),))
    case, _ = desk.open(request, NOW)
    entries = [s for s in archive.ledger.statements_about(recording) if s.issuer == case.issuer]
    assert case.issuer == f"Ann (case {case.id})"
    assert {s.evidence_sha512 for s in entries} == {case.documents[0].sha512}


def test_a_claim_opens_nothing_until_it_is_decided_and_a_change_of_mind_closes_at_once(
    archive: Archive, recording: RecordingId
) -> None:
    desk = Desk(archive)
    yes = (Use.STREAM, Use.TRAIN_AI, Use.MINE)
    request = claim(recording, allowed=yes, refused=(Use.TORRENT,), layers=tuple(Layer))
    case, secret = desk.open(replace(request, documents=(("id.txt", b"me"),)), NOW)
    assert Use.TRAIN_AI not in allowed(archive, recording)
    assert Use.TORRENT not in allowed(archive, recording)
    entries = [s for s in archive.ledger.statements_about(recording) if s.issuer == case.issuer]
    assert {s.kind for s in entries} == {Kind.GRANT, Kind.REFUSAL}
    # Behind a commitment, the digest of the document is part of the evidence.
    digest = case.documents[0].sha512
    assert all(digest in archive.commitments.shown(s).evidence for s in entries)
    assert {s.evidence_sha512 for s in entries} == {None}
    assert all("Ann" not in s.issuer for s in entries)
    desk.decide(case.id, "Ada Martin", Outcome.UPHELD, "she showed the sessions", NOW)
    assert Use.TRAIN_AI in allowed(archive, recording)
    assert Use.TORRENT not in allowed(archive, recording)
    desk.change(case.id, (Use.STREAM, Use.TORRENT), (Use.TRAIN_AI, Use.TRAIN_GENERATIVE_AI), LATER)
    assert allowed(archive, recording).isdisjoint({Use.TRAIN_AI, Use.TORRENT})
    with pytest.raises(Refused, match="was decided"):
        desk.take_back(case.id, LATER)
    # A change that is rejected leaves what was upheld before it.
    desk.decide(case.id, "Ada Martin", Outcome.REJECTED, "the letter was not from her", LATER)
    assert Use.TRAIN_AI in allowed(archive, recording)
    assert desk.party(case.id, secret)[1].name == "Ann"
    for wrong in ("", secret[:-1], secret + "x", "é" * 9):
        with pytest.raises(NotFound, match="no such case"):
            desk.party(case.id, wrong)


def test_what_nobody_decided_is_taken_back(archive: Archive, recording: RecordingId) -> None:
    desk = Desk(archive)
    before = allowed(archive, recording)
    case, _ = desk.open(claim(recording, refused=ASKED, allowed=()), NOW)
    assert allowed(archive, recording).isdisjoint(ASKED)
    assert desk.take_back(case.id, LATER).stage is Stage.WITHDRAWN
    assert allowed(archive, recording) == before
    with pytest.raises(Refused, match="cannot be changed"):
        desk.change(case.id, (Use.STREAM,), (), LATER)


def test_two_who_claim_the_same_see_each_other_and_the_stricter_holds(
    archive: Archive, recording: RecordingId
) -> None:
    desk = Desk(archive)
    first, _ = desk.open(claim(recording, allowed=(Use.STREAM, Use.DOWNLOAD)), NOW)
    assert desk.findings(first, NOW) == ()
    second, _ = desk.open(claim(recording, "Ben", refused=(Use.DOWNLOAD,)), NOW)
    assert Use.DOWNLOAD not in allowed(archive, recording)
    for one in (first, second):
        (finding,) = desk.findings(desk.cases.get(one.id), NOW)
        assert finding.code == "rights.conflict"
        assert desk.cases.get(one.id).events[-1].step is Step.CONFLICT
    codes = [f.code for f in desk.findings(desk.cases.get(first.id), LATE)]
    assert codes == ["rights.conflict", "rights.overdue"]
    # The same person twice, and another layer, are no conflict.
    desk.open(claim(recording, "Cy", layers=(Layer.WORK,)), NOW)
    again, _ = desk.open(claim(recording, " ANN ", contact="ann@example.ORG"), NOW)
    assert len(desk.conflicts(second)) == 2
    assert {case.claimant.name for case in desk.conflicts(second)} == {"Ann", "ANN"}
    assert desk.conflicts(again) == (desk.cases.get(second.id),)
    # Somebody else of that name, or who says to be Ann, is.
    another, _ = desk.open(claim(recording, "Ann", contact="else@example.org"), NOW)
    assert {case.id for case in desk.conflicts(another)} == {first.id, second.id, again.id}


def test_what_is_no_request_says_what_is_missing(archive: Archive, recording: RecordingId) -> None:
    desk = Desk(archive)
    with pytest.raises(NotFound, match="neither held nor listed"):
        desk.open(claim(RecordingId("0" * 13)), NOW)
    for wrong in (
        {"allowed": (), "refused": ()},
        {"said": " "},
        {"layers": ()},
        {"contact": ""},
        {"said": "x" * 5_000},
        {"documents": (("a", b""), ("big.pdf", bytes(DOCUMENT_BYTES_MAX + 1)))},
        {"documents": tuple((f"{n}", b"") for n in range(21))},
    ):
        with pytest.raises(BadInput):
            desk.open(claim(recording, **wrong), NOW)
    with pytest.raises(BadInput, match="the name"):
        desk.open(claim(recording, "A\u202eB"), NOW)
    assert not list(archive.config.desk_directory.rglob("*"))


def test_what_a_process_that_died_left_is_done_by_the_next(
    archive: Archive, recording: RecordingId
) -> None:
    desk = Desk(archive)
    case, _ = desk.open(claim(recording, "Mallory", ask=Ask.TAKEDOWN), NOW)
    desk.decide(case.id, "Ada Martin", Outcome.REJECTED, "no", NOW)
    before = allowed(archive, recording)
    # Saved, and nothing after that.
    desk.cases.save(replace(desk.cases.get(case.id), outcome=Outcome.UPHELD, told=1))
    for path in desk.outbox.waiting():
        path.unlink()
    assert allowed(archive, recording) == before
    desk.settle(LATER)
    assert allowed(archive, recording).isdisjoint(ASKED)
    assert [json.loads(p.read_bytes())["event"]["step"] for p in desk.outbox.waiting()] == [
        "decided"
    ]
    size = archive.ledger.size()
    desk.settle(LATER)
    assert archive.ledger.size() == size


def test_notices_wait_until_they_are_taken(archive: Archive, recording: RecordingId) -> None:
    taken: list[dict[str, Any]] = []
    status = 503

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if status == 204:
                taken.append(json.loads(body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = f"http://127.0.0.1:{server.server_port}/hook"
        archive.config = replace(archive.config, desk=DeskPolicy(notify=target))
        desk = Desk(archive)
        case, secret = desk.open(claim(recording), NOW)
        assert "answers 503" in desk.tell(NOW)
        desk.decide(case.id, "Ada Martin", Outcome.UPHELD, "it is hers", LATER)
        assert len(desk.outbox.waiting()) == 2
        status = 204
        assert desk.tell(LATER) == ""
        server.shutdown()
    assert [(n["to"], n["event"]["step"], n["outcome"]) for n in taken] == [
        ("Ann", "opened", ""),
        ("Ann", "decided", "upheld"),
    ]
    assert secret not in json.dumps(taken)
    assert desk.outbox.waiting() == []


def test_a_mailbox_is_a_file_of_lines(archive: Archive, recording: RecordingId) -> None:
    mailbox = archive.config.directory / "post.jsonl"
    mailbox.write_bytes(b'{"torn')
    desk = Desk(archive)
    desk.open(claim(recording), NOW)
    desk.tell(NOW)
    torn, notice = mailbox.read_text().splitlines()
    assert torn == '{"torn' and json.loads(notice)["contact"] == "Ann@example.org"


@pytest.mark.parametrize("target", ["mailbox:", "ftp://a/b", "post.jsonl"])
def test_a_hook_that_is_none_is_bad_input(archive: Archive, target: str) -> None:
    archive.config = replace(archive.config, desk=DeskPolicy(notify=target))
    with pytest.raises(BadInput):
        Desk(archive)
