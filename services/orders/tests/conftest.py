"""A whole orders service on real PostgreSQL and Redis, with the sandbox's Stripe behind the official SDK."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
import stripe
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import text

from threadly_chassis.clock import FrozenClock
from threadly_chassis.http import Principal
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Consumer
from threadly_chassis.messaging.delivery import Delivery, Envelope, Received
from threadly_chassis.messaging.handling import EffectHandling, TransactionalHandling
from threadly_chassis.messaging.subscriptions import AnyConsumer
from threadly_chassis.outbox.message import to_message
from threadly_chassis.testing.database import published
from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_chassis.testing.identity import TestIdentity, somebody
from threadly_chassis.testing.rows import logged
from threadly_chassis.testing.service import client_for, settings_for
from threadly_contracts import Event, Money
from threadly_contracts.catalog import (
    Condition,
    ProductCreated,
    ProductImage,
    ProductRemoved,
    ProductState,
    ProductStatus,
    ProductUpdated,
)
from threadly_orders.dependencies import OrdersDeps
from threadly_orders.main import build_app
from threadly_orders.settings import OrdersSettings
from threadly_orders.subscriptions import SUBSCRIPTIONS
from threadly_sandbox.faults import FaultInjection, FaultPlan, Faults
from threadly_sandbox.journal import Journal
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.stripe.app import create_app

WEBHOOK_SECRET = "whsec_sandbox"


@dataclass
class Post:
    """Carries what was published to the consumers, through the chassis' real inbox and gates, as often and in
    whatever order a test wants."""

    deps: OrdersDeps
    seen: int = 0

    async def published(self) -> list[tuple[Envelope, Event]]:
        """Everything in the outbox, in the order of its appending."""
        classes = {cls.type: cls for consumer in SUBSCRIPTIONS for cls in consumer.handlers}
        return [
            (
                Envelope.model_validate(to_message(row).properties.headers),
                classes[row.event_type].model_validate_json(bytes(row.payload)),
            )
            for row in await logged(self.deps.db)
            if row.event_type in classes
        ]

    async def types(self) -> list[str]:
        """The facts announced so far: `order_confirmed`, …"""
        return [event.fact for event in await published(self.deps.db)]

    async def payloads(self, fact: str) -> list[dict[str, Any]]:
        """The bodies of all events of one kind."""
        return [event.payload for event in await published(self.deps.db, f"orders.{fact}.v1")]

    async def deliver(self, envelope: Envelope, event: Event) -> None:
        """Hand one message to every consumer that listens to it."""
        for consumer in SUBSCRIPTIONS:
            if type(event) in consumer.handlers:
                await self.apply(consumer, envelope, event)

    async def apply(self, consumer: AnyConsumer, envelope: Envelope, event: Event) -> None:
        message = SimpleNamespace(headers={}, delivery_tag=1)
        received = Received(Delivery(cast("AbstractIncomingMessage", message)), envelope, event)
        handling = (
            TransactionalHandling(consumer, self.deps)
            if isinstance(consumer, Consumer)
            else EffectHandling(consumer, self.deps)  # type: ignore[arg-type]
        )
        await handling.apply([received])

    async def bring(self, event: Event, version: int, *, event_id: UUID | None = None) -> None:
        """Deliver an event of another service."""
        envelope = Envelope(
            event_id=event_id or new_id(),
            type=event.type,
            subject=event.subject,
            occurred_at=datetime.now(UTC),
            aggregate=event.aggregate,
            version=version,
        )
        await self.deliver(envelope, event)

    async def run(self) -> None:
        """Deliver everything that was published and not delivered yet, and what follows from it."""
        while len(waiting := await self.published()) > self.seen:
            batch, self.seen = waiting[self.seen :], len(waiting)
            for envelope, event in batch:
                await self.deliver(envelope, event)


@dataclass
class Shop:
    """Orders as its users, its provider and its neighbours see it."""

    client: httpx.AsyncClient
    deps: OrdersDeps
    clock: FrozenClock
    stripe: stripe.StripeClient
    stripe_url: str
    faults: Faults
    identity: TestIdentity
    post: Post
    buyer: Principal = field(default_factory=lambda: somebody("Bea"))
    seller: Principal = field(default_factory=lambda: somebody("Sol"))

    # catalog

    def product(self, *, price: int = 2550, currency: str = "EUR", **changes: Any) -> ProductState:
        """A product as catalog describes it."""
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "product_id": new_id(),
            "version": 1,
            "seller_id": self.seller.user_id,
            "category_id": new_id(),
            "status": ProductStatus.AVAILABLE,
            "title": "Linen dress",
            "description": "<p>Worn once</p>",
            "description_text": "Worn once",
            "price": Money(amount_minor=price, currency=currency),
            "condition": Condition.VERY_GOOD,
            "images": (ProductImage(url="https://images.example/1.jpg", position=0),),
            "created_at": now,
            "updated_at": now,
        }
        return ProductState(**values | changes)

    async def listed(self, **changes: Any) -> ProductState:
        """A product that catalog has announced."""
        product = self.product(**changes)
        await self.post.bring(ProductCreated(**dict(product)), product.version)
        return product

    async def withdrawn(self, product: ProductState, version: int = 9) -> None:
        changed = dict(product) | {"version": version, "status": ProductStatus.REMOVED}
        await self.post.bring(ProductRemoved(**changed), version)

    async def repriced(self, product: ProductState, price: int, version: int = 9) -> None:
        changed = dict(product) | {
            "version": version,
            "price": Money(amount_minor=price, currency=product.price.currency),
        }
        await self.post.bring(ProductUpdated(**changed), version)

    # buyers

    async def start(
        self, product_id: UUID, *, buyer: Principal | None = None, key: str | None = None, **body: Any
    ) -> httpx.Response:
        headers = self.identity.headers(buyer or self.buyer) | {"Idempotency-Key": key or str(new_id())}
        wanted = {"product_id": str(product_id), **body}
        return await self.client.post("/v1/checkouts", json=wanted, headers=headers)

    async def started(self, product_id: UUID, *, buyer: Principal | None = None) -> dict[str, Any]:
        answer = await self.start(product_id, buyer=buyer)
        assert answer.status_code == 201, answer.text
        checkout: dict[str, Any] = answer.json()
        return checkout

    async def get(self, path: str, *, who: Principal | None = None) -> httpx.Response:
        return await self.client.get(path, headers=self.identity.headers(who or self.buyer))

    async def act(self, checkout_id: str, verb: str, *, who: Principal | None = None) -> httpx.Response:
        headers = self.identity.headers(who or self.buyer)
        return await self.client.post(f"/v1/checkouts/{checkout_id}/{verb}", headers=headers)

    async def status(self, checkout: dict[str, Any], *, who: Principal | None = None) -> str:
        return str((await self.get(f"/v1/checkouts/{checkout['id']}", who=who)).json()["status"])

    # Stripe

    async def pay(self, checkout: dict[str, Any], card: str = "pm_card_visa") -> None:
        """The buyer's browser confirms the payment at Stripe; a decline is Stripe's answer, not an error."""
        intent_id = checkout["client_secret"].partition("_secret_")[0]
        try:
            await self.stripe.v1.payment_intents.confirm_async(intent_id, {"payment_method": card})
        except stripe.CardError:
            return

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """Stripe's events of some types, the oldest first, as webhooks carry them."""
        page = await self.stripe.v1.events.list_async({"limit": 100})
        every = [event.to_dict() for event in page.data]
        return [event for event in reversed(every) if not types or event["type"] in types]

    async def webhook(self, event: dict[str, Any], *, signature: str | None = None) -> httpx.Response:
        body = json.dumps(event)
        signature = signature or sign(body)
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        return await self.client.post("/v1/webhooks/stripe", content=body, headers=headers)

    async def hears(self, *types: str) -> None:
        """Every event of these types arrives by webhook and is worked on."""
        for event in await self.events(*types):
            assert (await self.webhook(event)).status_code == 204
        await self.post.run()

    def breaks(self, *, times: int = 99, executed: bool = False, path: str = "/", status: int = 503) -> None:
        """Let Stripe's next answers fail; `times=0` ends it."""
        self.faults.plan = FaultPlan(times=times, executed=executed, path=path, status=status)

    # truth

    async def rows(self, query: str, **values: Any) -> Sequence[Any]:
        async with self.deps.db.read() as session:
            return (await session.execute(text(query), values)).all()

    async def count(self, table: str) -> int:
        return int((await self.rows(f"select count(*) from {table}"))[0][0])  # noqa: S608 - a test's own word

    async def refunds(self) -> list[Any]:
        return (await self.stripe.v1.refunds.list_async({"limit": 100})).data


