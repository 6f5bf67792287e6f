"""The outermost layer of a service: request ids, the action context, the span, the metric, the last catch."""

import re
import time

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..context import ActionContext, begin_action
from ..ids import new_id
from ..observability.logging import get_logger
from ..observability.metrics import HTTP_SECONDS
from ..observability.tracing import span
from .problems import unforeseen

_log = get_logger(__name__)
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_QUIET = {"/health/live", "/health/ready", "/metrics"}


def _begin(scope: Scope) -> ActionContext:
    headers = Headers(scope=scope)
    given = headers.get("x-request-id", "")
    request_id = given if _REQUEST_ID.match(given) else str(new_id())
    client = scope.get("client")
    action = ActionContext(
        operation=f"{scope['method']} {scope['path']}",
        request_id=request_id,
        correlation_id=request_id,
        user_agent=headers.get("user-agent", ""),
        ip_address=headers.get("x-forwarded-for") or (client[0] if client else ""),
    )
    begin_action(action)
    return action


def _route_of(scope: Scope) -> str:
    # The template, not the path: a path holds ids, and a metric per id has no bound.
    return getattr(scope.get("route"), "path", "unmatched")


class ActionMiddleware:
    """Wraps each request in its context; answers what nobody foresaw with a generic problem (R-OBS-01…03)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self.app(scope, receive, send)
            return
        action = _begin(scope)
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = action.request_id
            await send(message)

        carrier = {k: v for k, v in Headers(scope=scope).items() if k in {"traceparent", "tracestate"}}
        with span(action.operation, kind=SpanKind.SERVER, carrier=carrier):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - the boundary: everything unforeseen ends here
                await unforeseen(error)(scope, receive, send_with_id)
            seconds = time.perf_counter() - started
            HTTP_SECONDS.labels(_route_of(scope), scope["method"], str(status)).observe(seconds)
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round(seconds * 1000, 1),
                database_queries=action.database_queries,
                cache_hit_rate=action.cache_hit_rate,
                external_calls=action.external_calls,
            )
