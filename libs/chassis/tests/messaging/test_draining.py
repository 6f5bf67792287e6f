"""What a consumer has in hand: how much it takes, how it is committed, and what becomes of it at the end."""

import asyncio
import signal
import time

import pytest

from threadly_chassis.messaging.consumer import PREFETCH
from threadly_chassis.testing import eventually
from threadly_chassis.testing.specimen.harness import Processes, Specimen
from threadly_chassis.testing.specimen.processes import Process

pytestmark = pytest.mark.integration


async def _effects(specimen: Specimen, count: int) -> bool:
    return len(await specimen.effects()) == count


async def _ends(process: Process, within: float) -> float:
    """Ask a process to end; returns the seconds that it took."""
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    await eventually(lambda: process.poll() is not None, timeout=within, describe="the process's end")
    return time.monotonic() - began


async def _handles(specimen: Specimen) -> bool:
    """A handler's transaction is open: it has written and not yet committed."""
    rows = await specimen.query(
        "select 1 from pg_stat_activity where datname = current_database() "
        "and state = 'idle in transaction' and query like 'insert into effect%'"
    )
    return bool(rows)


async def test_what_is_in_hand_at_sigterm_is_finished(specimen: Specimen, processes: Processes) -> None:
    """A handler of 3 s that has begun ends, commits and is acknowledged: nobody does it again."""
    process = processes.start()
    await specimen.write("slow", says="hang 3")
    await eventually(lambda: _handles(specimen), timeout=30, describe="the handler to begin")
    await _ends(process, 30)
    assert await specimen.effects() == [("slow", 1)]
    assert await specimen.depth("specimen.every") == 0
    assert await specimen.query("select attempt from effect where consumer = 'specimen.every'") == [(1,)]


async def test_what_takes_too_long_is_left_to_another_and_the_end_comes_within_30_s(
    specimen: Specimen, processes: Processes
) -> None:
    process = processes.start()
    await specimen.write("endless", says="hang 50")
    await eventually(lambda: _handles(specimen), timeout=30, describe="the handler to begin")
    # Until its handler was given up; and the time that a loaded machine takes to end a process.
    assert await _ends(process, 40) < 33
    assert await specimen.effects() == []
    await eventually(lambda: _is_back(specimen), describe="the message in its queue")


async def _is_back(specimen: Specimen) -> bool:
    return await specimen.depth("specimen.every") == 1


async def test_a_consumer_takes_no_more_than_it_can_hold(specimen: Specimen, processes: Processes) -> None:
    """Back-pressure: behind handlers that hang the messages stay with the broker, not in our memory."""
    count = PREFETCH + 200
    await specimen.write(*(f"note-{number}" for number in range(count)), says="hang 50")
    process = processes.start()

    async def waits_at_the_broker() -> int:
        ready = await specimen.depth("specimen.every")
        assert (ready, await specimen.pending()) == (count - PREFETCH, 0), ready
        return ready

    await eventually(waits_at_the_broker, timeout=30, describe="the rest to stay with the broker")
    # Neither more nor less: it stays so while the handlers hang.
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 1)
    assert await waits_at_the_broker()
    process.kill()
    process.wait()


async def test_messages_that_come_together_are_committed_together(specimen: Specimen) -> None:
    """One transaction for many: inbox mark, effect and stream version of each."""
    await specimen.write(*(f"note-{number}" for number in range(300)))
    async with specimen.working():
        await eventually(lambda: _effects(specimen, 300), describe="300 effects")
    [(transactions,)] = await specimen.query(
        "select count(distinct xmin::text) from effect where consumer = 'specimen.every'"
    )
    assert transactions <= 300 // 5
    [(marks,)] = await specimen.query(
        "select count(distinct xmin::text) from inbox where consumer = 'specimen.every'"
    )
    assert marks == transactions
