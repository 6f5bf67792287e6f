from collections.abc import AsyncIterator

import pytest
from clerk_backend_api import Clerk
from starlette.applications import Starlette

from threadly_sandbox.clerk.app import create_app
from threadly_sandbox.journal import Journal
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.testing import Receiver


@pytest.fixture
def settings(receiver: Receiver) -> SandboxSettings:
    return SandboxSettings(
        public_url=receiver.url,
        clerk_issuer="http://clerk.example",
        clerk_authorized_party="http://shop.example",
    )


@pytest.fixture
def app(settings: SandboxSettings) -> Starlette:
    return create_app(settings, Journal())


@pytest.fixture
async def clerk(url: str) -> AsyncIterator[Clerk]:
    with Clerk(bearer_auth="sk_test_sandbox", server_url=f"{url}/v1", timeout_ms=5_000) as clerk:
        async with clerk:
            yield clerk
