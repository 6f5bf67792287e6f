"""Routes that run in one transaction, committed before the answer leaves.

FastAPI ends its own `yield` dependencies after the answer is sent; a commit there could fail when the
client has already been told of success. So the transaction wraps the whole handler instead.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from ..db import Database, Transaction
from .idempotency import idempotent

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def _transaction(request: Request) -> Transaction:
    tx: Transaction = request.state.transaction
    return tx


#: The request's transaction; asking for it makes the route transactional.
CurrentTransaction = Annotated[Transaction, Depends(_transaction)]


def _asks_for_transaction(route: APIRoute) -> bool:
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        if dependant.call is _transaction:
            return True
        waiting.extend(dependant.dependencies)
    return False


class TransactionalRoute(APIRoute):
    """A route whose handler, when it asks for `CurrentTransaction`, is one transaction."""

    def get_route_handler(self) -> _Handler:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()
        if not _asks_for_transaction(self):
            return handle
        route = f"{min(self.methods or {'GET'})} {self.path}"

        async def in_transaction(request: Request) -> Response:
            database: Database = request.app.state.database
            async with database.transaction() as tx:
                request.state.transaction = tx
                if request.method == "POST" and "idempotency-key" in request.headers:
                    return await idempotent(request, tx, route, handle)
                return await handle(request)

        return in_transaction


def router(prefix: str, *, tags: list[str]) -> APIRouter:
    """Make a router whose POST routes honour `Idempotency-Key` and whose transactions commit in time."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=TransactionalRoute)


__all__ = ["CurrentTransaction", "TransactionalRoute", "router"]
