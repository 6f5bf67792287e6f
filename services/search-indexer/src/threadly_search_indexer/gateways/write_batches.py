"""Writes that wait together go together: one request and one wait for all that queued up meanwhile.

A lone write starts at once; nothing waits for a batch to fill.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .search_index import IndexRefused

Operation = dict[str, Any]
_LARGEST = 500  # Algolia advises at most 1,000 records and 10 MB a request


class WriteBatches:
    """Hands operations to `write` in order, many at a time, one batch after the other."""

    def __init__(self, write: Callable[[list[Operation]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[tuple[Operation, asyncio.Future[None]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, operation: Operation) -> None:
        """Write an operation; returns when it is visible, raises what its batch raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, done))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        await done

    async def close(self) -> None:
        """Let what has been submitted finish."""
        if self._runner is not None:
            await asyncio.wait({self._runner})

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_LARGEST], self._waiting[_LARGEST:]
            error = await self._try([operation for operation, _ in batch])
            for operation, done in batch:
                # One bad record makes Algolia refuse the whole request: each then goes alone.
                alone = isinstance(error, IndexRefused) and len(batch) > 1
                _settle(done, await self._try([operation]) if alone else error)

    async def _try(self, operations: list[Operation]) -> Exception | None:
        try:
            await self._write(operations)
        except Exception as error:  # noqa: BLE001 - handed to whoever submitted
            return error
        return None


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():  # its submitter was cancelled
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
