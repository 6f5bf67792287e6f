"""The search index at Algolia, through the official client; nobody else imports it.

What the client does by itself and what is done about it (found by running it):

* One 5xx answer marks a host down for 300 s, and with every host down no request is sent: each host is
  listed several times, and the client is made anew when it gives up.
* Connection errors come raw from aiohttp, not as its own exceptions: both families are caught.
* Its waiting for a task polls in whole seconds: tasks are polled here, from 20 ms.
* A client keeps the last time-out it used as its state: reads and writes have one each.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from aiohttp import ClientError
from algoliasearch.http.exceptions import AlgoliaException, AlgoliaUnreachableHostException, RequestException
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.search.client import SearchClient
from algoliasearch.search.config import SearchConfig

from threadly_chassis.context import current_action
from threadly_chassis.observability.metrics import PROVIDER_SECONDS

from ..domain.query import SearchQuery
from ..settings import SearchIndexerSettings
from .algolia_query import search_params
from .algolia_settings import index_for, primary_settings, replica_settings
from .breaker import Breaker
from .search_index import IndexHit, IndexPage, IndexRefused, IndexUnavailable, SearchIndexError
from .write_batches import Operation, WriteBatches

_TIMES_LISTED = 3
_FIRST_POLL, _LONGEST_POLL = 0.02, 0.25
_NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 404, 429, 500


class _Connection:
    """One client, made anew when it has given up on all its hosts."""

    def __init__(self, settings: SearchIndexerSettings) -> None:
        self._settings = settings
        self._client = self._connect()
        self.breaker = Breaker()

    def _connect(self) -> SearchClient:
        config = SearchConfig(
            self._settings.algolia_app_id, self._settings.algolia_api_key.get_secret_value()
        )
        config.max_rate_limit_retries = 0  # a 429 is ours to wait out: a search must not
        addresses = [urlsplit(host) for host in self._settings.algolia_hosts]
        if addresses:
            config.proxies = {}
            config.hosts = HostsCollection(
                [
                    Host(url=address.hostname or "", scheme=address.scheme, port=address.port)
                    for _ in range(_TIMES_LISTED)
                    for address in addresses
                ]
            )
        return SearchClient.create_with_config(config)

    async def close(self) -> None:
        await self._client.close()

    async def call(self, name: str, ask: Callable[[SearchClient], Awaitable[Any]], seconds: float) -> Any:
        """Ask, for at most so long; raises only `SearchIndexError`s."""
        if not self.breaker.allows():
            raise IndexUnavailable("It did not answer a moment ago.")
        current_action().external_calls += 1
        started = time.perf_counter()
        outcome = "failed"
        try:
            async with asyncio.timeout(seconds):
                answer = await ask(self._client)
            outcome = "done"
        except (AlgoliaException, ClientError, OSError, ValueError) as error:
            await self._renew_after(error)
            raise _translated(error) from error
        finally:
            PROVIDER_SECONDS.labels("algolia", name, outcome).observe(time.perf_counter() - started)
        self.breaker.succeeded()
        return answer

    async def _renew_after(self, error: Exception) -> None:
        if isinstance(_translated(error), IndexRefused):
            self.breaker.succeeded()
            return
        self.breaker.failed()
        if isinstance(error, AlgoliaUnreachableHostException):
            given_up, self._client = self._client, self._connect()
            await given_up.close()


def _translated(error: Exception) -> SearchIndexError:
    status = error.status_code if isinstance(error, RequestException) else None
    if status is None or status == _TOO_MANY or status >= _SERVER_ERROR:
        return IndexUnavailable(f"{type(error).__name__}: {error}")
    return IndexRefused(f"{status}: {error}", http_status=status)


class AlgoliaIndex:
    """A `SearchIndex`."""

    def __init__(self, settings: SearchIndexerSettings) -> None:
        self._name = settings.algolia_index
        self._search_seconds = settings.index_search_seconds
        self._write_seconds = settings.index_write_seconds
        self._reads, self._writes = _Connection(settings), _Connection(settings)
        self._batches = WriteBatches(self._write)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: SearchIndexerSettings) -> AsyncIterator[Self]:
        """Make the clients; close them at the block's end, when what was submitted is written."""
        index = cls(settings)
        try:
            yield index
        finally:
            await index._batches.close()
            await index._reads.close()
            await index._writes.close()

    async def search(
        self, query: SearchQuery, categories: Sequence[UUID], *, offset: int, length: int
    ) -> IndexPage:
        """See `SearchIndex`."""
        name = index_for(self._name, query.sort)
        params = search_params(query, categories, offset=offset, length=length)
        found = await self._reads.call(
            "search", lambda client: client.search_single_index(name, params), self._search_seconds
        )
        hits = [IndexHit(hit.object_id, dict(hit.model_extra or {})) for hit in found.hits]
        return IndexPage(hits, int(found.nb_hits or 0), found.query_id)

    async def put(self, document: dict[str, Any]) -> None:
        """See `SearchIndex`: `IncrementSet` on the version makes the whole write conditional."""
        guarded = {**document, "version": {"_operation": "IncrementSet", "value": document["version"]}}
        await self._batches.submit({"action": "partialUpdateObject", "body": guarded})

    async def remove(self, object_id: str) -> None:
        """See `SearchIndex`."""
        await self._batches.submit({"action": "deleteObject", "body": {"objectID": object_id}})

    async def _write(self, operations: list[Operation]) -> None:
        await self._finish(
            "batch", self._name, lambda client: client.batch(self._name, {"requests": operations})
        )

    async def _finish(self, call: str, name: str, ask: Callable[[SearchClient], Awaitable[Any]]) -> None:
        """Make a write and wait until it is visible."""

        async def write(client: SearchClient) -> None:
            task = (await ask(client)).task_id
            pause = _FIRST_POLL
            while (await client.get_task(name, task)).status != "published":
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_POLL)

        await self._writes.call(call, write, self._write_seconds)

    async def browse(self) -> AsyncIterator[dict[str, int | None]]:
        """See `SearchIndex`."""
        params: dict[str, Any] = {"attributesToRetrieve": ["version"], "hitsPerPage": 1000}
        while True:
            stretch = await self._browse(params)
            yield {hit.object_id: (hit.model_extra or {}).get("version") for hit in stretch.hits}
            if not stretch.cursor:
                return
            params = {"cursor": stretch.cursor}

    async def _browse(self, params: dict[str, Any]) -> Any:
        return await self._writes.call(
            "browse", lambda client: client.browse(self._name, params), self._write_seconds
        )

    async def apply_settings(self) -> None:
        """See `SearchIndex`: the primary first, whose `replicas` make the replicas."""
        primary = {self._name: primary_settings(self._name)}
        for name, wanted in (primary | replica_settings(self._name)).items():
            present = await self._settings(name)
            if any(present.get(key) != value for key, value in wanted.items()):
                await self._set(name, wanted, forward=name == self._name)

    async def _settings(self, name: str) -> dict[str, Any]:
        try:
            found = await self._writes.call(
                "get_settings", lambda client: client.get_settings(name), self._write_seconds
            )
        except IndexRefused as error:
            if error.extras.get("http_status") == _NOT_FOUND:
                return {}
            raise
        settings: dict[str, Any] = found.to_dict()
        return settings

    async def _set(self, name: str, wanted: dict[str, Any], *, forward: bool) -> None:
        await self._finish(
            "set_settings",
            name,
            lambda client: client.set_settings(name, wanted, forward_to_replicas=forward),
        )
