from collections.abc import AsyncIterator

import pytest
import stripe
from starlette.applications import Starlette

from threadly_sandbox.journal import Journal
from threadly_sandbox.serving import served
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.stripe.app import create_app
from threadly_sandbox.testing import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
def settings(receiver: Receiver) -> SandboxSettings:
    return SandboxSettings(public_url=receiver.url, stripe_settle_ms=0)


@pytest.fixture
def app(settings: SandboxSettings) -> Starlette:
    return create_app(settings, Journal())


@pytest.fixture
async def url(app: Starlette) -> AsyncIterator[str]:
    async with served(app, "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
async def client(url: str) -> AsyncIterator[stripe.StripeClient]:
    transport = stripe.HTTPXClient()
    yield stripe.StripeClient("sk_test_sandbox", base_addresses={"api": url}, http_client=transport)
    await transport.close_async()  # type: ignore[no-untyped-call]  # the SDK left it unannotated
