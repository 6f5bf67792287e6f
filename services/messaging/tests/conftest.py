"""Messaging on a real database and Redis, with the sandbox's Pusher."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from threadly_chassis.clock import FrozenClock
from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.service import RunningService, client_for, settings_for
from threadly_contracts.auth import UserRegistered
from threadly_contracts.catalog import Condition, ProductCreated, ProductImage, ProductStatus
from threadly_contracts.values import Money
from threadly_messaging.dependencies import MessagingDeps
from threadly_messaging.main import build_app
from threadly_messaging.settings import MessagingSettings
from threadly_messaging.use_cases.keep_copies import keep_person, keep_product
from threadly_sandbox.pusher.app import create_app as create_pusher
from threadly_sandbox.testing import provided

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
async def pusher() -> AsyncIterator[str]:
    """The address of the sandbox's Pusher."""
    async with provided(create_pusher) as url:
        yield url


@pytest.fixture
def settings(
    pusher: str, identity: TestIdentity, service_database: DatabaseFactory, redis_url: str
) -> MessagingSettings:
    address = urlsplit(pusher)
    return settings_for(
        MessagingSettings,
        service_database("threadly_messaging"),
        identity,
        redis_url=redis_url,
        pusher_host=address.hostname,
        pusher_port=address.port,
    )


@dataclass
class Messaging(RunningService[MessagingDeps]):
    """The running service, and what people do with it."""

    clock: FrozenClock

    async def begin(self, buyer: Principal, product_id: UUID, content: str | None = None) -> dict[str, Any]:
        """Begin a conversation that must succeed."""
        body = {"product_id": str(product_id)} | ({"content": content} if content is not None else {})
        answer = await self.call("POST", "/conversations", buyer, json=body)
        assert answer.status_code in {200, 201}, answer.text
        begun: dict[str, Any] = answer.json()
        return begun

    async def say(self, who: Principal, conversation_id: str, content: str, **more: Any) -> httpx.Response:
        body = {"content": content} | more
        return await self.call("POST", f"/conversations/{conversation_id}/messages", who, json=body)

    async def said(self, who: Principal, conversation_id: str, **query: Any) -> dict[str, Any]:
        answer = await self.call("GET", f"/conversations/{conversation_id}/messages", who, params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def inbox(self, who: Principal, **query: Any) -> list[dict[str, Any]]:
        answer = await self.call("GET", "/conversations", who, params=query)
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


@pytest.fixture
async def messaging(settings: MessagingSettings, identity: TestIdentity) -> AsyncIterator[Messaging]:
    app, clock = build_app(settings), FrozenClock(NOON)
    async with client_for(app) as http:
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
