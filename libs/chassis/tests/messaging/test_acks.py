"""Acknowledgements of several lanes on one channel: each tag is answered once, however slow the socket is."""

import asyncio
from typing import Any, cast

import pytest
from aiormq.abc import AbstractChannel

from threadly_chassis.messaging.acks import AckWindow


class Wire:
    """Takes frames only when it is told to, and refuses a tag twice, as a broker does."""

    def __init__(self, tags: int) -> None:
        self._unanswered = set(range(1, tags + 1))
        self._room = asyncio.Semaphore(0)
        self.frames: list[tuple[str, int, bool]] = []

    def drain(self, frames: int) -> None:
        for _ in range(frames):
            self._room.release()

    async def basic_ack(self, tag: int, *, multiple: bool = False, **_: Any) -> None:
        await self._take("ack", tag, multiple=multiple)

    async def basic_reject(self, tag: int, **_: Any) -> None:
        await self._take("reject", tag, multiple=False)

    async def _take(self, verb: str, tag: int, *, multiple: bool) -> None:
        await self._room.acquire()
        assert tag in self._unanswered, f"unknown delivery tag {tag}: the broker would close the channel"
        self._unanswered -= set(range(1, tag + 1)) if multiple else {tag}
        self.frames.append((verb, tag, multiple))


def _window(tags: int) -> tuple[AckWindow, Wire]:
    wire = Wire(tags)
    window = AckWindow(cast("AbstractChannel", wire))
    for tag in range(1, tags + 1):
        window.took(tag)
    return window, wire


async def test_a_contiguous_prefix_goes_in_one_frame() -> None:
    window, wire = _window(5)
    wire.drain(9)
    await window.settle([3, 1, 2, 5])
    assert wire.frames == [("ack", 3, True), ("ack", 5, False)]
    await window.settle([4])
    assert wire.frames[2:] == [("ack", 4, True)]
    assert len(window) == 0


@pytest.mark.parametrize("answer", ["settle", "reject"])
async def test_a_slow_socket_makes_no_lane_answer_what_another_has_answered(answer: str) -> None:
    """F21: the first lane waits for the socket with tag 3 while the second settles all up to 4."""
    window, wire = _window(4)
    if answer == "settle":
        first = asyncio.create_task(window.settle([1, 3]))
    else:
        first = asyncio.create_task(window.reject(3))
    await asyncio.sleep(0)
    second = asyncio.create_task(window.settle([2, 4] if answer == "settle" else [1, 2, 4]))
    for _ in range(4):
        wire.drain(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(first, second), 5)
    assert len(window) == 0
