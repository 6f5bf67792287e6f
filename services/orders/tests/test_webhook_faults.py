"""What Stripe's webhooks may do to us (eventing §5), with two workers at the broker."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from threadly_chassis.testing import eventually
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity
from threadly_chassis.testing.service import settings_for
from threadly_chassis.testing.working import working
from threadly_orders.dependencies import open_deps
from threadly_orders.settings import OrdersSettings
from threadly_orders.subscriptions import SUBSCRIPTIONS
from threadly_orders.use_cases.reconcile_payments import reconcile_payments

pytestmark = pytest.mark.integration

FAILURE, SUCCESS = "payment_intent.payment_failed", "payment_intent.succeeded"


@pytest.fixture
def settings(
    service_database: DatabaseFactory, redis_url: str, identity: TestIdentity, vhost: str, provider: Any
) -> OrdersSettings:
    """As everywhere, and a broker."""
    database = service_database("threadly_orders")
    return settings_for(
        OrdersSettings,
        database,
        identity,
        redis_url=redis_url,
        amqp_url=vhost,
        stripe_api_url=provider.url,
    )


@pytest.fixture
async def two_workers(settings: OrdersSettings, shop: Any) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            deps = await stack.enter_async_context(open_deps(settings))
            await stack.enter_async_context(working(settings, deps, SUBSCRIPTIONS))
        yield


async def _completed(shop: Any, checkout: dict[str, Any]) -> bool:
    return bool(await shop.status(checkout) == "COMPLETED")


async def _all_done(shop: Any) -> bool:
    marked = await shop.rows("select count(*) from sync_event")
    return bool(marked[0][0] == await shop.count("stripe_event"))


async def test_f49_repeated_reordered_late_forged_and_bloated(shop: Any, two_workers: None) -> None:
    """F49: one change of state, however the webhooks come; what is not Stripe's changes nothing."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout, "pm_card_chargeDeclined")
    await shop.pay(checkout)
    [failed] = await shop.events(FAILURE)
    [paid] = await shop.events(SUCCESS)
    late = paid | {"id": "evt_late", "created": int(time.time() - timedelta(days=3).total_seconds())}
    genuine = [paid, paid, late, failed, failed, paid, late]
    forged = paid | {"id": "evt_forged"}
    answers = await asyncio.gather(
        *(shop.webhook(event) for event in genuine),
        shop.webhook(forged, signature="t=1,v1=00"),
        shop.client.post("/v1/webhooks/stripe", content=b"x" * 5_000_000),
    )
    assert [answer.status_code for answer in answers] == [204] * len(genuine) + [400, 413]
    await eventually(lambda: _completed(shop, checkout), describe="the checkout to be completed")
    await eventually(lambda: _all_done(shop), describe="every webhook's work to be done")
    assert await shop.count("stripe_event") == 3
    assert await shop.count("orders") == 1
    assert (await shop.post.types()).count("order_confirmed") == 1
    assert await shop.refunds() == []


async def test_f49_a_lost_webhook_is_found_by_the_reconciliation(
    shop: Any, settings: OrdersSettings, two_workers: None
) -> None:
    """F49: at the latest an hour after the payment, by two reconcilers at once, with one order."""
    checkout = await shop.started((await shop.listed()).product_id)
    await shop.pay(checkout)
    await asyncio.gather(reconcile_payments(shop.deps), reconcile_payments(shop.deps))
    await eventually(lambda: _completed(shop, checkout), describe="the checkout to be completed")
    assert await shop.count("orders") == 1
    assert settings.reconcile_period <= timedelta(hours=1)
