from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette

from threadly_sandbox.serving import served
from threadly_sandbox.testing import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def url(app: Starlette) -> AsyncIterator[str]:
    """Where the folder's own provider is served."""
    async with served(app, "127.0.0.1", 0) as url:
        yield url
