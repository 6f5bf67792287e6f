"""How lanes share the work: alone at once, together in full batches, never waiting long."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from threadly_chassis.messaging.delivery import Delivery
from threadly_chassis.messaging.lanes import BATCH, Lane, Turns
from threadly_chassis.testing import eventually

_LONG = 60.0


class _Message:
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to
    delivery_tag = 1


def _lane(count: int) -> Lane:
    lane: Lane = asyncio.Queue()
    for _ in range(count):
        lane.put_nowait(Delivery(_Message()))  # type: ignore[arg-type] # a lane looks into no message
    return lane


async def test_a_lane_alone_takes_what_there_is_at_once() -> None:
    async with asyncio.timeout(5), Turns(_LONG).batch(_lane(3)) as (batch, ended):
        assert (len(batch), ended) == (3, False)


async def test_a_batch_has_a_bound_and_the_end_comes_after_all_that_arrived() -> None:
    lane, turns = _lane(BATCH + 2), Turns(0)
    lane.put_nowait(None)
    async with turns.batch(lane) as (batch, ended):
        assert (len(batch), ended) == (BATCH, False)
    async with turns.batch(lane) as (batch, ended):
        assert (len(batch), ended) == (2, True)


async def test_while_another_lane_works_a_batch_fills() -> None:
    turns, lane = Turns(_LONG), _lane(1)
    async with AsyncExitStack() as other:
        await other.enter_async_context(turns.batch(_lane(1)))
        waiting = asyncio.create_task(_size_of_next(turns, lane))
        await eventually(lane.empty, describe="the lane waits with its first message")
        for _ in range(9):
            lane.put_nowait(_lane(1).get_nowait())
        assert not waiting.done()
    assert await waiting == 10


@pytest.mark.parametrize(("linger", "count"), [(0.001, 2), (0.0, 2), (_LONG, BATCH + 1)], ids=str)
async def test_it_waits_no_longer_than_told_and_not_at_all_when_full(linger: float, count: int) -> None:
    turns = Turns(linger)
    async with asyncio.timeout(5), turns.batch(_lane(1)):
        assert await _size_of_next(turns, _lane(count)) == min(count, BATCH)


async def test_after_a_lane_that_failed_it_is_the_next_ones_turn() -> None:
    turns = Turns(_LONG)
    with pytest.raises(ZeroDivisionError):
        async with turns.batch(_lane(1)):
            raise ZeroDivisionError
    async with asyncio.timeout(5):
        assert await _size_of_next(turns, _lane(1)) == 1


async def _size_of_next(turns: Turns, lane: Lane) -> int:
    async with turns.batch(lane) as (batch, _):
        return len(batch)
