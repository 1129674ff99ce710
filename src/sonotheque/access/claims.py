"""An artist's path: is this mine, what may be done with it, and how I change my mind.

There are no accounts and no cookies: a case is reached by the secret in its address. A form is
taken only from a page of this site, where the browser says from where it comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from anyio import to_thread
from litestar import Response, post, route
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.response import Redirect

from sonotheque.access.dossier import required
from sonotheque.access.explanations import Explained, explain
from sonotheque.access.guard import TooMuch, client_of
from sonotheque.access.problems import BoundPassed
from sonotheque.access.rendering import AnyRequest, visit_of
from sonotheque.access.room import InRoom, Room
from sonotheque.desk.case import ASKED, Ask, Case, Party, Side
from sonotheque.desk.entries import own
from sonotheque.desk.handling import Handed, Request
from sonotheque.errors import BadInput, Refused
from sonotheque.model.identifiers import RecordingId, parse_recording_id
from sonotheque.model.terms import TRAINING, Layer, Use
from sonotheque.store.clock import utc_now

ASKED_PLAINLY = (Use.MINE, *TRAINING)
"""What machines do with it: asked apart, and no unless somebody says yes."""
FORM_BYTES_MAX = 16_000_000
FORMS_PER_DAY = 20
FORM_BYTES = 3_000_000
"""What a form is charged for at least, so that no more than FORMS_PER_DAY come from one client."""
_SEE_OTHER: Final = 303
_READ = [HttpMethod.GET, HttpMethod.HEAD]
_PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
Fields = Mapping[str, Any]


@route("/artists", http_method=_READ, include_in_schema=False, sync_to_thread=False)
def artists(request: AnyRequest, room: InRoom) -> Response[str]:
    """What somebody whose music is here can do."""
    return room.renderer.page(
        visit_of(request), "artists.html", policy=room.desk.policy, asked=ASKED
    )


@route(
    "/recordings/{recording:str}/claim",
    http_method=_READ,
    include_in_schema=False,
)
async def claim_form(request: AnyRequest, room: InRoom, recording: FromPath[str]) -> Response[str]:
    """The form by which a recording is claimed, or taken down (`?ask=takedown`)."""
    asked = request.query_params.get("ask", "")
    recording_id = parse_recording_id(recording)
    return await to_thread.run_sync(_claim_page, request, room, recording_id, {"ask": asked})


@post(
    "/recordings/{recording:str}/claim",
    include_in_schema=False,
    request_max_body_size=FORM_BYTES_MAX,
    status_code=_SEE_OTHER,
)
async def claim(request: AnyRequest, room: InRoom, recording: FromPath[str]) -> Response[Any]:
    """Open a case; on to its page, whose address is told this once."""
    recording_id = parse_recording_id(recording)
    fields, handed = await _form(request, room, recording_id)
    if fields.get("faith") != "yes":
        return await to_thread.run_sync(_claim_page, request, room, recording_id, fields)
    asked = Request(
        recording=recording_id,
        ask=Ask.TAKEDOWN if fields.get("ask") == Ask.TAKEDOWN else Ask.CLAIM,
        name=fields.get("name", ""),
        contact=fields.get("contact", ""),
        said=fields.get("said", ""),
        allowed=_chosen(fields, "yes"),
        refused=_chosen(fields, "no"),
        layers=tuple(layer for layer in Layer if fields.get(f"layer-{layer}") == "yes"),
        documents=handed,
        is_public=fields.get("public") == "yes",
    )
    try:
        case, secret = await to_thread.run_sync(room.desk.open, asked, utc_now())
    except BadInput:
        return await to_thread.run_sync(_claim_page, request, room, recording_id, fields)
    return _on_to(room, f"/cases/{case.id}/{secret}")


@route(
    "/cases/{case:str}/{secret:str}",
    http_method=_READ,
    include_in_schema=False,
)
async def case_page(
    request: AnyRequest, room: InRoom, case: FromPath[str], secret: FromPath[str]
) -> Response[str]:
    """A case as one of its parties sees it."""
    found, party = await to_thread.run_sync(room.desk.party, case, secret)
    return await to_thread.run_sync(_case_page, request, room, found, party)


@post(
    "/cases/{case:str}/{secret:str}",
    include_in_schema=False,
    request_max_body_size=FORM_BYTES_MAX,
    status_code=_SEE_OTHER,
)
async def case_step(
    request: AnyRequest, room: InRoom, case: FromPath[str], secret: FromPath[str]
) -> Response[Any]:
    """What a party does: answer, appeal, change its mind, take it back."""
    found, party = await to_thread.run_sync(room.desk.party, case, secret)
    fields, handed = await _form(request, room, found.recording)
    try:
        await to_thread.run_sync(_step, room, found, party, fields, handed)
    except BadInput:
        return await to_thread.run_sync(_case_page, request, room, found, party, True)
    return _on_to(room, f"/cases/{case}/{secret}")


HANDLERS = (artists, claim_form, claim, case_page, case_step)


def _step(room: Room, case: Case, party: Party, fields: Fields, handed: tuple[Handed, ...]) -> None:
    desk, now = room.desk, utc_now()
    match fields.get("step"), party.side:
        case "answer", _:
            desk.answer(case.id, party, fields.get("said", ""), handed, now)
        case "appeal", _:
            desk.appeal(case.id, party, fields.get("said", ""), now)
        case "change", Side.CLAIMANT:
            desk.change(case.id, _chosen(fields, "yes"), _chosen(fields, "no"), now)
        case "take-back", Side.CLAIMANT:
            desk.take_back(case.id, now)
        case _:
            raise BadInput("is no step of a case", where="step", remedy="use the page's forms")


def _claim_page(
    request: AnyRequest, room: Room, recording: RecordingId, fields: Fields
) -> Response[str]:
    """The form, with what was filled in; where that was not enough, it says so."""
    wrong = request.method == HttpMethod.POST
    return room.renderer.page(
        visit_of(request),
        "claim.html",
        status_code=400 if wrong else 200,
        headers=_PRIVATE,
        recording=required(room.archive, recording),
        takedown=fields.get("ask") == Ask.TAKEDOWN,
        uses=[use for use in ASKED if use not in ASKED_PLAINLY],
        plainly=ASKED_PLAINLY,
        layers=list(Layer),
        fields=fields,
        wrong=wrong,
        policy=room.desk.policy,
    )


def _case_page(
    request: AnyRequest, room: Room, case: Case, party: Party, wrong: bool = False
) -> Response[str]:
    visit, now = visit_of(request), utc_now()
    archive = room.archive
    statements = archive.ledger.statements_about(case.recording)
    explained: list[Explained] = [
        explain(decision, statements, visit.language)
        for decision in archive.decisions(case.recording, now)
        if decision.use in ASKED
    ]
    mine = party.side is Side.CLAIMANT
    return room.renderer.page(
        visit,
        "case.html",
        status_code=400 if wrong else 200,
        headers=_PRIVATE,
        case=case,
        party=party,
        wrong=wrong,
        recording=archive.catalogue.get(case.recording),
        explained=explained,
        entries=own(case, statements),
        conflicts=room.desk.conflicts(case),
        overdue=case.is_overdue(now),
        can_answer=case.awaits_decision,
        can_appeal=case.can_appeal(now),
        can_change=mine and case.can_change,
        can_take_back=mine and case.can_take_back,
        uses=[use for use in ASKED if use not in ASKED_PLAINLY],
        plainly=ASKED_PLAINLY,
    )


async def _form(
    request: AnyRequest, room: Room, recording: RecordingId
) -> tuple[dict[str, Any], tuple[Handed, ...]]:
    """The fields and the documents of a form. Raises Refused where it comes from another site,
    BoundPassed where one client sends too many."""
    _check_origin(request)
    length = request.headers.get("content-length", "")
    charge = max(FORM_BYTES, int(length) if length.isdecimal() else FORM_BYTES_MAX)
    client = client_of(request.client.host if request.client else "")
    taken = room.forms.open(client, recording, charge, room.seconds())
    if isinstance(taken, TooMuch):
        raise BoundPassed(TooMuch("forms", taken.retry_after_seconds))
    try:
        form: FormMultiDict = await request.form()
        handed = []
        for value in form.getall("documents", []):
            if isinstance(value, UploadFile) and value.filename:
                handed.append((value.filename, await value.read()))
    finally:
        room.forms.close(taken, charge, room.seconds())
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return fields, tuple(handed)


def _check_origin(request: AnyRequest) -> None:
    origin = request.headers.get("origin", "")
    elsewhere = origin and urlsplit(origin).netloc != request.headers.get("host", "")
    if elsewhere or request.headers.get("sec-fetch-site", "same-origin") not in (
        "same-origin",
        "none",
    ):
        raise Refused("comes from another site", where="the form", remedy="fill it in on this site")


def _chosen(fields: Fields, word: str) -> tuple[Use, ...]:
    return tuple(use for use in ASKED if fields.get(f"use-{use}") == word)


def _on_to(room: Room, address: str) -> Redirect:
    """On to `address`; those who must know are told when the answer is out."""

    async def tell() -> None:
        await to_thread.run_sync(room.desk.tell, utc_now())

    return Redirect(
        address, status_code=_SEE_OTHER, headers=_PRIVATE, background=BackgroundTask(tell)
    )
