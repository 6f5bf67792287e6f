"""Search-indexer's background process: `python -m threadly_search_indexer.worker`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from threadly_chassis.observability.logging import get_logger
from threadly_chassis.worker import run_worker

from .dependencies import SearchDeps, open_deps
from .gateways.search_index import SearchIndexError
from .schedules import SCHEDULES
from .settings import SearchIndexerSettings
from .subscriptions import SUBSCRIPTIONS

_log = get_logger(__name__)


@asynccontextmanager
async def open_worker_deps(settings: SearchIndexerSettings) -> AsyncIterator[SearchDeps]:
    """Open the tools and apply the index's settings; an index that is away is no reason not to start."""
    async with open_deps(settings) as deps:
        try:
            await deps.index.apply_settings()
        except SearchIndexError as error:
            # Drift repair applies them again, within its period.
            _log.warning("index_settings_not_applied", error=str(error))
        yield deps


if __name__ == "__main__":
    run_worker(
        SearchIndexerSettings(),
        open_deps=open_worker_deps,
        subscriptions=SUBSCRIPTIONS,
        schedules=SCHEDULES,
    )
