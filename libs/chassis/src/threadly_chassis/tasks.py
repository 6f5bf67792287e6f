"""Background tasks: ending them for certain, and only when they are meant."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AGAIN_SECONDS = 5.0


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until all have ended, even if cancelled meanwhile; what they raise is dropped.

    One cancellation can get lost: in Python 3.11 `asyncio.wait_for` swallows it when what it waits for is
    done at the same moment (cpython#86296), and libraries use it. So it is repeated.
    """
    remaining = set(tasks)
    is_cancelled = False
    while remaining:
        for task in remaining:
            task.cancel()
        try:
            await asyncio.wait(remaining, timeout=_AGAIN_SECONDS)
        except asyncio.CancelledError:
            is_cancelled = True
        remaining = {task for task in remaining if not task.done()}
    for task in tasks:
        if not task.cancelled():
            task.exception()
    if is_cancelled:
        raise asyncio.CancelledError


@contextmanager
def only_own_cancellation() -> Iterator[None]:
    """Tell apart that this task is cancelled from what looks like it, for loops that wait out every error.

    A cancellation that was not asked of this task becomes a `ConnectionError`: aiormq 7.2.4 cancels the
    futures of a connection that fell silent, and relays and consumers behind a black hole ended for good,
    without a word (F24). An error that comes after this task was cancelled becomes `CancelledError`: a relay
    that was cancelled at the moment in which the broker refused it got the refusal alone (`asyncio.wait_for`
    again, in aio-pika's connect), and started anew for ever.
    """
    task = asyncio.current_task()
    try:
        yield
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        raise ConnectionError("what was waited for was cancelled, this task was not") from error
    except Exception as error:
        if task is None or not task.cancelling():
            raise
        raise asyncio.CancelledError from error


async def wait_until(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so many seconds; returns whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
