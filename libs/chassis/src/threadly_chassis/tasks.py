"""Background tasks: ending them for certain, and only when they are meant."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AGAIN_SECONDS = 5.0


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until all have ended; what they raise is dropped.

    One cancellation can get lost: in Python 3.11 `asyncio.wait_for` swallows it when what it waits for is
    done at the same moment (cpython#86296), and libraries use it. So it is repeated.
    """
    remaining = set(tasks)
    while remaining:
        for task in remaining:
            task.cancel()
        ended, remaining = await asyncio.wait(remaining, timeout=_AGAIN_SECONDS)
        for task in ended:
            if not task.cancelled():
                task.exception()


@contextmanager
def only_own_cancellation() -> Iterator[None]:
    """Make a cancellation that was not asked of this task a `ConnectionError`.

    aiormq 7.2.4 cancels the futures of a connection that fell silent, and whoever awaits one believes to be
    cancelled himself: relays and consumers behind a black hole ended for good, without a word (F24).
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("what was waited for was cancelled, this task was not") from error


async def wait_until(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so many seconds; returns whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
