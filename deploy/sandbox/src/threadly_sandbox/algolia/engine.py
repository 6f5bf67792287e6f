"""The engine: accepts writes as tasks, applies them in groups, and answers searches."""

import asyncio
import logging
from pathlib import Path
from typing import Any

from .catalogue import Catalogue
from .errors import AlgoliaError, index_missing
from .operations import apply
from .query import build_query
from .search import Search
from .store import Pending, Store

logger = logging.getLogger(__name__)

_GROUP_SECONDS = 0.05  # writes that arrive within it share one commit, which costs 15 to 90 ms
_TASK_WAIT_SECONDS = 0.25  # see Engine.task_published


class Engine:
    """All indexes of the application. Used from one event loop; only commits run in a thread."""

    def __init__(self, folder: Path | None) -> None:
        self._store = Store(folder)
        self.catalogue = Catalogue(self._store)
        self._published = 0
        self._work = asyncio.Event()
        self._progress = asyncio.Condition()
        self._writer: asyncio.Task[None] | None = None

    @property
    def store(self) -> Store:
        return self._store

    async def start(self) -> None:
        """Build the indexes from the records and finish what was accepted before a restart."""
        for row in self._store.indexes():
            if row.primary is None:
                self.catalogue.tantivy(row.name)
        await self._apply_group()
        self._published = self._store.last_task()
        self._writer = asyncio.create_task(self._write(), name="algolia writer")

    async def stop(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        self._store.close()

    # ── writing ──

    def accept(self, index: str, operation: dict[str, Any]) -> int:
        """Take a write; it is visible once its task is published. Returns the task's id."""
        task_id = self._store.enqueue(index, operation)
        self._work.set()
        return task_id

    async def task_published(self, task_id: int) -> bool:
        """Tell whether a task is published; task ids are one sequence, whatever the index.

        The answer waits a moment for the running commit: the official client asks four times at once and then
        once a second, so that without it every wait would take a second instead of a tenth.
        """
        if task_id > self._store.last_task():
            raise AlgoliaError(404, "taskID does not exist")
        async with self._progress:
            try:
                await asyncio.wait_for(
                    self._progress.wait_for(lambda: self._published >= task_id), _TASK_WAIT_SECONDS
                )
            except TimeoutError:
                return False
        return True

    def pending_tasks(self, index: str) -> int:
        return sum(task.index == index for task in self._store.pending())

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            await asyncio.sleep(_GROUP_SECONDS)
            self._work.clear()
            await self._apply_group()

    async def _apply_group(self) -> None:
        tasks = self._store.pending()
        for task in tasks:
            self._apply(task)
            if task.operation["kind"] == "move":
                # The records change their index at once; searches must not see them gone until the commit.
                for index in self.catalogue.take_dirty():
                    index.commit()
                self.catalogue.publish()
        for index in self.catalogue.take_dirty():
            await asyncio.to_thread(index.commit)
        self.catalogue.publish()
        if tasks:
            async with self._progress:
                self._published = tasks[-1].task_id
                self._progress.notify_all()

    def _apply(self, task: Pending) -> None:
        try:
            with self._store.transaction():
                apply(self.catalogue, task)
                self._store.finish(task.task_id)
        except Exception:
            # One task that turns out impossible must not stop those behind it.
            logger.exception("algolia task %s on %s was dropped", task.task_id, task.index)
            self._store.finish(task.task_id)
            self.catalogue.rebuild(task.index)

    # ── reading ──

    def search(self, name: str, params: dict[str, Any], forced_filters: list[str]) -> dict[str, Any]:
        """Run a search; 404 for an index that does not exist."""
        return self._search(name, params, forced_filters).run(name)

    def search_facet(
        self, name: str, attribute: str, params: dict[str, Any], forced_filters: list[str]
    ) -> dict[str, Any]:
        """Search the values of one facet among what ``params`` match."""
        prefix, limit = str(params.get("facetQuery") or ""), int(params.get("maxFacetHits") or 10)
        return self._search(name, params, forced_filters).facet_values(attribute, prefix, min(limit, 100))

    def browse(
        self, name: str, params: dict[str, Any], forced_filters: list[str]
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Walk all matching records in the order of their numbers, without ranking or a paging limit.

        ``params["after"]`` is the last number seen. Returns the records and, if any are left, where to go on.
        """
        source = self._source(name)
        query = build_query(self.catalogue.settings(name), params, forced_filters)
        numbers = Search(self._store, self.catalogue.serving(source), query).all_numbers()
        left = [number for number in numbers if number > params.get("after", 0)]
        page = left[: query.length]
        records = [record for number in page if (record := self._store.record(number))]
        return records, page[-1] if len(page) < len(left) else None

    def _source(self, name: str) -> str:
        source = self.catalogue.source_of(name)
        if source is None:
            raise index_missing(name)
        return source

    def _search(self, name: str, params: dict[str, Any], forced_filters: list[str]) -> Search:
        source = self._source(name)
        query = build_query(self.catalogue.settings(name), params, forced_filters)
        return Search(self._store, self.catalogue.serving(source), query)
