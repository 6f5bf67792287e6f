"""Sentry's envelope endpoint, and ``GET /api/events`` for tests and the page."""

import gzip
import json
import re
import zlib
from collections import Counter, deque
from typing import Any

from sentry_sdk.envelope import Envelope
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..journal import Journal
from ..settings import SandboxSettings

_REMEMBERED_EVENTS = 500
_MAX_ENVELOPE_BYTES = 20_000_000  # the real endpoint's limit for a compressed envelope
_KEY = re.compile(r"sentry_key=([^,\s]+)")


class Sentry:
    """What arrived: the last events in full, everything else as a count per item type."""

    def __init__(self, key: str, journal: Journal) -> None:
        self._key = key
        self._journal = journal
        self._events: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED_EVENTS)
        self._counts: Counter[str] = Counter()

    async def receive(self, request: Request) -> JSONResponse:
        """Take one envelope; 403 for a wrong key, 400 for what is no envelope."""
        if _public_key(request) != self._key:
            return _refusal(403, "event submission rejected with_reason: ProjectId")
        raw = await request.body()
        if len(raw) > _MAX_ENVELOPE_BYTES:
            return _refusal(413, "envelope exceeded size limits")
        try:
            envelope = Envelope.deserialize(_decompressed(raw, request.headers.get("content-encoding", "")))
        except (ValueError, OSError, EOFError, zlib.error, AttributeError):
            # The SDK's parser meets garbage with an AttributeError where a header is no object.
            return _refusal(400, "invalid event envelope")
        for item in envelope:
            self._counts[item.type or "unknown"] += 1
            if (event := item.get_event()) is not None:
                self._keep(dict(event))
        return JSONResponse({"id": envelope.headers.get("event_id")})

    def _keep(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        detail = summarize(event)
        self._journal.add("error", f"{detail['type']}: {detail['value']}", detail)

    async def list_events(self, _: Request) -> JSONResponse:
        """List the remembered events, oldest first, and how many items of each type came."""
        return JSONResponse({"events": list(self._events), "counts": dict(self._counts)})


def _public_key(request: Request) -> str | None:
    """Read the DSN's key from ``X-Sentry-Auth``, or from the query, where browsers put it."""
    found = _KEY.search(request.headers.get("x-sentry-auth", ""))
    return found.group(1) if found else request.query_params.get("sentry_key")


def _decompressed(raw: bytes, encoding: str) -> bytes:
    """Undo the transport's compression; ValueError for one that is unknown here.

    The SDK uses brotli only where its module is installed, which no package of ours asks for.
    """
    match encoding:
        case "" | "identity":
            return raw
        case "gzip":
            return gzip.decompress(raw)
        case "deflate":
            return zlib.decompress(raw)
        case _:
            raise ValueError(f"unknown content-encoding {encoding}")


def summarize(event: dict[str, Any]) -> dict[str, Any]:
    """Pick what a reader needs of an event: the outermost exception or message, tags, trace."""
    values = (event.get("exception") or {}).get("values") or [{}]
    message = event.get("message") or (event.get("logentry") or {}).get("message")
    exception = values[-1]  # the SDK lists causes first
    tags = event.get("tags") or {}
    return {
        "event_id": event.get("event_id"),
        "level": event.get("level", "error"),
        "type": exception.get("type") or "message",
        "value": exception.get("value") or message or "",
        "message": message,
        "tags": tags if isinstance(tags, dict) else dict(tags),
        "trace_id": ((event.get("contexts") or {}).get("trace") or {}).get("trace_id"),
        "transaction": event.get("transaction"),
        "server_name": event.get("server_name"),
        "environment": event.get("environment"),
    }


def _refusal(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers={"X-Sentry-Error": json.dumps(detail)})


def create_app(settings: SandboxSettings, journal: Journal) -> Starlette:
    """Build the error tracker; what it received is gone with the process."""
    sentry = Sentry(settings.sentry_key, journal)
    return Starlette(
        routes=[
            Route("/api/events", sentry.list_events, methods=["GET"]),
            Route("/api/{project:int}/envelope/", sentry.receive, methods=["POST"]),
        ]
    )
