"""Messaging on a real database and Redis, with the sandbox's Pusher."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from threadly_chassis.clock import FrozenClock
from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Context, EffectContext
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_contracts.auth import UserRegistered
from threadly_contracts.catalog import Condition, ProductCreated, ProductImage, ProductStatus
from threadly_contracts.values import Money
from threadly_messaging.dependencies import MessagingDeps
from threadly_messaging.main import build_app
from threadly_messaging.settings import MessagingSettings
from threadly_messaging.use_cases.keep_copies import keep_person, keep_product
from threadly_sandbox.journal import Journal
from threadly_sandbox.pusher.app import create_app as create_pusher
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def pusher() -> AsyncIterator[str]:
    """The address of the sandbox's Pusher."""
    async with served(create_pusher(SandboxSettings(), Journal()), "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
def identity() -> TestIdentity:
    return TestIdentity()


@pytest.fixture
def settings(
    pusher: str, identity: TestIdentity, service_database: DatabaseFactory, redis_url: str
) -> MessagingSettings:
    address = urlsplit(pusher)
    return MessagingSettings(
        database_url=SecretStr(service_database("threadly_messaging")),
        amqp_url=SecretStr("amqp://unused"),
        redis_url=SecretStr(redis_url),
        identity_public_keys=(identity.public_key,),
        pusher_host=address.hostname or "",
        pusher_port=address.port or 0,
    )


@dataclass
class Messaging:
    """The running service, and what people do with it."""

    app: FastAPI
    http: httpx.AsyncClient
    identity: TestIdentity
    clock: FrozenClock

    @property
    def deps(self) -> MessagingDeps:
        deps: MessagingDeps = self.app.state.deps
        return deps

    def change(self, **parts: Any) -> None:
        self.app.state.deps = replace(self.deps, **parts)

    async def ask(self, who: Principal | None, method: str, path: str, **request: Any) -> httpx.Response:
        headers = (self.identity.headers(who) if who else {}) | request.pop("headers", {})
        return await self.http.request(method, f"/v1{path}", headers=headers, **request)

    async def begin(self, buyer: Principal, product_id: UUID, content: str | None = None) -> dict[str, Any]:
        """Begin a conversation that must succeed."""
        body = {"product_id": str(product_id)} | ({"content": content} if content is not None else {})
        answer = await self.ask(buyer, "POST", "/conversations", json=body)
        assert answer.status_code in {200, 201}, answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    async def say(self, who: Principal, conversation_id: str, content: str, **more: Any) -> httpx.Response:
        body = {"content": content} | more
        return await self.ask(who, "POST", f"/conversations/{conversation_id}/messages", json=body)

    async def said(self, who: Principal, conversation_id: str, **query: Any) -> dict[str, Any]:
        answer = await self.ask(who, "GET", f"/conversations/{conversation_id}/messages", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def inbox(self, who: Principal, **query: Any) -> list[dict[str, Any]]:
        answer = await self.ask(who, "GET", "/conversations", params=query)
        assert answer.status_code == 200, answer.text
        entries: list[dict[str, Any]] = answer.json()["data"]
        return entries

    async def offer(self, seller: Principal, **fields: Any) -> UUID:
        """An item of the seller's arrives from catalog."""
        event = product(seller.user_id, **fields)
        await self.handle(keep_product, event)
        return event.product_id

    async def know(self, who: Principal, **fields: Any) -> None:
        """A person arrives from auth."""
        await self.handle(keep_person, person(who, **fields))

    async def handle(self, handler: Any, event: Any, *, version: int = 1) -> None:
        """Give an event to a handler, as its consumer would."""
        facts: dict[str, Any] = {
            "deps": self.deps,
            "event_id": new_id(),
            "version": version,
            "occurred_at": NOON,
            "attempt": 1,
            "correlation_id": "",
            "causation_id": None,
            "replay_id": None,
        }
        if "EffectContext" in str(handler.__annotations__["context"]):
            await handler(event, EffectContext(**facts))
            return
        async with self.deps.db.transaction() as tx:
            await handler(event, Context(tx=tx, **facts))

    async def events(self) -> list[tuple[str, int, dict[str, Any]]]:
        """(fact, version, payload) of what was published, in order."""
        rows = await self.query(
            "select event_type, agg_version, convert_from(payload, 'UTF8')::jsonb as payload "
            "from outbox_event order by id"
        )
        return [(row["event_type"].split(".")[2], row["agg_version"], row["payload"]) for row in rows]

    async def query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.deps.db.read() as session:
            return [dict(row._mapping) for row in await session.execute(text(statement), values)]


@pytest.fixture
async def messaging(settings: MessagingSettings, identity: TestIdentity) -> AsyncIterator[Messaging]:
    app = build_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://messaging") as http,
    ):
        clock = FrozenClock(NOON)
        running = Messaging(app, http, identity, clock)
        running.change(clock=clock)
        yield running


@pytest.fixture
def buyer() -> Principal:
    return somebody("Ada")


@pytest.fixture
def seller() -> Principal:
    return somebody("Bob")


@pytest.fixture
def stranger() -> Principal:
    return somebody("Eve")


def product(seller_id: UUID, **fields: Any) -> ProductCreated:
    """Catalog's event about an item."""
    defaults: dict[str, Any] = {
        "product_id": new_id(),
        "version": 1,
        "seller_id": seller_id,
        "category_id": new_id(),
        "status": ProductStatus.AVAILABLE,
        "title": "Red dress",
        "description": "",
        "description_text": "",
        "price": Money(amount_minor=2550, currency="EUR"),
        "condition": Condition.GOOD,
        "images": (
            ProductImage(url="https://img.example/2.jpg", position=1),
            ProductImage(url="https://img.example/1.jpg", position=0),
        ),
        "created_at": NOON,
        "updated_at": NOON,
    }
    return ProductCreated(**(defaults | fields))


def person(who: Principal, **fields: Any) -> UserRegistered:
    """Auth's event about a person."""
    defaults: dict[str, Any] = {
        "user_id": who.user_id,
        "email": "a@example.com",
        "first_name": who.name,
        "last_name": None,
        "image_url": "https://img.example/face.jpg",
        "created_at": NOON,
    }
    return UserRegistered(**(defaults | fields))


@pytest.fixture
def make_product() -> Any:
    return product


@pytest.fixture
def make_person() -> Any:
    return person
