"""Single flight within the process: many callers of one key, at most one look-up at a time.

A caller shares only a flight that starts after it arrived. Joining one already under way could hand it an
answer from before a write that it knows to be committed; so the callers that find one under way share the
next, and a burst of any size costs two look-ups.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Flights(Generic[Result]):
    """The look-ups under way and the ones waiting for them, by key."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Result]] = {}
        self._next: dict[str, asyncio.Task[Result]] = {}

    async def share(self, key: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Run `work`, or share a run of it that begins from now on.

        A caller that is cancelled does not take the others' run with it.
        """
        running = self._running.get(key)
        if running is None:
            task = self._running[key] = self._start(key, None, work)
        elif key in self._next:
            task = self._next[key]
        else:
            task = self._next[key] = self._start(key, running, work)
        return await asyncio.shield(task)

    def _start(
        self, key: str, before: asyncio.Task[Result] | None, work: Callable[[], Awaitable[Result]]
    ) -> asyncio.Task[Result]:
        async def run() -> Result:
            if before is not None:
                await asyncio.wait({before})
            return await work()

        task = asyncio.create_task(run())
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: str, task: asyncio.Task[Result]) -> None:
        following = self._next.pop(key, None)
        if following is None:
            del self._running[key]
        else:
            self._running[key] = following
        if not task.cancelled():
            task.exception()  # seen: when every caller has gone, nobody else asks for it

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while tasks := {*self._running.values(), *self._next.values()}:
            await asyncio.wait(tasks)
