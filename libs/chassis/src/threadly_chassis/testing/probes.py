"""Waiting for what happens elsewhere: poll a described condition until a deadline, never sleep and hope."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1


@overload
async def eventually(
    probe: Callable[[], Awaitable[T]],
    *,
    timeout: float = ...,  # noqa: ASYNC109 - as below
    describe: str = ...,
) -> T: ...


@overload
async def eventually(
    probe: Callable[[], T],
    *,
    timeout: float = ...,  # noqa: ASYNC109 - as below
    describe: str = ...,
) -> T: ...


async def eventually(
    probe: Callable[[], Any],
    *,
    timeout: float = 30.0,  # noqa: ASYNC109 - the test's word for how long it is willing to wait
    describe: str = "",
) -> Any:
    """Return what `probe` returns once that is true; an `AssertionError` raised by it means "not yet".

    Raises `AssertionError`, saying what was waited for and what was seen last, after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        try:
            result = probe()
            seen = await result if inspect.isawaitable(result) else result
        except AssertionError as not_yet:
            shown: object = not_yet
        else:
            if seen:
                return seen
            shown = seen
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waited {timeout:g} s for {describe or 'a condition'}; last seen: {shown!r}"
            )
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
