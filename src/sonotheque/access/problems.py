"""What a visitor is told when the answer is no: a page, or JSON for programs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar import Response
from litestar.exceptions import HTTPException

from sonotheque.access.explanations import Explained, explain, withdrawn
from sonotheque.access.guard import TooMuch
from sonotheque.access.rendering import AnyRequest, visit_of
from sonotheque.access.room import Room
from sonotheque.errors import BadInput, Corrupt, EnvironmentFailure, NotFound, SonothequeError
from sonotheque.model.terms import Decision, Statement, Use

_log = logging.getLogger(__name__)
_PAGED = (400, 403, 404, 405, 429, 451, 500, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why there is no answer: what went wrong, where, and the remedy. `decision` is given where
    the archive may not answer."""

    status: int
    what: str
    where: str = ""
    remedy: str = ""
    decision: Decision | None = None


class NotAllowed(Exception):
    """A use was asked for that the ledger does not allow."""

    def __init__(self, decision: Decision, statements: tuple[Statement, ...]) -> None:
        self.decision = decision
        self.statements = statements
        super().__init__(decision.use.value)


class BoundPassed(Exception):
    """A client asked for more than one client may take in a day."""

    def __init__(self, too_much: TooMuch) -> None:
        self.too_much = too_much
        super().__init__(too_much.bound)


class Problems:
    """The exception handlers of one site."""

    def __init__(self, room: Room) -> None:
        self._renderer = room.renderer
        self._limits = room.archive.config.limits

    def not_allowed(self, request: AnyRequest, error: NotAllowed) -> Response[Any]:
        """403 with the reasons; 451 (RFC 7725) where somebody had it taken down."""
        decision = error.decision
        status = 451 if withdrawn([decision]) else 403
        problem = Problem(
            status=status,
            what="; ".join(reason.message for reason in decision.reasons),
            where=decision.recording,
            remedy="ask the one who holds the rights to allow it",
            decision=decision,
        )
        visit = visit_of(request)
        explained = explain(decision, error.statements, visit.language)
        return self._respond(
            request,
            problem,
            headers={"Cache-Control": "no-store"},
            explained=explained,
            # Its page is what is not shown where it may not be described.
            back="" if decision.use is Use.DESCRIBE else f"/recordings/{decision.recording}",
        )

    def bound_passed(self, request: AnyRequest, error: BoundPassed) -> Response[Any]:
        """429 (RFC 6585) with the time to come back at."""
        seconds = error.too_much.retry_after_seconds
        problem = Problem(
            status=429,
            what=f"this address has reached its bound of {error.too_much.bound} in 24 hours",
            remedy=f"come back in {seconds} seconds, or mirror an edition",
        )
        speak = visit_of(request).language
        message = speak.text(
            f"problem.429_{error.too_much.bound}",
            size=speak.size(self._limits.reader_bytes_per_day),
            recordings=speak.count("search.found", self._limits.reader_recordings_per_day),
            when=speak.text("problem.429_when", duration=speak.hours(seconds * 1000)),
        )
        headers = {"Retry-After": str(seconds), "Cache-Control": "no-store"}
        return self._respond(request, problem, headers=headers, message=message)

    def ours(self, request: AnyRequest, error: SonothequeError) -> Response[Any]:
        """An error of this package. Paths of this machine stay in its log."""
        if isinstance(error, EnvironmentFailure | Corrupt):
            _log.error("%s %s: %s", request.method, request.url.path, error)
            return self._respond(
                request,
                Problem(status=503, what="not at the moment", remedy="try again in a while"),
            )
        status = 404 if isinstance(error, NotFound) else 400 if isinstance(error, BadInput) else 403
        where = "" if error.where.startswith("/") else error.where
        problem = Problem(status=status, what=error.what, where=where, remedy=error.remedy)
        return self._respond(request, problem)

    def http(self, request: AnyRequest, error: HTTPException) -> Response[Any]:
        """An error of the protocol: no such page, not that way, parameters that make no sense."""
        what = HTTPStatus(error.status_code).phrase.lower()
        # Not `detail`: it repeats the address with the Host that the client claims.
        for wrong in error.extra if isinstance(error.extra, list) else ():
            what += f"; {wrong.get('key', '')}: {wrong.get('message', '')}"
        problem = Problem(
            status=error.status_code,
            what=what,
            where=request.url.path[:200],
            remedy="see /api for what can be asked for",
        )
        return self._respond(request, problem, headers=error.headers)

    def unforeseen(self, request: AnyRequest, error: Exception) -> Response[Any]:
        """Anything else is our fault; the log has it all, the visitor nothing of it."""
        _log.error("%s %s", request.method, request.url.path, exc_info=error)
        problem = Problem(
            status=500, what="something broke on our side", remedy="try again in a while"
        )
        return self._respond(request, problem)

    def _respond(
        self,
        request: AnyRequest,
        problem: Problem,
        *,
        headers: Mapping[str, str] | None = None,
        message: str = "",
        explained: Explained | None = None,
        back: str = "",
    ) -> Response[Any]:
        if wants_json(request):
            return Response(
                problem, status_code=problem.status, media_type="application/json", headers=headers
            )
        visit = visit_of(request)
        known = problem.status if problem.status in _PAGED else 400
        return self._renderer.page(
            visit,
            "problem.html",
            status_code=problem.status,
            headers=headers,
            status=problem.status,
            heading=visit.language.text(f"problem.{known}_title"),
            message=message or visit.language.text(f"problem.{known}"),
            explained=explained,
            back=back,
        )


def wants_json(request: AnyRequest) -> bool:
    """Does a program ask? The API always answers in JSON, pages when that is all one accepts."""
    accepted = request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or (
        "application/json" in accepted and "text/html" not in accepted
    )
