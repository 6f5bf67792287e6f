"""Acknowledgements of several lanes on one channel: each tag is answered once, however slow the socket is."""

import asyncio
from typing import Any, cast

import pytest
from aiormq.abc import AbstractChannel

from threadly_chassis.messaging.acks import AckWindow
from threadly_chassis.tasks import end_tasks
from threadly_chassis.testing import eventually


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


def _window(tags: int, patience: float = 60.0) -> tuple[AckWindow, Wire]:
    wire = Wire(tags)
    window = AckWindow(cast("AbstractChannel", wire), patience=patience)
    for tag in range(1, tags + 1):
        window.took(tag)
    return window, wire


async def test_a_contiguous_prefix_goes_in_one_frame_and_takes_what_waited_behind_it_along() -> None:
    window, wire = _window(5)
    wire.drain(9)
    await window.settle([3, 1, 2, 5])
    assert wire.frames == [("ack", 3, True)]
    await window.settle([4])
    assert wire.frames[1:] == [("ack", 5, True)]
    assert len(window) == 0


async def test_behind_a_lane_that_takes_long_an_acknowledgement_waits_for_a_moment_only() -> None:
    window, wire = _window(4, patience=0.001)
    wire.drain(9)
    late = asyncio.create_task(window.answer_late())
    await window.settle([2, 4])
    await eventually(lambda: len(window) == 2, describe="the two acknowledgements")
    assert wire.frames == [("ack", 2, False), ("ack", 4, False)]
    await window.settle([3])
    await eventually(lambda: len(window) == 1, describe="the third")
    await window.settle([1])
    assert wire.frames[2:] == [("ack", 3, False), ("ack", 1, True)]
    await end_tasks(late)


async def test_at_the_end_everything_that_is_dealt_with_is_answered_and_nothing_else() -> None:
    window, wire = _window(3)
    wire.drain(9)
    await window.settle([3])
    await window.answer_all()
    assert wire.frames == [("ack", 3, False)]
    assert len(window) == 2


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
