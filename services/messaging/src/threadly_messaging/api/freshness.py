"""A writer's next read sees what was written, without waiting for the event to come round."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response

from threadly_chassis.cache import CacheUnavailable
from threadly_chassis.http.routes import TransactionalRoute

from ..dependencies import MessagingDeps


class FreshAfterWriteRoute(TransactionalRoute):
    """Drops the tags that a handler named with `now_stale`, after the commit and before the answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the transactional handler: when that returns, the transaction has committed."""
        handle = super().get_route_handler()

        async def then_drop(request: Request) -> Response:
            response = await handle(request)
            tags: tuple[str, ...] = getattr(request.state, "stale_tags", ())
            if tags:
                deps: MessagingDeps = request.app.state.deps
                # Without Redis nothing is served from it; the event drops what comes back with it.
                with suppress(CacheUnavailable):
                    await deps.cache.invalidate_tags(*tags)
            return response

        return then_drop


def now_stale(request: Request, *tags: str) -> None:
    """Name what this request's commit makes stale."""
    request.state.stale_tags = tags


def fresh_router(prefix: str, *, tags: list[str]) -> APIRouter:
    """The chassis' router with that route."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=FreshAfterWriteRoute)
