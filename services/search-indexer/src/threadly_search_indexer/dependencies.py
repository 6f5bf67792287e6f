"""What search-indexer's routes, handlers and schedules are handed; opened once a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from threadly_chassis.cache import Cache
from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.http.cursors import Cursors
from threadly_chassis.reach import Inside, Outside

from .gateways.algolia_index import AlgoliaIndex
from .gateways.search_index import SearchIndex
from .settings import SearchIndexerSettings


@dataclass(frozen=True, kw_only=True)
class SearchDeps:
    """Search-indexer's tools."""

    settings: SearchIndexerSettings
    db: Database
    clock: Clock
    cache: Outside[Cache]
    index: Outside[SearchIndex]
    cursors: Inside[Cursors]


@asynccontextmanager
async def open_deps(settings: SearchIndexerSettings) -> AsyncIterator[SearchDeps]:
    """Open the database's pool, the cache and the index's clients; close them at the end."""
    db = Database.open(settings)
    try:
        async with (
            Cache.open(settings.redis_url.get_secret_value(), settings.service) as cache,
            AlgoliaIndex.open(settings) as index,
        ):
            yield SearchDeps(
                settings=settings,
                db=db,
                clock=SystemClock(),
                cache=cache,
                index=index,
                cursors=Cursors(settings.cursor_secret.get_secret_value(), "search"),
            )
    finally:
        await db.close()


async def _deps(request: Request) -> SearchDeps:
    deps: SearchDeps = request.app.state.deps
    return deps


#: The running application's tools.
Deps = Annotated[SearchDeps, Depends(_deps)]
