"""A task ends by being cancelled only when it was itself what somebody cancelled."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from threadly_chassis.tasks import end_tasks, only_own_cancellation


async def test_a_cancelled_future_does_not_end_who_waits_for_it() -> None:
    """F24: what aiormq does to all futures of a connection that fell silent."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    with pytest.raises(ConnectionError), only_own_cancellation():
        await future


async def test_who_is_cancelled_himself_ends() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        with only_own_cancellation():
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    await end_tasks(task)
    assert task.cancelled()


async def _waits_inside_a_timeout() -> None:
    async with asyncio.timeout(0):
        with only_own_cancellation():
            await asyncio.Event().wait()


async def _waits_around_a_timeout() -> None:
    with only_own_cancellation():
        async with asyncio.timeout(0):
            await asyncio.Event().wait()


@pytest.mark.parametrize("waits", [_waits_inside_a_timeout, _waits_around_a_timeout])
async def test_a_timeout_stays_a_timeout(waits: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(TimeoutError):
        await waits()
