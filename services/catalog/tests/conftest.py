"""Catalog on a real PostgreSQL and a real Redis, called as the gateway calls it."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from threadly_catalog.dependencies import CatalogDeps
from threadly_catalog.main import build_app
from threadly_catalog.settings import CatalogSettings
from threadly_catalog.subscriptions import SUBSCRIPTIONS
from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.handlers import run_handler
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.service import RunningService, client_for, settings_for
from threadly_contracts import Event
from threadly_contracts.orders import CheckoutEnded, CheckoutEnding, CheckoutStarted, OrderConfirmed
from threadly_contracts.values import Money

IMAGE = "https://images.unsplash.com/dress.jpg"


@dataclass
class Catalog(RunningService[CatalogDeps]):
    """The running service, and questions about what it did."""

    own_events = "catalog.%"

    seller: Principal
    operator: Principal

    def use_settings(self, **changes: Any) -> None:
        self.change(settings=self.deps.settings.model_copy(update=changes))

    async def category(self, name: str = "Dresses", **fields: Any) -> UUID:
        answer = await self.call("POST", "/categories", self.operator, json={"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    def listing(self, category_id: UUID, **fields: Any) -> dict[str, Any]:
        return {
            "title": "Silk dress",
            "description": "Worn once, to a wedding in June.",
            "price": "25.50",
            "category_id": str(category_id),
            "images": [IMAGE],
            "condition": "VERY_GOOD",
        } | fields

    async def list_item(
        self, category_id: UUID, by: Principal | None = None, **fields: Any
    ) -> dict[str, Any]:
        """List an item that must be accepted; returns it."""
        listing = self.listing(category_id, **fields)
        answer = await self.call("POST", "/products", by or self.seller, json=listing)
        assert answer.status_code == 201, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def item(self) -> dict[str, Any]:
        """An item in a category of its own."""
        return await self.list_item(await self.category(f"Dresses {new_id()}"))

    async def patch(
        self, item: Mapping[str, Any], by: Principal | None = None, **fields: Any
    ) -> httpx.Response:
        """Change an item at the version that `item` shows."""
        headers = {"If-Match": f'"{item["version"]}"'}
        return await self.call(
            "PATCH", f"/products/{item['id']}", by or self.seller, json=fields, headers=headers
        )

    async def shown(self, item: Mapping[str, Any], by: Principal | None = None) -> dict[str, Any]:
        answer = await self.call("GET", f"/products/{item['id']}", by)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def row(self, item: Mapping[str, Any]) -> dict[str, Any]:
        rows = await self.query("select * from product where product_id = :id", id=UUID(item["id"]))
        return rows[0]

    async def facts(self, subject: object) -> list[str]:
        return [fact for fact, _, _ in await self.events(subject)]

    async def give(self, consumer: str, *events: Event, crash: Exception | None = None) -> None:
        """Give events to a consumer's handlers, as the chassis does; with `crash` none commits."""
        for one in events:
            await run_handler(SUBSCRIPTIONS[consumer].handlers[type(one)], one, self.deps, crash=crash)


@dataclass(frozen=True)
class Purchase:
    """A buyer's checkout of an item, and the events that orders would publish about it."""

    item: Mapping[str, Any]
    started_at: datetime
    checkout_id: UUID
    order_id: UUID
    minutes: int = 15

    def started(self) -> CheckoutStarted:
        return CheckoutStarted(
            checkout_id=self.checkout_id,
            product_id=UUID(self.item["id"]),
            product_version=self.item["version"],
            buyer_id=new_id(),
            seller_id=UUID(self.item["seller_id"]),
            amount=Money(amount_minor=2550, currency="EUR"),
            started_at=self.started_at,
            expires_at=self.started_at + timedelta(minutes=self.minutes),
        )

    def ended(self) -> CheckoutEnded:
        return CheckoutEnded(
            checkout_id=self.checkout_id,
            product_id=UUID(self.item["id"]),
            buyer_id=new_id(),
            reason=CheckoutEnding.CANCELLED,
            ended_at=self.started_at + timedelta(minutes=5),
        )

    def confirmed(self) -> OrderConfirmed:
        return OrderConfirmed(
            order_id=self.order_id,
            checkout_id=self.checkout_id,
            product_id=UUID(self.item["id"]),
            product_title=self.item["title"],
            buyer_id=new_id(),
            seller_id=UUID(self.item["seller_id"]),
            amount=Money(amount_minor=2550, currency="EUR"),
            stripe_payment_intent_id="pi_1",
            confirmed_at=self.started_at + timedelta(minutes=5),
        )


@pytest.fixture
def purchase() -> Callable[..., Purchase]:
    """`purchase(item)` began just now, `purchase(item, later=…)` some time after."""
    beginning = datetime.now(UTC)

    def begin(item: Mapping[str, Any], *, later: timedelta = timedelta(), minutes: int = 15) -> Purchase:
        return Purchase(item, beginning + later, new_id(), new_id(), minutes)

    return begin


@pytest.fixture
def settings(service_database: DatabaseFactory, redis_url: str, identity: TestIdentity) -> CatalogSettings:
    return settings_for(CatalogSettings, service_database("threadly_catalog"), identity, redis_url=redis_url)


@pytest.fixture
async def catalog(settings: CatalogSettings, identity: TestIdentity) -> AsyncIterator[Catalog]:
    app = build_app(settings)
    async with client_for(app) as http:
        yield Catalog(app, http, identity, somebody("Ada"), somebody("Olga", "operator"))
