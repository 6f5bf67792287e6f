"""When everything fails, nothing is at fault: the consumer pauses, probes, and gives nothing up."""

import asyncio

import pytest

from threadly_chassis.messaging.breaker import Breaker, Pausing
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.ordered import Ordered

_FAILED = RuntimeError("away")


def _open(threshold: int = 3, waits: tuple[float, float] = (0.01, 0.02)) -> Breaker:
    breaker = Breaker("specimen.one", threshold=threshold, waits=waits)
    for number in range(threshold):
        breaker.failed(str(number), _FAILED)
    return breaker


async def test_it_opens_for_different_messages_in_a_row_only() -> None:
    breaker = Breaker("specimen.one", threshold=3)
    for _ in range(10):
        breaker.failed("one", _FAILED)
    breaker.failed("two", _FAILED)
    assert not breaker.is_open
    breaker.succeeded()
    breaker.failed("three", _FAILED)
    breaker.failed("four", _FAILED)
    assert not breaker.is_open
    breaker.failed("five", _FAILED)
    assert breaker.is_open


async def test_one_probe_at_a_time_and_its_success_lets_all_go_on() -> None:
    breaker = _open()
    await breaker.admit()
    waiting = _soon(breaker)
    assert not await waiting.began(seconds=0.1)
    breaker.succeeded()
    assert await waiting.began(seconds=5)


async def test_a_probe_that_proves_nothing_makes_room_for_the_next() -> None:
    breaker = _open()
    await breaker.admit()
    waiting = _soon(breaker)
    breaker.settled()
    assert await waiting.began(seconds=5)
    assert breaker.is_open


async def test_draining_lets_go_of_those_who_wait() -> None:
    breaker = _open(waits=(60.0, 60.0))
    breaker.end()
    with pytest.raises(Pausing):
        await breaker.admit()


class _Waiting:
    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    async def began(self, seconds: float) -> bool:
        done, _ = await asyncio.wait([self._task], timeout=seconds)
        return bool(done)


def _soon(breaker: Breaker) -> _Waiting:
    return _Waiting(asyncio.create_task(breaker.admit()))


@pytest.mark.integration
async def test_a_dependency_that_is_away_costs_nobody_a_dead_letter(ordered: Ordered) -> None:
    """F37: the outage is longer than the whole ladder; afterwards all is applied, in order."""
    notes = [f"note-{number}" for number in range(30)]
    for note in notes:
        await ordered.write(note, "needs provider", "needs provider")
    async with ordered.working() as worker:
        [runner] = [each for each in worker.consumers if each.consumer.name == "specimen.ordered"]
        await eventually(lambda: runner._breaker.is_open, describe="the pause")
        # Five times the ladder: without the pause everything would have been given up.
        await ordered.lasting(3.0)
        assert runner._breaker.is_open
        assert await ordered.specimen.depth("specimen.ordered.dlq") == 0
        await ordered.cure("provider")
        for note in notes:
            await ordered.applied(note, 1, 2, seconds=60)
        assert not runner._breaker.is_open
    assert await ordered.specimen.depth("specimen.ordered.dlq") == 0
