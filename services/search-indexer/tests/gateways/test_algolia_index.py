"""The adapter against the sandbox's Algolia, through the official client."""

import asyncio
from typing import Any

import httpx
import pytest

from threadly_search_indexer.domain.query import SearchQuery
from threadly_search_indexer.gateways.algolia_index import AlgoliaIndex
from threadly_search_indexer.gateways.breaker import Breaker
from threadly_search_indexer.gateways.search_index import IndexRefused, IndexUnavailable
from threadly_search_indexer.gateways.write_batches import Operation, WriteBatches
from threadly_search_indexer.settings import SearchIndexerSettings

pytestmark = pytest.mark.integration

SEARCH = SearchQuery()


async def test_settings_are_applied_once(deps: Any, settings: SearchIndexerSettings) -> None:
    """The second time nothing is written: the index's state has not moved."""
    key = settings.algolia_api_key.get_secret_value()
    headers = {"x-algolia-application-id": settings.algolia_app_id, "x-algolia-api-key": key}
    async with httpx.AsyncClient(base_url=settings.algolia_hosts[0], headers=headers) as algolia:

        async def state() -> list[Any]:
            items = (await algolia.get("/1/indexes")).json()["items"]
            return [each for each in items if each["name"].startswith(settings.algolia_index)]

        before = await state()
        await deps.index.apply_settings()
        assert await state() == before
    assert len(before) == 4


async def test_a_server_error_does_not_switch_the_client_off(deps: Any, algolia: Any) -> None:
    """Providers §0.2: with one host a single 500 would silence it for 300 s."""
    for _ in range(2):
        await algolia.control(status=500)
        with pytest.raises(IndexUnavailable):
            await deps.index.search(SEARCH, (), offset=0, length=1)
        await algolia.control()
        assert (await deps.index.search(SEARCH, (), offset=0, length=1)).hits == []


async def test_a_refused_connection_is_unavailable(settings: SearchIndexerSettings) -> None:
    """Providers §0.3: aiohttp's errors come raw."""
    nowhere = settings.model_copy(update={"algolia_hosts": ("http://127.0.0.1:1",)})
    async with AlgoliaIndex.open(nowhere) as index:
        with pytest.raises(IndexUnavailable):
            await index.search(SEARCH, (), offset=0, length=1)
        with pytest.raises(IndexUnavailable):
            await index.put({"objectID": "x", "version": 1})


async def test_a_slow_index_is_given_up_in_time(deps: Any, algolia: Any) -> None:
    await algolia.control(slow_ms=5_000)
    async with asyncio.timeout(4):
        with pytest.raises(IndexUnavailable):
            await deps.index.search(SEARCH, (), offset=0, length=1)
    await algolia.control()


async def test_a_wrong_key_is_refused(settings: SearchIndexerSettings) -> None:
    wrong = settings.model_copy(update={"algolia_api_key": type(settings.algolia_api_key)("not-the-key")})
    async with AlgoliaIndex.open(wrong) as index:
        with pytest.raises(IndexRefused):
            await index.search(SEARCH, (), offset=0, length=1)


async def test_one_record_too_large_does_not_take_the_others_with_it(deps: Any, shelf: Any) -> None:
    """Algolia refuses the whole batch; only the guilty one may fail for good."""
    records: list[dict[str, Any]] = [
        {"objectID": "a", "version": 1},
        {"objectID": "huge", "version": 1, "title": "x" * 200_000},
        {"objectID": "b", "version": 1},
    ]
    # The first is under way alone while the other two queue up behind it.
    results = await asyncio.gather(*map(deps.index.put, records), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), IndexRefused, type(None)]
    assert await shelf.indexed() == {"a": 1, "b": 1}


async def test_writes_that_wait_together_go_together() -> None:
    batches: list[list[Operation]] = []
    first, may_finish = asyncio.Event(), asyncio.Event()

    async def write(operations: list[Operation]) -> None:
        batches.append(operations)
        first.set()
        await may_finish.wait()

    writes = WriteBatches(write)
    submitted = [asyncio.create_task(writes.submit({"n": 0}))]
    await first.wait()
    submitted += [asyncio.create_task(writes.submit({"n": n})) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    may_finish.set()
    await asyncio.gather(*submitted)
    assert batches == [[{"n": 0}], [{"n": 1}, {"n": 2}, {"n": 3}]]
    await writes.close()


def test_the_breaker_lets_one_try_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("threadly_search_indexer.gateways.breaker.time.monotonic", lambda: now)
    breaker = Breaker(failures=2, pause=1)
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now += 1.1
    assert (breaker.allows(), breaker.allows()) == (True, False)
    breaker.succeeded()
    assert breaker.allows()
