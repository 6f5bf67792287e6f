"""An author and a reader on real servers."""

from collections.abc import AsyncIterator, Callable

import pytest

from threadly_chassis.testing.library.harness import Library, open_library


@pytest.fixture
async def library(service_database: Callable[[str], str], vhost: str) -> AsyncIterator[Library]:
    async with open_library(service_database, vhost) as library:
        yield library
