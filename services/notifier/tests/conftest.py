"""Notifier on real servers, with the sandbox for Pusher and mail."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from threadly_chassis.ids import new_id
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.handlers import Handler, run_handler
from threadly_chassis.testing.identity import TestIdentity
from threadly_chassis.testing.service import client_for, settings_for
from threadly_contracts import Event
from threadly_contracts.auth import UserRegistered
from threadly_contracts.messaging import MessageSent
from threadly_contracts.orders import OrderConfirmed
from threadly_contracts.values import Money
from threadly_notifier.dependencies import NotifierDeps, open_deps
from threadly_notifier.main import build_app
from threadly_notifier.settings import NotifierSettings
from threadly_notifier.use_cases.note_contact import note_contact
from threadly_sandbox.main import Addresses
from threadly_sandbox.testing import everything_provided

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.fixture(scope="session")
async def providers() -> AsyncIterator[Addresses]:
    async with everything_provided() as addresses:
        yield addresses


@pytest.fixture
def settings(
    service_database: DatabaseFactory, providers: Addresses, identity: TestIdentity
) -> NotifierSettings:
    pusher = urlsplit(providers.pusher)
    return settings_for(
        NotifierSettings,
        service_database("threadly_notifier"),
        identity,
        pusher_host=pusher.hostname,
        pusher_port=pusher.port,
        smtp_port=providers.smtp_port,
    )


@pytest.fixture
async def deps(settings: NotifierSettings) -> AsyncIterator[NotifierDeps]:
    async with open_deps(settings) as deps:
        yield deps


Handle = Callable[..., Awaitable[None]]


@pytest.fixture
def handle(deps: NotifierDeps) -> Handle:
    """Run a handler as its consumer would; two deliveries of one event share an `event_id`."""

    async def run(handler: Handler, event: Event, event_id: UUID | None = None) -> None:
        await run_handler(handler, event, deps, event_id=event_id)

    return run


@pytest.fixture
def know(handle: Handle) -> Callable[..., Awaitable[UUID]]:
    """Let notifier know somebody; gives their id."""

    async def register(email: str, first_name: str | None = "Ada") -> UUID:
        user_id = new_id()
        person = UserRegistered(
            user_id=user_id,
            email=email,
            first_name=first_name,
            last_name=None,
            image_url=None,
            created_at=NOW,
        )
        await handle(note_contact, person)
        return user_id

    return register


@pytest.fixture
def confirmed() -> Callable[..., OrderConfirmed]:
    def make(buyer_id: UUID, seller_id: UUID, title: str = "Red dress") -> OrderConfirmed:
        return OrderConfirmed(
            order_id=new_id(),
            checkout_id=new_id(),
            product_id=new_id(),
            product_title=title,
            buyer_id=buyer_id,
            seller_id=seller_id,
            amount=Money(amount_minor=2550, currency="EUR"),
            stripe_payment_intent_id="pi_1",
            confirmed_at=NOW,
        )

    return make


@pytest.fixture
def said() -> Callable[..., MessageSent]:
    def make(recipient_id: UUID, content: str = "Is it still there?") -> MessageSent:
        return MessageSent(
            message_id=new_id(),
            conversation_id=new_id(),
            sender_id=new_id(),
            recipient_id=recipient_id,
            sender_name="Bob",
            sender_avatar=None,
            content=content,
            content_text=content,
            image_url=None,
            product_id=new_id(),
            product_title="Red dress",
            created_at=NOW,
        )

    return make


@pytest.fixture
def rows(deps: NotifierDeps) -> Callable[[Any], Awaitable[list[Any]]]:
    async def all_rows(table: Any) -> list[Any]:
        async with deps.db.read() as session:
            return list(await session.scalars(select(table).order_by(table.id)))

    return all_rows


@pytest.fixture
def mailbox(providers: Addresses) -> Callable[[str], Awaitable[list[dict[str, Any]]]]:
    """The mails that the sandbox's server holds for an address."""

    async def look(address: str) -> list[dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{providers.page}/api/mails", params={"to": address})
        found = answer.raise_for_status().json()
        return list(found["data"] if isinstance(found, dict) else found)

    return look


@pytest.fixture
def pushed(providers: Addresses) -> Callable[[str], Awaitable[list[dict[str, Any]]]]:
    """The real-time events that the sandbox saw on a channel."""

    async def look(channel: str) -> list[dict[str, Any]]:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{providers.page}/api/journal", params={"kind": "realtime"})
        found = answer.raise_for_status().json()
        entries = found["data"] if isinstance(found, dict) else found
        return [entry for entry in entries if channel in str(entry)]

    return look


@pytest.fixture
async def client(settings: NotifierSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for(build_app(settings)) as client:
        yield client
