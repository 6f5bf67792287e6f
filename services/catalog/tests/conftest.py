"""Catalog on a real PostgreSQL and a real Redis, called as the gateway calls it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import event, text

from threadly_catalog.dependencies import CatalogDeps
from threadly_catalog.main import build_app
from threadly_catalog.settings import CatalogSettings
from threadly_catalog.subscriptions import SUBSCRIPTIONS
from threadly_chassis.clock import Clock
from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Consumer, Context, EffectContext
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_contracts import Event
from threadly_contracts.orders import CheckoutEnded, CheckoutEnding, CheckoutStarted, OrderConfirmed
from threadly_contracts.values import Money

IMAGE = "https://images.unsplash.com/dress.jpg"


@dataclass
class Catalog:
    """The running service, and questions about what it did."""

    app: FastAPI
    http: httpx.AsyncClient
    identity: TestIdentity
    seller: Principal
    operator: Principal

    @property
    def deps(self) -> CatalogDeps:
        deps: CatalogDeps = self.app.state.deps
        return deps

    def use_clock(self, clock: Clock) -> None:
        self.app.state.deps = replace(self.deps, clock=clock)

    def use_settings(self, **changes: Any) -> None:
        settings = self.deps.settings.model_copy(update=changes)
        self.app.state.deps = replace(self.deps, settings=settings)

    async def call(
        self, method: str, path: str, by: Principal | None = None, **options: Any
    ) -> httpx.Response:
        headers = {**(self.identity.headers(by) if by else {}), **options.pop("headers", {})}
        return await self.http.request(method, f"/v1{path}", headers=headers, **options)

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

    async def query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.deps.db.read() as session:
            return [dict(row._mapping) for row in await session.execute(text(statement), values)]

    async def events(self, subject: object | None = None) -> list[tuple[str, int, dict[str, Any]]]:
        """(fact, version, payload) of what catalog published, in order; of one aggregate or all."""
        rows = await self.query(
            "select event_type, agg_id, agg_version, payload from outbox_event "
            "where event_type like 'threadly.catalog.%' order by id"
        )
        return [
            (row["event_type"].split(".")[2], row["agg_version"], json.loads(row["payload"]))
            for row in rows
            if subject is None or row["agg_id"] == str(subject)
        ]

    async def facts(self, subject: object) -> list[str]:
        return [fact for fact, _, _ in await self.events(subject)]

    def _facts(self) -> dict[str, Any]:
        return {
            "deps": self.deps,
            "event_id": new_id(),
            "version": 1,
            "occurred_at": datetime.now(UTC),
            "attempt": 1,
            "correlation_id": "",
            "causation_id": None,
            "replay_id": None,
        }

    async def handle(self, consumer: str, *events: Event, crash: Exception | None = None) -> None:
        """Give events to a consumer's handlers, each in a transaction of its own, as the chassis does.

        With `crash` that is raised after the handler and before the commit.
        """
        chosen = SUBSCRIPTIONS[consumer]
        for one in events:
            handler = chosen.handlers[type(one)]
            if not isinstance(chosen, Consumer):
                await handler(one, EffectContext(**self._facts()))
                continue
            async with self.deps.db.transaction() as tx:
                await handler(one, Context(tx=tx, **self._facts()))
                if crash:
                    raise crash

    async def waits_for_a_lock(self) -> bool:
        """Whether somebody waits for a lock in this database."""
        statement = (
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        return bool(await self.query(statement))

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[list[str]]:
        """The statements that are sent inside the block."""
        statements: list[str] = []

        def note(_: Any, __: Any, statement: str, *___: Any) -> None:
            statements.append(statement)

        engine = self.deps.db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield statements
        finally:
            event.remove(engine, "before_cursor_execute", note)


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
    return CatalogSettings(
        database_url=SecretStr(service_database("threadly_catalog")),
        amqp_url=SecretStr("amqp://unused"),
        redis_url=SecretStr(redis_url),
        identity_public_keys=(identity.public_key,),
    )


@pytest.fixture
def identity() -> TestIdentity:
    return TestIdentity()


@pytest.fixture
async def catalog(settings: CatalogSettings, identity: TestIdentity) -> AsyncIterator[Catalog]:
    app = build_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://catalog") as http,
    ):
        yield Catalog(app, http, identity, somebody("Ada"), somebody("Olga", "operator"))
