"""Open-loop load: each piece of work begins when its time has come, whatever became of those before it.

A closed loop would wait for a slow answer and leave out the very requests that would have been slow, too
(coordinated omission).
"""

import asyncio
from collections.abc import Awaitable, Callable


async def at_rate(work: Callable[[int], Awaitable[None]], count: int, rate: float) -> None:
    """Begin `work(0)` to `work(count - 1)` at `rate` a second; returns when all have ended."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(started + number / rate - loop.time())
            group.create_task(_as_coroutine(work, number))


async def _as_coroutine(work: Callable[[int], Awaitable[None]], number: int) -> None:
    await work(number)
