"""The one boundary where failures are captured: counted, logged, and sent to Sentry (R-OBS-02, R-OBS-03)."""

from typing import Any

import psutil
import sentry_sdk
from sentry_sdk.types import Event as SentryEvent
from sentry_sdk.types import Hint

from ..context import current_action
from .logging import get_logger
from .metrics import ERRORS
from .tracing import current_trace_id

_log = get_logger(__name__)
_process = psutil.Process()
_SECRET_HEADERS = {"authorization", "cookie", "stripe-signature", "svix-signature", "x-identity-token"}


def _scrub(event: SentryEvent, _: Hint) -> SentryEvent:
    """Drop what must not leave: credentials, bodies, addresses (architecture §7)."""
    request = event.get("request")
    if isinstance(request, dict):
        request.pop("data", None)
        request.pop("cookies", None)
        headers = request.get("headers")
        if isinstance(headers, dict):
            request["headers"] = {k: v for k, v in headers.items() if k.lower() not in _SECRET_HEADERS}
    event.pop("user", None)
    return event


def configure_sentry(service: str, dsn: str, release: str) -> None:
    """Send error reports to `dsn`; an empty one switches reporting off."""
    sentry_sdk.init(
        dsn=dsn or None,
        release=release,
        server_name=service,
        send_default_pii=False,
        default_integrations=False,
        auto_enabling_integrations=False,
        before_send=_scrub,
        max_request_body_size="never",
        include_local_variables=False,
    )


def memory_in_use() -> int:
    """This process's resident memory in bytes, now: what `memoryUsage` means here (flows §1.13 k)."""
    return int(_process.memory_info().rss)


def capture(error: BaseException, *, kind: str, **context: Any) -> str | None:
    """Report a system error and return the id under which Sentry keeps it, if it does.

    `kind` is where it was caught: `http`, `after_commit`, `consumer`, `schedule` or `relay`. Of a rehearsal
    nothing is reported.
    """
    action = current_action()
    name = type(error).__name__
    if action.is_rehearsal:
        _log.info("an error would be captured", kind=kind, error=name)
        return None
    ERRORS.labels(kind, name).inc()
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("boundary", kind)
        for key, value in (
            ("request_id", action.request_id),
            ("correlation_id", action.correlation_id),
            ("trace_id", current_trace_id()),
        ):
            if value:
                scope.set_tag(key, value)
        scope.set_context(
            "action",
            {
                "operation": action.operation,
                "user_id": action.user_id,
                "used_database": action.database_queries > 0,
                "used_cache": action.cache_requests > 0,
                "used_external_api": action.external_calls > 0,
                "memory_usage": memory_in_use(),
                **{key: str(value) for key, value in context.items()},
            },
        )
        reference = sentry_sdk.capture_exception(error)
    _log.error("error captured", kind=kind, error=name, reference=reference, exc_info=error, **context)
    return reference
