"""The whole service as it runs: HTTP over a socket, its worker on RabbitMQ, webhooks from Stripe itself."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from threadly_chassis.db import Transaction
from threadly_chassis.ids import new_id
from threadly_chassis.testing import eventually
from threadly_chassis.testing.identity import TestIdentity
from threadly_chassis.testing.ports import free_port
from threadly_chassis.testing.working import working
from threadly_contracts.catalog import ProductCreated
from threadly_orders.dependencies import OrdersDeps, open_deps
from threadly_orders.main import build_app
from threadly_orders.schedules import schedules
from threadly_orders.settings import OrdersSettings
from threadly_orders.subscriptions import SUBSCRIPTIONS
from threadly_sandbox.serving import served

pytestmark = pytest.mark.integration


@pytest.fixture
def public_url() -> str:
    """Where orders will listen: Stripe delivers there."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
async def running(
    settings: OrdersSettings, public_url: str, vhost: str
) -> AsyncIterator[tuple[httpx.AsyncClient, OrdersDeps]]:
    changed: dict[str, Any] = settings.model_dump() | {"amqp_url": vhost}
    whole = OrdersSettings.model_validate(changed)
    port = int(public_url.rpartition(":")[2])
    async with (
        open_deps(whole) as deps,
        served(build_app(whole), "127.0.0.1", port),
        working(whole, deps, SUBSCRIPTIONS, schedules(whole)),
        httpx.AsyncClient(base_url=public_url, timeout=30) as client,
    ):
        yield client, deps


async def _listed(shop: Any, tx: Transaction) -> Any:
    product = shop.product()
    await tx.publish(ProductCreated(**dict(product)), version=product.version)
    return product


async def test_a_dress_is_bought(
    running: tuple[httpx.AsyncClient, OrdersDeps], shop: Any, identity: TestIdentity
) -> None:
    """R-SYS-06, R-ORD-04 to R-ORD-09: product event in, payment at Stripe, webhook, one order."""
    client, deps = running
    async with deps.db.transaction() as tx:
        product = await _listed(shop, tx)
    headers = identity.headers(shop.buyer)
    body = {"product_id": str(product.product_id)}

    async def started() -> dict[str, Any] | None:
        key = {"Idempotency-Key": str(new_id())}
        answer = await client.post("/v1/checkouts", json=body, headers=headers | key)
        found: dict[str, Any] | None = answer.json() if answer.status_code == 201 else None
        return found

    checkout = await eventually(started, describe="the product to be known here")
    assert checkout is not None
    await shop.pay(checkout)

    async def completed() -> str | None:
        answer = await client.get(f"/v1/checkouts/{checkout['id']}", headers=headers)
        found: str | None = answer.json()["order_id"]
        return found

    order_id = await eventually(completed, timeout=20, describe="the webhook's work")
    [order] = (await client.get("/v1/orders", headers=headers)).json()["data"]
    assert order["id"] == order_id
    assert (await shop.post.types()).count("order_confirmed") == 1
