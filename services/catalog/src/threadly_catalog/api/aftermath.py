"""What follows a write once it is committed, before its answer leaves: cache tags dropped, facts counted.

The invalidator's event comes milliseconds later and covers crashes; doing it here as well means that the
writer's next read is never stale (architecture §6).
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from threadly_chassis.cache import Cache, CacheUnavailable
from threadly_chassis.http.routes import TransactionalRoute
from threadly_chassis.observability.logging import get_logger
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

log = get_logger(__name__)


class After:
    """Collects, while a request is handled, what is to be done when it has succeeded."""

    def __init__(self) -> None:
        self._stale: dict[str, None] = {}
        self._facts: list[tuple[str, dict[str, str]]] = []

    def drop(self, *tags: str) -> None:
        """These cache tags are stale."""
        self._stale |= dict.fromkeys(tags)

    def tell(self, fact: str, **ids: object) -> None:
        """Log and count a business fact (R-CAT-12)."""
        self._facts.append((fact, {name: str(value) for name, value in ids.items()}))

    async def settle(self, cache: Cache) -> None:
        """Do it all."""
        for fact, ids in self._facts:
            log.info(fact, **ids)
            DOMAIN_EVENTS.labels(fact).inc()
        if self._stale:
            try:
                await cache.invalidate_tags(*self._stale)
            except CacheUnavailable:
                # The write stands; the cache-invalidator drops the tags when Redis is back.
                log.warning("tags not dropped", tags=list(self._stale))


class _SettlingRoute(TransactionalRoute):
    """A transactional route that settles its `After` when the transaction has committed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_then_settle(request: Request) -> Response:
            after = request.state.after = After()
            response = await handle(request)
            await after.settle(request.app.state.deps.cache)
            return response

        return handle_then_settle


def _after(request: Request) -> After:
    after: After = request.state.after
    return after


Aftermath = Annotated[After, Depends(_after)]


def settling_router(prefix: str, *, tags: list[str]) -> APIRouter:
    """The chassis' router, whose routes may also ask for the `Aftermath`."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=_SettlingRoute)
