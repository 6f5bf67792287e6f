"""A reader rebuilt while its owner goes on (eventing §5); both in two processes' worth of workers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing.library.harness import Library, open_library
from threadly_chassis.testing.specimen.load import patiently

pytestmark = pytest.mark.integration

STORIES = tuple(f"story-{number}" for number in range(40))


@pytest.fixture
async def library(service_database: Callable[[str], str], vhost: str) -> AsyncIterator[Library]:
    """An author and a reader."""
    async with open_library(service_database, vhost) as library:
        yield library


async def _keep_telling(library: Library) -> None:
    number = 0
    while True:
        await library.tell(STORIES[number % len(STORIES)], f"new-{number % 50}")
        number += 1


async def test_f44_a_rebuild_under_live_traffic(library: Library, length: int) -> None:
    """F44: the checksums are equal, the copies are what the owner has, and nothing is a dead letter."""
    async with AsyncExitStack() as stack:
        for house in (library.reader, library.author) * 2:
            await stack.enter_async_context(house.working())
        await library.tell(*STORIES)
        await patiently(library.in_step, describe="the copies")
        for _ in range(length):
            telling = asyncio.create_task(_keep_telling(library))
            await library.reader.execute("delete from copy")
            verdict = await library.verdict(await library.request(rate=300))
            await end_tasks(telling)
            assert verdict.is_equal, verdict.shares
        await patiently(library.in_step, describe="the copies")
    assert await library.depth("reader.copies.dlq") == 0