def sign(body: str, *, at: int | None = None, secret: str = WEBHOOK_SECRET) -> str:
    return stripe.WebhookSignature.generate_signature_header(body, secret, at)  # type: ignore[no-any-return]


@pytest.fixture
def signed() -> Callable[..., str]:
    """Signs a webhook's body as Stripe does."""
    return sign


@dataclass
class Provider:
    url: str
    faults: Faults
    client: stripe.StripeClient


@pytest.fixture
def public_url() -> str:
    """Where the sandbox sends its webhooks: nowhere, tests carry the events themselves."""
    return "http://127.0.0.1:9"


@pytest.fixture
async def provider(public_url: str) -> AsyncIterator[Provider]:
    """The sandbox's Stripe."""
    faults = Faults()
    app = create_app(SandboxSettings(public_url=public_url, stripe_settle_ms=0), Journal())
    app.add_middleware(FaultInjection, faults=faults)
    transport = stripe.HTTPXClient()
    async with served(app, "127.0.0.1", 0) as url:
        client = stripe.StripeClient(
            "sk_test_sandbox", base_addresses={"api": url}, http_client=transport, max_network_retries=0
        )
        yield Provider(url, faults, client)
    await transport.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
def settings(
    service_database: DatabaseFactory, redis_url: str, identity: TestIdentity, provider: Provider
) -> OrdersSettings:
    return settings_for(
        OrdersSettings,
        service_database("threadly_orders"),
        identity,
        redis_url=redis_url,
        database_pool_size=20,
        stripe_api_url=provider.url,
    )


@pytest.fixture
async def shop(settings: OrdersSettings, provider: Provider, identity: TestIdentity) -> AsyncIterator[Shop]:
    app, clock = build_app(settings), FrozenClock(datetime.now(UTC))
    async with client_for(app) as client:
        app.state.deps = replace(app.state.deps, clock=clock)
        yield Shop(
            client=client,
            deps=app.state.deps,
            clock=clock,
            stripe=provider.client,
            stripe_url=provider.url,
            faults=provider.faults,
            identity=identity,
            post=Post(app.state.deps),
        )


@pytest.fixture
def quarter_hour() -> timedelta:
    """A checkout's whole life."""
    return timedelta(minutes=15)
