"""The whole service on RabbitMQ: from catalog's event to a search result, and away again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from threadly_chassis.ids import new_id
from threadly_chassis.testing import eventually
from threadly_chassis.testing.working import working
from threadly_chassis.worker import Worker
from threadly_contracts import Event
from threadly_contracts.catalog import ProductSold, ProductUpdated
from threadly_search_indexer.dependencies import SearchDeps
from threadly_search_indexer.settings import SearchIndexerSettings
from threadly_search_indexer.subscriptions import SUBSCRIPTIONS
from threadly_search_indexer.worker import open_worker_deps

pytestmark = pytest.mark.integration
Make = Callable[..., Any]
Catalog = Callable[[Event, int], Awaitable[None]]


@pytest.fixture
def settings(settings: SearchIndexerSettings, vhost: str) -> SearchIndexerSettings:
    return settings.model_copy(update={"amqp_url": SecretStr(vhost)})


@pytest.fixture
async def running(settings: SearchIndexerSettings) -> AsyncIterator[Worker]:
    async with open_worker_deps(settings) as deps, working(settings, deps, SUBSCRIPTIONS) as worker:
        yield worker


@pytest.fixture
def catalog(deps: SearchDeps) -> Catalog:
    """Publish as catalog does; the outbox is ours, the broker cannot tell."""

    async def publish(event: Event, version: int) -> None:
        async with deps.db.transaction() as tx:
            await tx.publish(event, version=version)

    return publish


async def test_a_product_is_found_at_once_and_gone_when_sold(
    running: Worker,
    client: httpx.AsyncClient,
    catalog: Catalog,
    product: Make,
    changed: Make,
) -> None:
    """R-SYS-03, R-CAT-09, R-ORD-10: each search is cached, and each change still shows in the next."""

    async def found(title: str) -> bool:
        return title in [hit["title"] for hit in (await client.get("/v1/search")).json()["data"]]

    assert not await found("Red summer dress")
    dress = product()
    await catalog(dress, 1)  # warms up connections, pools and the sandbox's index
    await eventually(lambda: found("Red summer dress"), describe="the first product is found")
    for number in range(3):
        await catalog(product(title=f"Dress {number}"), 1)
        await eventually(lambda title=f"Dress {number}": found(title), describe="a product is found")  # type: ignore[misc]
    sold = changed(dress, ProductSold, status="SOLD", order_id=new_id(), sold_at=dress.updated_at)
    await catalog(sold, 2)

    async def gone() -> bool:
        return not await found("Red summer dress")

    await eventually(gone, describe="the sold product is gone")


async def test_events_twice_and_out_of_order_end_in_the_newest_state(
    running: Worker, shelf: Any, catalog: Catalog, product: Make, changed: Make
) -> None:
    """E011: the gate and the row's own version; the last document is in the index."""
    dress = product()
    newer = changed(dress, ProductUpdated, title="Newer")
    newest = changed(newer, ProductUpdated, title="Newest")
    for event in (newest, dress, newer, newest):
        await catalog(event, event.version)

    async def settled() -> bool:
        rows = await shelf.query("select title from search_product where indexed_version = document_version")
        return bool(rows == [{"title": "Newest"}])

    await eventually(settled, describe="the newest document is indexed")
    last = product(title="Last")
    await catalog(last, 1)
    await eventually(
        lambda: shelf.query("select 1 from search_product where title = 'Last'"), describe="the last event"
    )
    assert (await shelf.row(dress.product_id))["title"] == "Newest"
