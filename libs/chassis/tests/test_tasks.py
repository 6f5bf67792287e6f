"""A task ends by being cancelled only when it was itself what somebody cancelled."""

import asyncio
import contextlib
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


async def test_an_error_in_place_of_a_cancellation_is_its_end() -> None:
    """What `asyncio.wait_for` makes of both at the same moment, in Python 3.11."""
    begun = asyncio.Event()

    async def loop() -> None:
        while True:
            with contextlib.suppress(OSError), only_own_cancellation():
                begun.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    raise OSError("gone") from None

    task = asyncio.create_task(loop())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


async def test_an_error_of_a_task_that_nobody_cancelled_is_that_error() -> None:
    with pytest.raises(OSError, match="gone"), only_own_cancellation():
        raise OSError("gone")


async def test_ending_tasks_is_finished_by_who_is_cancelled_over_it() -> None:
    holding, held = asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            held.set()
            while not holding.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await holding.wait()

    slow = asyncio.create_task(slow_to_end())
    ending = asyncio.create_task(end_tasks(slow))
    await held.wait()
    ending.cancel()
    await asyncio.sleep(0)
    assert not ending.done()
    holding.set()
    await asyncio.wait([ending], timeout=5)
    assert ending.cancelled()
    assert slow.cancelled()
