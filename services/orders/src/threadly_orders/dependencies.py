"""What orders' routes, handlers and schedules are handed; opened once a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from threadly_chassis.cache import Cache
from threadly_chassis.clock import Clock, SystemClock
from threadly_chassis.db import Database
from threadly_chassis.reach import Outside

from .gateways.payments import PaymentGateway
from .gateways.stripe_payments import StripePayments
from .settings import OrdersSettings


@dataclass(frozen=True, kw_only=True)
class OrdersDeps:
    """Orders' tools."""

    settings: OrdersSettings
    db: Database
    clock: Clock
    payments: Outside[PaymentGateway]
    cache: Outside[Cache]


@asynccontextmanager
async def open_deps(settings: OrdersSettings) -> AsyncIterator[OrdersDeps]:
    """Open the database's pool, the client to Stripe and the cache; close them at the end."""
    db = Database.open(settings)
    stripe = StripePayments(
        api_url=settings.stripe_api_url,
        secret_key=settings.stripe_secret_key.get_secret_value(),
        webhook_secret=settings.stripe_webhook_secret.get_secret_value(),
        deadline=settings.stripe_deadline,
    )
    try:
        async with Cache.open(settings.redis_url.get_secret_value(), settings.service) as cache:
            yield OrdersDeps(settings=settings, db=db, clock=SystemClock(), payments=stripe, cache=cache)
    finally:
        await stripe.close()
        await db.close()


async def _deps(request: Request) -> OrdersDeps:
    deps: OrdersDeps = request.app.state.deps
    return deps


#: The running application's tools.
Deps = Annotated[OrdersDeps, Depends(_deps)]
