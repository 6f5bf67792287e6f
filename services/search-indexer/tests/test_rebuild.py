"""The projection is emptied and refilled from what catalog and auth have in their outboxes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import SecretStr

from threadly_chassis.db import Database
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Subscriptions
from threadly_chassis.settings import ServiceSettings
from threadly_chassis.testing import eventually
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.library.harness import LIBRARY
from threadly_chassis.testing.working import working
from threadly_chassis.worker import Worker
from threadly_contracts import Event
from threadly_contracts.catalog import ProductSold, ProductUpdated
from threadly_contracts.operations import RebuildApplied, RebuildRequested
from threadly_search_indexer.settings import SearchIndexerSettings
from threadly_search_indexer.subscriptions import SUBSCRIPTIONS
from threadly_search_indexer.worker import open_worker_deps

pytestmark = pytest.mark.integration
Make = Callable[..., Any]

PROJECTION = (
    "select product_id, version, status, title, price_minor, category_name, seller_name "
    "from search_product order by product_id"
)


class CatalogSettings(ServiceSettings):
    service: ClassVar[str] = "catalog"


class AuthSettings(ServiceSettings):
    service: ClassVar[str] = "auth"


@dataclass(frozen=True)
class Owner:
    """A service with an outbox and nothing else."""

    settings: ServiceSettings
    db: Database

    async def publish(self, event: Event, version: int) -> None:
        async with self.db.transaction() as tx:
            await tx.publish(event, version=version)


@pytest.fixture
def settings(settings: SearchIndexerSettings, vhost: str) -> SearchIndexerSettings:
    return settings.model_copy(update={"amqp_url": SecretStr(vhost)})


@pytest.fixture
async def running(settings: SearchIndexerSettings) -> AsyncIterator[Worker]:
    async with open_worker_deps(settings) as deps, working(settings, deps, SUBSCRIPTIONS) as worker:
        yield worker


@asynccontextmanager
async def _owner(kind: type[ServiceSettings], database_url: str, vhost: str) -> AsyncIterator[Owner]:
    settings = kind.model_validate(
        {"database_url": database_url, "amqp_url": vhost, "redis_url": "redis://unused"}
    )
    owner = Owner(settings, Database.open(settings))
    async with working(settings, owner, Subscriptions(kind.service)):
        yield owner
    await owner.db.close()


@pytest.fixture
async def catalog(running: Worker, service_database: DatabaseFactory, vhost: str) -> AsyncIterator[Owner]:
    async with _owner(CatalogSettings, service_database(LIBRARY), vhost) as owner:
        yield owner


@pytest.fixture
async def auth(running: Worker, service_database: DatabaseFactory, vhost: str) -> AsyncIterator[Owner]:
    async with _owner(AuthSettings, service_database(LIBRARY), vhost) as owner:
        yield owner


async def _request(owner: Owner) -> UUID:
    """As operations does; any outbox will do."""
    request = RebuildRequested(
        rebuild_id=new_id(),
        consumer="search-indexer.projector",
        owners=(),
        rate=500,
        patience_seconds=30,
        requested_at=datetime.now(UTC),
    )
    await owner.publish(request, 1)
    return request.rebuild_id


async def _verdicts(shelf: Any, rebuild_id: UUID) -> list[RebuildApplied]:
    rows = await shelf.query(
        "select payload from outbox_event where event_type = :type and agg_id = :id",
        type=RebuildApplied.type,
        id=str(rebuild_id),
    )
    return [RebuildApplied.model_validate_json(row["payload"]) for row in rows]


async def test_the_projection_is_refilled_from_its_owners(
    catalog: Owner,
    auth: Owner,
    shelf: Any,
    product: Make,
    changed: Make,
    category: Make,
    seller: Make,
) -> None:
    """Names of sellers and categories come from two owners in any order; live changes go on meanwhile."""
    anna, dresses = seller(), category()
    await auth.publish(anna, 1)
    await catalog.publish(dresses, 1)
    listed = [product(seller_id=anna.user_id, category_id=dresses.category_id) for _ in range(8)]
    for dress in listed:
        await catalog.publish(dress, 1)
        await catalog.publish(changed(dress, ProductUpdated, title=f"{dress.title}, as new"), 2)
    sold = changed(
        listed[0], ProductSold, version=3, status="SOLD", order_id=new_id(), sold_at=dress.updated_at
    )
    await catalog.publish(sold, 3)

    async def projected(count: int) -> Any:
        rows = await shelf.query(PROJECTION)
        named = [row for row in rows if row["version"] > 1 and row["seller_name"] and row["category_name"]]
        assert len(named) == len(rows) == count, rows
        return rows

    async def up_to_date() -> Any:
        rows = await projected(8)
        assert "SOLD" in {row["status"] for row in rows}
        return rows

    before = await eventually(up_to_date, describe="the projection")
    await shelf.execute("delete from search_product")
    await shelf.execute("delete from search_category")
    await shelf.execute("delete from search_seller")
    rebuild = await _request(catalog)
    late = product(seller_id=anna.user_id, category_id=dresses.category_id, version=2)
    await catalog.publish(late, 2)
    [verdict] = await eventually(partial(_verdicts, shelf, rebuild), timeout=60, describe="the verdict")
    assert verdict.is_equal, verdict.shares
    assert [share.service for share in verdict.shares] == ["auth", "catalog"]
    after = await eventually(partial(projected, 9), describe="the projection again")
    assert [row for row in after if row["product_id"] != late.product_id] == before
