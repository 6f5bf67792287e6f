"""Schedules: on time, one runner at a time, and no error ends them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from threadly_chassis.schedules import Every, ScheduleRunner, Schedules
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Specimen


def _entry(function: Any, seconds: float = 0.05, name: str = "tick") -> Every:
    return Every(timedelta(seconds=seconds), name, function)


async def _nothing(_: Any) -> None:
    return None


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="tick"):
        Schedules(_entry(_nothing), _entry(_nothing))


@asynccontextmanager
async def _running(*runners: ScheduleRunner) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield
    finally:
        for runner in runners:
            runner.drain()
        await asyncio.gather(*tasks)


@pytest.mark.integration
async def test_it_runs_again_and_again_with_the_dependencies(specimen: Specimen) -> None:
    given: list[str] = []

    async def note(deps: str) -> None:
        given.append(deps)

    async with _running(ScheduleRunner(_entry(note), specimen.db, "deps")):
        await eventually(lambda: len(given) >= 5, describe="five runs")
    assert set(given) == {"deps"}


@pytest.mark.integration
async def test_three_processes_run_it_one_at_a_time(specimen: Specimen) -> None:
    inside, most, runs = 0, 0, 0

    async def overlap(_: Any) -> None:
        nonlocal inside, most, runs
        inside, runs = inside + 1, runs + 1
        most = max(most, inside)
        await specimen.query("select pg_sleep(0.03)")
        inside -= 1

    runners = [ScheduleRunner(_entry(overlap, 0.01), specimen.db, None) for _ in range(3)]
    async with _running(*runners):
        await eventually(lambda: runs >= 12, describe="twelve runs")
    assert most == 1


@pytest.mark.integration
async def test_the_period_holds_however_many_wait_for_it(specimen: Specimen) -> None:
    runners = [ScheduleRunner(_entry(_nothing, 3600), specimen.db, None) for _ in range(3)]
    for runner in runners:
        await runner.enlist()
    assert [await runner.run_if_due() for runner in runners] == [True, False, False]


@pytest.mark.integration
async def test_an_error_is_kept_and_ends_nothing(specimen: Specimen) -> None:
    runs = 0

    async def fail(_: Any) -> None:
        nonlocal runs
        runs += 1
        raise ZeroDivisionError("as ever")

    async with _running(ScheduleRunner(_entry(fail), specimen.db, None)):
        await eventually(lambda: runs >= 3, describe="three runs")
    [(error,)] = await specimen.query("select last_error from schedule_lease where name = 'tick'")
    assert error == "ZeroDivisionError('as ever')"


@pytest.mark.integration
async def test_a_dead_runners_schedule_is_taken_over_when_its_lease_ends(specimen: Specimen) -> None:
    await specimen.execute(
        "insert into schedule_lease (name, holder, leased_until) "
        "values ('tick', 'the dead', now() + interval '0.5 s')"
    )
    ran = asyncio.Event()

    async def note(_: Any) -> None:
        ran.set()

    runner = ScheduleRunner(_entry(note, 0.1), specimen.db, None)
    assert not await runner.run_if_due()
    async with _running(runner):
        await asyncio.wait_for(ran.wait(), 5)


@pytest.mark.integration
async def test_a_long_run_keeps_its_lease(specimen: Specimen) -> None:
    started, may_end, others = asyncio.Event(), asyncio.Event(), 0

    async def long(_: Any) -> None:
        started.set()
        await may_end.wait()

    async def other(_: Any) -> None:
        nonlocal others
        others += 1

    runner = ScheduleRunner(_entry(long, 0.01), specimen.db, None, lease_seconds=0.3)
    rival = ScheduleRunner(_entry(other, 0.01), specimen.db, None, lease_seconds=0.3)
    async with _running(runner):
        await asyncio.wait_for(started.wait(), 5)
        for _ in range(10):
            await specimen.query("select pg_sleep(0.1)")
            await rival.run_if_due()
        assert others == 0
        may_end.set()
        await eventually(rival.run_if_due, describe="the rival's turn")
