from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette

from threadly_sandbox.journal import Journal
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.stripe.app import create_app
from threadly_sandbox.testing import Receiver


@pytest.fixture
def settings(receiver: Receiver) -> SandboxSettings:
    return SandboxSettings(public_url=receiver.url, stripe_settle_ms=0)


@pytest.fixture
def app(settings: SandboxSettings) -> Starlette:
    return create_app(settings, Journal())


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., stripe.StripeClient]]:
    """Open clients as the test likes; all are closed at its end."""
    transports: list[stripe.HTTPXClient] = []

    def connect(url: str, key: str = "sk_test_sandbox", **options: Any) -> stripe.StripeClient:
        transports.append(stripe.HTTPXClient())
        addresses: Any = {"api": url}
        return stripe.StripeClient(key, base_addresses=addresses, http_client=transports[-1], **options)

    yield connect
    for transport in transports:
        await transport.close_async()  # type: ignore[no-untyped-call]  # the SDK left it unannotated


@pytest.fixture
def client(url: str, connect: Callable[..., stripe.StripeClient]) -> stripe.StripeClient:
    return connect(url)
