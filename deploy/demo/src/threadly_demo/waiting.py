"""Waiting for what another service does: ask until it is so, and say what was last seen when it never is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")
_PAUSE = 0.02


class NotYet(AssertionError):
    """What was waited for did not happen in time."""


async def until(ask: Callable[[], Awaitable[Found | None]], *, what: str, within: float) -> Found:
    """Return what `ask` finds, asked again and again for `within` seconds; raises `NotYet`."""
    end = time.monotonic() + within
    pause = _PAUSE
    while not (found := await ask()):
        if time.monotonic() > end:
            raise NotYet(f"waited {within:g} s for {what}; last seen: {found!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return found


def expect(*, that: bool, what: str) -> None:
    """Raise `NotYet` unless a thing is so."""
    if not that:
        raise NotYet(what)
