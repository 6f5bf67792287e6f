"""Tells a story step by step, each with its time, and lets a test meddle between the steps."""

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _nothing(_: int) -> None:
    return


class Narrator:
    """Numbers and times the steps; `before` is awaited with a step's number just before it begins."""

    def __init__(
        self, tell: Callable[[str], None] = _say, before: Callable[[int], Awaitable[None]] = _nothing
    ) -> None:
        self.tell = tell
        self.number = 0
        self._before = before
        self._started = time.monotonic()

    @asynccontextmanager
    async def step(self, words: str) -> AsyncIterator[None]:
        """Tell a step once it has succeeded, and how long it took."""
        self.number += 1
        await self._before(self.number)
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self.tell(f"  ✗ {self.number:2}  {time.monotonic() - began:6.2f} s  {words}")
            raise
        self.tell(f"  ✓ {self.number:2}  {time.monotonic() - began:6.2f} s  {words}")

    def remark(self, words: str) -> None:
        """Tell something about the step under way."""
        self.tell(f"                 {words}")

    def end(self) -> None:
        """Tell how long it all took."""
        self.tell(f"  {self.number} steps in {time.monotonic() - self._started:.1f} s")
