"""Search-indexer on real servers, with the sandbox's Algolia over the wire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from threadly_chassis.ids import new_id
from threadly_chassis.testing.database import published, query
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.handlers import Handler, run_handler
from threadly_chassis.testing.identity import TestIdentity
from threadly_chassis.testing.service import client_for, settings_for
from threadly_contracts import Event
from threadly_contracts.auth import UserRegistered, UserUpdated
from threadly_contracts.catalog import CategoryChanged, ProductCreated, ProductState
from threadly_sandbox.algolia.app import create_app as create_algolia
from threadly_sandbox.testing import provided
from threadly_search_indexer.dependencies import SearchDeps, open_deps
from threadly_search_indexer.domain.messages import DocumentChanged
from threadly_search_indexer.main import build_app
from threadly_search_indexer.settings import SearchIndexerSettings
from threadly_search_indexer.use_cases.index_document import index_document
from threadly_search_indexer.use_cases.project_product import project_product

LISTED = datetime(2026, 11, 22, 10, tzinfo=UTC)


@dataclass
class Algolia:
    """The sandbox's Algolia: where it is, and the switch that makes it fail."""

    url: str

    async def control(self, **faults: Any) -> None:
        """Switch faults; everything not named is well again."""
        async with httpx.AsyncClient() as client:
            (await client.post(f"{self.url}/control", json=faults)).raise_for_status()


@pytest.fixture(scope="session")
async def algolia_server() -> AsyncIterator[Algolia]:
    async with provided(create_algolia) as url:
        yield Algolia(url)


@pytest.fixture
async def algolia(algolia_server: Algolia) -> AsyncIterator[Algolia]:
    yield algolia_server
    await algolia_server.control()


@pytest.fixture
def settings(
    service_database: DatabaseFactory, algolia: Algolia, redis_url: str, identity: TestIdentity
) -> SearchIndexerSettings:
    return settings_for(
        SearchIndexerSettings,
        service_database("threadly_search_indexer"),
        identity,
        redis_url=redis_url,
        algolia_hosts=(algolia.url,),
        algolia_index=f"products_{new_id().hex}",
    )


@pytest.fixture
async def deps(settings: SearchIndexerSettings) -> AsyncIterator[SearchDeps]:
    async with open_deps(settings) as deps:
        await deps.index.apply_settings()
        yield deps


Handle = Callable[..., Awaitable[None]]


@pytest.fixture
def handle(deps: SearchDeps) -> Handle:
    """Run a handler as its consumer would."""

    async def run(handler: Handler, event: Event, version: int | None = None) -> None:
        await run_handler(handler, event, deps, version=version)

    return run


@pytest.fixture
def product() -> Callable[..., ProductCreated]:
    """Make a ProductCreated; `to` another product event."""
    serial = iter(range(1_000_000))

    def make(**changes: Any) -> ProductCreated:
        listed = LISTED + timedelta(seconds=next(serial))
        return ProductCreated.model_validate(
            {
                "product_id": new_id(),
                "version": 1,
                "seller_id": new_id(),
                "category_id": new_id(),
                "status": "AVAILABLE",
                "title": "Red summer dress",
                "description": "<p>Worn once</p>",
                "description_text": "Worn once",
                "price": {"amount_minor": 2500, "currency": "EUR"},
                "condition": "VERY_GOOD",
                "size": "M",
                "brand": "Zara",
                "color": "red",
                "images": [{"url": "https://images.unsplash.com/1", "position": 0}],
                "created_at": listed,
                "updated_at": listed,
                **changes,
            }
        )

    return make


@pytest.fixture
def changed() -> Callable[..., Any]:
    """The event that follows another of the same product."""

    def follow(state: ProductState, kind: type[ProductState], **changes: Any) -> Any:
        return kind.model_validate({**state.model_dump(), "version": state.version + 1, **changes})

    return follow


@pytest.fixture
def category() -> Callable[..., CategoryChanged]:
    def make(**changes: Any) -> CategoryChanged:
        return CategoryChanged.model_validate(
            {
                "category_id": new_id(),
                "version": 1,
                "parent_id": None,
                "name": "Dresses",
                "slug": "dresses",
                "position": 0,
                "active": True,
                **changes,
            }
        )

    return make


@pytest.fixture
def seller() -> Callable[..., UserRegistered]:
    def make(**changes: Any) -> UserRegistered:
        return UserRegistered.model_validate(
            {
                "user_id": new_id(),
                "email": "anna@example.test",
                "first_name": "Anna",
                "last_name": "Berg",
                "image_url": None,
                "created_at": LISTED,
                **changes,
            }
        )

    return make


@pytest.fixture
def renamed() -> Callable[..., UserUpdated]:
    def follow(user: UserRegistered, **changes: Any) -> UserUpdated:
        return UserUpdated.model_validate({**user.model_dump(), "updated_at": LISTED, **changes})

    return follow


@dataclass
class Shelf:
    """The service's state as tests ask for it, and products put through the whole inner path."""

    deps: SearchDeps
    handle: Handle

    async def put(self, *products: ProductState) -> None:
        """Project each, then bring all to the index at once, as the consumers' lanes do."""
        for each in products:
            await self.handle(project_product, each)
        await asyncio.gather(*(self.index(each.product_id) for each in products))

    async def index(self, product_id: UUID) -> None:
        """Handle a DocumentChanged of a product."""
        await self.handle(index_document, DocumentChanged(product_id=product_id, version=1))

    async def query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        return await query(self.deps.db, statement, **values)

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.deps.db.transaction() as tx:
            await tx.session.execute(text(statement), values)

    async def row(self, product_id: UUID) -> dict[str, Any]:
        (row,) = await self.query("select * from search_product where product_id = :id", id=product_id)
        return row

    async def published(self, fact: str) -> list[dict[str, Any]]:
        return [event.payload for event in await published(self.deps.db, f"%.{fact}.v1")]

    async def indexed(self) -> dict[str, int | None]:
        """What the index holds: ids and versions."""
        found: dict[str, int | None] = {}
        async for stretch in self.deps.index.browse():
            found |= stretch
        return found


@pytest.fixture
def shelf(deps: SearchDeps, handle: Handle) -> Shelf:
    return Shelf(deps, handle)


@pytest.fixture
async def client(settings: SearchIndexerSettings, deps: SearchDeps) -> AsyncIterator[httpx.AsyncClient]:
    """The service's API in this process."""
    async with client_for(build_app(settings)) as client:
        yield client


@pytest.fixture
def titles() -> Callable[[httpx.Response], list[str]]:
    def read(answer: httpx.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        found: Iterable[dict[str, Any]] = answer.json()["data"]
        return [hit["title"] for hit in found]

    return read
