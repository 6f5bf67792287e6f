"""`python -m bench.messaging`: messaging's HTTP process as in production, but for one header.

A request that bears it does all that any other does and publishes nothing: the same transaction without its
event.
"""

from contextvars import ContextVar
from datetime import datetime
from typing import Final
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from threadly_chassis.db import Transaction
from threadly_chassis.http import run_http
from threadly_chassis.ids import new_id
from threadly_contracts import Event
from threadly_messaging.main import build_app
from threadly_messaging.settings import MessagingSettings

SILENT: Final = "x-bench-silent"

_is_silent: ContextVar[bool] = ContextVar("is_silent", default=False)
_publish = Transaction.publish


async def _publish_unless_silent(
    self: Transaction,
    event: Event,
    *,
    version: int,
    due_at: datetime | None = None,
    cancel_key: str | None = None,
) -> UUID:
    if _is_silent.get():
        return new_id()
    return await _publish(self, event, version=version, due_at=due_at, cancel_key=cancel_key)


class _Heed:
    """Notes for the rest of a request whether it bears the header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            _is_silent.set(any(name == SILENT.encode() for name, _ in scope["headers"]))
        await self._app(scope, receive, send)


def main() -> None:
    """Serve until SIGTERM."""
    Transaction.publish = _publish_unless_silent  # type: ignore[method-assign]
    settings = MessagingSettings()
    app = build_app(settings)
    app.add_middleware(_Heed)
    run_http(settings, app)


if __name__ == "__main__":
    main()
