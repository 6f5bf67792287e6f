"""The page on which a person sees what the sandbox did, and its JSON side for tests."""

import json
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import get_args

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..documents import Json
from ..journal import Entry, Journal, Kind
from ..mail.inbox import Inbox
from .control import Controls, control_routes

_KINDS = get_args(Kind)
# The page runs only its own script and style, and frames only its own mails.
_PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; frame-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)
# A mail may show itself and remote pictures; no scripts, no forms, no way to reach the page around it.
_MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:"


def create_page(journal: Journal, inbox: Inbox, controls: Controls) -> Starlette:
    pages = _Pages(journal, inbox)
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/health", pages.health),
            Route("/api/journal", pages.entries),
            Route("/api/journal/stream", pages.stream),
            Route("/api/mails", pages.mails),
            Route("/api/mails/{id}", pages.mail),
            Route("/mails/{id}", pages.mail_html),
            *control_routes(controls),
        ]
    )


class _Pages:
    def __init__(self, journal: Journal, inbox: Inbox) -> None:
        self._journal = journal
        self._inbox = inbox
        self._page = files(__package__).joinpath("page.html").read_text("utf-8")

    async def page(self, _request: Request) -> Response:
        return HTMLResponse(self._page, headers={"Content-Security-Policy": _PAGE_POLICY})

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def entries(self, request: Request) -> Response:
        """Oldest first; `kind` chooses, `after` leaves out entries up to that number."""
        kind = request.query_params.get("kind")
        after = request.query_params.get("after", "0")
        if (kind is not None and kind not in _KINDS) or not after.isdigit():
            return JSONResponse({"error": f"kind is one of {', '.join(_KINDS)}; after is a number"}, 422)
        found = [entry for entry in self._journal.entries() if kind in (None, entry.kind)]
        return JSONResponse({"data": [each.as_json() for each in found if each.number > int(after)]})

    async def stream(self, request: Request) -> Response:
        """Server-sent events: what the journal remembers, then everything new."""
        last = request.headers.get("Last-Event-ID", "0")
        after = int(last) if last.isdigit() else 0
        return StreamingResponse(
            self._live(after), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def mails(self, request: Request) -> Response:
        return JSONResponse({"data": self._inbox.mails(request.query_params.get("to"))})

    async def mail(self, request: Request) -> Response:
        mail = self._inbox.mail(request.path_params["id"])
        return _missing() if mail is None else JSONResponse(mail)

    async def mail_html(self, request: Request) -> Response:
        """The mail as its sender wrote it, in a document that can do nothing."""
        mail: Json | None = self._inbox.mail(request.path_params["id"])
        if mail is None or mail["html"] is None:
            return _missing()
        headers = {"Content-Security-Policy": _MAIL_POLICY, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(mail["html"], headers=headers)

    async def _live(self, after: int) -> AsyncIterator[str]:
        following = self._journal.subscribe()
        remembered = self._journal.entries()
        if remembered and after > remembered[-1].number:
            after = 0  # the reader's number is from before a restart
        for entry in remembered:
            if entry.number > after:
                yield _event(entry)
        async for entry in following:
            yield _event(entry)


def _event(entry: Entry) -> str:
    return f"id: {entry.number}\ndata: {json.dumps(entry.as_json())}\n\n"


def _missing() -> Response:
    return JSONResponse({"error": "no such mail"}, 404)
