"""The worker with a real RabbitMQ: orders' and auth's events in, catalog's own out and back in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from threadly_catalog.settings import CatalogSettings
from threadly_catalog.subscriptions import SUBSCRIPTIONS
from threadly_chassis.testing import eventually
from threadly_chassis.testing.working import working
from threadly_contracts import Event
from threadly_contracts.auth import UserUpdated

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(settings: CatalogSettings, vhost: str) -> CatalogSettings:
    return settings.model_copy(update={"amqp_url": SecretStr(vhost)})


async def _publish(catalog: Any, event: Event, version: int = 1) -> None:
    """Send another service's event as it would: through an outbox, a relay and the exchange."""
    async with catalog.deps.db.transaction() as tx:
        await tx.publish(event, version=version)


async def _deliver_again(catalog: Any) -> None:
    """Have the relay send every event of orders once more, as after a crash before its mark."""
    async with catalog.deps.db.transaction() as tx:
        await tx.session.execute(
            text(
                "insert into outbox_pending (shard, id) select shard, id from outbox_event "
                "where event_type like 'threadly.orders.%' on conflict do nothing"
            )
        )


async def test_an_item_is_bought(catalog: Any, purchase: Callable[..., Any]) -> None:
    """R-ORD-06, R-CAT-11: reserved, sold, delivered twice, and what was cached follows by itself."""
    item = await catalog.item()
    buying = purchase(item)

    async def shows(status: str) -> None:
        async def probe() -> bool:
            shown: dict[str, Any] = await catalog.shown(item)
            return bool(shown["status"] == status)

        await eventually(probe, timeout=20, describe=f"the item to be {status} in what is served")

    async with working(catalog.deps.settings, catalog.deps, SUBSCRIPTIONS):
        await shows("AVAILABLE")
        await _publish(catalog, buying.started())
        await shows("RESERVED")
        await _publish(catalog, buying.confirmed())
        await shows("SOLD")
        await _deliver_again(catalog)
        await _publish(catalog, buying.ended(), version=2)

        async def ended() -> bool:
            return bool(
                await catalog.query(
                    "select 1 from inbox where consumer = 'catalog.stock' having count(*) = 3"
                )
            )

        await eventually(ended, timeout=20, describe="the checkout's end to be applied")
    assert await catalog.facts(item["id"]) == ["product_created", "product_reserved", "product_sold"]
    assert (await catalog.row(item))["order_id"] == buying.order_id


async def test_the_newest_name_of_a_seller_wins(catalog: Any) -> None:
    """E011: version 3 came before version 2."""

    def named(name: str) -> UserUpdated:
        return UserUpdated(
            user_id=catalog.seller.user_id,
            email="ada@example.com",
            first_name=name,
            last_name=None,
            image_url=None,
            updated_at=datetime.now(UTC),
        )

    async with working(catalog.deps.settings, catalog.deps, SUBSCRIPTIONS):
        for name, version in (("Third", 3), ("Second", 2)):
            await _publish(catalog, named(name), version)

        async def both() -> bool:
            return bool(
                await catalog.query(
                    "select 1 from inbox where consumer = 'catalog.sellers' having count(*) = 2"
                )
            )

        await eventually(both, timeout=20, describe="both names to be handled")
    assert [row["name"] for row in await catalog.query("select name from seller")] == ["Third"]
